"""A snapshot against plain `pg_dump -Fc`, in the same run: `python -m benchmarks.snapshot [SCALE] [ROUNDS]`.

A database of pgbench's SCALE (70: about 1 GB) is dumped by both in turns, ROUNDS times (3), the first after the other's
turn has warmed the files. Printed are all times and the ratio of the best ones, 1.00 being as fast as plain pg_dump.
What is asserted is nothing: a machine that does something else at the same time is slower at both.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from reconciler.providers.postgres.place import Plain
from reconciler.providers.postgres.programs import programs
from tests.support.plain_postgres import plain_server
from tests.support.plain_words import PROGRAM


def main(scale: int, rounds: int) -> None:
    """Measure, and print."""
    with tempfile.TemporaryDirectory() as temporary:
        place = Path(temporary)
        place.chmod(0o711)
        with plain_server(place) as server:
            compare(server, place, scale, rounds)


def compare(server, place: Path, scale: int, rounds: int) -> None:
    found = programs(18, "the server is")
    variables = {**os.environ, **Plain.of(server.uri("postgres"), None).variables()}
    subprocess.run([found / "pgbench", "-i", "-q", "-s", str(scale)], env=variables, check=True, capture_output=True)
    with server.connect() as connection:
        (size,) = connection.execute("select pg_database_size('postgres')").fetchone()
    plain, ours, pair = [], [], place / "plain.dump"
    for _ in range(rounds):
        plain.append(timed([found / "pg_dump", "-Fc", "-f", pair], variables))
        options = ["--database-url", server.uri("postgres"), "--directory", place / "snapshots"]
        ours.append(timed([*PROGRAM, "snapshot", "create", *options], dict(os.environ)))
    print(f"database               {size / 1e6:.0f} MB, dump {pair.stat().st_size / 1e6:.0f} MB")
    print(f"pg_dump -Fc            {', '.join(f'{each:.1f}' for each in plain)} s")
    print(f"snapshot create        {', '.join(f'{each:.1f}' for each in ours)} s")
    print(f"speed, best of each    {min(plain) / min(ours):.2f} of plain pg_dump")


def timed(command: list, variables: dict) -> float:
    begun = time.perf_counter()
    subprocess.run(command, env=variables, check=True, capture_output=True)
    return time.perf_counter() - begun


if __name__ == "__main__":
    given = [int(each) for each in sys.argv[1:]]
    main(*given, *(70, 3)[len(given) :])
