"""Deletes what a drill made, this one or a killed one, and nothing else.

First the Workers, then the Hyperdrive configs, then the branches, leaf first. Each is read again before, and the rules
(`core.drill.leftovers`) must allow the deletion; what stays is reported with the reasons.
"""

from collections.abc import Callable
from dataclasses import dataclass

from reconciler.cli.drill.site import script_of
from reconciler.core.drill.leftovers import branch_stays, config_stays, is_another_drills, to_serve_again, worker_stays
from reconciler.core.drill.names import LENDING, DrillNames
from reconciler.core.model.desired import Desired
from reconciler.core.model.observed import HyperdriveConfig
from reconciler.ports import Ports

# A drill makes two branches; a list that lags behind may show one that is gone for a while.
_MOST_ROUNDS = 20


@dataclass(frozen=True, slots=True)
class Swept:
    """What was deleted, and what was left, each in words."""

    gone: tuple[str, ...]
    left: tuple[str, ...]


class Sweeper:
    """Sweeps for one environment."""

    def __init__(self, production: Desired, ports: Ports, say: Callable[[str], None]) -> None:
        self._production = production
        self._ports = ports
        self._say = say
        self._gone: dict[str, None] = {}
        self._left: dict[str, None] = {}

    async def sweep(self, names: DrillNames) -> Swept:
        """Delete what one drill made. Can be repeated. Raises ProviderError."""
        if self._production.hyperdrive is not None:
            scripts = [script_of(self._production, self._ports, worker) for worker in self._production.workers]
            await self._workers(names, scripts)
            await self._sweep_configs(names, scripts)
        await self._branches(names)
        return Swept(tuple(self._gone), tuple(self._left))

    async def everything(self) -> Swept:
        """Delete what all drills of the environment left behind."""
        branches = await self._ports.neon.branches(self._production.primary.project)
        for names in DrillNames.left(self._production, branches, await self._configs()):
            await self.sweep(names)
        return Swept(tuple(self._gone), tuple(self._left))

    async def _configs(self) -> tuple[HyperdriveConfig, ...]:
        return await self._ports.cloudflare.configs() if self._production.hyperdrive is not None else ()

    async def _workers(self, names: DrillNames, scripts: list[str]) -> None:
        cloudflare = self._ports.cloudflare
        there = await cloudflare.scripts()
        for worker, script in zip(self._production.workers, scripts, strict=True):
            if script not in there:
                continue
            deployed = await cloudflare.deployed(script, worker.binding)
            configs = await cloudflare.configs()
            if is_another_drills(self._production, names, deployed, configs):
                continue
            stays = worker_stays(names, deployed, configs)
            if self._production.drill.worker:
                await self._give_back(script, worker.binding, is_borrowed=not stays)
                continue
            if not stays:
                await cloudflare.delete_worker(script)
            self._note(f"Worker {script}", stays)

    async def _give_back(self, script: str, binding: str, *, is_borrowed: bool) -> None:
        """Deploy the version that served before; nothing to do if the Worker is not borrowed."""
        if not is_borrowed:
            return
        cloudflare = self._ports.cloudflare
        version = to_serve_again(await cloudflare.uploaded(script, binding, LENDING))
        if not version:
            self._note(f"Worker {script}", ("no label names the version that served before the drill",))
            return
        await cloudflare.deploy(script, [(version, 100)], "reconciler drill gives it back")
        self._say(f"Worker {script} serves version {version} again")

    async def _sweep_configs(self, names: DrillNames, scripts: list[str]) -> None:
        cloudflare = self._ports.cloudflare
        for config in await cloudflare.configs():
            if not names.has_config(config.name):
                continue
            branches = await self._ports.neon.branches(self._production.primary.project)
            stays = config_stays(names, config, branches, await cloudflare.uses(), scripts)
            if not stays:
                await cloudflare.delete_config(config.id)
            self._note(f'Hyperdrive config "{config.name}"', stays)

    async def _branches(self, names: DrillNames) -> None:
        project, neon = self._production.primary.project, self._ports.neon
        for _ in range(_MOST_ROUNDS):
            branches, configs = await neon.branches(project), await self._configs()
            own = [each for each in branches if names.has_branch(each)]
            stays = {each.name: branch_stays(names, each, branches, configs) for each in own}
            leaf = next((each for each in own if not stays[each.name]), None)
            if leaf is None:
                break
            await neon.delete_branch(project, leaf.id)
            self._note(f'branch "{leaf.name}"', ())
        for name, reasons in stays.items():
            self._note(f'branch "{name}"', reasons)

    def _note(self, what: str, stays: tuple[str, ...]) -> None:
        noted, line = (self._left, f"{what} stays: {'; '.join(stays)}") if stays else (self._gone, f"deleted {what}")
        if line not in noted:
            noted[line] = None
            self._say(line)
