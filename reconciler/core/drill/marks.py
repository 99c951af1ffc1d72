"""Which phase of a restore each moment belongs to: marks on a clock, from one to the next, and nothing between them."""

from collections.abc import Sequence
from dataclasses import dataclass

from reconciler.core import steps
from reconciler.core.drill.results import Measured, Phase, Stretch


@dataclass(frozen=True, slots=True)
class Annotation:
    """From here on it is this phase: seconds of a monotonic clock."""

    phase: Phase
    at: float


def measured(marks: Sequence[Annotation], ended: float) -> tuple[Measured, ...]:
    """Return how long each phase took, in the order in which they began; together they are the time from first to end.

    A phase that comes back counts as one, of several stretches.
    """
    if not marks:
        return ()
    begun = marks[0].at
    stretches: dict[Phase, list[Stretch]] = {}
    ends = [*(each.at for each in marks[1:]), ended]
    for mark, end in zip(marks, ends, strict=True):
        stretches.setdefault(mark.phase, []).append(Stretch(mark.at - begun, end - mark.at))
    return tuple(Measured(phase, tuple(each)) for phase, each in stretches.items())


_PHASES = {
    steps.Phase.BRANCH: Phase.BRANCH,
    steps.Phase.COMPUTE: Phase.COMPUTE,
    steps.Phase.VERIFY_BRANCH: Phase.VERIFY,
    steps.Phase.VERIFY_STAGED: Phase.VERIFY,
    steps.Phase.HYPERDRIVE: Phase.HYPERDRIVE,
    steps.Phase.DEPLOY: Phase.DEPLOY,
}


def phase_of(step: steps.Step) -> Phase:
    """Return the phase in which a step is taken. What only gives names comes when users are served."""
    return _PHASES.get(step.phase, Phase.TRAFFIC)
