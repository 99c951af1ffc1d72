"""A whole drill: one round after another, each on a branch of its own, and what came of them."""

import os
import platform
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from reconciler import __version__
from reconciler.cli.drill.files import refuse_to_overwrite
from reconciler.cli.drill.round import DrillOptions, DrillRound, Finished
from reconciler.cli.drill.site import DrillRefused, DrillTarget
from reconciler.cli.repository.environments import EnvironmentFile
from reconciler.cli.wiring import connected
from reconciler.core.drill.names import DrillNames
from reconciler.core.drill.results import Drill, Promise, Stays
from reconciler.core.model.desired import Desired, Method
from reconciler.core.model.destruction import DestructionSpec
from reconciler.core.plan.not_restored import spelled, stays
from reconciler.engine.observe import observe
from reconciler.errors import InputError, ReconcilerError
from reconciler.ports import Ports

Address = Callable[[str], Awaitable[str]]


@dataclass(frozen=True, slots=True)
class DrillRequest:
    """What to drill, and how; `reports` is the directory of reports."""

    file: EnvironmentFile
    destructions: Sequence[DestructionSpec]
    options: DrillOptions
    promise: Promise | None
    reports: Path
    say: Callable[[str], None]


async def drill(
    request: DrillRequest, environment: Mapping[str, str] = os.environ, address: Address | None = None
) -> Drill:
    """Do all rounds. `address` finds a Worker's URL, if that is not workers.dev.

    An error in a round ends the drill, and is its result. Raises ReconcilerError if nothing was begun:
    DrillRefused if a guard refused, InputError if the request can't be carried out.
    """
    production = request.file.read()
    async with connected(production, request.file.root, environment) as ports:
        begun, started = ports.clock.now(), ports.clock.elapsed()
        refuse_to_overwrite(request.reports, begun, production.environment)
        where = (address or ports.cloudflare.worker_address) if request.options.visited else None
        rounds: list[Finished] = []
        failure = ""
        for number, destruction in enumerate(request.destructions, 1):
            request.say(f"round {number} of {len(request.destructions)}: {destruction}")
            names = DrillNames.of(production, ports.clock.now())
            target = DrillTarget(production, request.file, names, ports, where, request.say)
            try:
                rounds.append(await DrillRound(target, request.options, environment).run(destruction))
            except ReconcilerError as error:
                if not rounds and isinstance(error, DrillRefused | InputError):
                    raise
                request.say(error.report)
                failure = f"round {number} ({destruction}): {error.message}"
                break
        outside = await _outside(production, ports)
        return Drill(
            environment=production.environment,
            project=production.primary.project,
            begun=begun,
            method=Method.BRANCH.value,
            commit=rounds[-1].commit if rounds else "",
            rounds=tuple(each.round for each in rounds),
            seconds=ports.clock.elapsed() - started,
            promise=request.promise,
            outside=outside,
            versions=(
                ("reconciler", __version__),
                ("Python", platform.python_version()),
                *((("PostgreSQL", rounds[-1].server),) if rounds else ()),
            ),
            failure=failure,
        )


async def _outside(production: Desired, ports: Ports) -> tuple[Stays, ...]:
    """List what a restore does not rewind; targets are minutes old, so every retention reaches back to them."""
    found = stays(production, await observe(production, ports))
    return tuple(Stays(each.name, spelled(each.retention) or "not stated", each.recovery) for each in found)
