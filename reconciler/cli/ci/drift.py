"""Compares an environment with its file, and tells drift from what is merely on its way.

A change that was merged and not applied yet is waiting; while a lease is held, somebody is applying. Only what was
applied once, and is not so any more, has drifted.
"""

import itertools
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum

from reconciler.cli.ci.drift_report import Drift
from reconciler.cli.environments import EnvironmentFile
from reconciler.cli.wiring import connected
from reconciler.core.desired import Desired
from reconciler.core.desired_file import read_desired_state
from reconciler.core.instant import Instant
from reconciler.core.observed import Observed
from reconciler.core.plan import Plan, plan
from reconciler.core.receipt import Receipt, Result, latest, parse
from reconciler.engine.observe import observe
from reconciler.errors import InputError
from reconciler.providers.git import Repository
from reconciler.providers.git_lease import Lease
from reconciler.providers.git_notes import Notes

# A lease expires by its owner's clock, which need not be ours.
_SKEW = timedelta(minutes=2)


class Kind(Enum):
    """How an environment stands."""

    IN_SYNC = "in sync"
    DRIFTED = "drifted"
    WAITING = "waiting to be applied"
    APPLYING = "an apply is at work"
    UNREADABLE = "could not be read"


@dataclass(frozen=True, slots=True)
class Finding:
    """What a comparison found. `plan` and `observed` are None where nothing was read; `detail` is for people."""

    environment: str
    kind: Kind
    detail: str
    plan: Plan | None = None
    observed: Observed | None = None
    file: str = ""

    @property
    def drift(self) -> Drift:
        """The drift, of a finding that is one."""
        assert self.plan is not None
        assert self.observed is not None
        return Drift(self.plan, self.observed, self.file)


class Comparison:
    """Compares environments of one repository with reality. `receipts` are all there are."""

    def __init__(self, repository: Repository, environment: Mapping[str, str] = os.environ) -> None:
        self._repository = repository
        self._environment = environment
        self._receipts: tuple[Receipt, ...] = ()

    def read_receipts(self) -> None:
        """Bring the receipts here. Raises GitError."""
        notes = Notes(self._repository)
        notes.fetch()
        self._receipts = tuple(_parsed(notes))

    async def look(self, file: EnvironmentFile) -> Finding:
        """Compare one environment. Raises ReconcilerError where it cannot be done."""
        path = file.path.resolve().relative_to(self._repository.root.resolve()).as_posix()
        desired = file.read()
        if applying := self._applying(desired, path):
            return applying
        async with connected(desired, file.root, self._environment) as ports:
            observed = await observe(desired, ports)
        found = plan(desired, observed)
        kind, detail = self._judged(desired, found, path)
        # An apply that began meanwhile would look like drift.
        return self._applying(desired, path) or Finding(file.name, kind, detail, found, observed, path)

    def _applying(self, desired: Desired, path: str) -> Finding | None:
        lease = Lease.look(self._repository, desired.environment)
        if lease is None or _now() - lease.expires_at > _SKEW:
            return None  # of an owner that is dead, nothing more is to come
        detail = f"{lease.owner} has been at work since {lease.taken_at}"
        return Finding(desired.environment, Kind.APPLYING, detail, file=path)

    def _judged(self, desired: Desired, found: Plan, path: str) -> tuple[Kind, str]:
        if found.unreadable:
            return Kind.UNREADABLE, "; ".join(each.message for each in found.refusals)
        if found.in_sync:
            return Kind.IN_SYNC, f"{found.live} is live"
        if not self._was_applied(desired, path):
            return Kind.WAITING, "no apply of what the file asks for has converged yet"
        count = f"{len(found.steps)} steps" if found.steps else found.refusals[0].message
        return Kind.DRIFTED, f"{found.live or 'an unknown timeline'} is live, {desired.timeline} is asked for: {count}"

    def _was_applied(self, desired: Desired, path: str) -> bool:
        """Tell whether the last apply that converged was one of a file that asks for the same."""
        converged = (each for each in self._receipts if each.result is Result.CONVERGED and not each.changed)
        last = latest(converged, desired.environment)
        if last is None or self._repository.resolve(last.commit) is None:
            return False
        content = self._repository.read(last.commit, path)
        with suppress(InputError, UnicodeDecodeError):
            text = (content or b"").decode()
            return desired == read_desired_state(text, file=path, environment=desired.environment, now=_now())
        return False


def _now() -> Instant:
    return Instant.of(datetime.now(UTC))  # noqa: TID251  the command line has a clock


def _parsed(notes: Notes) -> list[Receipt]:
    """Read every receipt; what is none was written by somebody else, and is left alone."""
    found = []
    for line in itertools.chain.from_iterable(notes.all().values()):
        with suppress(ValueError):
            found.append(parse(line))
    return found
