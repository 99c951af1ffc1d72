"""Reads JSONC exactly as wrangler does, and remembers the place of each value.

wrangler reads its configuration with npm's `jsonc-parser` and `allowTrailingComma`: comments, one trailing
comma, a byte order mark at the start, strict JSON otherwise, and of a repeated key the last value counts. A
reader that took more (JSON5, tree-sitter) would accept files that wrangler refuses; one that took less would
refuse files that deploy. The spans are what makes an edit possible that changes one value and nothing else.

Three things that `jsonc-parser` reads are refused, because they are mistakes and break later: nesting
deeper than `MAXIMUM_DEPTH`, half of a surrogate pair (UTF-8 can't hold it), a number that becomes infinity.
"""

import json
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from reconciler.core.file.jsonc_scanner import (
    MAXIMUM_DEPTH,
    SURROGATE,
    DuplicateKey,
    Node,
    Path,
    Scanner,
    Span,
    line_and_column,
    line_starts,
)
from reconciler.errors import JsoncError

__all__ = [
    "MAXIMUM_DEPTH",
    "Document",
    "DuplicateKey",
    "Path",
    "Scalar",
    "Span",
    "read",
    "replace_text",
    "replace_value",
]

Scalar = str | int | float | bool | None

_JSON5_LIMIT = 20_000  # characters: json5 is slow, and no person wrote a larger file by hand
_JSON5_HINT = (
    "this reads as JSON5, which wrangler refuses: it wants double quotes around keys and strings, plain "
    "decimal numbers, and no white space but blank, tab and line ends; comments and a trailing comma are fine"
)


@dataclass(frozen=True)
class Document:
    """What `read` found: the text as it came, its value, repeated keys, and the place of everything."""

    text: str
    value: Any
    duplicates: tuple[DuplicateKey, ...]
    root: Node = field(repr=False, compare=False)

    def span(self, path: Path) -> Span:
        """Give the place of the value at `path` (of a repeated key: the last), or raise KeyError."""
        return self._node(path).span

    def raw(self, path: Path) -> str:
        """Give the characters of the value at `path`, as they stand in the text, or raise KeyError."""
        span = self.span(path)
        return self.text[span.start : span.end]

    def key_span(self, path: Path) -> Span:
        """Give the place of the key at `path`, quotes included. KeyError where there is none, or no key."""
        key = self._node(path).key
        if key is None:
            raise KeyError(path)
        return key

    def line_and_column(self, offset: int) -> tuple[int, int]:
        """Give line and column, both from 1. CRLF is one line end; a byte order mark isn't counted."""
        return line_and_column(self._line_starts, offset)

    @cached_property
    def _line_starts(self) -> list[int]:
        return line_starts(self.text)

    def _node(self, path: Path) -> Node:
        node = self.root
        for step in path:
            if step not in node.members:
                raise KeyError(path)
            node = node.members[step]
        return node


def read(text: str) -> Document:
    """Read a whole JSONC text. Raises JsoncError with the place, what was expected and what was found."""
    scanner = Scanner(text)
    try:
        root = scanner.document()
    except JsoncError as error:
        error.hint = error.hint or _json5_hint(text)
        raise
    return Document(text=text, value=root.value, duplicates=tuple(scanner.duplicates), root=root)


def replace_value(document: Document, path: Path, new_value: Scalar) -> str:
    """Write `new_value` in place of the value at `path` and leave every other character as it was.

    KeyError where there is no such value; ValueError for a new value that JSON can't hold.
    """
    literal = json.dumps(new_value, ensure_ascii=False, allow_nan=False)
    if SURROGATE.search(literal):
        raise ValueError(f"half of a surrogate pair in {literal!a}: it can't be written as UTF-8")
    return _splice(document, path, literal)


def replace_text(document: Document, path: Path, raw: str) -> str:
    """Write `raw`, the text of one JSONC value with nothing around it, in place of the value at `path`.

    KeyError where there is no such value; JsoncError for a text that does not parse; ValueError for one that has
    more than a value: a comment at its end could swallow what follows.
    """
    if read(raw).raw(()) != raw:
        raise ValueError("there is more than a value in the text that is to be written")
    return _splice(document, path, raw)


def _splice(document: Document, path: Path, raw: str) -> str:
    span = document.span(path)
    return document.text[: span.start] + raw + document.text[span.end :]


def _json5_hint(text: str) -> str:
    """Give the hint for a text that JSON5 allows and JSONC doesn't, or nothing."""
    if len(text) >= _JSON5_LIMIT:
        return ""
    import json5  # noqa: PLC0415 - needed only after an error, and slow to import

    try:
        json5.loads(text)
    except Exception:  # noqa: BLE001 - a parser of broken text may raise anything; the first error is the one to show
        return ""
    return _JSON5_HINT
