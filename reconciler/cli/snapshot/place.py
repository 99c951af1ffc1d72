"""What the commands of `reconciler snapshot` share: the database, the directory, progress, interrupts."""

import functools
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from reconciler.cli.console import output
from reconciler.cli.console.messages import say
from reconciler.core.snapshot.manifest import Manifest
from reconciler.core.snapshot.names import file_name
from reconciler.errors import InputError
from reconciler.providers.postgres import dumps, snapshot_shelf
from reconciler.providers.postgres.place import Container, Place, Plain
from reconciler.providers.postgres.snapshot_shelf import DIRECTORY, Kept, Shelf

_LINE_SECONDS = 5.0
_MEGABYTE = 1_000_000
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True, slots=True)
class Where:
    """The options. With `ignore`, a line is added to .gitignore without a question."""

    container: str | None
    url: str | None
    database: str | None
    role: str | None
    host_is: str | None
    directory: Path | None
    ignore: bool = False

    @property
    def shelf(self) -> Shelf:
        """The directory of snapshots: at the top of the checkout, unless said otherwise."""
        if self.directory is not None:
            return Shelf(self.directory.absolute())
        return Shelf((snapshot_shelf.root_of(Path.cwd(), os.environ) or Path.cwd()) / DIRECTORY)

    def place(self) -> Place:
        """Find the database. Raises InputError."""
        if self.container is not None:
            return Container.find(self.container, self.database, self.role, self.host_is)
        url = self.url or os.environ.get("DATABASE_URL")
        if not url:
            hint = "--container NAME, --database-url URL, or DATABASE_URL in the environment"
            raise InputError("nothing says which database is meant", hint=hint)
        place = Plain.of(url, self.host_is)
        return place.at(self.database) if self.database else place


def place_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that say where the database is, as one argument `where`."""

    @functools.wraps(function)
    def decorated(  # noqa: PLR0913  one for each option
        *arguments: Any,
        container: str | None,
        database_url: str | None,
        database: str | None,
        role: str | None,
        host_is: str | None,
        directory: Path | None,
        ignore: bool,
        **more: Any,
    ) -> Any:
        where = Where(container, database_url, database, role, host_is, directory, ignore)
        with _interruptible():
            return function(*arguments, where=where, **more)

    for option in reversed(_OPTIONS):
        decorated = option(decorated)
    return decorated


directory_option = click.option(
    "--directory",
    type=click.Path(path_type=Path, file_okay=False),
    help=f"Where snapshots lie; {DIRECTORY} at the top of the checkout if left out.",
)
_OPTIONS = (
    click.option("--container", metavar="NAME", help="A container of Docker or Podman that the database runs in."),
    click.option(
        "--database-url", metavar="URL", help="The database's address; DATABASE_URL if left out. Others can see it."
    ),
    click.option("--database", metavar="NAME", help="Another database at the same place."),
    click.option("--role", metavar="NAME", help="The role to log in as, in a container."),
    click.option("--host-is", metavar="HOST", help="Name a host that is not this machine, to allow it."),
    directory_option,
    click.option("--ignore", is_flag=True, help="Add the directory to .gitignore where Git does not ignore it."),
)


def create(where: Where, place: Place) -> tuple[Path, Manifest]:
    """Take a snapshot. Raises InputError where Git would commit it, and SnapshotFailed."""
    shelf, at = where.shelf, snapshot_shelf.now()
    _check_ignored(where, shelf)
    with shelf.new() as partial, shown_progress("dumping") as progress:
        origin, contents, major = dumps.take(place, partial, progress)
        taken = at.isoformat(timespec="milliseconds")
        size, digest = partial.stat().st_size, snapshot_shelf.digest(partial)
        commit = snapshot_shelf.commit_here(Path.cwd(), os.environ)
        manifest = Manifest(taken, origin, contents, major, size, digest, commit)
        return shelf.keep(partial, file_name(origin.database, at), manifest), manifest


def chosen(where: Where, name: str | None, database: str | None) -> Kept:
    """Return the snapshot of that name or path, or the newest of a database. Raises InputError."""
    if name is None:
        fit = [each for each in where.shelf.all() if each.taken and database in (None, each.taken.database)]
        if not fit:
            hint = "reconciler snapshot create takes one"
            raise InputError(f"no snapshot of {database or 'any database'} is in {where.shelf.directory}", hint=hint)
        return fit[0]
    for path in (Path(name), where.shelf.directory / name, where.shelf.directory / f"{name}.dump"):
        if path.is_file():
            return snapshot_shelf.kept_at(path)
    raise InputError(f"there is no snapshot {name}", hint="reconciler snapshot list shows which there are")


def database_of(place: Place) -> str | None:
    """Return the name of the database that the options name; None where the container says it."""
    return place.variables().get("PGDATABASE")


@contextmanager
def shown_progress(what: str) -> Iterator[dumps.Progress]:
    """Show size and rate on stderr: on a terminal in one line, elsewhere a line every few seconds."""
    terminal, last = sys.stderr.isatty(), 0.0
    drawn = output.drawing(sys.stderr)

    def show(size: int, seconds: float) -> None:
        nonlocal last
        text = f"{what}: {megabytes(size)} in {seconds:.0f} s, {size / _MEGABYTE / max(seconds, 0.1):.1f} MB/s"
        if terminal:
            drawn.write(f"\r{text:<60}")  # padded, so that it hides the longer one before
            drawn.flush()
        elif seconds - last >= _LINE_SECONDS:
            say(text)
        last = seconds if terminal or seconds - last >= _LINE_SECONDS else last

    try:
        yield show
    finally:
        if terminal and last:
            drawn.write("\n")


def megabytes(size: int) -> str:
    """Return a size for people."""
    return f"{size / _MEGABYTE:.1f} MB"


def summary(manifest: Manifest) -> str:
    """Return what a snapshot holds, in a few words."""
    contents = manifest.contents
    return f"{megabytes(manifest.size)}, {len(contents.tables)} tables with {contents.rows} rows"


def tell_missing(place: Place, manifest: Manifest) -> None:
    """Say which roles are missing, and what follows."""
    if missing := dumps.missing_roles(place, manifest):
        names = ", ".join(missing)
        say(f"note: the server has no role {names}: owners and privileges are not restored")


def _check_ignored(where: Where, shelf: Shelf) -> None:
    example = shelf.directory / "example.dump"
    if all(snapshot_shelf.is_ignored(path, os.environ) for path in (example, Path(f"{example}.json"))):
        return
    if where.ignore or (sys.stdin.isatty() and click.confirm(f"Add {shelf.directory} to .gitignore?", err=True)):
        file = snapshot_shelf.ignore(shelf.directory, os.environ)
        say(f"added {shelf.directory.name}/ to {file}")
        return
    hint = f"--ignore adds the line /{shelf.directory.name}/ to .gitignore"
    raise InputError(f"Git would commit what is in {shelf.directory}: it does not ignore it", hint=hint)


@contextmanager
def _interruptible() -> Iterator[None]:
    """Let Ctrl-C, SIGTERM and SIGHUP end a command in order, the first of them; the third ends it at once."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    heard = 0

    def hear(*_: object) -> None:
        nonlocal heard
        heard += 1
        if heard == 1:
            raise KeyboardInterrupt
        if heard > 2:
            os._exit(130)

    heeded = [each for each in _SIGNALS if signal.getsignal(each) is not signal.SIG_IGN]
    before = [(each, signal.signal(each, hear)) for each in heeded]
    try:
        yield
    finally:
        for number, handler in before:
            signal.signal(number, handler)
