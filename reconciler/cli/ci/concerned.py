"""Which environments a change concerns: those whose desired-state file, or whose Workers' wrangler.jsonc, it touches.

The tree is only read as JSONC: nothing in it is run. A link to a file outside of it, or in `.git`, is refused.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from reconciler.cli.ci.actions import Actions
from reconciler.cli.repository.environments import DIRECTORY, EnvironmentFile
from reconciler.core.model.desired import Desired
from reconciler.errors import InputError
from reconciler.providers.git.repository import Repository

_ENDING = ".jsonc"


@dataclass(frozen=True, slots=True)
class Concerned:
    """The environments that a change concerns, and the names of those whose file it deletes."""

    files: tuple[EnvironmentFile, ...]
    deleted: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Span:
    """Two commits. The change is the difference between them."""

    old: str
    new: str


def concerned(root: Path, span: Span | None, repository: Repository | None) -> Concerned:
    """Find the environments of the tree at `root` that the change concerns; all of them if the change is not known."""
    files = every(root)
    if span is None or repository is None:
        return Concerned(files)
    if repository.resolve(span.old) is None or repository.resolve(span.new) is None:
        return Concerned(files)  # a shallow clone, or a history that was rewritten
    inside = root.resolve().relative_to(repository.root.resolve())
    changed = {_below(inside, path) for path in repository.changed_files(span.old, span.new)}
    gone = {_environment(path) for path in changed} - {"", *(file.name for file in files)}
    return Concerned(tuple(file for file in files if _is_touched(file, changed)), tuple(sorted(gone)))


def every(root: Path) -> tuple[EnvironmentFile, ...]:
    """Return every environment of a tree."""
    directory = root / DIRECTORY
    paths: Sequence[Path] = sorted(directory.glob(f"*{_ENDING}")) if directory.is_dir() else ()
    return tuple(EnvironmentFile(path, root) for path in paths if path.is_file() or path.is_symlink())


def span_of(actions: Actions, repository: Repository | None, proposed: Span | None = None) -> Span | None:
    """Return what the job's event changed; None if not known, as for a dispatch or a new branch.

    `proposed` is the base and the last commit of a pull request other than the event's.
    """
    if (event := actions.pull_request) is not None:
        proposed = proposed or Span(event.base, event.head)
    if proposed is None:
        return Span(*actions.pushed) if actions.pushed is not None else None
    if repository is None:
        return proposed
    if repository.resolve("HEAD^2") == proposed.new:
        # GitHub's merge of the two: later commits of the base branch are not part of the change.
        return Span("HEAD^1", "HEAD")
    if repository.resolve(proposed.old) is None or repository.resolve(proposed.new) is None:
        return proposed
    return Span(repository.merge_base(proposed.old, proposed.new) or proposed.old, proposed.new)


def read(file: EnvironmentFile) -> Desired:
    """Read a file of an unreviewed tree. Raises DesiredStateError with every mistake, and InputError."""
    _refuse_outside(file.path, file.root)
    desired = file.read()
    for worker in desired.workers:
        _refuse_outside(file.root / worker.config, file.root)
    return desired


def _refuse_outside(path: Path, root: Path) -> None:
    shown, top = path.relative_to(root).as_posix(), root.resolve()
    try:
        real = path.resolve()
    except (OSError, RuntimeError) as error:  # a link to itself
        raise InputError(f"{shown} is a link in a circle", hint="replace the link with the file") from error
    if not real.is_relative_to(top) or ".git" in real.relative_to(top).parts:
        raise InputError(f"{shown} points to a place outside of the tree", hint="replace the link with the file")


def _below(inside: Path, path: str) -> str:
    """Return a repository path relative to the tree's root; empty if it is outside of the tree."""
    found = Path(path)
    return found.relative_to(inside).as_posix() if found.is_relative_to(inside) else ""


def _environment(path: str) -> str:
    """Return the environment whose file this path is; empty if it is another file."""
    directory, _, name = path.rpartition("/")
    return name.removesuffix(_ENDING) if directory == DIRECTORY and name.endswith(_ENDING) else ""


def _is_touched(file: EnvironmentFile, changed: set[str]) -> bool:
    if f"{DIRECTORY}/{file.path.name}" in changed:
        return True
    try:
        desired = read(file)
    except InputError:  # its files are not known
        return any(path.endswith((".json", _ENDING)) and not path.startswith(f"{DIRECTORY}/") for path in changed)
    return any(Path(worker.config).as_posix() in changed for worker in desired.workers)
