"""The rules of declared branches: create, reset once per id, protect, expire, and delete those that we created.

They come after everything of the primary. A refused branch blocks neither the primary nor another branch. If the file
has no `branches`, nothing here is done.

You may also declare a branch that reconciler did not create. It can get a compute, a database and protection, which
puts no data at risk; everything else is refused.
"""

from reconciler.core.model.declared_branch import has_expired, in_order, is_ours, lifetime, record_name, records, resets
from reconciler.core.model.desired import DeclaredBranch
from reconciler.core.model.observed import Branch, Unknown, named
from reconciler.core.model.refusal import Refusal
from reconciler.core.rules.context.planning import Blocked, PlanningContext
from reconciler.core.rules.declared import guards
from reconciler.core.rules.declared.guards import NEAR, DeclaredDatabasesUnknown, disposable, parent_name
from reconciler.core.steps import Step
from reconciler.core.steps.branch import AddCompute, AwaitBranch, ClearExpiry
from reconciler.core.steps.declared import (
    CreateDatabase,
    CreateDeclaredBranch,
    DeleteDeclaredBranch,
    ExpireDeclaredBranch,
    ProtectDeclaredBranch,
    ResetDeclaredBranch,
)
from reconciler.core.values.instant import Instant

_StepsOrRefusals = tuple[Step, ...] | list[Refusal]


def converge(context: PlanningContext) -> tuple[Step, ...] | Blocked:
    """Return the next step of the first branch that needs one; then deletions; then refusals."""
    declared = context.desired.branches
    if declared is None:
        return ()
    refusals: list[Refusal] = []
    for child in in_order(declared):
        steps = _next(context, child)
        if isinstance(steps, list):
            refusals += steps
        elif steps:
            return steps
    return _delete_undeclared(context) or (Blocked(tuple(refusals)) if refusals else ())


def _next(context: PlanningContext, child: DeclaredBranch) -> _StepsOrRefusals:
    branch = named(context.branches, child.name)
    if branch is None:
        return _create(context, child)
    if refusals := guards.identity(context, child, branch):
        return refusals
    if not branch.ready:
        return (AwaitBranch(branch=branch.name, reason="Neon is still creating or resetting it"),)
    return (
        _reset(context, child, branch)
        or _add_compute(child, branch)
        or _unprotect(child, branch)
        or _expire(context, child, branch)
        or _protect(context, child, branch)
        or _create_database(context, child, branch)
        or _delete_older_records(context, child, branch)
    )


def _create(context: PlanningContext, child: DeclaredBranch) -> _StepsOrRefusals:
    if has_expired(child, context.observed.at):
        return ()
    parent = parent_name(context, child)
    if refusals := guards.creation(context, child):
        return refusals
    step = CreateDeclaredBranch(
        name=child.name,
        source=parent,
        environment=context.desired.environment,
        reset=child.reset,
        schema_only=child.schema_only,
        compute=child.compute,
        reason="the file declares it, and it does not exist",
    )
    return (step,)


def _reset(context: PlanningContext, child: DeclaredBranch, branch: Branch) -> _StepsOrRefusals:
    """Reset a branch once per id: its annotations and the branches kept at resets show which ids it has had."""
    if not child.reset or child.reset in resets(branch, records(child.name, context.branches)):
        return ()
    if refusals := guards.reset(context, child, branch):
        return refusals
    step = ResetDeclaredBranch(
        branch=branch.name,
        source=parent_name(context, child),
        keep_as=record_name(child.name, child.reset),
        reason=f'the file asks for reset "{child.reset}", which it has not had',
    )
    return (step,)


def _add_compute(child: DeclaredBranch, branch: Branch) -> tuple[Step, ...]:
    if not child.compute or branch.endpoint is not None:
        return ()
    return (AddCompute(branch=branch.name, reason="the file declares a compute for it"),)


def _unprotect(child: DeclaredBranch, branch: Branch) -> tuple[Step, ...]:
    """Unprotect it before anything else is set: a protected branch can't expire."""
    if child.protected is not False or not branch.protected:
        return ()
    return (ProtectDeclaredBranch(branch=branch.name, protected=False, reason='the file says "protected": false'),)


def _expire(context: PlanningContext, child: DeclaredBranch, branch: Branch) -> _StepsOrRefusals:
    if child.expires is None:
        return ()
    wanted, is_set = lifetime(child.expires, branch), branch.expires_at
    if wanted is None:
        return (ClearExpiry(branch=branch.name, reason='the file says "forever"'),) if is_set is not None else ()
    if is_set is not None and abs(is_set - wanted) <= NEAR:
        return ()
    if refusals := guards.expiry(context, branch, wanted):
        return refusals
    at = wanted if isinstance(child.expires, Instant) else None
    seconds = None if isinstance(child.expires, Instant) else int(child.expires.total_seconds())
    reason = f"it expires at {is_set}" if is_set is not None else "the file gives it an expiry, and it has none"
    return (ExpireDeclaredBranch(branch=branch.name, seconds=seconds, at=at, reason=reason),)


def _protect(context: PlanningContext, child: DeclaredBranch, branch: Branch) -> _StepsOrRefusals:
    if not child.protected or branch.protected:
        return ()
    if refusals := guards.protection(context, branch):
        return refusals
    return (ProtectDeclaredBranch(branch=branch.name, protected=True, reason='the file says "protected": true'),)


def _create_database(context: PlanningContext, child: DeclaredBranch, branch: Branch) -> _StepsOrRefusals:
    found = next((each for each in context.observed.databases if each.branch_id == branch.id), None)
    if not child.database or found is None:
        return ()
    if isinstance(found.names, Unknown):
        return [DeclaredDatabasesUnknown(branch.name, found.names.reason)]
    if child.database in found.names:
        return ()
    reason, owner = "it has no database of that name", context.desired.verify.role
    return (CreateDatabase(branch=branch.name, database=child.database, owner=owner, reason=reason),)


def _delete_older_records(context: PlanningContext, child: DeclaredBranch, branch: Branch) -> tuple[Step, ...]:
    """Delete the branches kept at older resets. The newest stays: it records which reset was the last."""
    if not is_ours(context.desired.environment, branch):
        return ()
    for each in records(child.name, context.branches)[:-1]:
        if not guards.undeletable(context, each.branch):
            reason = f'"{child.name}" was reset again since; only what the last reset replaced is kept'
            return (DeleteDeclaredBranch(branch=each.branch.name, reason=reason),)
    return ()


def _delete_undeclared(context: PlanningContext) -> tuple[Step, ...]:
    reason = "the file no longer declares it, and reconciler created it"
    for branch in disposable(context):
        if not guards.undeletable(context, branch):
            return (DeleteDeclaredBranch(branch=branch.name, reason=reason),)
    return ()
