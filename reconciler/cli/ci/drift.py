"""Compares an environment with its file, and tells drift from what is merely on its way.

A change that was merged and not applied yet is waiting; while a lease is held, somebody is applying. What was applied
once, and is not so any more, has drifted; and what an apply tried and did not reach has failed.

Only receipts of commits that were merged count: what somebody applied from a branch was never asked for here.
"""

import itertools
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from enum import Enum

from reconciler.cli.ci.drift_report import Drift, failure
from reconciler.cli.proposal.base import path_in_repository
from reconciler.cli.repository import suspension as suspending
from reconciler.cli.repository.environments import EnvironmentFile
from reconciler.cli.wiring import connected
from reconciler.core.file.reading import read_desired_state
from reconciler.core.model.desired import Desired, WriteBack
from reconciler.core.model.observed import Observed
from reconciler.core.plan.plan import Plan, plan
from reconciler.core.records.receipt import Receipt, Result, latest, parse
from reconciler.core.values.instant import Instant
from reconciler.engine.observe import observe
from reconciler.errors import InputError
from reconciler.providers.clock import SystemClock
from reconciler.providers.git.lease import GitLease
from reconciler.providers.git.notes import Notes
from reconciler.providers.git.repository import Repository
from reconciler.render.wording import counted

# A lease expires by its owner's clock, which need not be ours.
_SKEW = timedelta(minutes=2)
_TO_BE_MERGED = (
    "it is live, and wrangler.jsonc does not name it yet: merge the pull request of branch {branch}; where there is "
    "none, an apply opens it"
)


class Kind(Enum):
    """How an environment stands."""

    IN_SYNC = "in sync"
    DRIFTED = "drifted"
    FAILED = "not applied"
    WAITING = "waiting to be applied"
    APPLYING = "an apply is at work"
    UNREADABLE = "could not be read"


@dataclass(frozen=True, slots=True)
class Finding:
    """What a comparison found. `plan` and `observed` are None where nothing was read; `detail` is for people.

    `failed` is the receipt of the last apply, where that did not converge.
    """

    environment: str
    kind: Kind
    detail: str
    plan: Plan | None = None
    observed: Observed | None = None
    file: str = ""
    failed: Receipt | None = None

    @property
    def needs_somebody(self) -> bool:
        """Whether it stays as it is until somebody does something: an issue is kept for it."""
        return self.kind in (Kind.DRIFTED, Kind.FAILED)

    @property
    def drift(self) -> Drift:
        """The drift, of a finding that is one."""
        assert self.plan is not None
        assert self.observed is not None
        return Drift(self.plan, self.observed, self.file, self.failed)


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
        head = self._repository.head()
        merged = self._repository.history(head) if head else frozenset()
        self._receipts = tuple(each for each in _parsed(notes) if each.commit in merged and not each.changed)

    async def look(self, file: EnvironmentFile) -> Finding:
        """Compare one environment. Raises ReconcilerError where it cannot be done."""
        path = path_in_repository(file, self._repository)
        desired = file.read()
        if applying := self._applying(desired, path):
            return applying
        async with connected(desired, file.root, self._environment) as ports:
            observed = await observe(desired, ports)
        # An apply that began meanwhile would look like drift.
        seen = suspending.look(file, self._environment)
        found = suspending.shown_in(plan(desired, observed), seen)
        finding = self._applying(desired, path) or self._judged(found, observed, path)
        return replace(finding, detail=f"{finding.detail}; {seen.sentence}") if seen.sentence else finding

    def _applying(self, desired: Desired, path: str) -> Finding | None:
        lease = GitLease.look(self._repository, desired.environment)
        if lease is None or _now() - lease.expires_at > _SKEW:
            return None  # of an owner that is dead, nothing more is to come
        detail = f"{lease.owner} has been at work since {lease.taken_at}"
        return Finding(desired.environment, Kind.APPLYING, detail, file=path)

    def _judged(self, found: Plan, observed: Observed, path: str) -> Finding:
        desired, failed = found.desired, None
        if found.unreadable:
            kind, detail = Kind.UNREADABLE, "; ".join(each.message for each in found.refusals)
        elif found.in_sync:
            kind, detail = Kind.IN_SYNC, f"{found.live} is live"
        elif failed := self._failed(desired, path):
            kind, detail = Kind.FAILED, failure(failed)
        elif not self._was_applied(desired, path):
            kind, detail = Kind.WAITING, "no apply of what the file asks for has converged yet"
        elif _is_to_be_merged(found):
            kind, detail = Kind.WAITING, _TO_BE_MERGED.format(branch=f"write-back/{desired.environment}")
        else:
            kind, detail = Kind.DRIFTED, _difference(found)
        return Finding(desired.environment, kind, detail, found, observed, path, failed)

    def _failed(self, desired: Desired, path: str) -> Receipt | None:
        """Return the receipt of the last apply, where that was of a file that asks for the same and missed it."""
        last = latest(self._receipts, desired.environment)
        if last is None or last.result is Result.CONVERGED or not self._asked(last, desired, path):
            return None
        return last

    def _was_applied(self, desired: Desired, path: str) -> bool:
        """Whether the last apply that converged was one of a file that asks for the same."""
        converged = (each for each in self._receipts if each.result is Result.CONVERGED)
        last = latest(converged, desired.environment)
        return last is not None and self._asked(last, desired, path)

    def _asked(self, last: Receipt, desired: Desired, path: str) -> bool:
        """Whether what was applied is what the file asks for now."""
        content = self._repository.read(last.commit, path)
        with suppress(InputError, UnicodeDecodeError):
            text = (content or b"").decode()
            return desired == read_desired_state(text, file=path, environment=desired.environment, now=_now())
        return False


def _is_to_be_merged(found: Plan) -> bool:
    """Whether all that is left is to commit what is deployed, and that is asked for by a pull request."""
    only_files = bool(found.steps) and all(step.writes_file for step in found.steps)
    return only_files and not found.refusals and found.desired.write_back is WriteBack.PULL_REQUEST


def _difference(found: Plan) -> str:
    count = counted(len(found.steps)) if found.steps else found.refusals[0].message
    return f"{found.live or 'an unknown timeline'} is live, {found.desired.timeline} is asked for: {count}"


def _now() -> Instant:
    return SystemClock().now()


def _parsed(notes: Notes) -> list[Receipt]:
    """Read every receipt; what is none was written by somebody else, and is left alone."""
    found = []
    for line in itertools.chain.from_iterable(notes.all().values()):
        with suppress(ValueError):
            found.append(parse(line))
    return found
