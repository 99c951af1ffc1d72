"""Why a restore is made from one timeline and not from another, in words: for the plan, where it decides nothing."""

from reconciler.core.lineage.lineage import Lineage, TimelineBranch
from reconciler.core.model.desired import Restore
from reconciler.core.values.instant import Instant

_MOST_NAMED = 5


def explain(lineage: Lineage, restore: Restore, named: str = "the file names it") -> tuple[str, ...]:
    """Say which timeline a restore is made from and why, and of each other one why not. Empty where that is refused.

    `named` says who names it, where it has a source.
    """
    source = lineage.source(restore)
    if not isinstance(source, TimelineBranch):
        return ()
    chosen = f"{source.timeline} {lineage.span(source)}"
    if restore.moment is None:
        return (f"{chosen}: {named}, and {restore.to} is a place in its log",)
    others = [each for each in lineage.once_live() if each.branch.id != source.branch.id]
    others.sort(key=lineage.began, reverse=True)
    rivals = [each for each in others if lineage.may_have_been_live(each, restore.moment)]
    said = [f"{chosen}: {named if restore.source is not None else _why(lineage, source, rivals)}"]
    said += [f"not {each.timeline} {lineage.span(each)}: {_why_not(lineage, restore.moment, each)}" for each in others]
    more = len(said) - 1 - _MOST_NAMED
    return (*said[: 1 + _MOST_NAMED], *([f"and {more} more that were not"] if more > 0 else []))


def _why(lineage: Lineage, source: TimelineBranch, rivals: list[TimelineBranch]) -> str:
    if not rivals:
        return "no other can have been live then"
    if lineage.is_exact(source):
        return "it is known exactly when it was live, from one restore in place to the next"
    return "it began last of those that can have been live then, and has not been replaced and come back"


def _why_not(lineage: Lineage, moment: Instant, other: TimelineBranch) -> str:
    """A moment from before a timeline began is its parent's."""
    if lineage.began(other) >= moment:
        return "it began after that moment"
    if other.ended is not None and other.ended < moment:
        return "it was replaced before that moment"
    return "it can have been live then, and is not known to have been"
