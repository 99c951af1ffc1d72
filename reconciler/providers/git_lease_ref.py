"""The ref on the remote that is a lease: read, set and deleted by compare-and-swap only."""

from collections.abc import Collection
from dataclasses import dataclass

from reconciler.errors import GitError, RemoteRefused, RemoteUnreachable
from reconciler.providers.git import Repository
from reconciler.providers.git_lease_record import Record
from reconciler.providers.git_writing import nameless, write_commit, write_tree

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
        """Return the id of what stands there now; empty where nothing does."""
        return self._repository.remote_ref(self.name)

    def look(self) -> Found | None:
        """Read what stands there."""
        found = ""
        for _ in range(_TRIES):  # it may be renewed or given back between two questions
            found = self.id()
            if not found:
                return None
            message = self._message(found)
            if message is not None:
                return Found(found, Record.parse(message, self._environment, found))
        return Found(found, Record.parse("", self._environment, found))

    def write(self, record: Record) -> str:
        """Write a record as a commit here; return its id. It is on no ref yet."""
        git = nameless(self._repository.git)
        return write_commit(git, write_tree(git, "", {}), (), f"{record.line}\n")

    def set(self, commit: str, expected: str) -> None:
        """Let it be this commit if it is `expected` (empty: missing) now. Raises PushRejected where it is not."""
        self._repository.push(commit, self.name, expected=expected)

    def remove(self, ours: Collection[str]) -> None:
        """Delete it if it is one of these."""
        present = next(iter(ours)) if len(ours) == 1 else self.id()
        if present in ours:
            self._repository.push("", self.name, expected=present)

    def _message(self, commit: str) -> str | None:
        """Return a commit's message, fetched where it is not here; None where it cannot be had."""
        git = self._repository.git
        answer = git.attempt("cat-file", "commit", commit)
        if answer.status != 0:
            try:
                self._repository.fetch_objects(self.name)
            except (RemoteRefused, RemoteUnreachable):
                raise
            except GitError:
                return None  # deleted meanwhile
            answer = git.attempt("cat-file", "commit", commit)
        return answer.text.partition("\n\n")[2] if answer.status == 0 else None
