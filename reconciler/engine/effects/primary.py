"""Effects on the project and on its primary."""

from reconciler.core.model.compute_name import noted
from reconciler.core.steps import primary as steps
from reconciler.engine.effects.base import Situation, effect_of
from reconciler.engine.effects.branch import mark_compute


@effect_of(steps.SetHistoryRetention)
async def _set_history_retention(step: steps.SetHistoryRetention, now: Situation) -> None:
    await now.neon.set_history(now.project, step.seconds)


@effect_of(steps.RenameBranch)
async def _rename_branch(step: steps.RenameBranch, now: Situation) -> None:
    await now.neon.rename_branch(now.project, now.branch(step.branch).id, step.to)


@effect_of(steps.SetDefaultBranch)
async def _set_default_branch(step: steps.SetDefaultBranch, now: Situation) -> None:
    await now.neon.set_default(now.project, now.branch(step.branch).id)


@effect_of(steps.ProtectBranch)
async def _protect_branch(step: steps.ProtectBranch, now: Situation) -> None:
    await now.neon.protect(now.project, now.branch(step.branch).id)


@effect_of(steps.UnprotectBranch)
async def _unprotect_branch(step: steps.UnprotectBranch, now: Situation) -> None:
    if step.noted_on:
        await mark_compute(now, now.branch(step.noted_on), noted)
    await now.neon.unprotect(now.project, now.branch(step.branch).id)


@effect_of(steps.RestoreBranch)
async def _restore_branch(step: steps.RestoreBranch, now: Situation) -> None:
    point, source = now.branch(step.proved_on).lsn, now.branch(step.source).id
    await now.neon.restore_branch(now.project, now.branch(step.branch).id, source, point, step.keep_as)


@effect_of(steps.DeleteBranch)
async def _delete_branch(step: steps.DeleteBranch, now: Situation) -> None:
    branch = now.branch(step.branch).id
    if step.unprotects:
        await now.neon.unprotect(now.project, branch)
    await now.neon.delete_branch(now.project, branch)
