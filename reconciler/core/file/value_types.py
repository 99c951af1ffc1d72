"""The values of a desired-state file: what each kind accepts, and what is wrong with any other."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Annotated, Any, Final, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_core import PydanticCustomError

from reconciler.core.model.compute import NEVER
from reconciler.core.model.desired import Waivable
from reconciler.core.model.provider_limits import LARGEST_COMPUTE, LONGEST_EXPIRY, LONGEST_HISTORY, SMALLEST_COMPUTE
from reconciler.core.values.duration import parse_duration
from reconciler.core.values.instant import Instant
from reconciler.core.values.json_pointer import is_pointer
from reconciler.core.values.lsn import Lsn
from reconciler.core.values.timeline import Timeline


def rejected(kind: str, problem: str) -> PydanticCustomError:
    """Return the error for a value that must not be as it is: `problem` continues "primary.branch …"."""
    return PydanticCustomError(kind, "{problem}", {"problem": problem})


def _parses(kind: str, parse: Callable[[str], object]) -> Callable[[str], str]:
    """Accept what `parse` reads; its ValueError says what is wrong."""

    def check(text: str) -> str:
        try:
            parse(text)
        except ValueError as error:
            raise rejected(kind, str(error)) from error
        return text

    return check


_instant = _parses("instant", Instant.parse_strict)
_lsn = _parses("lsn", Lsn.parse_strict)


def _timeline(text: str) -> str:
    if Timeline.parse(text) is None:
        problem = 'is not the name of a timeline; it is "origin" or like "r-20261121T095500000Z" or "lsn-0-1A2B3C8"'
        raise rejected("timeline", problem)
    return text


def _short_utf8(text: str) -> str:
    if len(text.encode()) > 63:
        problem = f"is {len(text.encode())} bytes long, and PostgreSQL takes at most 63"
        raise rejected("identifier", problem)
    return text


def _printable(text: str) -> str:
    if text != text.strip() or not text.isprintable():
        problem = "must not begin or end with white space, or hold control characters"
        raise rejected("printable", problem)
    return text


def inside(path: str) -> str:
    """Accept a path inside the repository, from its root."""
    parts = path.replace("\\", "/").split("/")
    if path.startswith(("/", "~")) or ":" in parts[0] or ".." in parts or not path.isprintable():
        raise rejected("path", "must be a path inside the repository, from its root")
    return path


def _wrangler_path(path: str) -> str:
    if not inside(path).endswith((".json", ".jsonc")):
        raise rejected("path", "must end in .jsonc or .json")
    return path


def _web_address(url: str) -> str:
    try:
        parts = urlsplit(url)
        right = parts.scheme in ("http", "https") and bool(parts.hostname) and url.isprintable() and " " not in url
    except ValueError:
        right = False
    if not right:
        problem = "is not an address that begins with https:// or http://"
        raise rejected("url", problem)
    return url


def _scalar(value: Any) -> Any:
    if not isinstance(value, bool | int | float | str):
        raise PydanticCustomError("scalar", "must be true, false, a number or text")
    return value


def _json_scalar(value: Any) -> Any:
    return None if value is None else _scalar(value)


def _pointer(text: str) -> str:
    if not is_pointer(text):
        problem = 'is not a JSON pointer (RFC 6901): it begins with "/", such as "/status"'
        raise rejected(WRONG_KEY, problem)
    return text


def _at_most_ten_seconds(text: str) -> str:
    return _at_most(text, timedelta(seconds=10))


def _at_most_ten_minutes(text: str) -> str:
    return _at_most(text, timedelta(minutes=10))


def _at_most(text: str, longest: timedelta) -> str:
    if parse_duration(text) > longest:
        problem = f"must be at most {longest.total_seconds():g}s, and is {text}"
        raise rejected("delay", problem)
    return text


def _at_most_thirty_days(text: str) -> str:
    if (given := span(text)) is not None and given > LONGEST_HISTORY:
        raise rejected("span", f"must be at most 30d, and is {text}")
    return text


def _units(value: float) -> float:
    if not SMALLEST_COMPUTE <= value <= LARGEST_COMPUTE:
        problem = f"must be from {SMALLEST_COMPUTE} to {LARGEST_COMPUTE:g} CU, and is {value:g}"
        raise rejected("units", problem)
    return value


def _suspension(text: str) -> str:
    if text != "never" and not 60 <= suspension(text) <= 604_800:
        problem = f"must be from 1m to 7d, or never, and is {text}"
        raise rejected("suspension", problem)
    return text


def suspension(text: str) -> int:
    """Read `90s`, `5m`, `1h` or `7d` in seconds, or `never`, as Neon does: -1."""
    return NEVER if text == "never" else int(parse_duration(text).total_seconds())


def span(text: str) -> timedelta | None:
    """Read `36h`, `7d` or `2w`; None for ever."""
    return None if text == "forever" else parse_duration(text)


def listed(value: Any) -> Any:
    """Take one object for a list of one."""
    return [value] if isinstance(value, dict) else value


def _life(text: str) -> str:
    if _SPAN.fullmatch(text) is None:
        return _instant(text) if text[:1].isdigit() and "-" in text else _no_life(text)
    if parse_duration(text) > LONGEST_EXPIRY:
        problem = f"must be at most 30d, as Neon lets no branch expire later, and is {text}"
        raise rejected("life", problem)
    return text


def _no_life(text: str) -> str:
    if text != "forever":
        problem = f'must look like "7d", "36h", "2w", "2026-12-24T18:00:00Z" or "forever", and is "{text[:40]}"'
        raise rejected("life", problem)
    return text


def _waivable(guard: Any) -> Any:
    """Say why a guard can't be waived; the type refuses what is not text."""
    if isinstance(guard, str) and guard not in WAIVABLE:
        problem = f"is not a guard that can be waived; those are {', '.join(WAIVABLE)}"
        raise rejected("waivable", problem)
    return guard


# The type of an error that is about a key: pydantic ends its path with a mark, which a file may have as a key too.
WRONG_KEY: Final = "wrong_key"
WAIVABLE = tuple(guard.value for guard in Waivable)
Identifier = Annotated[str, Field(min_length=1), AfterValidator(_short_utf8), AfterValidator(_printable)]
# Neon's API description: EndpointUpdateRequest and ProjectUpdateRequest; sizes by its documentation (Manage computes).
_SPAN = re.compile(r"[1-9][0-9]{0,3}[hdw]")
Delay = Annotated[str, Field(pattern=r"^[1-9][0-9]{0,5}(ms|s|m)$")]
JsonScalar = str | bool | int | float | None
Span = Annotated[str, Field(pattern=r"^([1-9][0-9]{0,3}[hdw]|forever)$")]
History = Annotated[str, Field(pattern=r"^[1-9][0-9]{0,3}[hdw]$"), AfterValidator(_at_most_thirty_days)]
Units = Annotated[float, AfterValidator(_units)]
Suspension = Annotated[str, Field(pattern=r"^([1-9][0-9]{0,5}[smhd]|never)$"), AfterValidator(_suspension)]
Label = Annotated[str, Field(min_length=1, max_length=100), AfterValidator(_printable)]
Moment = Annotated[str, AfterValidator(_instant), Field(examples=["2026-11-21T09:55:00.000Z"])]
LogPlace = Annotated[str, AfterValidator(_lsn), Field(examples=["0/1A2B3C8"])]
TimelineName = Annotated[str, AfterValidator(_timeline)]
WranglerPath = Annotated[str, AfterValidator(_wrangler_path)]
WebAddress = Annotated[str, AfterValidator(_web_address)]
Line = Annotated[str, Field(max_length=500), AfterValidator(_printable)]
Reason = Annotated[str, Field(min_length=1, max_length=500), AfterValidator(_printable)]
WranglerEnvironment = Annotated[str, Field(min_length=1, max_length=64), AfterValidator(_printable)]
Scalar = Annotated[bool | int | float | str, BeforeValidator(_scalar)]
JsonExpectations = dict[Annotated[str, AfterValidator(_pointer)], Annotated[JsonScalar, BeforeValidator(_json_scalar)]]
AnswerTime = Annotated[Delay, AfterValidator(_at_most_ten_seconds)]
Patience = Annotated[Delay, AfterValidator(_at_most_ten_minutes)]
Life = Annotated[str, AfterValidator(_life)]
GuardName = Annotated[
    Literal[
        "branch-limit",
        "root-branch-limit",
        "config-limit",
        "operation-running",
        "pooled-origin",
        "tables-unprovable",
        "login-too-young",
    ],
    BeforeValidator(_waivable),
]
