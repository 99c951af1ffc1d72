"""What an apply reports while it runs, and how it ended."""

from collections.abc import Callable
from dataclasses import dataclass

from reconciler.core.model.observed import Observed
from reconciler.core.plan.plan import Plan
from reconciler.core.steps import Step
from reconciler.core.values.instant import Instant
from reconciler.errors import ReconcilerError


@dataclass(frozen=True, slots=True)
class StepStarted:
    """A step is being taken."""

    step: Step


@dataclass(frozen=True, slots=True)
class StepFinished:
    """A step was taken and its effect was read back, `seconds` after it `began`."""

    step: Step
    began: Instant
    seconds: float


@dataclass(frozen=True, slots=True)
class StepUncertain:
    """A step's answer was lost, or its effect is not visible yet: the run looks again."""

    step: Step
    why: str


@dataclass(frozen=True, slots=True)
class StepFailed:
    """The last check failed, and the run rolls back."""

    step: Step
    why: str


@dataclass(frozen=True, slots=True)
class SafetyNetFailed:
    """The run failed, and what it fenced or unprotected stays so until the next run: writes may fail."""

    why: str


@dataclass(frozen=True, slots=True)
class StepDropped:
    """A step was begun but not taken, and is no longer needed: something else changed the same things."""

    step: Step


@dataclass(frozen=True, slots=True)
class LooksAgain:
    """A lagging list may be the reason for the refusal `why`: the run looks again for so many seconds."""

    why: str
    seconds: float


Event = StepStarted | StepFinished | StepUncertain | StepFailed | StepDropped | SafetyNetFailed | LooksAgain
Report = Callable[[Event], None]


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an apply ended: the plan at its start, the steps taken, and the last look with its plan."""

    planned: Plan
    taken: tuple[StepFinished, ...]
    final: Plan
    observed: Observed
    seconds: float

    @property
    def converged(self) -> bool:
        """Whether reality is what the file asks for."""
        return self.final.in_sync


class PlanChanged(ReconcilerError):
    """The approved plan is not what would be done now; `fresh` is the plan of what is `observed` now."""

    def __init__(self, expected: str, fresh: Plan, observed: Observed) -> None:
        super().__init__(
            f"the plan is now {fresh.digest}, but {expected} was approved: the file or the observed state has changed",
            hint="read the new plan, and approve it if it is right",
        )
        self.fresh = fresh
        self.observed = observed
