"""How long a database of 1 GB takes in a sandbox: `python -m benchmarks.large_database [SCALE] [ROUNDS]`.

A database of pgbench's SCALE (70: about 1 GB) is loaded through a compute's port, and something of it is damaged. Then,
ROUNDS times (5) each, until the answer to a first query is there: a branch of the present state, a branch of the moment
before the damage, a restore in place to that moment, and the waking of a suspended compute. Printed are the load, all
times with their medians, and the space that it takes. What is asserted is only that the damage is undone: seconds
depend on the machine.
"""

import asyncio
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable

from benchmarks.many_branches import size_of_files
from reconciler.providers.postgres.programs import programs
from tests.sandbox.neon_client import NeonClient, ProjectClient, next_millisecond
from tests.support.sandbox_process import SandboxProcess

DAMAGE = "delete from pgbench_accounts where aid % 10 = 0"
COUNT = "select count(*) from pgbench_accounts"


def main(scale: int, rounds: int) -> None:
    """Measure, and print."""
    sandbox = SandboxProcess()
    try:
        asyncio.run(measure(sandbox, scale, rounds))
        print(f"{'all files':<34}{size_of_files(sandbox.directory)} MB, in memory where that is their place")
    finally:
        sandbox.close()


async def measure(sandbox: SandboxProcess, scale: int, rounds: int) -> None:
    async with NeonClient(sandbox.environment) as neon:
        await neon.post(f"{sandbox.url}/sandbox/switches", json={"neon": {"subscription_type": "scale_v3"}})
        asked = {"project": {"branch": {"role_name": "owner", "database_name": "shop"}}}
        project = ProjectClient(neon, (await neon.post("/projects", json=asked)).json()["project"]["id"])
        await project.settled()
        plain = (await project.uri("main")).partition("?")[0] + "?sslmode=disable"  # not every pgbench knows TLS
        pgbench = [programs(18, "the sandbox is") / "pgbench", "-i", "-q", "-s", str(scale), plain]
        begun = time.perf_counter()
        subprocess.run(pgbench, check=True, capture_output=True)  # noqa: ASYNC221 - nothing else is to happen
        print(f"{'load with pgbench':<34}{time.perf_counter() - begun:.2f} s")
        ((size,),) = await project.execute("main", "select pg_database_size('shop')")
        print(f"{'database':<34}{size / 1e6:.0f} MB, files {size_of_files(sandbox.directory)} MB")
        await Rounds(project, scale * 100_000, rounds).run()


class Rounds:
    """Each of the things that take long, several times."""

    def __init__(self, project: ProjectClient, rows: int, rounds: int) -> None:
        self.project = project
        self.rows = rows
        self.rounds = rounds
        self.held = 0

    async def run(self) -> None:
        await self.repeat("branch of the present state", self.branch, None, self.rows)
        moment = await next_millisecond()
        await self.project.execute("main", DAMAGE)
        await self.repeat("branch of the moment before", self.branch, moment, self.rows)
        await self.repeat("restore in place to that moment", self.restore, moment)
        await self.repeat("waking of a compute", self.wake)

    async def repeat(self, what: str, act: Callable[..., Awaitable[float]], *details: object) -> None:
        seconds = [await act(*details) for _ in range(self.rounds)]
        print(f"{what:<34}{statistics.median(seconds):.2f} s  ({', '.join(f'{each:.2f}' for each in seconds)})")

    async def branch(self, moment: str | None, rows: int) -> float:
        begun = time.perf_counter()
        created = await self.project.create("branch", at=moment)
        assert created.status_code == 201, created.text
        await self.project.execute("branch", "select 1")
        took = time.perf_counter() - begun
        assert [(rows,)] == await self.project.execute("branch", COUNT)
        await self.project.neon.delete(await self.project.path_of("branch"))
        await self.project.settled()
        return took

    async def restore(self, moment: str) -> float:
        begun = time.perf_counter()
        source = "held-1" if self.held else "main"  # which has the history from then on
        self.held += 1
        asked = {"source_timestamp": moment, "preserve_under_name": f"held-{self.held}"}
        answer = await self.project.restore("main", source, **asked)
        assert answer.status_code == 200, answer.text
        await self.project.execute("main", "select 1")
        took = time.perf_counter() - begun
        assert [(self.rows,)] == await self.project.execute("main", COUNT)
        return took

    async def wake(self) -> float:
        await self.project.act("main", "suspend")
        begun = time.perf_counter()
        await self.project.execute("main", "select 1")
        return time.perf_counter() - begun


if __name__ == "__main__":
    given = [int(each) for each in sys.argv[1:]]
    main(*given, *(70, 5)[len(given) :])
