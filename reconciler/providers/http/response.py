"""Reads what a provider answered, field by field: what is missing or of another kind is an error that names it.

Unknown fields are ignored, and null is as good as absent. Everything has a limit, so that no answer, however broken,
can make us run out of memory or time.
"""

import re
from dataclasses import dataclass
from typing import Any

from reconciler.core.values.instant import Instant
from reconciler.errors import ProviderError

_LONGEST_TEXT = 65_536
_LONGEST_LIST = 100_000
# Enough for seconds of three hundred years, and for every count that there is.
_LARGEST_NUMBER = 10**10
# What every JSON reader takes for a whole number (RFC 8259, 6): ids are drawn from no less.
_LARGEST_SERIAL = 2**53 - 1
# Ids become parts of paths: nothing in one may be a path.
_ID = re.compile(r"[A-Za-z0-9_-]{1,128}")
_HINT = "nothing was done with this answer; run it again, and where it stays so, the provider's API has changed"
_KINDS = {dict: "an object", list: "a list", str: "text", bool: "true or false", int: "a number", float: "a number"}


@dataclass(frozen=True, slots=True)
class Told:
    """A value in an answer of `provider`, at `place`, such as `branches[2].parent_id`; empty for the whole answer."""

    provider: str
    value: Any
    place: str = ""

    def part(self, key: str) -> "Told":
        """Return an object. Raises ProviderError where it is not there, as every method here does."""
        found = self.maybe(key)
        if found is None:
            raise self._problem(key)
        return found

    def maybe(self, key: str) -> "Told | None":
        """Return an object, or None where there is none."""
        value = self._get(key, dict)
        return None if value is None else Told(self.provider, value, self._at(key))

    def each(self, key: str) -> list["Told"]:
        """Return the objects of a list that must be there."""
        if self._get(key, list) is None:
            raise self._problem(key)
        return self.any(key)

    def any(self, key: str) -> list["Told"]:
        """Return the objects of a list, of which there are none where there is no list."""
        values = self._get(key, list) or []
        if len(values) > _LONGEST_LIST:
            raise self._wrong(key, f"a list of {len(values):,} items")
        return [self._object(value, f"{self._at(key)}[{index}]") for index, value in enumerate(values)]

    def text(self, key: str) -> str:
        """Return a text that must be there and not be empty."""
        found = self.maybe_text(key)
        if not found:
            raise self._problem(key)
        return found

    def maybe_text(self, key: str, longest: int = _LONGEST_TEXT) -> str:
        """Return a text, which is empty where there is none. `longest` is in characters."""
        value = self._get(key, str) or ""
        if len(value) > longest:
            raise self._wrong(key, f"a text of {len(value):,} characters")
        if not value.isascii() and re.search("[\ud800-\udfff]", value):
            raise self._wrong(key, "something that is no Unicode text")
        return str(value)

    def id(self, key: str) -> str:
        """Return an id, which may be a part of a path."""
        return self._as_id(key, self.text(key))

    def maybe_id(self, key: str) -> str | None:
        """Return an id, or None where there is none."""
        found = self.maybe_text(key)
        return self._as_id(key, found) if found else None

    def number(self, key: str) -> int:
        """Return a whole number of at least 0 that must be there."""
        found = self.maybe_number(key)
        if found is None:
            raise self._problem(key)
        return found

    def maybe_number(self, key: str) -> int | None:
        """Return a whole number of at least 0, or None where there is none."""
        value: int | None = self._get(key, int)
        if value is not None and not 0 <= value <= _LARGEST_NUMBER:
            raise self._wrong(key, f"{'a negative number' if value < 0 else 'a number that is too large'}")
        return value

    def serial(self, key: str) -> int:
        """Return a whole number of at least 0 that tells things apart, and must be there."""
        value: int | None = self._get(key, int)
        if value is None:
            raise self._problem(key)
        if not 0 <= value <= _LARGEST_SERIAL:
            raise self._wrong(key, "something that is no number of a thing")
        return value

    def share(self, key: str) -> float:
        """Return a percentage, 0 to 100."""
        value: float | None = self._get(key, float)
        if value is None:
            raise self._problem(key)
        if not 0 <= value <= 100:
            raise self._wrong(key, "something that is no percentage")
        return value

    def maybe_measure(self, key: str) -> float | None:
        """Return a number of at least 0, whole or not, or None where there is none."""
        value: float | None = self._get(key, float)
        if value is not None and not 0 <= value <= _LARGEST_NUMBER:
            raise self._wrong(key, "something that is no measure")
        return value

    def maybe_whole(self, key: str) -> int | None:
        """Return a whole number, also one below 0, or None where there is none."""
        value: int | None = self._get(key, int)
        if value is not None and abs(value) > _LARGEST_NUMBER:
            raise self._wrong(key, "a number that is too large")
        return value

    def flag(self, key: str) -> bool:
        """Return true or false; false where there is neither."""
        return bool(self._get(key, bool))

    def moment(self, key: str) -> Instant:
        """Return a moment that must be there."""
        found = self.maybe_moment(key)
        if found is None:
            raise self._problem(key)
        return found

    def maybe_moment(self, key: str) -> Instant | None:
        """Return a moment, or None where there is none."""
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

    def _object(self, value: Any, place: str) -> "Told":
        if not isinstance(value, dict):
            raise self._misfit(place, value, "an object")
        return Told(self.provider, value, place)

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


def told_list(provider: str, body: Any) -> list[Told]:
    """Read an answer's body, which must be a list of objects."""
    return Told(provider, {"list": body}).each("list")


def told(provider: str, body: Any) -> Told:
    """Read an answer's body, which must be an object."""
    if not isinstance(body, dict):
        raise Told(provider, {})._misfit("", body, "an object")  # noqa: SLF001  our own
    return Told(provider, body)
