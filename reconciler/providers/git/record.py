"""One line in the message of a commit that has no parents and no files: the target of our refs on the remote."""

from reconciler.errors import GitError, RemoteRefused, RemoteUnreachable
from reconciler.providers.git.repository import Repository
from reconciler.providers.git.writing import nameless, write_commit, write_tree


def write_record(repository: Repository, line: str) -> str:
    """Write a line as a commit here; return its id. It is on no ref yet."""
    git = nameless(repository.git)
    return write_commit(git, write_tree(git, "", {}), (), f"{line}\n")


def record_here(repository: Repository, commit: str) -> str | None:
    """Return a commit's message; None where it is not here, or is no commit."""
    answer = repository.git.attempt("cat-file", "commit", commit)
    return answer.content.decode(errors="replace").partition("\n\n")[2] if answer.status == 0 else None


def read_record(repository: Repository, ref: str, commit: str) -> str | None:
    """Return a commit's message, fetched from a ref of the remote where it is not here; None where it can't be had.

    Raises RemoteRefused and RemoteUnreachable.
    """
    message = record_here(repository, commit)
    if message is not None:
        return message
    try:
        repository.fetch_objects(ref)
    except (RemoteRefused, RemoteUnreachable):
        raise
    except GitError:
        return None  # deleted meanwhile
    return record_here(repository, commit)
