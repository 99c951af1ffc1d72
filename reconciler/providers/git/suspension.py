"""Suspensions in Git: a ref of the remote, next to that of the lease, set and removed by compare-and-swap only.

`refs/reconciler/suspension/<environment>` points to a commit that says who suspended applying, until when and why.
Whoever reads it keeps a copy in a ref of the same name here, for when the remote can't be reached. Where there is no
remote the ref here is all there is, and stops only those who apply from this repository.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from reconciler.core.records.suspension import Suspension
from reconciler.errors import GitError, PushRejected, RemoteUnreachable, Suspended
from reconciler.ports import Clock
from reconciler.providers.git.lease import to_the_end
from reconciler.providers.git.record import read_record, record_here, write_record
from reconciler.providers.git.repository import Repository

_TRIES = 5
# As long as a lease waits for the remote before it retries a renewal.
_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Found:
    """A suspension: the id of its commit, and its content; None where this version can't read it."""

    id: str
    ref: str
    suspension: Suspension | None

    @property
    def readable(self) -> Suspension:
        """The suspension. Raises GitError where it can't be read: what is unknown is never taken for absent."""
        if self.suspension is None:
            environment = self.ref.rpartition("/")[2]
            raise GitError(
                f"{environment} is suspended, and by whom and until when can't be read: {self.ref} is {self.id[:12]}, "
                "which this version of reconciler did not write",
                hint=f"use the version that wrote it; or reconciler resume {environment} removes it",
            )
        return self.suspension


class SuspensionRef:
    """`refs/reconciler/suspension/<environment>` of a repository's remote, or of the repository where it has none."""

    def __init__(self, repository: Repository, environment: str) -> None:
        self.name = f"refs/reconciler/suspension/{environment}"
        self._repository = repository.patient(_SECONDS)
        self._environment = environment

    @property
    def is_shared(self) -> bool:
        """Whether there is a remote, so that it counts for every clone."""
        return self._repository.remote is not None

    def look(self) -> Found | None:
        """Read the ref, and keep a copy of it here. Raises GitError."""
        if not self.is_shared:
            return self.copy()
        found = ""
        for _ in range(_TRIES):  # it may be set again or removed between two requests
            found = self._repository.remote_ref(self.name)
            if not found:
                self._keep("")
                return None
            message = read_record(self._repository, self.name, found)
            if message is not None:
                self._keep(found)
                return self._found(found, message)
        return self._found(found, "")

    def copy(self) -> Found | None:
        """Read what stood there when it was last read from here."""
        commit = self._repository.resolve(self.name)
        return self._found(commit, record_here(self._repository, commit) or "") if commit else None

    def set(self, suspension: Suspension, expected: str) -> None:
        """Set it if it is now the commit `expected` (empty: none). Raises PushRejected, GitError."""
        commit = write_record(self._repository, suspension.line)
        if self.is_shared:
            self._repository.push(commit, self.name, expected=expected)
            self._keep(commit)
        else:
            self._swap(self.name, commit, expected)

    def remove(self, expected: str) -> None:
        """Remove it if it is now the commit `expected`. Raises PushRejected, GitError."""
        if self.is_shared:
            self._repository.push("", self.name, expected=expected)
            self._keep("")
        else:
            self._swap("-d", self.name, expected)

    def _swap(self, *arguments: str) -> None:
        answer = self._repository.git.attempt("update-ref", *arguments)
        if answer.status != 0:
            raise PushRejected(f"{self.name} could not be changed: {answer.said.strip()}", hint="look again and repeat")

    def _keep(self, commit: str) -> None:
        """Set the copy, if possible: a failure, or another git at work, blocks nothing."""
        with suppress(GitError):
            if (self._repository.resolve(self.name) or "") != commit:
                arguments = (self.name, commit) if commit else ("-d", self.name)
                self._repository.git.attempt("update-ref", *arguments)

    def _found(self, commit: str, message: str) -> Found:
        with suppress(ValueError):
            return Found(commit, self.name, Suspension.parse(message, self._environment))
        return Found(commit, self.name, None)


class SuspensionWatch:
    """Whether an apply may go on. Implements the port `SuspensionCheck`.

    Under a lease the remote has to be read once; when it is away later, the lease decides how long that may last.
    Without one, what can't be read is passed to `warn`, and the copy here counts.
    """

    def __init__(
        self, repository: Repository, environment: str, clock: Clock, warn: Callable[[str], None], *, leased: bool
    ) -> None:
        self._ref = SuspensionRef(repository, environment)
        self._environment = environment
        self._clock = clock
        self._warn = warn
        self._leased = leased
        self._was_read = False
        self._told: set[str] = set()

    async def confirm(self) -> None:
        """Return if applying is not suspended. Raises Suspended, and GitError where that can't be read."""
        found = await to_the_end(asyncio.to_thread(self._look))
        if found is None:
            return
        suspension = found.readable
        if not suspension.is_over(self._clock.now()):
            raise Suspended(suspension.message, hint=suspension.hint)
        self._tell(f"{suspension.message}. It is over, and ignored")

    def _look(self) -> Found | None:
        try:
            found = self._ref.look()
        except GitError as error:
            if self._leased and not (self._was_read and isinstance(error, RemoteUnreachable)):
                raise
            copy = self._ref.copy()
            what = "the copy that is kept here counts" if copy else "no copy is kept here"
            self._tell(f"whether {self._environment} is suspended could not be read, and {what}: {error.message}")
            return copy
        self._was_read = True
        return found

    def _tell(self, message: str) -> None:
        if message not in self._told:
            self._told.add(message)
            self._warn(message)
