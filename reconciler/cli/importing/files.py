"""Where an import reads and writes: the root that paths start from, each wrangler.jsonc, and the files that are new."""

import os
from pathlib import Path
from typing import TextIO

from reconciler.cli.repository.environments import DIRECTORY
from reconciler.core.importing.choice import WorkerFile
from reconciler.errors import InputError
from reconciler.providers.wrangler.file import hyperdrive_bindings

_NAMES = ("wrangler.jsonc", "wrangler.json")


def find_root() -> Path:
    """Return where desired-state/ is or belongs: here or above, else the repository's root, else here."""
    here = Path.cwd()
    places = (here, *here.parents)
    for mark in (DIRECTORY, ".git"):
        for place in places:
            if (place / mark).exists():
                return place
    return here


def worker_files(root: Path, named: tuple[str, ...]) -> tuple[WorkerFile, ...]:
    """Read those that are named, from here, or else every one below the root. Raises InputError."""
    paths = [_inside(root, name) for name in named] if named else _below(root)
    return tuple(WorkerFile(path.as_posix(), hyperdrive_bindings(root / path)) for path in paths)


def _inside(root: Path, name: str) -> Path:
    path = Path(os.path.normpath(Path.cwd() / name))
    if not path.is_relative_to(root):
        raise InputError(f"{name} is outside of {root}", hint="the desired state names files of its own repository")
    return path.relative_to(root)


def _below(root: Path) -> list[Path]:
    """Find them; hidden directories and those of packages are skipped."""
    found = []
    for directory, inner, files in os.walk(root):
        inner[:] = sorted(name for name in inner if not name.startswith(".") and name != "node_modules")
        found += [Path(directory, name).relative_to(root) for name in _NAMES if name in files]
    return found


def write_new(path: Path, text: str) -> None:
    """Write a file that is not there yet, whole or not at all. Raises InputError, also where it is there."""
    try:
        if not path.parent.is_dir():
            path.parent.mkdir()
        with path.open("x", encoding="utf-8") as file:
            _fill(path, file, text)
    except OSError as error:
        if path.parent.is_dir() and isinstance(error, FileExistsError):
            raise there_already(path) from error
        raise InputError(f"{path}: can't be written: {error.strerror or error}") from error


def _fill(path: Path, file: TextIO, text: str) -> None:
    try:
        file.write(text)
        file.flush()
    except OSError:
        path.unlink()
        raise


def there_already(path: Path) -> InputError:
    """Return the error for a file that exists: it is never overwritten."""
    hint = "nothing was changed. --print shows what would be written now; plan checks the file"
    return InputError(f"{path.parent.name}/{path.name} exists already, and is never overwritten", hint=hint)
