"""Which phase of a restore each moment belongs to: marks on a clock, from one to the next, and nothing between them."""

from collections.abc import Sequence
from dataclasses import dataclass

from reconciler.core.drill.results import Measured, Phase, Stretch
from reconciler.core.steps import Step
from reconciler.core.steps.branch import (
    AddCompute,
    AwaitBranch,
    ClearExpiry,
    CreateBranch,
    FenceBranch,
    RemoveFence,
    SetCompute,
    VerifyBranch,
)
from reconciler.core.steps.hyperdrive import (
    AwaitCache,
    CreateHyperdrive,
    RenewPassword,
    RepointHyperdrive,
    RestartPool,
    UpdateHyperdrive,
)
from reconciler.core.steps.worker import StageVersion, SwitchTraffic, UploadVersion, VerifyWorker, WriteBinding


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


def phase_of(step: Step) -> Phase:
    """Name the phase in which a step is taken. What only gives names comes when users are served."""
    match step:
        case CreateBranch() | AwaitBranch():
            return Phase.BRANCH
        case AddCompute() | SetCompute() | ClearExpiry():
            return Phase.COMPUTE
        case VerifyBranch() | VerifyWorker():
            return Phase.VERIFY
        case (
            CreateHyperdrive()
            | WriteBinding()
            | RepointHyperdrive()
            | UpdateHyperdrive()
            | RestartPool()
            | AwaitCache()
            | RenewPassword()
        ):
            return Phase.HYPERDRIVE
        case UploadVersion() | StageVersion() | SwitchTraffic() | FenceBranch() | RemoveFence():
            return Phase.DEPLOY
        case _:
            return Phase.TRAFFIC
