"""Effects on the branches that the file declares beside the primary."""

from reconciler.core.model.observed import DeclaredAnnotation
from reconciler.core.steps import declared as steps
from reconciler.engine.effects.base import Situation, effect_of


@effect_of(steps.CreateDeclaredBranch)
async def _create(step: steps.CreateDeclaredBranch, now: Situation) -> None:
    mark = DeclaredAnnotation(step.environment, step.name, step.reset, step.schema_only)
    await now.neon.create_child(now.project, step.name, now.branch(step.source).id, mark, compute=step.compute)


@effect_of(steps.ResetDeclaredBranch)
async def _reset(step: steps.ResetDeclaredBranch, now: Situation) -> None:
    source = now.branch(step.source).id
    await now.neon.reset_branch(now.project, now.branch(step.branch).id, source, step.keep_as)


@effect_of(steps.ExpireDeclaredBranch)
async def _expire(step: steps.ExpireDeclaredBranch, now: Situation) -> None:
    branch = now.branch(step.branch)
    await now.neon.expire(now.project, branch.id, step.expires_at(branch))


@effect_of(steps.ProtectDeclaredBranch)
async def _protect(step: steps.ProtectDeclaredBranch, now: Situation) -> None:
    change = now.neon.protect if step.protected else now.neon.unprotect
    await change(now.project, now.branch(step.branch).id)


@effect_of(steps.CreateDatabase)
async def _create_database(step: steps.CreateDatabase, now: Situation) -> None:
    await now.neon.create_database(now.project, now.branch(step.branch).id, step.database, step.owner)


@effect_of(steps.DeleteDeclaredBranch)
async def _delete(step: steps.DeleteDeclaredBranch, now: Situation) -> None:
    await now.neon.delete_branch(now.project, now.branch(step.branch).id)
