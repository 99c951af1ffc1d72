"""The guard of deletions: of a candidate that was restored in place, and of what is held.

A held branch is deleted only when its hold has ended; `retained` lists what else keeps it. The only other deletion is
of a declared branch (`declared.guards`).
"""

from dataclasses import dataclass

from reconciler.core.lineage.lineage import Lineage, TimelineBranch
from reconciler.core.model.observed import Branch
from reconciler.core.model.refusal import Refusal


@dataclass(frozen=True, slots=True)
class DeletionForbidden(Refusal):
    """A branch that is no longer needed must not be deleted. It is left alone, and a warning says so."""

    rule = "deletion-forbidden"
    before_the_call = "read again, Neon"
    branch: str
    reasons: tuple[str, ...]

    problem = '"{branch}" is no longer needed, but it can\'t be deleted: {reasons:;}'
    way_out = "change that, or delete it yourself when you don't need it (neon branches delete)"


def undeletable(
    timeline_branch: TimelineBranch, lineage: Lineage, branches: tuple[Branch, ...]
) -> list[DeletionForbidden]:
    """Refuse to delete a branch unless it is ours, is not used, and another branch carries its timeline too.

    Neon itself refuses to delete a default branch, a protected one and a parent (API reference, "Delete branch").
    """
    branch, timeline = timeline_branch.branch, timeline_branch.timeline
    is_carried_twice = any(each.timeline == timeline and each.branch.ready for each in (lineage.live, *lineage.held))
    reasons = (
        *default_or_protected(branch),
        *has_children(branch, branches),
        *(["it is not one of ours"] if timeline_branch not in lineage.proved else []),
        *([] if is_carried_twice else [f"no other branch carries {timeline}"]),
    )
    return [DeletionForbidden(branch.name, reasons)] if reasons else []


def kept_by_neon(timeline_branch: TimelineBranch, branches: tuple[Branch, ...]) -> tuple[str, ...]:
    """Return the reasons, besides protection, why Neon would not delete a branch that holds a timeline.

    It never deletes a project's first branch (same source): of our roots, the one that no restore in place made.
    """
    branch = timeline_branch.branch
    is_first = branch.parent_id is None and not timeline_branch.preserved
    return (
        *(["it is the default branch"] if branch.default else []),
        *has_children(branch, branches),
        *(["Neon never deletes a project's first branch"] if is_first else []),
    )


def default_or_protected(branch: Branch) -> tuple[str, ...]:
    """Return which of these two keeps a branch from being deleted, or from expiring."""
    default = ("it is the default branch",) if branch.default else ()
    return (*default, "it is protected") if branch.protected else default


def has_children(branch: Branch, branches: tuple[Branch, ...]) -> tuple[str, ...]:
    """Name the children that keep a branch from being deleted, or from expiring."""
    children = sorted(each.name for each in branches if each.parent_id == branch.id)
    return (f"{', '.join(children)} was created from it",) if children else ()
