"""The rules of declared branches: made, reset once per id, protected, expired, and deleted when only we made them.

They come after everything of the primary, and what is refused of a branch stands in nobody's way: neither in that of
the primary, nor in that of another branch. Where `branches` is not in the file at all, nothing here is done.

A branch that somebody else has made may be declared too: it can be given a compute, a database and protection, which
costs nobody any data, and everything else of it is refused.
"""

from reconciler.core.children import guards
from reconciler.core.children.child import has_lapsed, in_order, is_ours, lifetime, record_name, records, resets
from reconciler.core.children.guards import NEAR, disposable, parent_name
from reconciler.core.children.refusals import ChildDatabasesUnknown
from reconciler.core.desired import Child
from reconciler.core.instant import Instant
from reconciler.core.observed import Branch, Unknown, named
from reconciler.core.refusals import Refusal
from reconciler.core.scene import Refused, Scene
from reconciler.core.steps import (
    AddCompute,
    AwaitBranch,
    ClearExpiry,
    CreateChild,
    CreateDatabase,
    DeleteChild,
    ExpireChild,
    ProtectChild,
    ResetChild,
    Step,
)

_Found = tuple[Step, ...] | list[Refusal]


def converge(scene: Scene) -> tuple[Step, ...] | Refused:
    """Return the next step of the first branch that needs one; then deletions; then what is refused."""
    declared = scene.desired.branches
    if declared is None:
        return ()
    refusals: list[Refusal] = []
    for child in in_order(declared):
        found = _towards(scene, child)
        if isinstance(found, list):
            refusals += found
        elif found:
            return found
    return _dispose(scene) or (Refused(tuple(refusals)) if refusals else ())


def _towards(scene: Scene, child: Child) -> _Found:
    branch = named(scene.branches, child.name)
    if branch is None:
        return _create(scene, child)
    if refusals := guards.identity(scene, child, branch):
        return refusals
    if not branch.ready:
        return (AwaitBranch(branch=branch.name, reason="Neon is still making or resetting it"),)
    return (
        _reset(scene, child, branch)
        or _add_compute(child, branch)
        or _unprotect(child, branch)
        or _expire(scene, child, branch)
        or _protect(scene, child, branch)
        or _create_database(scene, child, branch)
        or _forget_older(scene, child, branch)
    )


def _create(scene: Scene, child: Child) -> _Found:
    if has_lapsed(child, scene.observed.at):
        return ()
    parent = parent_name(scene, child)
    if refusals := guards.creation(scene, child):
        return refusals
    step = CreateChild(
        name=child.name,
        source=parent,
        environment=scene.desired.environment,
        reset=child.reset,
        schema_only=child.schema_only,
        compute=child.compute,
        reason="the file declares it, and there is none",
    )
    return (step,)


def _reset(scene: Scene, child: Child, branch: Branch) -> _Found:
    """Reset a branch where it has not had the reset that is asked for: by its annotations, and by what was kept."""
    if not child.reset or child.reset in resets(branch, records(child.name, scene.branches)):
        return ()
    if refusals := guards.reset(scene, child, branch):
        return refusals
    step = ResetChild(
        branch=branch.name,
        source=parent_name(scene, child),
        keep_as=record_name(child.name, child.reset),
        reason=f'the file asks for reset "{child.reset}", which it has not had',
    )
    return (step,)


def _add_compute(child: Child, branch: Branch) -> tuple[Step, ...]:
    if not child.compute or branch.endpoint is not None:
        return ()
    return (AddCompute(branch=branch.name, reason="the file declares one for it"),)


def _unprotect(child: Child, branch: Branch) -> tuple[Step, ...]:
    """Take protection before anything else is set: what is protected may not expire."""
    if child.protected is not False or not branch.protected:
        return ()
    return (ProtectChild(branch=branch.name, protected=False, reason="the file says that it is not protected"),)


def _expire(scene: Scene, child: Child, branch: Branch) -> _Found:
    if child.expires is None:
        return ()
    wanted, is_set = lifetime(child.expires, branch), branch.expires_at
    if wanted is None:
        return (ClearExpiry(branch=branch.name, reason="the file says for ever"),) if is_set is not None else ()
    if is_set is not None and abs(is_set - wanted) <= NEAR:
        return ()
    if refusals := guards.expiry(scene, branch, wanted):
        return refusals
    at = wanted if isinstance(child.expires, Instant) else None
    seconds = None if isinstance(child.expires, Instant) else int(child.expires.total_seconds())
    reason = f"it expires at {is_set}" if is_set is not None else "it does not expire, and the file says when"
    return (ExpireChild(branch=branch.name, seconds=seconds, at=at, reason=reason),)


def _protect(scene: Scene, child: Child, branch: Branch) -> _Found:
    if not child.protected or branch.protected:
        return ()
    if refusals := guards.protection(scene, branch):
        return refusals
    return (ProtectChild(branch=branch.name, protected=True, reason="the file says that it is protected"),)


def _create_database(scene: Scene, child: Child, branch: Branch) -> _Found:
    found = next((each for each in scene.observed.databases if each.branch_id == branch.id), None)
    if not child.database or found is None:
        return ()
    if isinstance(found.names, Unknown):
        return [ChildDatabasesUnknown(branch.name, found.names.reason)]
    if child.database in found.names:
        return ()
    owner = scene.desired.verify.role
    return (
        CreateDatabase(branch=branch.name, database=child.database, owner=owner, reason="it has none of that name"),
    )


def _forget_older(scene: Scene, child: Child, branch: Branch) -> tuple[Step, ...]:
    """Delete what older resets have kept: the newest tells which reset it was, and stays."""
    if not is_ours(scene.desired.environment, branch):
        return ()
    for each in records(child.name, scene.branches)[:-1]:
        if not guards.undeletable(scene, each.branch):
            reason = f'"{child.name}" was reset again since; only what the last reset replaced is kept'
            return (DeleteChild(branch=each.branch.name, reason=reason),)
    return ()


def _dispose(scene: Scene) -> tuple[Step, ...]:
    """Delete what we made and the file does not declare any more, and first what its resets have kept."""
    for branch in disposable(scene):
        if not guards.undeletable(scene, branch):
            return (DeleteChild(branch=branch.name, reason="the file does not declare it any more, and we made it"),)
    return ()
