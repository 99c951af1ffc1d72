"""Moments in time: UTC, to the millisecond, as Neon takes them.

Neon resolves a moment to the last commit at or before it, so a time cut to whole seconds silently drops the
commits of that second. Times are therefore kept and sent with exactly three fractional digits.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from typing import Self

_RFC3339 = re.compile(
    r"(?P<date>[0-9]{4}-[0-9]{2}-[0-9]{2})"
    r"(?:[Tt](?P<time>[0-9]{2}:[0-9]{2}:[0-9]{2})(?:\.(?P<fraction>[0-9]+))?)?"
    r"(?P<zone>[Zz]|[+-][0-9]{2}:[0-9]{2})?"
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_EXAMPLE = "2026-11-21T09:55:00Z"


@dataclass(frozen=True, order=True, slots=True)
class Instant:
    """A moment, as milliseconds since 1970-01-01T00:00:00Z."""

    milliseconds: int

    @classmethod
    def of(cls, moment: datetime) -> Self:
        """Take a datetime that has a zone; what is finer than a millisecond is cut off."""
        return cls((moment - _EPOCH) // _MILLISECOND)

    @classmethod
    def parse_strict(cls, text: str) -> Self:
        """Read what a person asked for: RFC 3339 with a zone and at most milliseconds.

        Raises ValueError with a sentence that says what is missing.
        """
        found = _RFC3339.fullmatch(text)
        if found is None:
            raise ValueError(f"is not an RFC 3339 time; write it like {_EXAMPLE}")
        if found["time"] is None:
            raise ValueError(f"has a date and no time of day; write it like {found['date']}T09:55:00Z")
        if found["zone"] is None:
            raise ValueError(f"has no time zone; write {text}Z if it is UTC, or add the offset, such as {text}+01:00")
        if len(found["fraction"] or "") > 3:
            raise ValueError("is finer than a millisecond, and Neon takes at most three fractional digits")
        return cls.of(_to_datetime(found["date"], found["time"], found["fraction"], found["zone"]))

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read what a provider answered: RFC 3339, any number of fractional digits. Raises ValueError."""
        found = _RFC3339.fullmatch(text)
        if found is None or found["time"] is None or found["zone"] is None:
            raise ValueError(f"{text!r} is not an RFC 3339 time")
        return cls.of(_to_datetime(found["date"], found["time"], found["fraction"], found["zone"]))

    @property
    def text(self) -> str:
        """RFC 3339 in UTC with exactly three fractional digits, as it is sent to Neon."""
        moment = _EPOCH + self.milliseconds * _MILLISECOND
        return f"{moment:%Y-%m-%dT%H:%M:%S}.{self.milliseconds % 1000:03d}Z".rjust(24, "0")

    @property
    def compact(self) -> str:
        """The same without separators, for names: 20261121T095500000Z."""
        return re.sub(r"[-:.]", "", self.text)

    def __str__(self) -> str:
        return self.text

    def __sub__(self, other: "Instant") -> timedelta:
        return (self.milliseconds - other.milliseconds) * _MILLISECOND

    def before(self, span: timedelta) -> "Instant":
        """Return the moment that lies this long before."""
        return Instant(self.milliseconds - span // _MILLISECOND)

    def after(self, span: timedelta) -> "Instant":
        """Return the moment that lies this long after."""
        return Instant(self.milliseconds + span // _MILLISECOND)


def _to_datetime(date: str, time: str, fraction: str | None, zone: str) -> datetime:
    try:
        naive = datetime.strptime(f"{date}T{time}", "%Y-%m-%dT%H:%M:%S")  # noqa: DTZ007  the zone follows
        microseconds = int((fraction or "")[:6].ljust(6, "0"))
        return naive.replace(microsecond=microseconds, tzinfo=_zone(zone)).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise ValueError(f"names a moment that does not exist ({date}T{time}{zone})") from error


def _zone(text: str) -> timezone:
    if text in "Zz":
        return UTC
    hours, minutes = int(text[1:3]), int(text[4:6])
    if hours > 23 or minutes > 59:
        raise ValueError(text)
    offset = timedelta(hours=hours, minutes=minutes)
    return timezone(-offset if text[0] == "-" else offset)
