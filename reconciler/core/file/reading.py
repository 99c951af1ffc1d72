"""From the text of a desired-state file to `Desired`, or to every mistake in it at once, each with its place."""

import difflib
import re
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from reconciler.core.file import jsonc
from reconciler.core.file.contradictions import contradictions, value_at
from reconciler.core.file.conversion import to_desired
from reconciler.core.file.model import (
    FileModel,
)
from reconciler.core.file.value_types import WRONG_KEY
from reconciler.core.model.desired import (
    Desired,
)
from reconciler.core.values.duration import for_people
from reconciler.core.values.instant import Instant
from reconciler.errors import InputError, JsoncError

_ENVIRONMENT = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?")
_WHOLE = 'a desired-state file is one JSONC object, such as {"primary": {…}, "hyperdrive": {…}, "worker": {…}}'
# Nobody reads more at once, and a file of nothing but mistakes would take minutes.
_MOST_PROBLEMS = 100


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake: its place, what is wrong, and what would be right."""

    file: str
    line: int
    column: int
    message: str
    hint: str = ""

    def __str__(self) -> str:
        text = f"{self.file}:{self.line}:{self.column}: {self.message}"
        return f"{text}\n    hint: {self.hint}" if self.hint else text


class DesiredStateError(InputError):
    """A desired-state file has mistakes; `problems` are all of them, in the order of the file."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = problems

    @property
    def report(self) -> str:
        """Return every mistake with its place, as compilers do."""
        return self.message


def check_environment(name: str, file: str) -> None:
    """Raise DesiredStateError where a name cannot be an environment's."""
    if not _ENVIRONMENT.fullmatch(name):
        hint = "name it with lower-case letters, digits and dashes, at most 40: production.jsonc"
        raise DesiredStateError((Problem(file, 1, 1, f'"{name}" cannot be an environment', hint),))


def read_desired_state(text: str, *, file: str, environment: str, now: Instant) -> Desired:
    """Read a desired-state file. `environment` is the file's name without its ending.

    Raises DesiredStateError with every mistake. `now` (UTC) only serves to find a restore to the future.
    """
    check_environment(environment, file)
    try:
        document = jsonc.read(text)
    except JsoncError as error:
        problem = Problem(file, error.line, error.column, error.message, error.hint or _WHOLE)
        raise DesiredStateError((problem,)) from error
    reader = _Reader(file, document)
    model = reader.shape()
    reader.meaning(now)
    if reader.problems or model is None:
        raise DesiredStateError(tuple(sorted(reader.problems, key=lambda each: (each.line, each.column))))
    return to_desired(environment, model)


class _Reader:
    """Collects the problems of one document."""

    def __init__(self, file: str, document: jsonc.Document) -> None:
        self.file = file
        self.document = document
        self.problems: list[Problem] = []

    def shape(self) -> FileModel | None:
        """Check keys and types: everything that can be checked on one value alone."""
        for duplicate in self.document.duplicates[:_MOST_PROBLEMS]:
            message = f"{_dotted(duplicate.path)} is given twice, and the last one would count"
            self._add(duplicate.start, message, "keep one of them")
        try:
            return FileModel.model_validate(self.document.value)
        except ValidationError as error:
            for details in error.errors(include_url=False)[:_MOST_PROBLEMS]:
                self._shape_problem(details)
            return None

    def meaning(self, now: Instant) -> None:
        """Check what depends on several values together."""
        if not isinstance(self.document.value, dict):
            return
        self._no_future(now)
        for path, message, hint in contradictions(self.document.value):
            self._add(self._place(path), message, hint)

    def _no_future(self, now: Instant) -> None:
        path = ("primary", "restore", "to")
        try:
            to = Instant.parse_strict(value_at(self.document.value, path))
        except (TypeError, ValueError, KeyError):
            return
        if to > now:
            message = f"primary.restore.to: {to} lies {for_people(to - now)} in the future (now it is {now})"
            hint = "check the zone: a local time with Z at its end is the usual cause"
            self._add(self._place(path), message, hint)

    def _shape_problem(self, details: ErrorDetails) -> None:
        path = self._real_path(details)
        if details["type"] == "extra_forbidden":
            known = _known_keys(path)
            close = difflib.get_close_matches(str(path[-1]), known, n=1, cutoff=0.6)
            hint = f'did you mean "{close[0]}"?' if close else f"known here: {', '.join(known)}"
            place = self.document.key_span(path).start
            self._add(place, f'{_dotted(path)}: unknown key "{path[-1]}"', hint)
        elif details["type"] == "missing":
            self._add(self._place(path[:-1]), f"{_dotted(path)} is missing", _MISSING.get(str(path[-1]), ""))
        else:
            self._add(self._place(path), f"{_dotted(path)} {_sentence(details)}")

    def _real_path(self, details: ErrorDetails) -> tuple[int | str, ...]:
        """Undo what the model adds to a path: a single Worker counts as a list of one, and a wrong key has a mark."""
        path = list(details["loc"])
        if path[:2] == ["worker", 0] and not isinstance(self.document.value.get("worker"), list):
            del path[1]
        return tuple(path[:-1] if details["type"] == WRONG_KEY else path)

    def _place(self, path: tuple[int | str, ...]) -> int:
        return self.document.span(path).start

    def _add(self, offset: int, message: str, hint: str = "") -> None:
        if len(self.problems) >= _MOST_PROBLEMS:
            return
        line, column = self.document.line_and_column(offset)
        self.problems.append(Problem(self.file, line, column, message, hint))


_MISSING = {
    "restore": 'write "restore": null for the original timeline, or {"to": "2026-11-21T09:55:00Z"}',
    "project": "the Neon project's id, such as aged-wildflower-123456 (neon projects list)",
    "primary": 'write "primary": {"project": …, "branch": …, "restore": null}',
    "reason": "give the reason in one line: every plan shows it",
}
_KINDS = {
    "string": "text",
    "string_sub": "text",
    "bool": "true or false",
    "int": "a whole number",
    "model": "an object",
    "dict": "an object",
    "list": "a list",
    "float": "a number",
}


def _sentence(details: ErrorDetails) -> str:
    """Say what was expected and what was found."""
    kind, context = details["type"], details.get("ctx", {})
    match kind:
        case "literal_error":
            return f"must be {context['expected']}, and is {_shown(details['input'])}"
        case "string_too_short" | "string_too_long":
            high = context.get("max_length")
            size = f"at most {high} characters" if high else "at least one character"
            return f"must have {size}, and has {len(details['input'])}"
        case "string_pattern_mismatch":
            return f"must look like {_EXAMPLES.get(str(details['loc'][-1]), context['pattern'])}, and is " + _shown(
                details["input"]
            )
        case "greater_than_equal" | "less_than_equal":
            return f"must be {_RANGES[str(details['loc'][-1])]}, and is {_shown(details['input'])}"
        case _ if kind.removesuffix("_type") in _KINDS:
            return f"must be {_KINDS[kind.removesuffix('_type')]}, and is {_shown(details['input'])}"
        case _:
            return details["msg"]


_EXAMPLES = {
    "project": "aged-wildflower-123456 (lower-case letters, digits, dashes)",
    "id": "inc-42 (lower-case letters, digits and dashes, at most 40)",
    "within": '"500ms" or "2s"',
    "for": '"30s" or "2m"',
    "history_retention": '"6h", "7d" or "4w", at most "30d"',
    "suspend": '"5m", "1h" or "never"',
    "hold": '"7d", "36h", "2w" or "forever"',
    "retention": '"30d", "36h", "2w" or "forever"',
    "binding": "HYPERDRIVE (a JavaScript identifier)",
    "ca_certificate_id": "an id of Cloudflare's (letters, digits and dashes, at most 64)",
    "mtls_certificate_id": "an id of Cloudflare's (letters, digits and dashes, at most 64)",
}
_RANGES = {
    "status": "from 100 to 599",
    "max_age": "from 1 to 3600 seconds",
    "stale_while_revalidate": "from 0 to 1000000 seconds",
    "connection_limit": "from 5 to 1500",
}


def _shown(value: Any) -> str:  # noqa: PLR0911  one answer per kind of value
    match value:
        case None:
            return "null"
        case bool():
            return str(value).lower()
        case dict():
            return "an object"
        case list():
            return "a list"
        case str() if len(value) > 40:
            return f'"{value[:40]}…"'
        case str():
            return f'"{value}"'
        case _:
            return str(value)


def _known_keys(path: tuple[int | str, ...]) -> list[str]:
    """List the keys that the model knows at the place of this one."""
    model: Any = FileModel
    for step in path[:-1]:
        if isinstance(step, int):
            continue
        fields = {field.alias or name: field for name, field in model.model_fields.items()}
        model = _model_in(fields[step].annotation)
    return [field.alias or name for name, field in model.model_fields.items()]


def _model_in(annotation: Any) -> Any:
    """Find the model in `Model`, `Model | None`, `list[Model]`."""
    inner = [part for part in getattr(annotation, "__args__", ()) if part is not type(None)]
    return _model_in(inner[0]) if inner else annotation


def _dotted(path: tuple[int | str, ...]) -> str:
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return text.removeprefix(".") or "the file"
