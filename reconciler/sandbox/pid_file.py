"""Which sandbox runs: a file with its process id, which the running sandbox keeps locked.

The lock is the operating system's (`flock`) and ends with the process, for whatever reason it ends. So a locked file
names a process that exists, a process id that was reused is never taken for the sandbox's, and waiting for the end of a
sandbox means waiting for the lock.
"""

import asyncio
import fcntl
import hashlib
import json
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path


class PidFileError(Exception):
    """A sandbox runs already, none runs, or the file cannot be used; the text says which, and what to do."""


@dataclass(frozen=True)
class PidFile:
    """A file that this process has locked."""

    path: Path
    descriptor: int

    def remove(self) -> None:
        """Remove the file and release the lock."""
        self.path.unlink(missing_ok=True)
        os.close(self.descriptor)


def path_of(directory: Path | None) -> Path:
    """Return the path of the file for a sandbox in a directory, or for the user's one sandbox without a directory."""
    name = f"reconciler-sandbox-{os.getuid()}"
    if directory is not None:
        name += "-" + hashlib.sha256(str(directory.resolve()).encode()).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"{name}.json"


def take(path: Path) -> PidFile:
    """Lock the file and write this process into it. Raises PidFileError if another sandbox has locked it."""
    while True:
        descriptor = _open(path, os.O_RDWR | os.O_CREAT)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            raise PidFileError(
                f"a sandbox runs already, see {path}: stop it with `reconciler sandbox down`, "
                "or give this one a directory of its own with --dir"
            ) from None
        if _same_file(path, descriptor):
            break
        os.close(descriptor)  # its former holder removed it between our opening and locking it
    os.ftruncate(descriptor, 0)
    os.write(descriptor, json.dumps({"pid": os.getpid()}).encode())
    return PidFile(path, descriptor)


def running(path: Path) -> int:
    """Return the process id of the sandbox that has locked a file. Raises PidFileError if there is none."""
    absent = PidFileError(f"no sandbox is running according to {path}; for one in a directory, give --dir")
    if not path.exists():
        raise absent
    descriptor = _open(path, os.O_RDWR)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return _process(os.read(descriptor, 1000), path)
    else:
        path.unlink(missing_ok=True)  # left by a sandbox that was killed
        raise absent
    finally:
        os.close(descriptor)


async def ended(path: Path) -> None:
    """Wait until no sandbox has locked the file."""
    try:
        descriptor = _open(path, os.O_RDWR)
    except PidFileError:
        return
    try:
        await asyncio.to_thread(fcntl.flock, descriptor, fcntl.LOCK_EX)
    finally:
        os.close(descriptor)


def _open(path: Path, flags: int) -> int:
    try:
        descriptor = os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise PidFileError(f"the sandbox's file {path} cannot be opened: {error.strerror}") from error
    if os.fstat(descriptor).st_uid != os.getuid():
        os.close(descriptor)
        raise PidFileError(f"the sandbox's file {path} belongs to another user: give --dir")
    return descriptor


def _same_file(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _process(text: bytes, path: Path) -> int:
    try:
        return int(json.loads(text)["pid"])
    except (ValueError, KeyError, TypeError):
        raise PidFileError(f"the sandbox's file {path} is being written: try again") from None
