"""How a sandbox grows with its branches: `python -m benchmarks.many_branches [COUNT]`.

COUNT branches (50) are made in one project, each with a compute that then sleeps. Printed are how much longer the last
one took than the first, and the memory of all processes and of the clusters' files, which may lie in memory too.
Numbers depend on the machine, ratios hardly: so nothing is asserted.
"""

import asyncio
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from reconciler.sandbox.server import Sandbox
from tests.sandbox.neon_client import NeonClient, ProjectClient
from tests.support.memory import memory as memory_file_system

FEW = 5


def main(count: int) -> None:
    """Measure, and print."""
    with tempfile.TemporaryDirectory(dir=memory_file_system()) as temporary:
        directory = Path(temporary)
        directory.chmod(0o711)  # the user that PostgreSQL runs as must get through
        asyncio.run(run(directory, count))


async def run(directory: Path, count: int) -> None:
    sandbox = Sandbox(directory / "sandbox", empty=True)
    await sandbox.start()
    try:
        await measure(sandbox, directory, count)
    finally:
        await sandbox.stop()


async def measure(sandbox: Sandbox, directory: Path, count: int) -> None:
    async with NeonClient(sandbox.environment) as neon:
        await neon.post(f"{sandbox.url}/sandbox/switches", json={"neon": {"subscription_type": "scale_v3"}})
        asked = {"project": {"branch": {"role_name": "owner", "database_name": "shop"}}}
        project = ProjectClient(neon, (await neon.post("/projects", json=asked)).json()["project"]["id"])
        await project.settled()
        await project.execute("main", "create table item as select n from generate_series(1, 10000) n")
        empty = memory()
        seconds = [await create(project, f"branch-{number}") for number in range(count)]
        report(seconds, memory(), empty, size_of_files(directory))


async def create(project: ProjectClient, name: str) -> float:
    """Make a branch whose compute then sleeps; give the seconds until it could be used."""
    begun = time.perf_counter()
    await project.create(name)
    assert await project.execute(name, "select count(*) from item") == [(10000,)]
    took = time.perf_counter() - begun
    await project.act(name, "suspend")
    return took


def report(seconds: list[float], full: int, empty: int, files: int) -> None:
    first, last = statistics.median(seconds[:FEW]), statistics.median(seconds[-FEW:])
    print(f"branches                              {len(seconds)}")
    print(f"first, last branch                    {seconds[0]:.2f} s, {seconds[-1]:.2f} s")
    print(f"last / first                          {seconds[-1] / seconds[0]:.2f}")
    print(f"median of the last {FEW} / of the first {FEW}  {last / first:.2f}")
    print(f"memory of all processes               {full} MB (with one branch {empty} MB)")
    print(f"files of all clusters                 {files} MB, {files / len(seconds):.1f} MB a branch")


def memory() -> int:
    """Give the resident memory of this process and all below it, in MB; shared memory counts once for each."""
    table = subprocess.run(["ps", "-axo", "pid=,ppid=,rss="], capture_output=True, text=True, check=True).stdout
    rows = [[int(number) for number in line.split()] for line in table.splitlines()]
    family = {os.getpid()}
    while below := {pid for pid, parent, _ in rows if parent in family} - family:
        family |= below
    return sum(kilobytes for pid, _, kilobytes in rows if pid in family) // 1024


def size_of_files(directory: Path) -> int:
    """Give the space that the clusters take, in MB; a file that several share counts once."""
    table = subprocess.run(["du", "-sk", str(directory)], capture_output=True, text=True, check=True).stdout
    return int(table.split()[0]) // 1024


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 50)
