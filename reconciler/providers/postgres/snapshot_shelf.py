"""The directory that snapshots lie in: each a dump, and beside it a manifest (`.json`). Git must ignore all of it.

A dump is written under a temporary name, brought to the disk, and renamed last of all, when its manifest is there: what
ends in `.dump` is whole.
"""

import hashlib
import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from reconciler.core.snapshot.manifest import Manifest
from reconciler.core.snapshot.names import Taken
from reconciler.errors import GitError, InputError, SnapshotFailed
from reconciler.providers.git.command import Git

DIRECTORY = "_db-backups"
_PARTIAL = ".partial-"


@dataclass(frozen=True, slots=True)
class Kept:
    """A dump and its manifest; None where there is none that can be read, and `problem` says why."""

    path: Path
    manifest: Manifest | None
    problem: str = ""

    @property
    def taken(self) -> Taken | None:
        """The database and the moment, or None where unknown."""
        if self.manifest is None:
            return None
        return Taken(self.path.name, self.manifest.origin.database, datetime.fromisoformat(self.manifest.taken))

    def check(self) -> Manifest:
        """Return the manifest, if the dump is what it says. Raises InputError and SnapshotFailed."""
        if self.manifest is None:
            raise InputError(self.problem, hint="reconciler snapshot list shows what is whole")
        try:
            size, found = self.path.stat().st_size, digest(self.path)
        except OSError as error:
            raise SnapshotFailed(f"{self.path} can't be read: {error.strerror}") from error
        if size != self.manifest.size or found != self.manifest.sha256:
            raise SnapshotFailed(
                f"{self.path.name} is not what it was: {size} bytes, and {self.manifest.size} were written",
                hint="take another snapshot; reconciler snapshot list shows which there are",
            )
        return self.manifest


@dataclass(frozen=True, slots=True)
class Shelf:
    """A directory of snapshots."""

    directory: Path

    def all(self) -> tuple[Kept, ...]:
        """Return what lies there, the newest first. Raises InputError where it can't be read."""
        try:
            found = sorted(self.directory.glob("*.dump"))
        except OSError as error:
            raise InputError(f"{self.directory} can't be read: {error.strerror}") from error
        kept = [kept_at(path) for path in found]
        return tuple(sorted(kept, key=lambda each: each.manifest.taken if each.manifest else "", reverse=True))

    @contextmanager
    def new(self) -> Iterator[Path]:
        """Give the temporary name of a dump that is about to be written; whatever bears it is gone at the end."""
        try:
            self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"{self.directory} can't be made: {error.strerror}") from error
        path = self.directory / f"{_PARTIAL}{secrets.token_hex(6)}"
        try:
            yield path
        finally:
            path.unlink(missing_ok=True)

    def keep(self, partial: Path, name: str, manifest: Manifest) -> Path:
        """Give a dump its name, and its manifest. Raises InputError where the name is taken."""
        path = self.directory / name
        beside = manifest_of(path)
        if path.exists() or beside.exists():
            raise InputError(f"{path} is there already", hint="run the same command again")
        try:
            _write(beside, manifest.text)
            partial.rename(path)
            _sync(self.directory)
        except BaseException as error:
            if not path.exists():
                beside.unlink(missing_ok=True)
            if isinstance(error, OSError):
                raise SnapshotFailed(f"{path} can't be written: {error.strerror}") from error
            raise
        return path

    def abandoned(self, before: datetime) -> list[Path]:
        """Return what killed dumps left behind: it has not been written to since that time."""
        partials = sorted(self.directory.glob(f"{_PARTIAL}*"))
        return [each for each in partials if each.stat().st_mtime < before.timestamp()]

    def remove(self, kept: Kept) -> None:
        """Remove a snapshot: the dump first, as a manifest alone is nothing."""
        kept.path.unlink(missing_ok=True)
        manifest_of(kept.path).unlink(missing_ok=True)


def kept_at(path: Path) -> Kept:
    """Read a snapshot's manifest."""
    try:
        text = manifest_of(path).read_text(encoding="utf-8")
        return Kept(path, Manifest.parse(text, manifest_of(path).name))
    except (OSError, UnicodeDecodeError):
        return Kept(path, None, f"{path} has no manifest beside it")
    except InputError as error:
        return Kept(path, None, error.message)


def manifest_of(path: Path) -> Path:
    """Return where a dump's manifest is."""
    return path.with_name(f"{path.name}.json")


def digest(path: Path) -> str:
    """Return a file's SHA-256."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def commit_here(directory: Path, environment: Mapping[str, str]) -> str | None:
    """Return the commit that is checked out around a directory, or None."""
    try:
        answer = Git.at(directory, environment).attempt("rev-parse", "--verify", "HEAD")
    except GitError:
        return None
    return answer.text if answer.status == 0 else None


def root_of(directory: Path, environment: Mapping[str, str]) -> Path | None:
    """Return the top of the checkout around a directory, or None where there is none."""
    there = next(each for each in (directory, *directory.parents) if each.is_dir())
    try:
        answer = Git.at(there, environment).attempt("rev-parse", "--show-toplevel")
    except GitError:
        return None
    return Path(answer.text) if answer.status == 0 else None


def is_ignored(path: Path, environment: Mapping[str, str]) -> bool:
    """Whether Git ignores a path, or there is no repository."""
    root = root_of(path.parent, environment)
    if root is None:
        return True
    # Whatever is in there: a line of .gitignore may well name no more than some of it.
    return Git.at(root, environment).attempt("check-ignore", "--quiet", "--no-index", str(path)).status == 0


def ignore(directory: Path, environment: Mapping[str, str]) -> Path:
    """Add a directory to the .gitignore of its checkout, and return that file. Raises InputError."""
    root = root_of(directory, environment)
    assert root is not None
    file = root / ".gitignore"
    try:
        text = file.read_text(encoding="utf-8") if file.exists() else ""
        line = f"/{directory.resolve().relative_to(root.resolve()).as_posix()}/\n"
        file.write_text(text + ("" if text.endswith("\n") or not text else "\n") + line, encoding="utf-8")
    except (OSError, ValueError) as error:
        raise InputError(f"{file} can't be changed: {error}") from error
    return file


def now() -> datetime:
    """Return the time, in UTC."""
    return datetime.now(UTC)  # noqa: TID251  what is taken now is called by now


def _write(path: Path, text: str) -> None:
    temporary = path.with_name(f"{_PARTIAL}{secrets.token_hex(6)}")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.rename(path)
    finally:
        temporary.unlink(missing_ok=True)


def _sync(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
