"""The demo's chapters, and their proofs."""

from collections.abc import Callable, Iterable

import httpx

from reconciler.cli.console.progress import Progress
from reconciler.cli.demo import shop
from reconciler.cli.demo.repository import DemoRepository
from reconciler.cli.drill.visitor import PER_SECOND, Visitor
from reconciler.core.plan.plan import plan
from reconciler.core.rules.restore.guards import SETTLING
from reconciler.core.steps import Phase
from reconciler.core.values.instant import Instant
from reconciler.engine.events import Outcome
from reconciler.engine.loop import Apply
from reconciler.engine.observe import observe
from reconciler.ports import Origin, Ports
from reconciler.render.plan import as_text

_SCRIPT, _BINDING = "tech961-api", "HYPERDRIVE"
_LOOK = "look and plan"
_ROWS = {
    Phase.BRANCH: "branch",
    Phase.COMPUTE: "branch",
    Phase.VERIFY_BRANCH: "verify",
    Phase.VERIFY_STAGED: "verify",
    Phase.VERIFY_LIVE: "verify",
    Phase.HYPERDRIVE: "Hyperdrive",
    Phase.DEPLOY: "deploy",
    Phase.PROMOTE: "promote",
}


class Story:
    """One run of the demo. `worker` is the Worker's URL, if it runs; `failed` counts the failed proofs."""

    def __init__(
        self, ports: Ports, repository: DemoRepository, say: Callable[[str], None], worker: str | None = None
    ) -> None:
        self._ports = ports
        self._repository = repository
        self._file = repository.file
        self._project = self._file.read().primary.project
        self._say = say
        self._worker = worker
        self._chapters = 0
        self.failed = 0

    async def run(self) -> None:
        """Run every chapter, from the first row to the last proof."""
        before, to = await self._business()
        damaged = await self._accident()

        self._chapter("The restore: one line, in a commit")
        self._say(self._repository.ask_for(to))
        await self._settle(to)
        restored = await self._apply_visited()
        await self._prove_restored(before, damaged)
        await self._show_page()
        self._repository.commit_deployed()

        self._chapter("A change of mind: git revert, and apply")
        self._say(self._repository.revert())
        undone = await self._apply()
        await self._prove_undone(before, damaged)
        self._repository.commit_deployed()

        self._chapter("Apply once more")
        again = await self._apply()
        self._prove("there is nothing to do, and nothing was done", again.converged and not again.taken)

        self._chapter("Seconds, as measured just now")
        self._say(_table({"restore": restored, "undo": undone}))

    async def _business(self) -> tuple[shop.Contents, Instant]:
        self._chapter("Business as usual")
        configs = await self._ports.cloudflare.configs()
        self._repository.begin(next(config.id for config in configs if config.name == "tech961"))
        origin = await self._live_origin()
        before = await shop.fill(origin)
        to = await shop.present(origin)
        self._say(f"   {before.listings} listings and {before.clicks} clicks at {to}")
        await self._show_page()
        return before, to

    async def _accident(self) -> shop.Contents:
        self._chapter("The accident: Listing is dropped, Click truncated, and a click comes in afterwards")
        damaged = await shop.damage(await self._live_origin())
        self._say(f"   no table Listing, and {damaged.clicks} click")
        await self._show_page()
        return damaged

    async def _settle(self, to: Instant) -> None:
        left = SETTLING - (self._ports.clock.now() - to)
        if left.total_seconds() > 0:
            self._say(f"   (a moment is safe to ask for once it is {SETTLING.seconds} s old: waiting)")
            await self._ports.clock.sleep(left.total_seconds())

    async def _apply_visited(self) -> Outcome:
        """Apply while requests reach the Worker, if it runs, and prove that none failed."""
        if self._worker is None:
            return await self._apply()
        async with Visitor(f"{self._worker}/ping") as visitor:
            outcome = await self._apply()
            await self._ports.clock.sleep(1.0)  # a second more, so that stale answers show
        seen = visitor.seen
        self._say(f"   {seen.count} requests, {PER_SECOND} a second: {seen.failed} failed, {seen.stale} stale")
        self._prove("no request failed while traffic was switched", seen.failed == 0 < seen.count)
        return outcome

    async def _show_page(self) -> None:
        """Say what the Worker answers."""
        if self._worker is None:
            return
        async with httpx.AsyncClient(timeout=10.0) as client:
            answer = await client.get(self._worker, headers={"Accept": "application/json"})
        shown = f"{len(answer.json())} listings" if answer.is_success else answer.text
        self._say(f"   {self._worker}/ answers {answer.status_code}: {shown}")

    async def _apply(self) -> Outcome:
        """Plan, show the plan, and apply exactly that."""
        desired = self._file.read()
        observed = await observe(desired, self._ports)
        planned = plan(desired, observed)
        self._say("\n" + "\n".join(f"   | {line}" for line in as_text(planned, observed).splitlines()) + "\n")
        with Progress() as progress:
            return await Apply(desired, self._ports, progress.report).run(planned.digest)

    async def _prove_restored(self, before: shop.Contents, damaged: shop.Contents) -> None:
        now = await shop.look(await self._live_origin())
        held = await shop.look(await self._held_origin())
        self._prove(
            f"{now.listings} listings are back, read from where Hyperdrive points", now.listings == before.listings
        )
        self._prove(f"{now.clicks} clicks are back", now.clicks == before.clicks)
        self._prove("the click from after that moment is absent", now.written_after == 0 < damaged.written_after)
        self._prove("the damaged history is held whole, and can be queried", held == damaged)

    async def _prove_undone(self, before: shop.Contents, damaged: shop.Contents) -> None:
        now = await shop.look(await self._live_origin())
        held = await shop.look(await self._held_origin())
        self._prove("the old history is live again, exactly as it was left", now == damaged)
        self._prove(f"the restored one is held in its turn, with {held.listings} listings", held == before)

    async def _live_origin(self) -> Origin:
        """Follow the traffic: the deployed version's binding, that Hyperdrive config, its host."""
        (version,) = await self._ports.cloudflare.deployed(_SCRIPT, _BINDING)
        configs = await self._ports.cloudflare.configs()
        config = next(each for each in configs if each.id == version.hyperdrive_id)
        for branch in await self._ports.neon.branches(self._project):
            endpoint = branch.endpoint
            if endpoint is not None and (endpoint.host, endpoint.port) == (config.host, config.port):
                return await self._ports.neon.origin(self._project, branch.id, config.database, config.user)
        raise AssertionError(f"Hyperdrive points to {config.host}:{config.port}, which is no branch's")

    async def _held_origin(self) -> Origin:
        branches = await self._ports.neon.branches(self._project)
        held = next(branch for branch in branches if ".held." in branch.name)
        return await self._ports.neon.origin(self._project, held.id, "tech961", "app")

    def _chapter(self, title: str) -> None:
        self._chapters += 1
        self._say(f"\n{self._chapters}. {title}")

    def _prove(self, claim: str, holds: bool) -> None:  # noqa: FBT001  a claim and whether it holds
        self.failed += not holds
        self._say(f"   {'proved' if holds else 'FAILED'}: {claim}")


def _table(outcomes: dict[str, Outcome]) -> str:
    """Show the seconds of each phase; what is not a step is looking and planning, so the rows add up."""
    columns = {name: _seconds(outcome) for name, outcome in outcomes.items()}
    return "\n".join(_rows(columns))


def _seconds(outcome: Outcome) -> dict[str, float]:
    seconds = dict.fromkeys((_LOOK, *_ROWS.values()), 0.0)
    for done in outcome.taken:
        seconds[_ROWS[done.step.phase]] += done.seconds
    seconds[_LOOK] = outcome.seconds - sum(seconds.values())
    return {**seconds, "total": outcome.seconds}


def _rows(columns: dict[str, dict[str, float]]) -> Iterable[str]:
    yield f"   {'':14}" + "".join(f"{name:>10}" for name in columns)
    for row in (_LOOK, *dict.fromkeys(_ROWS.values()), "total"):
        yield f"   {row:14}" + "".join(f"{seconds[row]:10.2f}" for seconds in columns.values())
