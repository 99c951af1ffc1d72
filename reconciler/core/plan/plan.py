"""The plan: the unfolding of `next_steps` through `Step.predict`, and the digest that binds an approval to it."""

import hashlib
import itertools
import json
from dataclasses import dataclass, replace

from reconciler.core.lineage.infer import infer_lineage
from reconciler.core.lineage.lineage import Lineage
from reconciler.core.lineage.receipts import choice, with_source_from_receipts
from reconciler.core.lineage.source import explain
from reconciler.core.model.desired import Desired, Outside
from reconciler.core.model.observed import Branch, HyperdriveConfig, Observed, ObservedWorker, Project, Unknown
from reconciler.core.model.refusal import Refusal
from reconciler.core.plan.drift import Difference, differences
from reconciler.core.plan.not_restored import stays, unreached
from reconciler.core.plan.warnings import warnings
from reconciler.core.records.suspension import Suspension
from reconciler.core.rules.context.planning import Blocked
from reconciler.core.rules.context.readable import Unreadable
from reconciler.core.rules.next_steps import next_steps
from reconciler.core.rules.project import settings
from reconciler.core.steps import Step, arguments
from reconciler.core.steps.branch import creation
from reconciler.core.values.timeline import Timeline

# No plan comes near this: it turns a rule that never settles into an error instead of a hang.
_MOST_WAVES = 100


@dataclass(frozen=True, slots=True)
class Plan:
    """What would be done, or why nothing may be. `live` is None where it cannot be told.

    `outside` is what stays in the present, where the steps make another timeline live. `waived` says which guards
    the file waives, why, and what they would have refused; the warnings have it too. `suspension` is one that
    stands: it is shown, is no part of the digest, and refuses an apply and not the plan. `drift` is what somebody has
    changed by hand; it is told, and decides nothing.
    """

    desired: Desired
    live: Timeline | None
    lineage: Lineage | None
    waves: tuple[tuple[Step, ...], ...]
    warnings: tuple[str, ...]
    refusals: tuple[Refusal, ...]
    digest: str
    outside: tuple[Outside, ...] = ()
    waived: tuple[str, ...] = ()
    suspension: Suspension | None = None
    drift: tuple[Difference, ...] = ()
    source: tuple[str, ...] = ()

    @property
    def steps(self) -> tuple[Step, ...]:
        """Every step, in order."""
        return tuple(step for wave in self.waves for step in wave)

    @property
    def unreadable(self) -> bool:
        """Whether nothing could be decided because something could not be read."""
        return any(isinstance(each, Unreadable) for each in self.refusals)

    @property
    def is_about_declared_branches(self) -> bool:
        """Whether all that is refused is about declared branches: the primary is restored all the same."""
        return bool(self.refusals) and all(each.about_declared_branch for each in self.refusals)

    @property
    def blocks_no_restore(self) -> bool:
        """Whether something is refused, and none of it would keep a timeline from being made live."""
        return bool(self.refusals) and not any(each.blocks_restores for each in self.refusals)

    @property
    def in_sync(self) -> bool:
        """Whether reality is what the file asks for."""
        return not self.waves and not self.refusals


def plan(desired: Desired, observed: Observed) -> Plan:
    """Unfold the steps from what is seen to what is asked.

    A refusal anywhere on the way is the whole plan, but for what must be done all the same: a timeline that has failed
    is left, and a live branch that an earlier run has fenced is let free.
    """
    lineage = infer_lineage(desired, observed.branches) if isinstance(observed.branches, tuple) else None
    lineage = lineage if isinstance(lineage, Lineage) else None
    live = lineage.live.timeline if lineage else None
    waves, refusals = _unfold(desired, observed)
    if not waves and not refusals:
        refusals = settings.refused(desired, observed)
    steps = tuple(step for wave in waves for step in wave)
    told: tuple[str, ...] = ()
    if lineage is not None and isinstance(observed.project, Project):
        told = warnings(with_source_from_receipts(desired, observed), observed, observed.project, lineage, steps)
    waived = _waived(desired, observed)
    outside = stays(desired, observed) if steps and live != desired.timeline and not refusals else ()
    return Plan(
        desired=desired,
        live=live,
        lineage=lineage,
        waves=waves,
        warnings=(*desired.notices, *waived, *told, *unreached(outside, desired.timeline.moment, observed.at)),
        refusals=refusals,
        digest=_digest(desired, observed, steps, refusals),
        outside=outside,
        waived=waived,
        drift=differences(desired, observed, lineage, refusals),
        source=_source(desired, observed, lineage, steps),
    )


def _source(desired: Desired, observed: Observed, lineage: Lineage | None, steps: tuple[Step, ...]) -> tuple[str, ...]:
    """Explain what a candidate is made from, where one is to be made from a timeline's history."""
    restore, told = with_source_from_receipts(desired, observed).primary.restore, choice(desired, observed)
    is_made = (made := creation(steps)) is not None and made.at is not None
    if not is_made or lineage is None or restore is None:
        return ()
    return explain(lineage, restore, f"{told}; Neon's own signs leave it open" if told else "the file names it")


def _waived(desired: Desired, observed: Observed) -> tuple[str, ...]:
    """For each guard that the file waives: the reason, and what it would refuse here otherwise."""
    said = []
    for each in desired.waivers:
        others = tuple(waiver for waiver in desired.waivers if waiver is not each)
        _, refusals = _unfold(replace(desired, waivers=others), observed)
        refused = [refusal.message for refusal in refusals if refusal.rule == each.guard.value]
        what = "; ".join(refused) or "it would refuse nothing here"
        said.append(f'guard {each.guard.value} is waived, "{each.reason}": {what}')
    return tuple(said)


def _unfold(desired: Desired, observed: Observed) -> tuple[tuple[tuple[Step, ...], ...], tuple[Refusal, ...]]:
    waves: list[tuple[Step, ...]] = []
    seen = observed
    for _ in range(_MOST_WAVES):
        wave = next_steps(desired, seen)
        if isinstance(wave, Blocked):
            # What has failed is left first, and refused then; so is what an earlier run has left half done put right.
            return tuple(waves if wave.is_verdict else itertools.takewhile(_mends, waves)), wave.refusals
        if not wave:
            return tuple(waves), ()
        waves.append(wave)
        for step in wave:
            seen = step.predict(seen)
    raise AssertionError(f"the rules did not settle within {_MOST_WAVES} waves; the last was {waves[-1]}")


def _mends(wave: tuple[Step, ...]) -> bool:
    return all(step.is_safety_net for step in wave)


def _digest(desired: Desired, observed: Observed, steps: tuple[Step, ...], refusals: tuple[Refusal, ...]) -> str:
    """Bind what was asked, what the decision was made on, and the steps. Clocks and counters are left out.

    So is what stays outside: it is told, and decides nothing. And the label of an upload, which names the commit: a
    merge has another one than the pull request that was reviewed.
    """
    content = {
        "desired": repr(replace(desired, outside=())),
        "observed": _fingerprint(observed),
        "steps": [[step.wire_name, arguments(step) | {"label": ""}] for step in steps],
        "refusals": [refusal.rule for refusal in refusals],
    }
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(canonical.encode()).hexdigest()[:16]


def _fingerprint(observed: Observed) -> list[object]:
    """Say what the decision was made on. Lists come in the order of their last change, which is no difference."""
    return [
        repr(observed.project),
        _in_order(observed.branches),
        _in_order(observed.configs),
        [_worker(each) for each in observed.workers],
        *([repr(observed.sharers)] if observed.sharers else []),
    ]


def _in_order(items: tuple[Branch, ...] | tuple[HyperdriveConfig, ...] | Unknown) -> object:
    return repr(items) if isinstance(items, Unknown) else sorted(repr(item) for item in items)


def _worker(worker: ObservedWorker | Unknown) -> str:
    return repr(worker) if isinstance(worker, Unknown) else repr(replace(worker, uploaded=(), bindings=()))
