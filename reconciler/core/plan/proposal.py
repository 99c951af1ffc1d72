"""The refusals of `restore` and `rollback` that no plan has: what they would write makes no sense yet."""

from dataclasses import dataclass
from typing import ClassVar

from reconciler.core.model.refusal import Refusal
from reconciler.core.values.timeline import Timeline


@dataclass(frozen=True, slots=True)
class TimelineUsed(Refusal):
    """A restore is to make a timeline that was live before: it would come back as it was left, not as of `to`."""

    rule: ClassVar[str] = "timeline-used"
    timeline: Timeline
    branch: str
    environment: str

    @property
    def message(self) -> str:  # noqa: D102
        return f'timeline "{self.timeline}" was live before and is held, on branch "{self.branch}"'

    @property
    def hint(self) -> str:  # noqa: D102
        return (
            "to restore to that moment once more, give another --id; to go back to the held timeline as it was left: "
            f"reconciler rollback {self.environment} --to-timeline {self.timeline}"
        )


@dataclass(frozen=True, slots=True)
class NotAppliedYet(Refusal):
    """What the file asks for is not live, so there is nothing yet that could be rolled back."""

    rule: ClassVar[str] = "not-applied-yet"
    timeline: Timeline
    live: Timeline
    environment: str
    commit: str

    @property
    def message(self) -> str:  # noqa: D102
        return f'the file asks for timeline "{self.timeline}", and "{self.live}" is still live'

    @property
    def hint(self) -> str:  # noqa: D102
        return (
            f"make it so first: reconciler apply {self.environment}; or, if it is not wanted any more, take the wish "
            f"back: git revert {self.commit}"
        )
