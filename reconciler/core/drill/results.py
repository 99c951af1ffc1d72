"""What a drill measured and proved, as data: made by the run, read by the report and by the history of drills.

A drill damages a branch of its own on purpose, restores it through the very steps of a production restore, and
proves by checksums that what was there before is there again. One **round** is one destruction and its restore.
"""

import math
from dataclasses import dataclass
from enum import Enum

from reconciler.core.values.instant import Instant


class Phase(Enum):
    """A part of a restore as people feel it. In the order in which they begin; each moment belongs to one of them."""

    DETECT = "detect"
    DECIDE = "decide and commit"
    PLAN = "plan"
    BRANCH = "create branch"
    COMPUTE = "compute ready"
    VERIFY = "verify"
    HYPERDRIVE = "rebind Hyperdrive"
    DEPLOY = "deploy"
    TRAFFIC = "traffic verified"


@dataclass(frozen=True, slots=True)
class Stretch:
    """A time without a break: when it began, on a monotonic clock since the round's clock started, and seconds."""

    began: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Measured:
    """How long a phase took, in all its stretches, and when it first began. A phase can be left and taken up again."""

    phase: Phase
    stretches: tuple[Stretch, ...]

    @property
    def began(self) -> float:
        """When it first began, in seconds."""
        return self.stretches[0].began

    @property
    def seconds(self) -> float:
        """How long it took, in seconds."""
        return sum(each.seconds for each in self.stretches)


@dataclass(frozen=True, slots=True)
class TableProof:
    """A table at three moments: before the damage, damaged, restored. A count or checksum is None where it is gone."""

    name: str
    rows_before: int | None
    rows_damaged: int | None
    rows_restored: int | None
    checksum_before: str | None
    checksum_damaged: str | None
    checksum_restored: str | None

    @property
    def same(self) -> bool:
        """Whether what was restored is what was there before."""
        return (self.rows_before, self.checksum_before) == (self.rows_restored, self.checksum_restored)

    @property
    def damaged(self) -> bool:
        """Whether the damage is to be seen in this table."""
        return (self.rows_before, self.checksum_before) != (self.rows_damaged, self.checksum_damaged)


@dataclass(frozen=True, slots=True)
class Check:
    """One proof: what must be so ("the row written after the target is gone"), what was seen, and whether it is so."""

    claim: str
    seen: str
    holds: bool


@dataclass(frozen=True, slots=True)
class Traffic:
    """What a client saw that asked `per_second` times a second while traffic was switched; the gap is in seconds.

    `stale` is None if answers do not say which database they are from.
    """

    per_second: int
    requests: int
    failed: int
    stale: int | None
    longest_gap: float


@dataclass(frozen=True, slots=True)
class Noticed:
    """Whether the file's own gates noticed the damage: how many were asked, and what the first that failed said."""

    asked: int
    failure: str | None

    @property
    def said(self) -> str:
        """Say it in a sentence."""
        if self.failure is not None:
            return f"The damage was noticed: {self.failure}."
        if not self.asked:
            return "Nothing noticed the damage: the file has no SQL gates."
        passed = "one SQL gate has" if self.asked == 1 else f"{self.asked} SQL gates have all"
        return f"Nothing noticed the damage: the file's {passed} passed."


@dataclass(frozen=True, slots=True)
class Round:
    """One destruction and its restore. `ids` are the providers'.

    `traffic` is None where no Worker was asked, and `noticed` where the damage was not to be detected.
    """

    destruction: str
    target: Instant
    timeline: str
    phases: tuple[Measured, ...]
    tables: tuple[TableProof, ...]
    checks: tuple[Check, ...]
    traffic: Traffic | None
    ids: tuple[tuple[str, str], ...]
    noticed: Noticed | None = None

    @property
    def seconds(self) -> float:
        """How long the restore took: the sum of its phases, to the millisecond, so that all show the same."""
        return round(math.fsum(each.seconds for each in self.phases), 3)

    @property
    def proved(self) -> bool:
        """Whether every proof holds."""
        return all(each.holds for each in self.checks)


@dataclass(frozen=True, slots=True)
class Stays:
    """Something outside the database that a restore does not rewind; `warning` is empty where the target is within."""

    name: str
    retention: str
    recovery: str
    warning: str = ""


@dataclass(frozen=True, slots=True)
class Promise:
    """How long a restore may take, in seconds, and where that is promised (a file and its section, or the file)."""

    seconds: float
    where: str


@dataclass(frozen=True, slots=True)
class Drill:
    """A whole drill. `seconds` is all of it, from its first request to the clean-up; `versions` are programs'.

    `failure` says in which round it ended before its time, and why; `rounds` are those that came to their end.
    """

    environment: str
    project: str
    begun: Instant
    method: str
    commit: str
    rounds: tuple[Round, ...]
    seconds: float
    promise: Promise | None
    outside: tuple[Stays, ...]
    versions: tuple[tuple[str, str], ...]
    failure: str = ""

    @property
    def proved(self) -> bool:
        """Whether every round came to its end, and every proof of it holds."""
        return bool(self.rounds) and not self.failure and all(each.proved for each in self.rounds)

    @property
    def slowest(self) -> float:
        """How long the slowest restore took, in seconds: what the promise is measured against."""
        return max((each.seconds for each in self.rounds), default=0.0)

    @property
    def kept(self) -> bool:
        """Whether the promise was kept, to the millisecond as the history has it; without one it was."""
        return self.promise is None or self.slowest <= self.promise.seconds
