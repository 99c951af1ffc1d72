"""The protection of the primary: whether it has to be protected again, and what is done where Neon has no room for it.

A plan of Neon has room for few protected branches, and what is held stays protected. A restore does not wait for room:
in an incident the data comes first, and protection only keeps people from deleting a branch. So the primary stays
unprotected then, and every plan says so.

What is held keeps its protection, and Neon deletes no protected branch. By its annotation it can be told that a branch
was protected as the primary, but not that nobody protected it once more since, to keep it. So only a person takes its
protection, or the file does it by a word of its own (`unprotect_held`), and then of nothing else that is protected.
"""

from collections.abc import Iterator

from reconciler.core.lineage.lineage import Lineage, TimelineBranch
from reconciler.core.model.desired import Desired
from reconciler.core.model.observed import Branch, Observed, Project, named
from reconciler.core.model.provider_limits import neon_plan
from reconciler.core.steps import Step
from reconciler.core.steps.prediction import branches_of
from reconciler.core.steps.primary import ProtectBranch


def is_wanted(desired: Desired, lineage: Lineage) -> bool:
    """Whether the primary is to be protected: as the file says, or, where it does not say, as it was."""
    declared = desired.primary.protected
    return was_there(lineage) if declared is None else declared


def was_there(lineage: Lineage) -> bool:
    """Whether the primary is protected, or was: what it replaced still is, or it was when a candidate was made."""
    live, held = lineage.live, lineage.held
    if live.branch.protected or any(each.branch.protected and _gave_way_to(live, each) for each in held):
        return True
    was = live.branch.mark is not None and live.branch.mark.protects
    return was or any(each.branch.protects for each in lineage.candidates)


def _gave_way_to(live: TimelineBranch, each: TimelineBranch) -> bool:
    return each.held is not None and each.held.before == live.timeline


def is_to_return(desired: Desired, lineage: Lineage) -> bool:
    """Whether what is there is to be there again after a restore: all else is the file's, and needs no mark."""
    return was_there(lineage) and is_wanted(desired, lineage)


def is_taken_at_the_end(desired: Desired, branch: Branch) -> bool:
    """Whether a held branch is unprotected to be deleted: by the file, and as it was protected as the primary."""
    return desired.primary.unprotect_held and branch.protected and branch.protects


def keeps(desired: Desired, branch: Branch) -> tuple[str, ...]:
    """Say that a held branch stays as it is protected, and what to do about it."""
    if not branch.protected or is_taken_at_the_end(desired, branch):
        return ()
    if branch.protects:
        return ("it is protected, as it was the primary: unprotect it, or set primary.unprotect_held, and it goes",)
    return ("it is protected: unprotect it, and it goes",)


def restore(
    desired: Desired, project: Project, branches: tuple[Branch, ...], lineage: Lineage, reason: str
) -> tuple[ProtectBranch, ...]:
    """Protect the primary where it was and is not, while something else is under way: a wish of the file waits."""
    return protect(desired, project, branches, lineage, reason) if is_to_return(desired, lineage) else ()


def protect(
    desired: Desired, project: Project, branches: tuple[Branch, ...], lineage: Lineage, reason: str
) -> tuple[ProtectBranch, ...]:
    """Protect the branch that has the primary's name, where that is wanted and Neon's plan has room."""
    branch = lineage.live.branch
    if branch.protected or branch.name != desired.primary.branch or not is_wanted(desired, lineage):
        return ()
    return (ProtectBranch(branch=branch.name, reason=reason),) if has_room(project, branches) else ()


def has_room(project: Project, branches: tuple[Branch, ...]) -> bool:
    """Whether one more branch can be protected, as far as the plan is known."""
    most = limit(project)
    return most is None or _count(branches) < most


def missing(
    desired: Desired, project: Project, observed: Observed, lineage: Lineage, steps: tuple[Step, ...]
) -> Iterator[str]:
    """Say where the primary is, or will be, without the protection that it had, with the numbers and the way out."""
    primary, branches = lineage.live.branch, branches_of(observed)
    for step in steps:
        observed = step.predict(observed)
    after = named(branches_of(observed), desired.primary.branch)
    stays = primary.protected if after is None else after.protected
    if stays or has_room(project, branches) or not is_wanted(desired, lineage):
        return
    when = " after this" if primary.protected else ""
    what = "was protected and is not any more" if was_there(lineage) else "is to be protected and is not"
    yield (
        f"the primary {what}{when}: the project has {_count(branches)} protected branches, "
        f'and Neon\'s plan "{project.plan}" allows {limit(project)}. Nothing waits for that: in the Neon Console, '
        "take the protection from a branch that can do without, and give it to the primary"
    )


def limit(project: Project) -> int | None:
    """Return how many protected branches the project's plan allows; None if that is not known."""
    plan = neon_plan(project.plan)
    return plan.protected_branches if plan else None


def _count(branches: tuple[Branch, ...]) -> int:
    return sum(branch.protected for branch in branches)
