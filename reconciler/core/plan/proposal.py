"""The refusals of `restore` and `rollback` that no plan has: they write nothing that can't be applied."""

from dataclasses import dataclass

from reconciler.core.model.refusal import Refusal
from reconciler.core.values.timeline import Timeline


@dataclass(frozen=True, slots=True)
class TimelineUsed(Refusal):
    """The timeline of a restore was live before: it would come back as it was left, not as of `to`."""

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
    """The desired timeline is not live yet, so there is nothing to roll back."""

    rule = "not-applied-yet"
    before_the_call = "nothing is called"
    timeline: Timeline
    live: Timeline
    environment: str
    commit: str

    problem = 'the file asks for timeline "{timeline}", but "{live}" is still live'
    way_out = "apply it first: reconciler apply {environment}. To cancel the restore instead: git revert {commit}"
