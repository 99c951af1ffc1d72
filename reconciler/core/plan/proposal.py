"""The refusals of `restore` and `rollback` that no plan has: what they would write makes no sense yet."""

from dataclasses import dataclass

from reconciler.core.model.refusal import Refusal
from reconciler.core.values.timeline import Timeline


@dataclass(frozen=True, slots=True)
class TimelineUsed(Refusal):
    """A restore is to make a timeline that was live before: it would come back as it was left, not as of `to`."""

    rule = "timeline-used"
    before_the_call = "nothing is called"
    timeline: Timeline
    branch: str
    environment: str

    problem = 'timeline "{timeline}" was live before, and branch "{branch}" holds it'
    way_out = (
        "to restore to that moment again, choose another --id. To go back to the held timeline as it was left: "
        "reconciler rollback {environment} --to-timeline {timeline}"
    )


@dataclass(frozen=True, slots=True)
class NotAppliedYet(Refusal):
    """What the file asks for is not live, so there is nothing yet that could be rolled back."""

    rule = "not-applied-yet"
    before_the_call = "nothing is called"
    timeline: Timeline
    live: Timeline
    environment: str
    commit: str

    problem = 'the file asks for timeline "{timeline}", but "{live}" is still live'
    way_out = "apply it first: reconciler apply {environment}. To cancel the restore instead: git revert {commit}"
