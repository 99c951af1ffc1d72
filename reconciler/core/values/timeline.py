"""Timelines and the names that carry them.

An environment begins on the timeline `origin`; each restore begins a new one, named after what was asked. Where a
timeline lives must be readable from Neon alone after any crash, so it is kept where a branch can hold it:

- a candidate carries annotations that are set in the very request that creates it (they can't be changed later),
- a held branch says in its name which timeline it holds, which one replaced it, and in which place of the order,
- a candidate that failed its last check says so in its name, so that it is never tried again by itself,
- a candidate whose data went into the primary in place says so too, once everything has been checked.
"""

import re
from dataclasses import dataclass
from typing import Self, assert_never

from reconciler.core.values.instant import Instant
from reconciler.core.values.lsn import Lsn

Point = Instant | Lsn


def spelled(point: Point) -> str:
    """Return a moment or an LSN in words."""
    return str(point) if isinstance(point, Instant) else f"LSN {point}"


ID_PATTERN = r"[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?"
# What the name of a timeline begins with that a restore began.
RESTORED_NAME = r"(?:r-[0-9]{8}T[0-9]{9}Z|lsn-[0-9A-F]{1,8}-[0-9A-F]{1,8})"
_NAME = rf"origin|{RESTORED_NAME}(?:-{ID_PATTERN})?"


@dataclass(frozen=True, slots=True)
class Timeline:
    """One continuous history of the data: `origin`, or a restore to the moment or LSN `to`, with an `id` of its own."""

    to: Point | None = None
    id: str = ""

    @classmethod
    def parse(cls, name: str) -> Self | None:
        """Read a timeline's name; None if it is not one."""
        if name == "origin":
            return cls()
        if not re.fullmatch(_NAME, name):
            return None
        begun = re.match(RESTORED_NAME, name)
        assert begun is not None  # the whole name matches
        point = _point(begun[0])
        found = None if point is None else cls(point, name[begun.end() + 1 :])
        return found if found is not None and found.name == name else None

    @property
    def name(self) -> str:
        """`origin`, or `r-20261121T095500000Z` or `lsn-0-1A2B3C8`, with `-<id>` where an id was given."""
        match self.to:
            case None:
                return "origin"
            case Instant():
                begun = f"r-{self.to.compact}"
            case Lsn():
                begun = f"lsn-{self.to.compact}"
            case _:
                assert_never(self.to)
        return begun + (f"-{self.id}" if self.id else "")

    @property
    def moment(self) -> Instant | None:
        """The moment that it was restored to; None for `origin`, and for an LSN, which bears no time."""
        return self.to if isinstance(self.to, Instant) else None

    def __str__(self) -> str:
        return self.name


def _point(text: str) -> Point | None:
    """Read `r-20261121T095500000Z` or `lsn-0-1A2B3C8`; None for a moment that does not exist."""
    if text.startswith("lsn-"):
        return Lsn.parse(text[4:].replace("-", "/"))
    day, clock = text[2:10], text[11:20]
    try:
        return Instant.parse(f"{day[:4]}-{day[4:6]}-{day[6:]}T{clock[:2]}:{clock[2:4]}:{clock[4:6]}.{clock[6:]}Z")
    except ValueError:
        return None


ORIGIN = Timeline()
# Ends the name of a branch that a restore in place has made, to hold what was replaced.
IN_PLACE = ".in-place"


def candidate_name(primary: str, timeline: Timeline) -> str:
    """Name the branch that is prepared for a timeline and not yet promoted."""
    return f"{primary}.candidate.{timeline}"


def failed_name(primary: str, timeline: Timeline) -> str:
    """Name the branch of a timeline that took traffic, failed its last check, and was put back."""
    return f"{primary}.failed.{timeline}"


def proved_name(primary: str, timeline: Timeline) -> str:
    """Name the branch on which a timeline was proved that was then restored in place: its work is done."""
    return f"{primary}.proved.{timeline}"


@dataclass(frozen=True, slots=True)
class HeldName:
    """The name of a branch that holds a replaced timeline: `main.held.origin.before.r-20261121T095500000Z`.

    `sequence` counts the replacements of an environment: the highest one shows what is live. The first is not written,
    and later ones are: `….2`. `in_place` says that the branch was made by the replacement, at its moment: `….in-place`.
    """

    primary: str
    held: Timeline
    before: Timeline
    sequence: int = 1
    in_place: bool = False

    @classmethod
    def parse(cls, primary: str, name: str) -> Self | None:
        """Read a branch name; None unless it holds a timeline of the environment whose primary has that name."""
        names = rf"{re.escape(primary)}\.held\.(?P<held>{_NAME})\.before\.(?P<before>{_NAME})"
        rest = rf"(?:\.(?P<sequence>[1-9][0-9]{{0,5}}))?(?P<in_place>{re.escape(IN_PLACE)})?"
        found = re.fullmatch(names + rest, name)
        if found is None:
            return None
        held, before = Timeline.parse(found["held"]), Timeline.parse(found["before"])
        if held is None or before is None:
            return None
        return cls(primary, held, before, int(found["sequence"] or 1), found["in_place"] is not None)

    @property
    def name(self) -> str:
        """The branch name that says it."""
        sequence = f".{self.sequence}" if self.sequence > 1 else ""
        return f"{self.primary}.held.{self.held}.before.{self.before}{sequence}{IN_PLACE if self.in_place else ''}"

    def __str__(self) -> str:
        return self.name
