"""Compares an environment with its file, and separates drift from changes in progress.

A merged change that is not applied yet is waiting. While a lease is held, an apply is running. What was applied and has
changed since is drift. What an apply tried and did not reach has failed.

Only receipts of merged commits count: an apply from another branch is not part of the desired state.
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

# A lease expires by its owner's clock, which may differ from ours.
_SKEW = timedelta(minutes=2)
_TO_BE_MERGED = (
    "it is live, but wrangler.jsonc does not name it yet: merge the pull request of branch {branch}. If there is none, "
    "apply opens it"
)


class Kind(Enum):
    """The result of a comparison."""

    IN_SYNC = "in sync"
    DRIFTED = "drifted"
    FAILED = "not applied"
    WAITING = "waiting to be applied"
    APPLYING = "an apply is running"
    UNREADABLE = "could not be read"


@dataclass(frozen=True, slots=True)
class Finding:
    """What a comparison found. `plan` and `observed` are None if nothing was read; `detail` is a sentence.

    `failed` is the receipt of the last apply, if that did not converge.
    """

    environment: str
    kind: Kind
    detail: str
    plan: Plan | None = None
    observed: Observed | None = None
    file: str = ""
    failed: Receipt | None = None

    @property
    def needs_action(self) -> bool:
        """Whether it stays so until a person acts. An issue is kept for it."""
        return self.kind in (Kind.DRIFTED, Kind.FAILED)

    @property
    def drift(self) -> Drift:
        """The drift, of a finding that is one."""
        assert self.plan is not None
        assert self.observed is not None
        return Drift(self.plan, self.observed, self.file, self.failed)


class Comparison:
    """Compares the environments of one repository with reality."""

    def __init__(self, repository: Repository, environment: Mapping[str, str] = os.environ) -> None:
        self._repository = repository
        self._environment = environment
        self._receipts: tuple[Receipt, ...] = ()

    def read_receipts(self) -> None:
        """Fetch the receipts. Raises GitError."""
        notes = Notes(self._repository)
        notes.fetch()
        head = self._repository.head()
        merged = self._repository.history(head) if head else frozenset()
        self._receipts = tuple(each for each in _parsed(notes) if each.commit in merged and not each.changed)

    async def look(self, file: EnvironmentFile) -> Finding:
        """Compare one environment. Raises ReconcilerError if it can't be read."""
        path = path_in_repository(file, self._repository)
        desired = file.read()
        if applying := self._applying(desired, path):
            return applying
        async with connected(desired, file.root, self._environment) as ports:
            observed = await observe(desired, ports)
        # An apply that started meanwhile would look like drift.
        seen = suspending.look(file, self._environment)
        found = suspending.shown_in(plan(desired, observed), seen)
        finding = self._applying(desired, path) or self._judged(found, observed, path)
        return replace(finding, detail=f"{finding.detail}; {seen.sentence}") if seen.sentence else finding

    def _applying(self, desired: Desired, path: str) -> Finding | None:
        lease = GitLease.look(self._repository, desired.environment)
        if lease is None or _now() - lease.expires_at > _SKEW:
            return None  # its owner has died
        detail = f"{lease.owner} has been applying since {lease.taken_at}"
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
        """Return the receipt of the last apply, if it was for the same desired state and did not reach it."""
        last = latest(self._receipts, desired.environment)
        if last is None or last.result is Result.CONVERGED or not self._asked(last, desired, path):
            return None
        return last

    def _was_applied(self, desired: Desired, path: str) -> bool:
        """Whether the last converged apply was for the same desired state."""
        converged = (each for each in self._receipts if each.result is Result.CONVERGED)
        last = latest(converged, desired.environment)
        return last is not None and self._asked(last, desired, path)

    def _asked(self, last: Receipt, desired: Desired, path: str) -> bool:
        """Whether the applied file asks for the same as the file now."""
        content = self._repository.read(last.commit, path)
        with suppress(InputError, UnicodeDecodeError):
            text = (content or b"").decode()
            return desired == read_desired_state(text, file=path, environment=desired.environment, now=_now())
        return False


def _is_to_be_merged(found: Plan) -> bool:
    """Whether only wrangler.jsonc is left to commit, by a pull request."""
    only_files = bool(found.steps) and all(step.writes_file for step in found.steps)
    return only_files and not found.refusals and found.desired.write_back is WriteBack.PULL_REQUEST


def _difference(found: Plan) -> str:
    count = counted(len(found.steps)) if found.steps else found.refusals[0].message
    return f"{found.live or 'an unknown timeline'} is live, {found.desired.timeline} is asked for: {count}"


def _now() -> Instant:
    return SystemClock().now()


def _parsed(notes: Notes) -> list[Receipt]:
    """Read every receipt. A note that is not a receipt is ignored."""
    found = []
    for line in itertools.chain.from_iterable(notes.all().values()):
        with suppress(ValueError):
            found.append(parse(line))
    return found
