"""Declared branches besides the primary: how to know from Neon which are ours, and which resets they have had.

A branch of ours carries annotations from the request that creates it. They can't be changed later, and a reset sets
none. So the request that resets a branch also writes down that it did: what the branch held is kept under a name that
says which reset this was, such as `staging.before-reset.sprint-12`. Names are unique, so Neon itself refuses the same
reset a second time, whoever asks for it and whatever was lost in between; and nothing that a reset replaces is lost.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

from reconciler.core.model.desired import FOREVER, DeclaredBranch
from reconciler.core.model.observed import Branch, named
from reconciler.core.values.instant import Instant
from reconciler.core.values.timeline import ID_PATTERN

_RECORD = re.compile(rf"(?P<branch>.+)\.before-reset\.(?P<reset>{ID_PATTERN})")
_RESERVED = ("held", "candidate", "failed", "proved")


@dataclass(frozen=True, slots=True)
class Record:
    """A branch that keeps what another one held before a reset, as its name says."""

    branch: Branch
    of: str
    reset: str


def record_name(name: str, reset: str) -> str:
    """Name the branch that keeps what a declared branch holds before a reset."""
    return f"{name}.before-reset.{reset}"


def record(branch: Branch) -> Record | None:
    """Read the name of a branch; None unless it keeps what another one held before a reset."""
    found = _RECORD.fullmatch(branch.name)
    return None if found is None else Record(branch, found["branch"], found["reset"])


def records(name: str, branches: Iterable[Branch]) -> list[Record]:
    """Find what the resets of a branch have kept, the newest last."""
    found = [each for branch in branches if (each := record(branch)) is not None and each.of == name]
    return sorted(found, key=lambda each: (each.branch.created_at, each.reset))


def resets(branch: Branch, kept: Iterable[Record]) -> set[str]:
    """Name the resets that a branch has had; being made is as good as a reset."""
    return {each.reset for each in kept} | ({branch.child.reset} if branch.child else set())


def has_expired(child: DeclaredBranch, at: Instant) -> bool:
    """Whether a branch was to live until a moment that has passed: it is no longer created."""
    return isinstance(child.expires, Instant) and child.expires <= at


def needs_parent(child: DeclaredBranch, branches: tuple[Branch, ...], at: Instant) -> bool:
    """Whether a branch is still to be made from its parent, or to be reset to it."""
    branch = named(branches, child.name)
    if branch is None:
        return not has_expired(child, at)
    return bool(child.reset) and child.reset not in resets(branch, records(child.name, branches))


def is_ours(environment: str, branch: Branch) -> bool:
    """Whether reconciler created a branch for this environment, and it was not renamed since."""
    mark = branch.child
    return mark is not None and (mark.environment, mark.name) == (environment, branch.name)


def is_reserved(primary: str, name: str) -> bool:
    """Whether a name says something about the primary or a reset, so that no declared branch may have it."""
    belongs = any(name.startswith(f"{primary}.{kind}.") for kind in _RESERVED)
    return name == primary or belongs or ".before-reset." in name


def in_order(declared: tuple[DeclaredBranch, ...]) -> tuple[DeclaredBranch, ...]:
    """Put parents before what is made from them; else in the order of the file. There is no circle."""
    parents = {each.name: each.parent for each in declared}

    def depth(child: DeclaredBranch) -> int:
        count, parent = 0, child.parent
        while parent in parents:
            count, parent = count + 1, parents[parent]
        return count

    return tuple(sorted(declared, key=depth))


def lifetime(expires: timedelta | Instant | None, branch: Branch) -> Instant | None:
    """Return when a branch is to expire: counted from its creation or its last reset, as Neon counts. None: never.

    Neon knows seconds (documentation, Branch expiration), so that is what it is cut to.
    """
    if expires is None or expires == FOREVER:
        return None
    if isinstance(expires, Instant):
        return Instant(expires.milliseconds // 1000 * 1000)
    begun = branch.last_reset_at or branch.created_at
    return Instant(begun.before(-expires).milliseconds // 1000 * 1000)
