"""The protection of the primary, and what happens if Neon's plan has no room for it.

Neon's plans allow few protected branches, and held branches stay protected. A restore does not wait for room: in an
incident the data comes first, and protection only prevents deletion. The primary then stays unprotected, and every
plan says so.

Neon deletes no protected branch. The annotation of a held branch shows that it was protected as the primary, but not
whether it was protected again later, to keep it. So you unprotect it yourself, or the file does (`unprotect_held`),
and then only those that were protected as the primary.
"""

from collections.abc import Iterator

from reconciler.core.lineage.lineage import Lineage
from reconciler.core.model.desired import Desired
from reconciler.core.model.observed import Branch, Observed, Project, named
from reconciler.core.model.provider_limits import neon_plan
from reconciler.core.steps import Step
from reconciler.core.steps.prediction import branches_of
from reconciler.core.steps.primary import ProtectBranch


def is_wanted(desired: Desired, lineage: Lineage) -> bool:
    """Whether the primary must be protected: as the file says, or else as it was."""
    declared = desired.primary.protected
    return was_there(lineage) if declared is None else declared


def was_there(lineage: Lineage) -> bool:
    """Whether the primary is protected, or was: what it replaced still is, or it was when a candidate was created."""
    live = lineage.live
    replaced = (each.branch for each in lineage.held if each.held is not None and each.held.before == live.timeline)
    if live.branch.protected or any(each.protected for each in replaced):
        return True
    was = live.branch.mark is not None and live.branch.mark.protects
    return was or any(each.branch.protects for each in lineage.candidates)


def is_to_return(desired: Desired, lineage: Lineage) -> bool:
    """Whether protection that was there must be there again after a restore, which then needs a mark."""
    return was_there(lineage) and is_wanted(desired, lineage)


def is_taken_at_the_end(desired: Desired, branch: Branch) -> bool:
    """Whether a held branch is unprotected to be deleted: the file says so, and it was protected as the primary."""
    return desired.primary.unprotect_held and branch.protected and branch.protects


def keeps(desired: Desired, branch: Branch) -> tuple[str, ...]:
    """Say that protection keeps a held branch, and what to do about it."""
    if not branch.protected or is_taken_at_the_end(desired, branch):
        return ()
    if branch.protects:
        return ("it was protected as the primary: to have it deleted, unprotect it, or set primary.unprotect_held",)
    return ("it is protected: to have it deleted, unprotect it",)


def restore(
    desired: Desired, project: Project, branches: tuple[Branch, ...], lineage: Lineage, reason: str
) -> tuple[ProtectBranch, ...]:
    """Protect the primary again if it was protected. While a restore runs, a new wish of the file waits."""
    return protect(desired, project, branches, lineage, reason) if is_to_return(desired, lineage) else ()


def protect(
    desired: Desired, project: Project, branches: tuple[Branch, ...], lineage: Lineage, reason: str
) -> tuple[ProtectBranch, ...]:
    """Protect the branch with the primary's name, if that is wanted and Neon's plan has room."""
    branch = lineage.live.branch
    if branch.protected or branch.name != desired.primary.branch or not is_wanted(desired, lineage):
        return ()
    return (ProtectBranch(branch=branch.name, reason=reason),) if has_room(project, branches) else ()


def has_room(project: Project, branches: tuple[Branch, ...]) -> bool:
    """Whether Neon's plan, if known, has room for one more protected branch."""
    most = limit(project)
    return most is None or _count(branches) < most


def missing(
    desired: Desired, project: Project, observed: Observed, lineage: Lineage, steps: tuple[Step, ...]
) -> Iterator[str]:
    """Say if the primary lacks wanted protection, or will, with the numbers and the way out."""
    primary, branches = lineage.live.branch, branches_of(observed)
    for step in steps:
        observed = step.predict(observed)
    after = named(branches_of(observed), desired.primary.branch)
    stays = primary.protected if after is None else after.protected
    if stays or has_room(project, branches) or not is_wanted(desired, lineage):
        return
    when = " after this" if primary.protected else ""
    what = "is no longer protected" if was_there(lineage) else "can't be protected"
    yield (
        f"the primary {what}{when}: the project has {_count(branches)} protected branches, "
        f'and Neon\'s plan "{project.plan}" allows {limit(project)}. Nothing waits for that. In the Neon Console, '
        "unprotect a branch that doesn't need it, and protect the primary"
    )


def limit(project: Project) -> int | None:
    """Return how many protected branches the project's plan allows; None if unknown."""
    plan = neon_plan(project.plan)
    return plan.protected_branches if plan else None


def _count(branches: tuple[Branch, ...]) -> int:
    return sum(branch.protected for branch in branches)
