"""Effects on a branch: a candidate from its creation to its checks and fence; expiries."""

from collections.abc import Callable
from datetime import timedelta

from reconciler.core.model.compute_name import marked, unmarked
from reconciler.core.model.observed import Annotation, Branch, Endpoint
from reconciler.core.rules.restore.identity import check_identity, check_tables
from reconciler.core.steps import branch as steps
from reconciler.core.values.timeline import Point
from reconciler.engine.effects.base import Situation, effect_of
from reconciler.engine.effects.checks import every
from reconciler.errors import GateFailed, ProviderError
from reconciler.ports import Origin

# Neon's answers if it allows an account, or a branch, no expiry.
_NOT_ALLOWED = frozenset({400, 403, 404, 405, 422})


@effect_of(steps.CreateBranch)
async def _create_branch(step: steps.CreateBranch, now: Situation) -> None:
    mark = Annotation(step.environment, step.timeline, step.protects)
    source = now.branch(step.source).id
    await now.neon.create_branch(now.project, step.name, source, step.at, mark, step.compute)


@effect_of(steps.AwaitBranch)
async def _await_branch(step: steps.AwaitBranch, now: Situation) -> None:
    await now.neon.await_branch(now.project, now.branch(step.branch).id)


@effect_of(steps.AddCompute)
async def _add_compute(step: steps.AddCompute, now: Situation) -> None:
    await now.neon.add_compute(now.project, now.branch(step.branch).id, step.compute)


@effect_of(steps.SetCompute)
async def _set_compute(step: steps.SetCompute, now: Situation) -> None:
    await now.neon.set_compute(now.project, now.endpoint(now.branch(step.branch)).id, step.compute)


@effect_of(steps.ClearExpiry)
async def _clear_expiry(step: steps.ClearExpiry, now: Situation) -> None:
    await now.neon.clear_expiry(now.project, now.branch(step.branch).id)


@effect_of(steps.ExpireHeldBranch)
async def _expire_held_branch(step: steps.ExpireHeldBranch, now: Situation) -> None:
    at = now.observed.at.after(timedelta(seconds=step.seconds))
    try:
        await now.neon.expire(now.project, now.branch(step.branch).id, at)
    except ProviderError as error:
        if error.status in _NOT_ALLOWED and not error.hint:
            error.hint = "all else is done; if Neon allows no expiry, remove primary.expire_on_neon from the file"
        raise


@effect_of(steps.VerifyBranch)
async def _verify_branch(step: steps.VerifyBranch, now: Situation) -> None:
    branch, verify, gates = now.branch(step.branch), now.desired.verify, now.ports.gates
    check_identity(now.desired, now.branches, branch)
    if not verify.role:
        return
    origin = await now.neon.origin(now.project, branch.id, verify.database, verify.role)
    await gates.login(origin)
    wanted = [gate for gate in verify.sql if gate.name in step.gates]
    tables = [_check_tables(now, branch, origin, step.tables_at)] if step.tables_at else []
    await every([*tables, *(gates.sql(origin, gate) for gate in wanted)])


async def _check_tables(now: Situation, branch: Branch, origin: Origin, at: Point) -> None:
    """Compare the candidate's tables with those of its source at the moment. SQL gates check the rows."""
    try:
        wanted = await now.neon.tables(now.project, branch.parent_id or "", origin.database, at)
    except ProviderError as error:
        message = f'gate "tables" could not run: {error.message}'
        hint = f"nothing points to this branch yet; {error.hint or 'run it again'}"
        raise GateFailed(message, gate="tables", hint=hint) from error
    check_tables(branch, at, wanted, await now.ports.gates.tables(origin))


@effect_of(steps.FenceBranch)
async def _fence_branch(step: steps.FenceBranch, now: Situation) -> None:
    """Set the mark first if users are on the branch, so that the next run sees the fence even after a crash."""
    branch = now.branch(step.branch)
    owner, user = await _logins(now, branch, step.database)
    if step.served:
        await mark_compute(now, branch, marked)
    await now.ports.fences.close(owner, user)
    if not step.served:
        await mark_compute(now, branch, marked)


@effect_of(steps.RemoveFence)
async def _remove_fence(step: steps.RemoveFence, now: Situation) -> None:
    branch = now.branch(step.branch)
    await now.ports.fences.open(*await _logins(now, branch, step.database))
    if branch.fenced:
        await mark_compute(now, branch, unmarked)


async def mark_compute(now: Situation, branch: Branch, name: Callable[[Endpoint], str]) -> None:
    """Rename the compute: its name is where marks of its branch are kept."""
    endpoint = now.endpoint(branch)
    if name(endpoint) != endpoint.name:
        await now.neon.rename_endpoint(now.project, endpoint.id, name(endpoint))


async def _logins(now: Situation, branch: Branch, database: str) -> tuple[Origin, Origin]:
    """Return the logins of the database's owner, and of the role that Hyperdrive uses."""
    role = now.desired.verify.role
    owner = await now.neon.owner(now.project, branch.id, database)
    user = await now.neon.origin(now.project, branch.id, database, role)
    if owner == role:
        return user, user
    return await now.neon.origin(now.project, branch.id, database, owner), user
