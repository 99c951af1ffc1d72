"""Reads a provider's response field by field: a missing field, or one of another kind, is an error that names it.

Unknown fields are ignored, and null means absent. Everything has a limit, so that no response can exhaust memory or
time.
"""

import re
from dataclasses import dataclass
from typing import Any

from reconciler.core.values.instant import Instant
from reconciler.errors import ProviderError

_LONGEST_TEXT = 65_536
_LONGEST_LIST = 100_000
# Enough for the seconds of three hundred years, and for every count.
_LARGEST_NUMBER = 10**10
# The largest integer that every JSON reader keeps exactly (RFC 8259, 6). Numeric ids may be that large.
_LARGEST_SERIAL = 2**53 - 1
# Ids become parts of paths, so they can't contain a slash.
_ID = re.compile(r"[A-Za-z0-9_-]{1,128}")
_HINT = "nothing was done with this answer; run it again. If it fails again, the provider's API has changed"
_KINDS = {dict: "an object", list: "a list", str: "text", bool: "true or false", int: "a number", float: "a number"}


@dataclass(frozen=True, slots=True)
class ResponseReader:
    """A JSON object in a response of `provider`, at `place`, such as `branches[2]`; empty for the whole body.

    Every method raises ProviderError for a value of another kind, and where a required value is missing.
    """

    provider: str
    value: Any
    place: str = ""

    def part(self, key: str) -> "ResponseReader":
        """Return a required object."""
        found = self.maybe(key)
        if found is None:
            raise self._problem(key)
        return found

    def maybe(self, key: str) -> "ResponseReader | None":
        """Return an object, or None."""
        value = self._get(key, dict)
        return None if value is None else ResponseReader(self.provider, value, self._at(key))

    def section(self, key: str) -> "ResponseReader":
        """Return an object, or an empty one."""
        return self.maybe(key) or ResponseReader(self.provider, {}, self._at(key))

    def each(self, key: str) -> list["ResponseReader"]:
        """Return the objects of a required list."""
        if self._get(key, list) is None:
            raise self._problem(key)
        return self.any(key)

    def any(self, key: str) -> list["ResponseReader"]:
        """Return the objects of a list; none without a list."""
        values = self._get(key, list) or []
        if len(values) > _LONGEST_LIST:
            raise self._wrong(key, f"a list of {len(values):,} items")
        return [self._object(value, f"{self._at(key)}[{index}]") for index, value in enumerate(values)]

    def text(self, key: str) -> str:
        """Return a required text that is not empty."""
        found = self.maybe_text(key)
        if not found:
            raise self._problem(key)
        return found

    def maybe_text(self, key: str, longest: int = _LONGEST_TEXT) -> str:
        """Return a text, or an empty one. `longest` is in characters."""
        value = self._get(key, str) or ""
        if len(value) > longest:
            raise self._wrong(key, f"a text of {len(value):,} characters")
        if not value.isascii() and re.search("[\ud800-\udfff]", value):
            raise self._wrong(key, "something that is no Unicode text")
        return str(value)

    def id(self, key: str) -> str:
        """Return a required id, which is safe in a path."""
        return self._as_id(key, self.text(key))

    def maybe_id(self, key: str) -> str | None:
        """Return an id, or None."""
        found = self.maybe_text(key)
        return self._as_id(key, found) if found else None

    def number(self, key: str) -> int:
        """Return a required integer, 0 or more."""
        found = self.maybe_number(key)
        if found is None:
            raise self._problem(key)
        return found

    def maybe_number(self, key: str) -> int | None:
        """Return an integer, 0 or more, or None."""
        value: int | None = self._get(key, int)
        if value is not None and not 0 <= value <= _LARGEST_NUMBER:
            raise self._wrong(key, f"{'a negative number' if value < 0 else 'a number that is too large'}")
        return value

    def serial(self, key: str) -> int:
        """Return a required numeric id."""
        value: int | None = self._get(key, int)
        if value is None:
            raise self._problem(key)
        if not 0 <= value <= _LARGEST_SERIAL:
            raise self._wrong(key, "something that is no number of a thing")
        return value

    def share(self, key: str) -> float:
        """Return a required percentage, 0 to 100."""
        value: float | None = self._get(key, float)
        if value is None:
            raise self._problem(key)
        if not 0 <= value <= 100:
            raise self._wrong(key, "something that is no percentage")
        return value

    def maybe_measure(self, key: str) -> float | None:
        """Return a number, 0 or more, or None."""
        value: float | None = self._get(key, float)
        if value is not None and not 0 <= value <= _LARGEST_NUMBER:
            raise self._wrong(key, "something that is no measure")
        return value

    def maybe_whole(self, key: str) -> int | None:
        """Return an integer, negative ones included, or None."""
        value: int | None = self._get(key, int)
        if value is not None and abs(value) > _LARGEST_NUMBER:
            raise self._wrong(key, "a number that is too large")
        return value

    def flag(self, key: str) -> bool:
        """Return a boolean; false where there is none."""
        return bool(self._get(key, bool))

    def moment(self, key: str) -> Instant:
        """Return a required moment (UTC)."""
        found = self.maybe_moment(key)
        if found is None:
            raise self._problem(key)
        return found

    def maybe_moment(self, key: str) -> Instant | None:
        """Return a moment (UTC), or None."""
        text = self.maybe_text(key)
        if not text:
            return None
        try:
            return Instant.parse(text)
        except ValueError:
            raise self._wrong(key, "something that is no time") from None

    def _get(self, key: str, kind: type) -> Any:
        value = self.value.get(key) if isinstance(self.value, dict) else None
        if not isinstance(self.value, dict):
            raise self._misfit(self.place, self.value, "an object")
        if value is None or (type(value) is kind) or (kind is float and type(value) is int):
            return value
        raise self._misfit(self._at(key), value, _KINDS[kind])

    def _object(self, value: Any, place: str) -> "ResponseReader":
        if not isinstance(value, dict):
            raise self._misfit(place, value, "an object")
        return ResponseReader(self.provider, value, place)

    def _as_id(self, key: str, text: str) -> str:
        if not _ID.fullmatch(text):
            raise self._wrong(key, "something that is no id")
        return text

    def _at(self, key: str) -> str:
        return f"{self.place}.{key}" if self.place else key

    def _problem(self, key: str) -> ProviderError:
        return ProviderError(f'{self.provider} answered without "{self._at(key)}"', hint=_HINT)

    def _wrong(self, key: str, what: str) -> ProviderError:
        return ProviderError(f'{self.provider} answered {what} as "{self._at(key)}"', hint=_HINT)

    def _misfit(self, place: str, value: Any, wanted: str) -> ProviderError:
        kind = _KINDS.get(type(value), "nothing")
        whole = f'in "{place}"' if place else "altogether"
        return ProviderError(f"{self.provider} answered {kind} and not {wanted} {whole}", hint=_HINT)


def read_list(provider: str, body: Any) -> list[ResponseReader]:
    """Read a body that must be a list of objects."""
    return ResponseReader(provider, {"list": body}).each("list")


def read_object(provider: str, body: Any) -> ResponseReader:
    """Read a body that must be an object."""
    if not isinstance(body, dict):
        raise ResponseReader(provider, {})._misfit("", body, "an object")  # noqa: SLF001  our own
    return ResponseReader(provider, body)
