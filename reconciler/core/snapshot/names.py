"""How snapshots and the databases around them are called, and which snapshots may go."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

# PostgreSQL cuts longer names off (NAMEDATALEN - 1, in bytes).
_LONGEST_NAME = 63
_UNFIT = re.compile(r"[^A-Za-z0-9_.-]")


@dataclass(frozen=True, slots=True)
class Taken:
    """A snapshot as it lies there: the database it is of, and when it was taken."""

    name: str
    database: str
    at: datetime


def file_name(database: str, at: datetime) -> str:
    """Return what a snapshot's file is called. Names sort by time; `at` is in UTC."""
    return f"{_UNFIT.sub('_', database)}-{at:%Y-%m-%dT%H%M%S}.{at.microsecond // 1000:03d}Z.dump"


def kept_name(database: str, at: datetime) -> str:
    """Return what the database is called that a restore has replaced."""
    return _with(database, f"_before_{at:%Y%m%dT%H%M%S}Z")


def scratch_name(database: str, at: datetime, token: str) -> str:
    """Return what the database is called that a snapshot is restored into before anybody uses it."""
    return _with(database, f"_restoring_{at:%Y%m%dT%H%M%S}Z_{token}")


def to_prune(
    there: Sequence[Taken], keep: int, before: datetime, is_good: Callable[[Taken], bool]
) -> tuple[Taken, ...]:
    """Return the snapshots that may go: of each database all but the newest `keep`, where taken before that moment.

    Never the last good one: where none that would stay is good, the newest good one stays too. `is_good` reads a whole
    file, and is asked of no more than it needs.
    """
    going: list[Taken] = []
    for database in sorted({each.database for each in there}):
        own = sorted((each for each in there if each.database == database), key=lambda each: each.at, reverse=True)
        old = [each for each in own[max(keep, 0) :] if each.at < before]
        if old and not any(is_good(each) for each in own if each not in old):
            last = next((each for each in old if is_good(each)), None)
            old = [each for each in old if each is not last]
        going += old
    return tuple(going)


def _with(database: str, ending: str) -> str:
    room = _LONGEST_NAME - len(ending.encode())
    return database.encode()[:room].decode(errors="ignore") + ending
