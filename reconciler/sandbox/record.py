"""Which sandbox runs: a file that the running one holds locked.

The lock is the operating system's (`flock`) and ends with the process, however that ends. So a locked record names a
process that exists, a process id that has been given to somebody else is never mistaken for the sandbox's, and waiting
for the end of a sandbox is waiting for its lock.
"""

import asyncio
import fcntl
import hashlib
import json
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path


class RecordError(Exception):
    """A sandbox runs already, or none does, or the record cannot be used; the text says which, and the way out."""


@dataclass(frozen=True)
class Record:
    """A record that this process holds."""

    path: Path
    descriptor: int

    def remove(self) -> None:
        """Remove the record, and let go of the lock."""
        self.path.unlink(missing_ok=True)
        os.close(self.descriptor)


def path_of(directory: Path | None) -> Path:
    """Give the path of the record of the sandbox in a directory, or of the user's one sandbox without a directory."""
    name = f"reconciler-sandbox-{os.getuid()}"
    if directory is not None:
        name += "-" + hashlib.sha256(str(directory.resolve()).encode()).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"{name}.json"


def take(path: Path) -> Record:
    """Write the record of this process. Raises RecordError where another sandbox holds it."""
    while True:
        descriptor = _open(path, os.O_RDWR | os.O_CREAT)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            raise RecordError(
                f"a sandbox runs already, see {path}: stop it with `reconciler sandbox down`, "
                "or give this one a directory of its own with --dir"
            ) from None
        if _same_file(path, descriptor):
            break
        os.close(descriptor)  # its former holder removed it between our opening and locking it
    os.ftruncate(descriptor, 0)
    os.write(descriptor, json.dumps({"pid": os.getpid()}).encode())
    return Record(path, descriptor)


def running(path: Path) -> int:
    """Give the process id of the sandbox that holds a record. Raises RecordError where there is none."""
    absent = RecordError(f"no sandbox is running, as far as {path} tells; for one in a directory, give --dir")
    if not path.exists():
        raise absent
    descriptor = _open(path, os.O_RDWR)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return _process(os.read(descriptor, 1000), path)
    else:
        path.unlink(missing_ok=True)  # left by one that was killed
        raise absent
    finally:
        os.close(descriptor)


async def ended(path: Path) -> None:
    """Wait until no sandbox holds the record."""
    try:
        descriptor = _open(path, os.O_RDWR)
    except RecordError:
        return
    try:
        await asyncio.to_thread(fcntl.flock, descriptor, fcntl.LOCK_EX)
    finally:
        os.close(descriptor)


def _open(path: Path, flags: int) -> int:
    try:
        descriptor = os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise RecordError(f"the sandbox's record {path} cannot be opened: {error.strerror}") from error
    if os.fstat(descriptor).st_uid != os.getuid():
        os.close(descriptor)
        raise RecordError(f"the sandbox's record {path} belongs to another user: give --dir")
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
        raise RecordError(f"the sandbox's record {path} is being written: try again") from None
