"""Lengths of time: as people write them in a file or an option, and as they read them.

One table of units for all: where only some of them are allowed, the caller names these.
"""

import re
from datetime import timedelta

UNITS = {
    "ms": timedelta(milliseconds=1),
    "s": timedelta(seconds=1),
    "m": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
    "w": timedelta(weeks=1),
}
_DURATION = re.compile(r"([1-9][0-9]{0,5})(ms|[smhdw])")


def parse_duration(text: str) -> timedelta:
    """Read one number and one unit: `500ms`, `90s`, `30m`, `2h`, `7d`, `2w`. Raises ValueError."""
    found = _DURATION.fullmatch(text)
    if found is None:
        raise ValueError(f'"{text}" is not a duration')
    return int(found[1]) * UNITS[found[2]]


def as_written(span: timedelta) -> str:
    """Write whole hours as a file has them: "30d", "36h"."""
    hours = span // UNITS["h"]
    return f"{hours}h" if hours % 24 else f"{hours // 24}d"


def for_people(span: timedelta) -> str:
    """Say a length of time in its two largest units: "3 d 4 h", "5 min 20 s", "0.4 s"."""
    seconds = span.total_seconds()
    if seconds < 0:
        return f"-{for_people(-span)}"
    if seconds < 10:
        return f"{seconds:.1f} s"
    rest = int(seconds)
    parts: list[str] = []
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s")):
        count, rest = divmod(rest, size)
        if count or parts:
            parts.append(f"{count} {unit}")
    return " ".join(part for part in parts[:2] if not part.startswith("0 "))
