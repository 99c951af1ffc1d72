"""One pass over a JSONC text: every value and the characters that hold it, or the first error.

The rules of npm's `jsonc-parser` 3 with `allowTrailingComma`; `jsonc` says why, and is the module to import.
"""

import math
import re
import unicodedata
from bisect import bisect_right
from dataclasses import dataclass, field
from typing import Any, NoReturn

from reconciler.errors import JsoncError

Path = tuple[str | int, ...]

MAXIMUM_DEPTH = 100
BYTE_ORDER_MARK = "\ufeff"
SURROGATE = re.compile("[\ud800-\udfff]")

# The classes are written out: Python's \s and \d also take form feed, no-break space and foreign digits.
_BLANKS_AND_LINE_COMMENTS = re.compile(r"(?:[ \t\r\n]+|//[^\r\n]*)+")
_WORD = re.compile(r'[^ \t\r\n{}\[\]",:/]+')
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?P<fraction>\.[0-9]+)?(?P<exponent>[eE][+-]?[0-9]+)?")
_LIKE_A_NUMBER = re.compile(r"[+-]*\.?[0-9]")
_PLAIN = re.compile(r'[^"\\\x00-\x1f]+')
_HEXADECIMAL = re.compile(r"[0-9a-fA-F]{4}")
_LINE_END = re.compile(r"\r\n|\r|\n")
_LITERALS = {"true": True, "false": False, "null": None}
_ESCAPES = {'"': '"', "\\": "\\", "/": "/", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_UTF_8_HINT = "save the file as UTF-8"
_COMMENT_HINT = "a comment begins with //, or is between /* and */"


@dataclass(frozen=True, slots=True)
class Span:
    """Characters from `start` up to, not including, `end`: offsets into the text."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class DuplicateKey(Span):
    """A key that its object had already: the place of the later one, quotes included, and what it names."""

    path: Path

    @property
    def name(self) -> str:
        """The key itself, unescaped."""
        return str(self.path[-1])


@dataclass(slots=True)
class Node:
    """A value, its place, and the values inside; of a repeated key only the last is kept."""

    value: Any
    span: Span
    key: Span | None = None
    members: dict[str | int, "Node"] = field(default_factory=dict)


def line_starts(text: str) -> list[int]:
    """Give the offset at which each line begins; a byte order mark is before the first line."""
    first = 1 if text.startswith(BYTE_ORDER_MARK) else 0
    return [first, *(line_end.end() for line_end in _LINE_END.finditer(text))]


def line_and_column(starts: list[int], offset: int) -> tuple[int, int]:
    """Give the line and column, both from 1, of the character at `offset`."""
    offset = max(starts[0], offset)
    line = bisect_right(starts, offset)
    return line, offset - starts[line - 1] + 1


class Scanner:
    """Reads one text. Each method begins at `self.at` and leaves it behind what it has read."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.path: list[str | int] = []
        self.duplicates: list[DuplicateKey] = []

    def document(self) -> Node:
        """Read the whole text: one value, with white space and comments around it."""
        if surrogate := SURROGATE.search(self.text):
            self.fail("found half of a surrogate pair, which is no character", surrogate.start(), _UTF_8_HINT)
        self.at = 1 if self.text.startswith(BYTE_ORDER_MARK) else 0
        self.skip()
        root = self.value("a value")
        self.skip()
        if self.at < len(self.text):
            self.unexpected("the end of the file after this value")
        return root

    def value(self, expected: str) -> Node:
        """Read any value; `expected` says, for an error, what may stand here."""
        start, character = self.at, self.peek()
        if character in ("{", "["):
            if len(self.path) >= MAXIMUM_DEPTH:
                self.fail(f"nested deeper than {MAXIMUM_DEPTH} levels", start)
            return self.object() if character == "{" else self.array()
        value = self.string() if character == '"' else self.word(expected)
        return Node(value, Span(start, self.at))

    def object(self) -> Node:
        """Read from `{` to `}`. A repeated key replaces what the earlier one held, spans included."""
        start, members = self.at, dict[str | int, Node]()
        self.at += 1
        self.skip()
        while self.peek() != "}":
            if self.peek() != '"':
                self.unexpected("a key in double quotes or '}'")
            key_start, key = self.at, self.string()
            key_span = Span(key_start, self.at)
            self.path.append(key)
            if key in members:
                self.duplicates.append(DuplicateKey(key_span.start, key_span.end, tuple(self.path)))
            self.skip()
            if self.peek() != ":":
                self.unexpected("':' after this key")
            self.at += 1
            self.skip()
            members[key] = self.value("a value after ':'")
            members[key].key = key_span
            self.path.pop()
            self.comma_or("}")
        self.at += 1
        return Node({key: node.value for key, node in members.items()}, Span(start, self.at), None, members)

    def array(self) -> Node:
        """Read from `[` to `]`."""
        start, members = self.at, dict[str | int, Node]()
        self.at += 1
        self.skip()
        while self.peek() != "]":
            self.path.append(len(members))
            members[len(members)] = self.value("a value or ']'")
            self.path.pop()
            self.comma_or("]")
        self.at += 1
        return Node([node.value for node in members.values()], Span(start, self.at), None, members)

    def comma_or(self, end: str) -> None:
        """Read the comma behind a member; before `end` it may be missing."""
        self.skip()
        if self.peek() == ",":
            self.at += 1
            self.skip()
        elif self.peek() != end:
            self.unexpected(f"',' or '{end}' after this value")

    def string(self) -> str:
        """Read a string in double quotes and unescape it."""
        start, pieces = self.at, list[str]()
        self.at += 1
        while True:
            if plain := _PLAIN.match(self.text, self.at):
                pieces.append(plain[0])
                self.at = plain.end()
            character = self.peek()
            if character == '"':
                self.at += 1
                return "".join(pieces)
            if character == "\\":
                pieces.append(self.escape())
            elif character in ("\r", "\n", ""):
                where = "line" if character else "file"
                self.fail(f"this string isn't closed: expected '\"' before the end of the {where}", start)
            else:
                self.fail(f"found {_name(character)} in a string, expected it as an escape", self.at)

    def escape(self) -> str:
        r"""Read one escape, or two where `\u` gives the halves of a surrogate pair."""
        start, letter = self.at, self.text[self.at + 1 : self.at + 2]
        if letter in _ESCAPES:
            self.at += 2
            return _ESCAPES[letter]
        if letter != "u":
            found = f"'\\{letter}'" if letter.isprintable() else f"'\\' before {_name(letter)}"
            self.fail(f'expected an escape (\\" \\\\ \\/ \\b \\f \\n \\r \\t \\uXXXX), found {found}', start)
        code = self.code_unit()
        if 0xD800 <= code < 0xDC00 and self.text.startswith("\\u", self.at):
            low = self.code_unit()
            if 0xDC00 <= low < 0xE000:
                return chr(0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00))
        if 0xD800 <= code < 0xE000:
            self.fail(f"'\\u{code:04x}' is half of a surrogate pair, which is no character", start)
        return chr(code)

    def code_unit(self) -> int:
        r"""Read `\uXXXX` as a number."""
        digits = _HEXADECIMAL.match(self.text, self.at + 2)
        if not digits:
            self.fail("expected four hexadecimal digits after '\\u'", self.at)
        self.at = digits.end()
        return int(digits[0], 16)

    def word(self, expected: str) -> float | bool | None:
        """Read a number, or one of true, false and null."""
        match = _WORD.match(self.text, self.at)
        word = match[0] if match else ""
        if word in _LITERALS:
            self.at += len(word)
            return _LITERALS[word]
        number = _NUMBER.fullmatch(word)
        if not number:
            self.no_value(word, expected)
        if not math.isfinite(float(word)):
            self.fail("this number is too large: it would be read as infinity", self.at)
        self.at += len(word)
        return float(word) if number["fraction"] or number["exponent"] else int(word)

    def no_value(self, word: str, expected: str) -> NoReturn:
        """Raise the error for a word in the place of a value."""
        for offset, character in enumerate(word, self.at):
            if not character.isprintable():
                self.at = offset
                self.unexpected(expected)
        if _LIKE_A_NUMBER.match(word):
            self.fail(
                f"expected a decimal number (no '+', no leading zero, no bare point), found '{word[:40]}'",
                self.at,
            )
        self.unexpected(expected)

    def unexpected(self, expected: str) -> NoReturn:
        """Raise the error for what is here instead of `expected`."""
        if self.at >= len(self.text):
            self.fail(f"expected {expected}, found the end of the file", self.at)
        character, word = self.text[self.at], _WORD.match(self.text, self.at)
        found = _name(word[0] if word and word[0].isprintable() else character)
        if character.isspace():
            found += ", which isn't white space here (only blank, tab, CR and LF are)"
        elif character == BYTE_ORDER_MARK:
            found += ", a byte order mark that isn't at the start of the file"
        hint = _COMMENT_HINT if character in "#/<" else _UTF_8_HINT if character in "\x00\ufffd\ufffe" else ""
        self.fail(f"expected {expected}, found {found}", self.at, hint)

    def fail(self, message: str, offset: int, hint: str = "") -> NoReturn:
        """Raise the error for the character at `offset`."""
        line, column = line_and_column(line_starts(self.text), offset)
        raise JsoncError(message, line=line, column=column, hint=hint)

    def peek(self) -> str:
        """Look at the character here; nothing at the end."""
        return self.text[self.at : self.at + 1]

    def skip(self) -> None:
        """Pass over white space and comments."""
        while True:
            if blanks := _BLANKS_AND_LINE_COMMENTS.match(self.text, self.at):
                self.at = blanks.end()
            if not self.text.startswith("/*", self.at):
                return
            end = self.text.find("*/", self.at + 2)
            if end < 0:
                self.fail("this comment is never closed: expected '*/'", self.at)
            self.at = end + 2


def _name(found: str) -> str:
    """Name what was found: as it is, or by number and name where an eye can't see it."""
    if found[:1] == "'":
        return "a single quote"
    if found.isprintable():
        return f"'{found[:40]}'"
    return f"U+{ord(found):04X} {unicodedata.name(found, '')}".rstrip()
