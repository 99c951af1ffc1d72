"""The directory that a sandbox works in, and its removal."""

import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

_SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - a directory is made in it safely
_ENOUGH_BYTES = 4 * 1024**3
_NOEXEC = getattr(os, "ST_NOEXEC", 0)  # PostgreSQL may be copied there
_CONTENTS = ("clusters", "sockets", "postgresql", "workers")
_LONGEST_SOCKET_DIRECTORY = 80  # a socket's path may have 103 bytes on macOS and 107 on Linux, its name included


class WorkspaceError(Exception):
    """The directory cannot be used; the text is one sentence with the way out."""


@dataclass(frozen=True)
class Workspace:
    """The directory of a sandbox. `created` is whether the sandbox made the directory itself."""

    path: Path
    sockets: Path
    created: bool

    @property
    def clusters(self) -> Path:
        """The directory of the clusters."""
        return self.path / "clusters"

    @property
    def workers(self) -> Path:
        """The directory of the Workers."""
        return self.path / "workers"

    @property
    def removable(self) -> tuple[Path, ...]:
        """Everything that is removed at the end."""
        if self.created:
            return self.path, self.sockets
        return *(self.path / name for name in _CONTENTS), self.sockets

    def remove(self) -> None:
        """Remove everything that the sandbox made."""
        for path in self.removable:
            shutil.rmtree(path, ignore_errors=True)


def open_workspace(directory: Path | None) -> Workspace:
    """Open the directory of a sandbox: a temporary one, or the given one, which must be new or empty.

    A temporary one is in memory if there is enough, unless TMPDIR is set. Raises WorkspaceError.
    """
    if directory is None:
        path, created = Path(tempfile.mkdtemp(prefix="reconciler-sandbox-", dir=_memory())), True
    else:
        path = directory.absolute()
        created = _take(path)
    if created:
        path.chmod(0o711)  # the user that runs PostgreSQL must be able to enter
    sockets = path / "sockets"
    if len(str(sockets).encode()) > _LONGEST_SOCKET_DIRECTORY:
        sockets = Path(tempfile.mkdtemp(prefix="reconciler-sockets-", dir="/tmp"))
    return Workspace(path, sockets, created)


def _memory() -> Path | None:
    """Return a directory in memory if there is enough; None for the usual directory for temporary files.

    A branch has about 700 files. ext4 takes milliseconds for each new file if many were removed within five minutes
    (it does not reuse their inodes so soon): a branch takes 0.15 s in memory and up to 2 s on ext4.
    """
    if "TMPDIR" in os.environ or not _SHARED_MEMORY.is_dir() or not os.access(_SHARED_MEMORY, os.W_OK):
        return None
    place = os.statvfs(_SHARED_MEMORY)
    enough = place.f_bavail * place.f_frsize >= _ENOUGH_BYTES
    return _SHARED_MEMORY if enough and not place.f_flag & _NOEXEC else None


def _take(path: Path) -> bool:
    """Make the directory, or check that it is empty; return whether it was made."""
    try:
        if not path.exists():
            path.mkdir(parents=True)
            return True
        empty = not any(path.iterdir())
    except OSError as error:
        raise WorkspaceError(f"{path} cannot be used as the sandbox's directory: {error.strerror}") from error
    if not empty:
        raise WorkspaceError(f"{path} is not empty: give --dir a new or an empty directory")
    return False
