"""`reconciler history`: who asked for what and when, what came of it, and how to undo it."""

import os
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from reconciler.cli.console.messages import say, warn
from reconciler.cli.repository import suspension as suspending
from reconciler.cli.repository.environments import EnvironmentFile, find
from reconciler.core.history.entries import History, compile_history
from reconciler.core.values.redaction import EVERYWHERE
from reconciler.errors import GitError, InputError
from reconciler.providers.clock import SystemClock
from reconciler.render.history import text as history_text

if TYPE_CHECKING:
    from reconciler.providers.git.notes import Notes

_TEXT_LIMIT = 30
_ALL = 0


@click.command(name="history")
@click.argument("environment", required=False)
@click.option("--format", "form", type=click.Choice(["text", "json", "markdown"]), help="text, unless there is --html")
@click.option("--html", "page", metavar="FILE", type=click.Path(path_type=Path), help="write a page for a browser")
@click.option("--limit", type=click.IntRange(min=0), metavar="N", help="the newest N entries; 0 is all  [text: 30]")
@click.option("--no-fetch", is_flag=True, help="show the receipts that are here, without asking the remote")
def command(environment: str | None, form: str | None, page: Path | None, limit: int | None, no_fetch: bool) -> int:  # noqa: FBT001  click gives flags so
    """Show who asked for what and when, what came of it, and how to undo it.

    Reads Git alone: the commits of this branch that changed the file, and the receipts that applies have left. Asks
    neither Neon nor Cloudflare, and needs no credentials.
    """
    file = find(environment)
    history = read(file, fetch=not no_fetch)
    if page is not None:
        write_page(page, history, None if limit == _ALL else limit)
        say(f"wrote {page}")
    if page is None or form is not None:
        click.echo(_rendered(history, form or "text", limit))
    return 0


def read(file: EnvironmentFile, *, fetch: bool) -> History:
    """Read an environment's history. Raises InputError outside a Git repository, and GitError."""
    from reconciler.providers.git import history as git_history
    from reconciler.providers.git.notes import Notes
    from reconciler.providers.git.repository import Repository

    repository = Repository.containing(file.root)
    if repository is None:
        raise InputError(f"{file.root} is not in a Git repository, so it has no history", hint="git init")
    notes = Notes(repository)
    if fetch:
        _fetch(notes)
    changes = git_history.changes_of(repository.root, _path_in(repository.root, file))
    if git_history.is_shallow(repository.root):
        warn("this clone is shallow, so older changes are not here: git fetch --unshallow brings them")
    now = SystemClock().now()
    history = compile_history(file.name, changes, notes.all(), now)
    return replace(history, suspended=suspending.look(file, fetch=fetch).sentence)


def _path_in(root: Path, file: EnvironmentFile) -> str:
    """Return the file's path from the repository's root. Links in its directory are resolved."""
    place = file.path.parent.resolve() / file.path.name
    try:
        return place.relative_to(root.resolve()).as_posix()
    except ValueError as error:
        raise InputError(f"{place} is outside of the repository {root}, so it has no history there") from error


def _fetch(notes: "Notes") -> None:
    try:
        notes.fetch()
    except GitError as error:
        warn(f"the remote's receipts could not be fetched ({error.message}); shown are those that are here")


def _rendered(history: History, form: str, limit: int | None) -> str:
    newest = None if limit == _ALL else limit
    if form == "text":
        return history_text.as_text(history, _TEXT_LIMIT if limit is None else newest, _width())
    return (history_text.as_json if form == "json" else history_text.as_markdown)(history, newest)


def _width() -> int:
    """Return the terminal's columns, or what COLUMNS says; 100 where there is neither."""
    return shutil.get_terminal_size((100, 24)).columns


def write_page(path: Path, history: History, limit: int | None = None) -> None:
    """Write the page atomically: a reader sees the old page or the new one.

    Raises InputError if it cannot be written, or if the path is not a file.
    """
    from reconciler.render.history.page import as_page

    if path.exists() and not path.is_file():
        raise InputError(
            f"{path} is not a file, so no page is written there", hint=f"name a file: {path / 'history.html'}"
        )
    target = path.resolve()
    try:
        with tempfile.NamedTemporaryFile("wb", dir=target.parent, prefix=f".{target.name}.", delete=False) as file:
            temporary = Path(file.name)
            try:
                file.write(EVERYWHERE(as_page(history, limit)).encode())
                file.flush()
                os.fchmod(file.fileno(), target.stat().st_mode & 0o777 if target.exists() else 0o644)
                temporary.replace(target)
            except BaseException:
                temporary.unlink(missing_ok=True)
                raise
    except OSError as error:
        raise InputError(f"{path} cannot be written ({error.strerror})") from error
