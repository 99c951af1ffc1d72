"""Time as the two APIs write it: RFC 3339, UTC, `Z`."""

import re
import time
from collections.abc import Callable
from datetime import UTC, datetime

read_clock: Callable[[], float] = time.time
"""The clock, in seconds since the epoch. It can be replaced in a sandbox without PostgreSQL."""
_RFC_3339 = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{1,9})?(Z|[+-]\d{2}:\d{2})")


def now() -> datetime:
    """Return the present moment, in UTC."""
    return datetime.fromtimestamp(read_clock(), UTC)


def at(seconds: float) -> datetime:
    """Return the moment so many seconds after the epoch, in UTC."""
    return datetime.fromtimestamp(seconds, UTC)


def render(moment: datetime) -> str:
    """Write a moment as Neon does: second precision, rounded down, `Z`."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def parse(text: str) -> datetime:
    """Read RFC 3339 with a zone. Raises ValueError for anything else, also for a space instead of the T."""
    if not _RFC_3339.fullmatch(text):
        raise ValueError(f"not an RFC 3339 date-time with a zone: {text!r}")
    return datetime.fromisoformat(text).astimezone(UTC)


def as_moment(value: object) -> datetime:
    """Return a time read from PostgreSQL, in UTC. Raises TypeError for anything else."""
    if not isinstance(value, datetime):
        raise TypeError(f"not a time: {value!r}")
    return value.astimezone(UTC)
