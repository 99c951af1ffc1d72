"""The verdict: every check, the worst first, and whether a restore would work today, by which method.

What the rules themselves would say is asked of them: a restore to a moment ago is planned by each method, on what was
read, and what they refuse that no check has named is a check of its own.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from reconciler.core.health import cloudflare, neon, tools
from reconciler.core.health.checks import NEITHER, Check, SetUp, State, refused
from reconciler.core.lineage.lineage import BeforeSourceExisted, SourceAmbiguous
from reconciler.core.model.desired import Desired, Method, Restore
from reconciler.core.model.observed import Observed
from reconciler.core.model.refusal import Refusal
from reconciler.core.plan.plan import plan
from reconciler.core.rules.context.readable import BindingMissing, Unreadable
from reconciler.core.rules.restore import guards
from reconciler.core.rules.restore.guards import BeforeSourceReset

_TRIAL = "doctor"
_READ_ELSEWHERE = (Unreadable, BindingMissing)
_ORDER = (State.FAILED, State.UNKNOWN, State.WARNING, State.OK)


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """All checks of an environment, the worst first. `method` is the file's."""

    environment: str
    method: Method
    checks: tuple[Check, ...]

    def works(self, method: Method) -> bool:
        """Whether a restore by this method would work today."""
        return not any(check.stops(method) for check in self.checks)

    @property
    def is_good(self) -> bool:
        """Whether a restore would work today by the method that the file asks for."""
        return self.works(self.method)

    @property
    def verdict(self) -> str:
        """Say in one sentence whether a restore would work today, and by which method."""
        other = next(each for each in Method if each is not self.method)
        if self.is_good:
            also = "works too" if self.works(other) else "would fail"
            return f'a restore would work today by "{self.method.value}", as the file says ("{other.value}" {also})'
        stopping = [check for check in self.checks if check.stops(self.method)]
        worst = [check.name for check in stopping if check.state is stopping[0].state]
        names = ", ".join(dict.fromkeys(worst))
        what = f'a restore would fail today by "{self.method.value}", as the file says; in its way: {names}'
        return f'{what}. By "{other.value}" it would work' if self.works(other) else what


def state_for(check: Check, method: Method) -> State:
    """Return how bad it is for this method: what only the other one needs is no more than a warning."""
    return State.WARNING if check.state is State.FAILED and not check.stops(method) else check.state


def diagnose(setup: SetUp) -> Diagnosis:
    """Judge a set-up."""
    method = setup.desired.primary.method
    found = [*tools.keys(setup), *neon.checks(setup), *cloudflare.checks(setup), *tools.checks(setup)]
    found += _trials(setup, _rules(found))
    found.append(_asked(setup, _rules(found)))
    found = [_said_once(check, found) for check in found]

    def badness(check: Check) -> tuple[bool, int]:
        return not check.stops(method), _ORDER.index(state_for(check, method))

    return Diagnosis(setup.desired.environment, method, tuple(sorted(found, key=badness)))


def _said_once(check: Check, found: list[Check]) -> Check:
    """Of what is unknown for one and the same reason, only the first says it: the reader has one thing to do."""
    if check.state is not State.UNKNOWN:
        return check
    before = [each for each in found[: found.index(check)] if each.state is State.UNKNOWN]
    for other in (*(each for each in found if each.state is State.FAILED), *before):
        if check.seen == other.seen or (check.remedy and check.remedy == other.remedy):
            return replace(check, seen=f"not known: see {other.name}", remedy="")
    return check


def _rules(found: Iterable[Check]) -> frozenset[str]:
    return frozenset(check.rule for check in found if check.rule)


def _trials(setup: SetUp, reported: frozenset[str]) -> list[Check]:
    """Plan a trial restore by each method: without `from`, or with it if it is needed."""
    trial = _trial(setup.desired, setup.observed)
    asks = [each for each in _refusals(trial, setup.observed) if isinstance(each, SourceAmbiguous)]
    found = [
        Check("a restore", State.WARNING, f'it needs "from": {each.message}', each.hint, NEITHER, each.rule)
        for each in asks
    ]
    trial = _from_live(trial, setup.observed) if asks else trial
    refusals = {method: _refusals(_by(method, trial), setup.observed) for method in Method}
    for refusal in dict.fromkeys(each for some in refusals.values() for each in some):
        if isinstance(refusal, BeforeSourceExisted | BeforeSourceReset):
            found.append(_too_young(refusal))
        elif refusal.rule not in reported:
            needed = frozenset(method for method, some in refusals.items() if refusal in some)
            found.append(refused("a restore", refusal, needed))
    return found


def _too_young(refusal: BeforeSourceExisted | BeforeSourceReset) -> Check:
    """Report that the live timeline has only just begun: a moment ago is before it, which soon is no longer so."""
    began = refusal.created_at if isinstance(refusal, BeforeSourceExisted) else refusal.reset_at
    seen = f'what "{refusal.source}" holds began at {began}, so no moment since then can be restored to yet'
    return Check("a restore", State.WARNING, seen, "nothing is wrong: ask again in a minute", NEITHER)


def _trial(desired: Desired, observed: Observed) -> Desired:
    restore = Restore(observed.at.before(guards.SETTLING), _TRIAL)
    return replace(desired, primary=replace(desired.primary, restore=restore), branches=None)


def _by(method: Method, desired: Desired) -> Desired:
    return replace(desired, primary=replace(desired.primary, method=method))


def _from_live(trial: Desired, observed: Observed) -> Desired:
    """Say in a trial that it is from what is live."""
    live, restore = plan(trial, observed).live, trial.primary.restore
    assert restore is not None  # a trial asks for one
    return replace(trial, primary=replace(trial.primary, restore=replace(restore, source=live)))


def _refusals(desired: Desired, observed: Observed) -> tuple[Refusal, ...]:
    """Return what the rules say, but for what could not be read: that has checks of its own."""
    return tuple(each for each in plan(desired, observed).refusals if not isinstance(each, _READ_ELSEWHERE))


def _asked(setup: SetUp, reported: frozenset[str]) -> Check:
    """Say how far it is to what the file asks for now."""
    name, found = "desired state", plan(setup.desired, setup.observed)
    unreported = [each for each in _refusals(setup.desired, setup.observed) if each.rule not in reported]
    if unreported:
        return refused(name, unreported[0], NEITHER) if found.blocks_no_restore else refused(name, unreported[0])
    if found.refusals:
        return Check(name, State.UNKNOWN, "unknown until the failed checks pass", needed=NEITHER)
    if found.in_sync:
        return Check(name, State.OK, f"in sync, {found.live} is live")
    return Check(
        name,
        State.WARNING,
        f"{len(found.steps)} steps away, {found.live} is live",
        f"reconciler plan {setup.desired.environment}",
    )
