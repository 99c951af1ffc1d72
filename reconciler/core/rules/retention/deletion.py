"""The guard of deletions: of a branch on which a timeline was proved and restored in place, and of what is held.

What is held is deleted only when its hold has ended; what else keeps it, `pen` adds. The only other deletion is of a
declared branch (`children.guards`).
"""

from dataclasses import dataclass

from reconciler.core.lineage.lineage import Lineage, TimelineBranch
from reconciler.core.model.observed import Branch
from reconciler.core.model.refusal import Refusal


@dataclass(frozen=True, slots=True)
class DeletionForbidden(Refusal):
    """A branch that must not be deleted. It is left alone, and a warning says so."""

    rule = "deletion-forbidden"
    before_the_call = "read again, Neon"
    branch: str
    reasons: tuple[str, ...]

    problem = '"{branch}" is no longer needed, but it can\'t be deleted: {reasons:;}'
    way_out = "change that, or delete it yourself when you don't need it (neon branches delete)"


def undeletable(
    timeline_branch: TimelineBranch, lineage: Lineage, branches: tuple[Branch, ...]
) -> list[DeletionForbidden]:
    """Say why a branch must stay: only what is ours, is not used, and is there a second time may ever be deleted.

    Neon refuses to delete a default branch, a protected one and a parent by itself (API reference, "Delete branch").
    """
    branch = timeline_branch.branch
    reasons = (
        *(["it is protected"] if branch.protected else []),
        *_kept(branch, branches),
        *(["it is not one of ours"] if timeline_branch not in lineage.proved else []),
        *(
            []
            if _is_carried_elsewhere(timeline_branch, lineage)
            else [f"no other branch carries {timeline_branch.timeline}"]
        ),
    )
    return [DeletionForbidden(branch.name, reasons)] if reasons else []


def kept_by_neon(timeline_branch: TimelineBranch, branches: tuple[Branch, ...]) -> tuple[str, ...]:
    """Say why Neon would not delete a branch that holds a timeline, protected or not.

    A project's first branch is never deleted (same source). It is the one root of ours that no restore in place made.
    """
    is_first = timeline_branch.branch.parent_id is None and not timeline_branch.preserved
    return (
        *_kept(timeline_branch.branch, branches),
        *(["Neon never deletes a project's first branch"] if is_first else []),
    )


def _kept(branch: Branch, branches: tuple[Branch, ...]) -> tuple[str, ...]:
    children = sorted(each.name for each in branches if each.parent_id == branch.id)
    return (
        *(["it is the default branch"] if branch.default else []),
        *([f"{', '.join(children)} was made from it"] if children else []),
    )


def _is_carried_elsewhere(timeline_branch: TimelineBranch, lineage: Lineage) -> bool:
    others = (lineage.live, *lineage.held)
    return any(each.timeline == timeline_branch.timeline and each.branch.ready for each in others)
