"""A drill of a large database against `pg_restore -j2`, in the same run: `python -m benchmarks.drill [SCALE]`.

The sandbox's example gets pgbench's SCALE (70: about 1 GB). The drill truncates its largest table, restores and proves
it. The same database is then dumped (`pg_dump -Fd -j2`, which is not counted: whoever restores a dump has one), and
restored into a new one by `pg_restore -j2`, which is what a restore takes without branches. What is asserted is
nothing: numbers depend on the machine, and on what else it does.
"""

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import psycopg

from reconciler.cli.demo.repository import DemoRepository
from reconciler.providers.postgres.programs import programs
from reconciler.sandbox.server import Sandbox
from tests.support.memory import memory
from tests.support.plain_words import PROGRAM

_CONFIG = "7f3c9a52e1d04b6f8a2c5e9d1b3f7a60"


def main(scale: int) -> None:
    """Measure, and print."""
    with tempfile.TemporaryDirectory(dir=memory()) as temporary:
        directory = Path(temporary)
        directory.chmod(0o711)  # the user that PostgreSQL runs as must get through
        asyncio.run(measure(directory, scale))


async def measure(directory: Path, scale: int) -> None:
    sandbox = Sandbox(directory / "sandbox")
    await sandbox.start()
    try:
        (directory / "shop").mkdir()
        repository = DemoRepository(directory / "shop")
        repository.begin(_CONFIG)
        uri = await asyncio.to_thread(primary, sandbox.environment)
        await asyncio.to_thread(compare, sandbox.environment, uri, repository.root, directory, scale)
        repository.close()
    finally:
        await sandbox.stop()


def primary(environment: dict[str, str]) -> str:
    """Ask Neon how to log in to the primary."""
    project = f"{environment['NEON_API_HOST']}/projects/aged-wildflower-123456"
    headers = {"Authorization": f"Bearer {environment['NEON_API_KEY']}"}
    query = {"database_name": "tech961", "role_name": "app"}
    return httpx.get(f"{project}/connection_uri", params=query, headers=headers).json()["uri"]


def compare(environment: dict[str, str], uri: str, root: Path, directory: Path, scale: int) -> None:
    # The programs of the wheel know no TLS, and are led past the compute; the connection keeps that awake.
    with psycopg.connect(uri, autocommit=True) as connection:
        found, variables = programs(18, "the server is"), past_the_compute(connection, uri)
        filled = timed([found / "pgbench", "-i", "-q", "-s", str(scale)], variables)
        (size,) = connection.execute("select pg_database_size(current_database())").fetchone()
        drilled, drill = drill_of(root, environment)
        timed([found / "pg_dump", "-Fd", "-j2", "-Z0", "-f", directory / "dump"], variables)
        connection.execute("create database restored")
        arguments = ["-j2", "--no-owner", "-d", "restored", directory / "dump"]
        restored = timed([found / "pg_restore", *arguments], variables)
    print(f"database               {size / 1e6:.0f} MB, filled in {filled:.1f} s")
    print(f"drill, whole           {drilled:.1f} s, {'proved' if drill['proved'] else 'NOT proved'}")
    for phase in drill["rounds"][0]["phases"]:
        print(f"  {phase['phase']:20} {phase['seconds']:.1f} s")
    print(f"restore in the drill   {drill['slowest']:.1f} s")
    print(f"pg_restore -j2         {restored:.1f} s, {restored / drill['slowest']:.1f} times as long")


def past_the_compute(connection: psycopg.Connection, uri: str) -> dict[str, str]:
    """Return the variables that lead PostgreSQL's programs to the cluster itself."""
    (sockets,), (port,) = (
        connection.execute(f"show {each}").fetchone() for each in ("unix_socket_directories", "port")
    )
    parts = urlsplit(uri)
    login = {"PGUSER": parts.username, "PGPASSWORD": parts.password, "PGDATABASE": parts.path[1:]}
    return {**os.environ, **login, "PGHOST": sockets, "PGPORT": port}


def drill_of(root: Path, environment: dict[str, str]) -> tuple[float, dict]:
    """Drill, and return how long it took and what it said."""
    command = [*PROGRAM, "drill", "production", "--destroy", "truncate", "--without-traffic", "--format", "json"]
    variables, begun = {**os.environ, **environment}, time.perf_counter()
    done = subprocess.run(command, cwd=root, env=variables, check=False, capture_output=True, text=True)
    took = time.perf_counter() - begun
    if done.returncode != 0:
        sys.exit(done.stderr)
    return took, json.loads(done.stdout)


def timed(command: list, variables: dict[str, str]) -> float:
    begun = time.perf_counter()
    subprocess.run(command, env=variables, check=True, capture_output=True)
    return time.perf_counter() - begun


if __name__ == "__main__":
    main(*[int(each) for each in sys.argv[1:]] or [70])
