"""What a drill leaves in Git: the report, a line of the history, and the picture of the trend."""

from collections.abc import Sequence
from pathlib import Path

from reconciler.core.drill import history as drill_history
from reconciler.core.drill import trend as drill_trend
from reconciler.core.drill.history import Done, PastDrill, read_history
from reconciler.core.drill.notes import notes_of
from reconciler.core.drill.report import environment_of, file_name, report
from reconciler.core.drill.results import Drill
from reconciler.core.values.instant import Instant
from reconciler.errors import InputError


def refuse_to_overwrite(directory: Path, begun: Instant, environment: str) -> None:
    """Raise InputError where the report of a drill that begins now could not be written: ask before it begins."""
    path = directory / file_name(begun)
    earlier = _earlier(path)
    if earlier is None:
        return
    notes_of(earlier)
    if about := environment_of(earlier, environment):
        raise InputError(
            f"{path} is the report of {about}, so it is not overwritten by one of {environment}",
            hint=f"give {environment} a directory of its own: drill.reports in its file, or --output",
        )


def keep(drill: Drill, directory: Path) -> Path:
    """Write the three files of a drill; return where the report is. Repeated, it writes the same.

    The history comes first, as nothing else can be made again. Raises InputError where a file cannot be written, or
    where the report that is there is not to be overwritten: the history has the drill's line then all the same.
    """
    path = directory / file_name(drill.begun)
    try:
        directory.mkdir(parents=True, exist_ok=True)
        _record(drill, directory)
        history = recorded(directory)
        own = [each for each in history if isinstance(each, Done) and each.environment == _name(drill)]
        _write(directory / drill_trend.FILE, drill_trend.svg(own))
        _write(path, report(drill, _earlier(path), history))
    except OSError as error:
        raise InputError(f"{error.filename or directory} cannot be written ({error.strerror})") from error
    return path


def recorded(directory: Path) -> Sequence[PastDrill]:
    """Read the history of drills in a directory; one that is not there yet is empty. Raises InputError."""
    return read_history(_text_of(directory / drill_history.FILE) or "")


def _record(drill: Drill, directory: Path) -> None:
    """Add the drill's line, unless it is there."""
    text = _text_of(directory / drill_history.FILE) or ""
    if drill_history.done(drill) not in read_history(text):
        with (directory / drill_history.FILE).open("a", encoding="utf-8", newline="") as file:
            file.write(drill_history.added(text, drill).removeprefix(text))


def _name(drill: Drill) -> str:
    return drill_history.done(drill).environment


def _earlier(path: Path) -> str | None:
    """Return the text of the report that is there. Raises InputError where it cannot be read."""
    try:
        content = path.read_bytes()
        return content.decode("utf-8")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise InputError(
            f"{path} is not UTF-8 (byte {error.start}), so it is not overwritten", hint="rename it"
        ) from error


def _text_of(path: Path) -> str | None:
    """Return the text of the history; bytes that are no text make their line one that cannot be read as it was."""
    try:
        return path.read_bytes().decode("utf-8", "replace")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror})") from error


def _write(path: Path, text: str) -> None:
    """Write a file whole or not at all, byte for byte."""
    part = path.with_name(f".{path.name}.part")
    part.write_text(text, encoding="utf-8", newline="")
    part.replace(path)
