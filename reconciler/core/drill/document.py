"""A Markdown document as far as its words matter: headings, the sections below them, paragraphs and tables. Pure.

Read by markdown-it, which follows CommonMark and GitHub's tables: what is in code, comments or strikethrough says
nothing here.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from markdown_it import MarkdownIt
from markdown_it.token import Token

_ADORNMENT = re.compile(r"^[\s#§]+|[\s#:]+$")
_NUMBERED = re.compile(r"^(?:\d+[.)]\s+|\d+(?:\.\d+)+[.)]?\s+|\d+\s+(?=\D))")


@dataclass(frozen=True, slots=True)
class Line:
    """A paragraph, an item or a heading: the number of its first line, and its words in lines.

    `under` is the heading right above it, if it comes directly after one.
    """

    number: int
    text: str
    under: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """A row of a table: the number of its line, and its cells' words."""

    number: int
    cells: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """A table. Its first row is its head."""

    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading: the number of its line, its level from 1 to 6, and its words."""

    line: int
    level: int
    title: str


@dataclass(frozen=True, slots=True)
class Document:
    """A document, or a section of one: `title` is its heading's words, `line` and `last` its first and last line."""

    title: str
    line: int
    last: int
    headings: tuple[Heading, ...]
    lines: tuple[Line, ...]
    tables: tuple[Table, ...]

    def sections(self, wanted: str) -> tuple["Document", ...]:
        """Return the sections with this heading; the whole document for an empty one.

        Case, marks and numbers before it do not matter; where several differ in their numbers alone, they do.
        """
        if not wanted.strip():
            return (replace(self, title="the whole file"),)
        exact = [each for each in self.headings if _plain(each.title) == _plain(wanted)]
        found = exact or [each for each in self.headings if _unnumbered(each.title) == _unnumbered(wanted)]
        return tuple(self._below(each) for each in found)

    def _below(self, heading: Heading) -> "Document":
        """Cut out what is below a heading, up to the next of its level or a higher one."""
        ends = [each.line for each in self.headings if each.line > heading.line and each.level <= heading.level]
        first, end = heading.line, min(ends, default=self.last + 1)
        return Document(
            heading.title,
            first,
            end - 1,
            tuple(each for each in self.headings if first <= each.line < end),
            tuple(each for each in self.lines if first <= each.number < end),
            tuple(each for each in self.tables if first <= each.rows[0].number < end),
        )


def document(text: str) -> Document:
    """Read a document."""
    tokens = MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(text)
    headings = tuple(_headings(tokens))
    last = max(len(text.splitlines()), 1)
    return Document("", 1, last, headings, tuple(_lines(tokens)), tuple(_tables(tokens)))


def _headings(tokens: Sequence[Token]) -> Iterator[Heading]:
    for opening, inline in pairwise(tokens):
        # One inside a quotation or an item begins no section.
        if opening.type == "heading_open" and opening.level == 0:
            yield Heading(_number(opening), int(opening.tag[1:]), _words(inline))


def _lines(tokens: Sequence[Token]) -> Iterator[Line]:
    under = ""
    for opening, inline in pairwise(tokens):
        if opening.type in {"heading_open", "paragraph_open"}:
            yield Line(_number(opening), _words(inline), under)
        if opening.type not in {"inline", "heading_close"}:
            under = _words(inline) if opening.type == "heading_open" else ""


def _tables(tokens: Sequence[Token]) -> Iterator[Table]:
    rows: list[Row] = []
    cells: list[str] = []
    number = 0
    for before, token in pairwise(tokens):
        match token.type:
            case "table_open":
                rows = []
            case "tr_open":
                cells, number = [], _number(token)
            case "inline" if before.type in {"th_open", "td_open"}:
                cells.append(_words(token))
            case "tr_close":
                rows.append(Row(number, tuple(cells)))
            case "table_close":
                yield Table(tuple(rows))
            case _:
                pass


def _number(token: Token) -> int:
    return token.map[0] + 1 if token.map else 1


def _words(inline: Token) -> str:
    """Return the words of a text as they are read: without marks, comments, pictures and what is struck out."""
    said, struck = [], 0
    for each in inline.children or ():
        struck += {"s_open": 1, "s_close": -1}.get(each.type, 0)
        if each.type in {"softbreak", "hardbreak"}:
            said.append("\n")
        elif each.type in {"text", "code_inline", "text_special"} and not struck:
            said.append(each.content)
    return "".join(said).strip()


def _plain(title: str) -> str:
    return " ".join(_ADORNMENT.sub("", title).casefold().split())


def _unnumbered(title: str) -> str:
    return _NUMBERED.sub("", _plain(title))
