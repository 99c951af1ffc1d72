"""The ref on the remote that is a lease: read, set and deleted by compare-and-swap only."""

from collections.abc import Collection
from dataclasses import dataclass

from reconciler.providers.git.lease_record import Record
from reconciler.providers.git.record import read_record, write_record
from reconciler.providers.git.repository import Repository

_TRIES = 5


@dataclass(frozen=True, slots=True)
class Found:
    """A lease on the remote: the id of its commit, and what it says."""

    id: str
    record: Record


class LeaseRef:
    """`refs/reconciler/lease/<environment>` of a repository's remote."""

    def __init__(self, repository: Repository, environment: str) -> None:
        self.name = f"refs/reconciler/lease/{environment}"
        self._repository = repository
        self._environment = environment

    def id(self) -> str:
        """Return the id of its commit now; empty where there is none."""
        return self._repository.remote_ref(self.name)

    def look(self) -> Found | None:
        """Read the lease."""
        found = ""
        for _ in range(_TRIES):  # it may be renewed or given back between two questions
            found = self.id()
            if not found:
                return None
            message = read_record(self._repository, self.name, found)
            if message is not None:
                return Found(found, Record.parse(message, self._environment, found))
        return Found(found, Record.parse("", self._environment, found))

    def write(self, record: Record) -> str:
        """Write a record as a commit here; return its id. It is on no ref yet."""
        return write_record(self._repository, record.line)

    def set(self, commit: str, expected: str) -> None:
        """Set it to this commit if it is `expected` (empty: missing) now. Raises PushRejected otherwise."""
        self._repository.push(commit, self.name, expected=expected)

    def remove(self, ours: Collection[str]) -> None:
        """Delete it if it is one of these."""
        present = next(iter(ours)) if len(ours) == 1 else self.id()
        if present in ours:
            self._repository.push("", self.name, expected=present)
