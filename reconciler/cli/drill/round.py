"""One round of a drill: destroy something on a branch of its own, restore it as production is, and prove it."""

import asyncio
import tempfile
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from reconciler.cli.console.progress import Progress
from reconciler.cli.drill import site as drill_site
from reconciler.cli.drill.clock import DrillClock
from reconciler.cli.drill.repository import DrillRepository
from reconciler.cli.drill.site import DrillRefused, DrillTarget
from reconciler.cli.drill.sweep import Sweeper
from reconciler.cli.drill.visitor import Visitor
from reconciler.cli.proposal.base import Base, examine
from reconciler.cli.wiring import connected
from reconciler.core.drill.checks import Seen, checks, table_proofs
from reconciler.core.drill.destruction import possible
from reconciler.core.drill.results import Noticed, Phase, Round, Traffic
from reconciler.core.file.edit import with_restore
from reconciler.core.model.desired import Restore
from reconciler.core.model.destruction import DestructionSpec, Kind
from reconciler.core.model.observed import Branch
from reconciler.core.rules.restore.guards import SETTLING
from reconciler.core.values.instant import Instant
from reconciler.engine.loop import Apply
from reconciler.errors import GateFailed, InputError, NotConverged, ReconcilerError
from reconciler.providers.postgres.drill_database import DrillDatabase

_STALE_SECONDS = 1.0
_ANSWER_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class DrillOptions:
    """How rounds are done. `visited`: requests are sent to the Worker; `detect`: the gates check the damage.

    `leave_damage` sabotages the restore.
    """

    per_second: int
    keep: bool = False
    visited: bool = True
    detect: bool = False
    leave_damage: bool = False
    path: str = ""


@dataclass(frozen=True, slots=True)
class _Accident:
    """What was destroyed, and the database before and after."""

    what: str
    moment: Instant
    good: Seen
    damaged: Seen
    branch: Branch


@dataclass(frozen=True, slots=True)
class _Restored:
    """What came of the restore: its commit, the timeline, and what visitors saw."""

    commit: str
    timeline: str
    traffic: Traffic | None


@dataclass(frozen=True, slots=True)
class Finished:
    """A round, the commit of its restore, and PostgreSQL's version."""

    round: Round
    commit: str
    server: str


class DrillRound:
    """One round. However it ends, what it made is deleted, unless it is to be kept."""

    def __init__(self, target: DrillTarget, options: DrillOptions, environment: Mapping[str, str]) -> None:
        self._target = target
        self._options = options
        # The drill's repository has no remote, whatever the environment says of the real one.
        self._environment = {**environment, "RECONCILER_REMOTE": ""}

    async def run(self, destruction: DestructionSpec) -> Finished:
        """Run it. Raises ReconcilerError, including DrillRefused."""
        script = self._script(destruction)
        with tempfile.TemporaryDirectory(prefix="reconciler-drill-") as directory:
            repository = DrillRepository(Path(directory), self._target.names.environment)
            try:
                return await self._run(destruction, script, repository)
            finally:
                repository.close()
                if not self._options.keep:
                    await self._sweep()

    async def _sweep(self) -> None:
        """Delete what was made. A failure here is a warning: it hides neither the measurements nor an error."""
        target = self._target
        try:
            await Sweeper(target.production, target.ports, target.say).sweep(target.names)
        except ReconcilerError as error:
            rest = f"reconciler drill {target.production.environment} --clean deletes the rest"
            target.say(f"warning: not everything that the drill made could be deleted: {error.message}; {rest}")

    async def _run(self, destruction: DestructionSpec, script: str, repository: DrillRepository) -> Finished:
        branch = await drill_site.make(self._target, repository)
        accident = await self._accident(destruction, script, branch)
        # Neon makes no branch from one that expires.
        await self._target.ports.neon.clear_expiry(self._target.project, branch.id)
        with Progress() as progress:
            first = Phase.DETECT if self._options.detect else Phase.DECIDE
            clock = DrillClock(self._target.ports.clock, progress, first)
            noticed = await self._noticed(branch) if self._options.detect else None
            restored = await self._restore(repository, accident, clock)
        live = await drill_site.serving(self._target)
        database = DrillDatabase(await drill_site.owner(self._target, live))
        now = await asyncio.to_thread(database.look)
        finished = Round(
            destruction=accident.what,
            target=accident.moment,
            timeline=restored.timeline,
            phases=clock.measured,
            tables=table_proofs(accident.good, accident.damaged, now),
            checks=checks(accident.good, accident.damaged, now),
            traffic=restored.traffic,
            ids=await self._ids(branch, live),
            noticed=noticed,
        )
        return Finished(finished, restored.commit, await asyncio.to_thread(database.server))

    async def _accident(self, destruction: DestructionSpec, script: str, branch: Branch) -> _Accident:
        """Write the canaries, read everything, and destroy what the guard allows."""
        origin = await drill_site.owner(self._target, branch)
        await drill_site.refuse_unless_own(self._target, origin)
        database = DrillDatabase(origin)
        await asyncio.to_thread(database.prepare)
        good = await asyncio.to_thread(database.look)
        tables = await asyncio.to_thread(database.tables, good.contents)
        choices = possible(destruction, tables, script)
        moment = await asyncio.to_thread(database.present)
        await drill_site.refuse_unless_own(self._target, origin)
        done = await asyncio.to_thread(database.damage, choices)
        self._target.say(f"destroyed, on {branch.name}: {done.what}; the last good moment is {moment}")
        if self._options.leave_damage:
            moment = await asyncio.to_thread(database.present)
        return _Accident(done.what, moment, good, await asyncio.to_thread(database.look), branch)

    def _script(self, destruction: DestructionSpec) -> str:
        """Read a migration. Raises InputError."""
        if destruction.kind is not Kind.MIGRATION:
            return ""
        try:
            return (self._target.file.root / destruction.of).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(
                f"{destruction.of} cannot be read ({error})", hint="name a file of SQL, from the repository's root"
            ) from error

    async def _noticed(self, branch: Branch) -> Noticed:
        """Run the file's gates on the damaged branch, one after the other, until one fails."""
        gates = self._target.production.verify.sql
        origin = await self._target.ports.neon.origin(self._target.project, branch.id, *self._target.login)
        for asked, gate in enumerate(gates, 1):
            try:
                await self._target.ports.gates.sql(origin, gate)
            except GateFailed as failed:
                return Noticed(asked, failed.message)
        return Noticed(len(gates), None)

    async def _restore(self, repository: DrillRepository, accident: _Accident, clock: DrillClock) -> _Restored:
        """Do a restore as a team does: decide, commit, plan, merge, apply, and check that users are served."""
        clock.enter(Phase.DECIDE)
        left = SETTLING - (self._target.ports.clock.now() - accident.moment)
        await self._target.ports.clock.sleep(max(left.total_seconds(), 0.0))
        base = Base.of(repository.file, self._environment)
        reason = f"drill: {accident.what}"[:200]
        text = with_restore(base.text, Restore(accident.moment, "drill", reason))
        clock.enter(Phase.PLAN)
        examined = await examine(base, text, self._environment)
        if examined.plan.refusals:
            raise DrillRefused(examined.plan.refusals)
        clock.enter(Phase.DECIDE)
        commit = repository.merge(base, examined, text, reason)
        desired = repository.file.read()
        clock.enter(Phase.PLAN)
        async with AsyncExitStack() as stack:
            ports = await stack.enter_async_context(connected(desired, repository.root, self._environment))
            visitor = await self._visitor(stack)
            outcome = await Apply(desired, clock.listening(ports), clock.report).run(examined.plan.digest)
            if outcome.final.refusals:
                raise DrillRefused(outcome.final.refusals)
            if not outcome.converged:
                raise NotConverged("the restore ended, and not everything is as the file asks")
            clock.enter(Phase.TRAFFIC)
            await self._see_it_served(visitor)
            clock.stop()
            traffic = await self._traffic(visitor, clock)
        return _Restored(commit, str(desired.timeline), traffic)

    async def _visitor(self, stack: AsyncExitStack) -> Visitor | None:
        """Send requests to the drill's Worker, if it has one with an address."""
        target = self._target
        if target.address is None or not target.production.workers:
            return None
        address = await target.address(target.script(target.production.workers[0]))
        gates = target.production.verify.http
        path = self._options.path or (urlsplit(gates[0].url).path if gates else "") or "/"
        return await stack.enter_async_context(Visitor(f"{address}{path}", self._options.per_second))

    async def _see_it_served(self, visitor: Visitor | None) -> None:
        """Wait for the answer to a request sent after the restore, or log in as the application does."""
        if visitor is not None:
            await self._see_it_answered(visitor)
            return
        live = await drill_site.serving(self._target)
        origin = await self._target.ports.neon.origin(self._target.project, live.id, *self._target.login)
        await self._target.ports.gates.login(origin)

    async def _see_it_answered(self, visitor: Visitor) -> None:
        clock = self._target.ports.clock
        begun = clock.elapsed()
        while not any(each.status == 200 for each in visitor.seen.since(begun).visits):
            if clock.elapsed() - begun > _ANSWER_SECONDS:
                raise GateFailed(
                    f"the drill's Worker has not answered with 200 for {_ANSWER_SECONDS:.0f} s after the restore",
                    gate="traffic",
                    hint="look at its log (wrangler tail); bindings of production that it lacks are listed above",
                )
            await clock.sleep(1 / self._options.per_second)

    async def _traffic(self, visitor: Visitor | None, clock: DrillClock) -> Traffic | None:
        """Count the answers since the switch began, and for a moment longer, in which stale ones would show."""
        if visitor is None:
            return None
        await self._target.ports.clock.sleep(_STALE_SECONDS)
        seen = visitor.seen.since(clock.switching)
        stale = seen.stale if visitor.seen.names_databases else None
        return Traffic(self._options.per_second, seen.count, seen.failed, stale, seen.longest_gap)

    async def _ids(self, branch: Branch, live: Branch) -> tuple[tuple[str, str], ...]:
        """List the providers' ids of what was made."""
        found = [("Neon project", self._target.project), ("damaged branch", branch.id), ("restored branch", live.id)]
        if self._target.production.hyperdrive is not None:
            configs = await self._target.ports.cloudflare.configs()
            own = (each for each in configs if self._target.names.has_config(each.name))
            found += [(f"Hyperdrive config {each.name}", each.id) for each in own]
        return tuple(found)
