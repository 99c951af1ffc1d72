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
    """A step was taken and its effect was read back, so many seconds after it `began`."""

    step: Step
    began: Instant
    seconds: float


@dataclass(frozen=True, slots=True)
class StepUncertain:
    """A step's answer was lost, or its effect is not to be seen yet: the world is looked at again."""

    step: Step
    why: str


@dataclass(frozen=True, slots=True)
class StepFailed:
    """The last check has failed, and what was live before is put back."""

    step: Step
    why: str


@dataclass(frozen=True, slots=True)
class NotMended:
    """The run ends badly, and what it has fenced or unprotected could not be put right: writes may fail until then."""

    why: str


@dataclass(frozen=True, slots=True)
class StepDropped:
    """A step was begun and not taken, and is not asked for any more: somebody else was at work on the same things."""

    step: Step


@dataclass(frozen=True, slots=True)
class LooksAgain:
    """A list that lags behind another one may be `why` it is refused: for so many seconds it is looked at again."""

    why: str
    seconds: float


Event = StepStarted | StepFinished | StepUncertain | StepFailed | StepDropped | NotMended | LooksAgain
Report = Callable[[Event], None]


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an apply ended: what was planned at its start, the steps taken, and the last look with its plan."""

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
    """The plan that was approved is not what would be done now; `fresh` is the plan of what is `observed` now."""

    def __init__(self, expected: str, fresh: Plan, observed: Observed) -> None:
        super().__init__(
            f"the plan is {fresh.digest} now, and {expected} was approved: reality or the file has changed since",
            hint="read the new plan, and approve that one if it is right",
        )
        self.fresh = fresh
        self.observed = observed
