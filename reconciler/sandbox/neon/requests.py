"""Reads bodies, query parameters and paths of requests, with refusals in one style."""

import re
from datetime import datetime, timedelta
from json import JSONDecodeError
from typing import Any, cast

from aiohttp import web

from reconciler.sandbox import timestamps
from reconciler.sandbox.neon.errors import NeonError, malformed, not_found, refused
from reconciler.sandbox.neon.state import Branch, Endpoint, NeonState, Project
from reconciler.sandbox.storage import Point

LONGEST_NAME = 256
SMALLEST_UNITS, LARGEST_UNITS = 0.25, 56.0
_POSITION = re.compile("[0-9a-fA-F]{1,8}/[0-9a-fA-F]{1,8}")


class Fields:
    """A JSON object of a request, read field by field. Every refusal names the field; unknown fields are ignored."""

    def __init__(self, fields: dict[str, Any], place: str = "") -> None:
        self._fields = fields
        self._place = place

    def __contains__(self, name: str) -> bool:
        return name in self._fields

    def text(self, name: str) -> str | None:
        """Return a string; None if it is absent, null or empty."""
        return self._of(name, str, "a string") or None

    def required(self, name: str) -> str:
        """Return a required string that is not empty."""
        value = self.text(name)
        if value is None:
            raise malformed(f"{self._place}{name} is required")
        return value

    def name(self, name: str, longest: int = LONGEST_NAME) -> str | None:
        """Return a name of 1 to `longest` characters, not all of them spaces; None if it is absent or null."""
        value = self._of(name, str, "a string")
        if value is not None and (not value.strip() or len(value) > longest):
            raise malformed(f"{self._place}{name} must have 1 to {longest} characters")
        return cast("str | None", value)

    def flag(self, name: str) -> bool | None:
        """Return a boolean; None if it is absent or null."""
        return cast("bool | None", self._of(name, bool, "a boolean"))

    def integer(self, name: str, least: int, most: int) -> int | None:
        """Return a whole number within limits; None if it is absent or null."""
        value = self._of(name, int, "an integer")
        if value is not None and (isinstance(value, bool) or not least <= value <= most):
            raise malformed(f"{self._place}{name} must be between {least} and {most}")
        return cast("int | None", value)

    def number(self, name: str) -> float | None:
        """Return a number; None if it is absent or null."""
        value = self._of(name, (int, float), "a number")
        return None if value is None else float(value)

    def moment(self, name: str) -> datetime | None:
        """Return a date-time with a zone; None if it is absent, null or empty."""
        value = self.text(name)
        try:
            return None if value is None else timestamps.parse(value)
        except ValueError:
            raise malformed(f"{self._place}{name} must be an RFC 3339 date-time, got {value!r}") from None

    def point(self, moment: str, position: str) -> Point:
        """Return a point in time, read from a field with a moment or one with a position; None if both are absent."""
        when, where = self.moment(moment), self.text(position)
        if where is None:
            return when
        if when is not None:
            raise malformed(f"{self._place}{moment} and {self._place}{position} are mutually exclusive")
        if not _POSITION.fullmatch(where):
            raise malformed(f"{self._place}{position} must be like 0/1F3C8A0, got {where!r}")
        return where

    def object(self, name: str) -> "Fields":
        """Return an object, empty if it is absent or null."""
        return Fields(self._of(name, dict, "an object") or {}, f"{self._place}{name}.")

    def objects(self, name: str) -> "list[Fields]":
        """Return a list of objects, empty if it is absent or null."""
        items = self._of(name, list, "a list") or []
        if not all(isinstance(item, dict) for item in items):
            raise malformed(f"{self._place}{name} must be a list of objects")
        return [Fields(item, f"{self._place}{name}[{index}].") for index, item in enumerate(items)]

    def strings(self, most: int) -> dict[str, str]:
        """Return the whole object, which may have `most` values, all of them strings."""
        if len(self._fields) > most or not all(isinstance(value, str) for value in self._fields.values()):
            raise malformed(f"{self._place.rstrip('.')} must have at most {most} values, all of them strings")
        return dict(self._fields)

    def raw(self) -> dict[str, Any]:
        """Return the object as it came."""
        return dict(self._fields)

    def _of(self, name: str, kind: type | tuple[type, ...], words: str) -> Any:
        value = self._fields.get(name)
        if value is not None and not isinstance(value, kind):
            raise malformed(f"{self._place}{name} must be {words}")
        return value


async def body(request: web.Request) -> Fields:
    """Read the JSON object of a request; an absent body is an empty object."""
    text = await request.text()
    try:
        value = await request.json() if text.strip() else {}
    except JSONDecodeError as error:
        raise malformed(f"the body is not JSON: {error}") from None
    if not isinstance(value, dict):
        raise malformed("the body must be a JSON object")
    return Fields(value)


def query(request: web.Request) -> Fields:
    """Return the query parameters, all of them strings."""
    return Fields(dict(request.query))


def limit(request: web.Request, default: int, most: int) -> int:
    """Return the `limit` of a list."""
    text = request.query.get("limit", str(default))
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= most:
        raise malformed(f"limit must be between 1 and {most}")
    return int(text)


def state(request: web.Request) -> NeonState:
    """Return the state that the request sees; under the fault `stale`, that before the last write."""
    return cast("NeonState", request["state"])


def project(request: web.Request) -> Project:
    """Find the project of the path."""
    found = state(request).projects.get(request.match_info["project_id"])
    if found is None or state(request).switches.key_for_another_project:
        raise NeonError(state(request).switches.absent_project_status, "project not found")
    return found


def branch(request: web.Request) -> Branch:
    """Find the branch of the path."""
    found = branch_of(project(request), request.match_info["branch_id"])
    if _lags(request, found.created_at, found.last_reset_at):
        raise not_found("branch")
    return found


def branch_of(found: Project, branch_id: str) -> Branch:
    """Find a branch of a project by its id."""
    if branch_id not in found.branches:
        raise not_found("branch")
    return found.branches[branch_id]


def endpoint(request: web.Request) -> Endpoint:
    """Find the compute of the path."""
    found = project(request).endpoints.get(request.match_info["endpoint_id"])
    if found is None or _lags(request, found.created_at):
        raise not_found("endpoint")
    return found


def cluster(found: Branch) -> str:
    """Return the cluster of a branch. Refuses a branch without data."""
    if found.cluster is None:
        raise refused("branch not ready yet")
    return found.cluster


def compute_sizes(asked: Fields, former: tuple[float, float] = (SMALLEST_UNITS, SMALLEST_UNITS)) -> tuple[float, float]:
    """Read the smallest and the largest size of a compute in units; an absent one stays as it was."""
    least, most = asked.number("autoscaling_limit_min_cu"), asked.number("autoscaling_limit_max_cu")
    sizes = (former[0] if least is None else least, former[1] if most is None else most)
    if not SMALLEST_UNITS <= sizes[0] <= sizes[1] <= LARGEST_UNITS:
        raise malformed(f"compute sizes must be between {SMALLEST_UNITS} and {LARGEST_UNITS}, the least one first")
    return sizes


def _lags(request: web.Request, *written: datetime | None) -> bool:
    """Return whether a read comes too soon after a write to see it (a switch)."""
    lag = timedelta(seconds=state(request).switches.read_after_write_lag_seconds)
    return request.method == "GET" and any(at is not None and timestamps.now() < at + lag for at in written)
