"""Effects on Hyperdrive configs, their pools and their query caches."""

from reconciler.core.steps import hyperdrive as steps
from reconciler.engine.effects.base import Situation, effect_of


@effect_of(steps.CreateHyperdrive)
async def _create(step: steps.CreateHyperdrive, now: Situation) -> None:
    origin = await now.neon.origin(now.project, now.branch(step.branch).id, step.database, step.role)
    await now.ports.cloudflare.create_config(step.name, origin, step.settings)


@effect_of(steps.RestartPool)
async def _restart_pool(step: steps.RestartPool, now: Situation) -> None:
    await now.ports.cloudflare.restart_pool(now.config(step.hyperdrive).id)


@effect_of(steps.RepointHyperdrive)
async def _repoint(step: steps.RepointHyperdrive, now: Situation) -> None:
    await _send_origin(step, now)


@effect_of(steps.RenewPassword)
async def _renew_password(step: steps.RenewPassword, now: Situation) -> None:
    await _send_origin(step, now)


async def _send_origin(step: steps.RepointHyperdrive | steps.RenewPassword, now: Situation) -> None:
    """Send the password each time: a child of a protected branch has another one (Neon documentation, Protected)."""
    origin = await now.neon.origin(now.project, now.branch(step.branch).id, step.database, step.role)
    await now.ports.cloudflare.repoint_config(now.config(step.hyperdrive).id, origin)


@effect_of(steps.AwaitCache)
async def _await_cache(step: steps.AwaitCache, now: Situation) -> None:
    await now.ports.clock.sleep(step.seconds)


@effect_of(steps.UpdateHyperdrive)
async def _update(step: steps.UpdateHyperdrive, now: Situation) -> None:
    await now.ports.cloudflare.update_config(now.config(step.hyperdrive).id, step.settings)


@effect_of(steps.DeleteHyperdrive)
async def _delete(step: steps.DeleteHyperdrive, now: Situation) -> None:
    await now.ports.cloudflare.delete_config(now.config(step.name).id)
