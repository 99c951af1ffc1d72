"""The plan: all steps, from `next_steps` and `Step.predict`, and the digest that an approval is bound to."""

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
    """What would be done, or why nothing may be. `live` is None if it is unknown.

    `outside` is what a restore does not rewind. `waived` says which guards the file waives, why, and what they would
    refuse; the warnings repeat it. `suspension` is shown: it blocks an apply but not the plan, and is not in the
    digest. `drift` is what was changed by hand; it decides nothing.
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
        """Whether something could not be read, so that nothing could be decided."""
        return any(isinstance(each, Unreadable) for each in self.refusals)

    @property
    def is_about_declared_branches(self) -> bool:
        """Whether all refusals are about declared branches: the primary is restored anyway."""
        return bool(self.refusals) and all(each.about_declared_branch for each in self.refusals)

    @property
    def blocks_no_restore(self) -> bool:
        """Whether there are refusals, and none of them blocks a restore."""
        return bool(self.refusals) and not any(each.blocks_restores for each in self.refusals)

    @property
    def in_sync(self) -> bool:
        """Whether reality is what the file asks for."""
        return not self.waves and not self.refusals


def plan(desired: Desired, observed: Observed) -> Plan:
    """Return all steps from the observed to the desired state.

    A refusal anywhere on the way is the whole plan, except for what must be done anyway: users leave a timeline that
    has failed, and the fence of an earlier run is removed from the live branch.
    """
    lineage = infer_lineage(desired, observed.branches) if isinstance(observed.branches, tuple) else None
    lineage = lineage if isinstance(lineage, Lineage) else None
    live = lineage.live.timeline if lineage else None
    waves, refusals = _unfold(desired, observed)
    if not waves and not refusals:
        refusals = settings.refused(desired, observed)
    steps = tuple(step for wave in waves for step in wave)
    about: tuple[str, ...] = ()
    if lineage is not None and isinstance(observed.project, Project):
        about = warnings(with_source_from_receipts(desired, observed), observed, observed.project, lineage, steps)
    waived = _waived(desired, observed)
    outside = stays(desired, observed) if steps and live != desired.timeline and not refusals else ()
    return Plan(
        desired=desired,
        live=live,
        lineage=lineage,
        waves=waves,
        warnings=(*desired.notices, *waived, *about, *unreached(outside, desired.timeline.moment, observed.at)),
        refusals=refusals,
        digest=_digest(desired, observed, steps, refusals),
        outside=outside,
        waived=waived,
        drift=differences(desired, observed, lineage, refusals),
        source=_source(desired, observed, lineage, steps),
    )


def _source(desired: Desired, observed: Observed, lineage: Lineage | None, steps: tuple[Step, ...]) -> tuple[str, ...]:
    """Explain the source of a candidate that the plan creates from a timeline's history."""
    restore, by_receipts = with_source_from_receipts(desired, observed).primary.restore, choice(desired, observed)
    step = creation(steps)
    if step is None or step.at is None or lineage is None or restore is None:
        return ()
    return explain(
        lineage, restore, f"{by_receipts}; Neon's data leaves it open" if by_receipts else "the file names it"
    )


def _waived(desired: Desired, observed: Observed) -> tuple[str, ...]:
    """Return, for each guard that the file waives, the reason and what it would refuse here."""
    sentences = []
    for each in desired.waivers:
        others = tuple(waiver for waiver in desired.waivers if waiver is not each)
        _, refusals = _unfold(replace(desired, waivers=others), observed)
        refused = [refusal.message for refusal in refusals if refusal.rule == each.guard.value]
        what = "; ".join(refused) or "it would refuse nothing here"
        sentences.append(f'guard {each.guard.value} is waived, "{each.reason}": {what}')
    return tuple(sentences)


def _unfold(desired: Desired, observed: Observed) -> tuple[tuple[tuple[Step, ...], ...], tuple[Refusal, ...]]:
    waves: list[tuple[Step, ...]] = []
    seen = observed
    for _ in range(_MOST_WAVES):
        wave = next_steps(desired, seen)
        if isinstance(wave, Blocked):
            # A timeline that failed is left before it is refused, and what an earlier run left half done is completed.
            return tuple(waves if wave.is_verdict else itertools.takewhile(_is_safety_net, waves)), wave.refusals
        if not wave:
            return tuple(waves), ()
        waves.append(wave)
        for step in wave:
            seen = step.predict(seen)
    raise AssertionError(f"the rules did not settle within {_MOST_WAVES} waves; the last was {waves[-1]}")


def _is_safety_net(wave: tuple[Step, ...]) -> bool:
    return all(step.is_safety_net for step in wave)


def _digest(desired: Desired, observed: Observed, steps: tuple[Step, ...], refusals: tuple[Refusal, ...]) -> str:
    """Return the digest of the desired state, of what the decision was made on, and of the steps.

    Clocks and counters are left out, and `outside`, which decides nothing. So is the label of an upload, which names
    the commit: a merge has another one than the pull request.
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
    """Return what the decision was made on. The order of lists, by last change, does not matter."""
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
