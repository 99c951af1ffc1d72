"""How long a restore may take, as people have promised it: in the file itself, or in a Markdown document.

Documents say it in many ways ("RTO < 30 minutes", "≤ 0.5 h", a row of a table), so what is not plainly one promise is
an error that shows what was seen: a drill is not measured against a guess. Pure.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from reconciler.core.drill.document import Document, Line, Row, Table, document
from reconciler.core.drill.results import Promise
from reconciler.core.values.duration import UNITS
from reconciler.errors import InputError

_WORDS = {"an": 1.0, "one": 1.0, "half an": 0.5, "half a": 0.5, "½": 0.5}
_NUMBER = r"(?:\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:[.,]\d{1,3})?|\.\d+|½|\bhalf\s+an?\b|\b(?:an|one)\b)"
_UNIT = r"(?:seconds?|secs?|s|minutes?|mins?|m|hours?|hrs?|h|days?|d)(?![^\W\d_])"
_PART = re.compile(rf"(?P<number>{_NUMBER})[\s-]*(?P<unit>{_UNIT})", re.IGNORECASE)
_DURATION = re.compile(
    rf"(?<![\w.,]){_NUMBER}[\s-]*{_UNIT}\.?(?:(?:\s*,)?\s*(?:and\s+)?{_NUMBER}[\s-]*{_UNIT})*", re.IGNORECASE
)
_NAME = re.compile(
    r"(?<!\w)(?:recovery[\s-]+time[\s-]+objective(?:\s*\(\s*RTO\s*\))?|RTO(?:\s*\(\s*recovery[\s-]+time[\s-]+objective\s*\))?)(?!\w)",
    re.IGNORECASE,
)
# What a name has said ends at the next sentence, and where another objective begins.
_ENDS = re.compile(r"[.;!?](?=\s|$)|(?<!\w)(?:RPO|recovery[\s-]+point)(?!\w)", re.IGNORECASE)
# Right before a length: it is the least, or the end of a range ("30-45 min"), or denied.
_NO_LIMIT = re.compile(
    r"(?:[>≥]=?|\b(?:at\s+least|more\s+than|over|exceeds?|not?)|(?<![\w.,])\d+(?:[.,]\d+)?\s*(?:[-~/\u2010-\u2015\u2212\u2026]|to))\s*$",
    re.IGNORECASE,
)
_ASIDE = re.compile(r"\([^()]*\)")
_PROMISED = re.compile(r"target|promise|budget|goal|limit|objective|\bmax", re.IGNORECASE)
_EXAMPLE = 'write it as "RTO: 30 min", or as a row of a table: | RTO | 30 min |'


@dataclass(frozen=True, slots=True)
class _Seen:
    """A place that names the RTO: its line, its words, and what it says in seconds; None where that is unclear."""

    line: int
    words: str
    seconds: float | None

    def __str__(self) -> str:
        says = "which is no upper limit" if self.seconds is None else f"{self.seconds:g} s"
        return f'line {self.line}, "{self.words}" ({says})'


def spelled_promise(text: str) -> Promise:
    """Read a promise that the desired-state file itself spells: "30m", "1 h 30 min". Raises InputError."""
    if _DURATION.fullmatch(text.strip()) is None or (seconds := _length(text)) <= 0:
        raise InputError(f'"{text}" is no length of time', hint='write it like "30m", "0.5 h" or "1 h 30 min"')
    return Promise(seconds, "the desired-state file")


def read_promise(text: str, file: str, section: str) -> Promise:
    """Read the promise of a section of a Markdown document; `section` is its heading's text.

    Raises InputError where there is no such section, or no one promise in it, with the lines that were seen.
    """
    found = document(text)
    parts = found.sections(section)
    if not parts:
        headings = ", ".join(f'"{each.title}" (line {each.line})' for each in found.headings) or "none"
        raise InputError(f'{file} has no section "{section}"', hint=f"its headings: {headings}")
    seen = [each for part in parts for each in _in_document(part)]
    where = f"{file} § {parts[0].title}"
    values = {each.seconds for each in seen}
    if not seen:
        raise InputError(f"{where} states no recovery time objective", hint=f"{_mentions(parts)}; {_EXAMPLE}")
    (seconds, *more) = sorted(values, key=lambda each: each or 0.0)
    if more or not seconds:
        listed = "; ".join(map(str, seen))
        raise InputError(f"{where} does not state one recovery time objective: {listed}", hint=_EXAMPLE)
    return Promise(seconds, where)


def _in_document(part: Document) -> list[_Seen]:
    lines = [found for each in part.lines for found in _said(each)]
    return lines + [found for each in part.tables for found in _tabled(each)]


def _said(line: Line) -> list[_Seen]:
    """Read what a paragraph says after each name: the lengths of time in that sentence, but for later asides."""
    # A heading that is nothing but the name says what the text right below it is.
    text = f"{line.under}: {line.text}" if _NAME.fullmatch(line.under) else line.text
    found: list[_Seen] = []
    names = list(_NAME.finditer(text))
    for number, name in enumerate(names):
        last = names[number + 1].start() if number + 1 < len(names) else len(text)
        end = _ENDS.search(text, name.end(), last)
        at = line.number + text.count("\n", 0, name.start())
        found += [
            _seen(at, " ".join(text[name.start() : length.end()].split()), text[name.end() : length.start()], length[0])
            for length in _lengths(text, name.end(), end.start() if end else last)
        ]
    return found


def _lengths(text: str, start: int, end: int) -> Iterator[re.Match[str]]:
    """Find the first length of time, and those after it that are not between parentheses."""
    first = _DURATION.search(text, start, end)
    if first is not None:
        yield first
        asides = _ASIDE.sub(lambda aside: " " * len(aside[0]), text)
        yield from _DURATION.finditer(asides, first.end(), end)


def _tabled(table: Table) -> list[_Seen]:
    """Read the cells beside a cell that is the name, and those below one in the head."""
    found = [seen for row in table.rows for cell in row.cells for seen in _said(Line(row.number, cell))]
    head = table.rows[0]
    promised = [n for n, cell in enumerate(head.cells) if _PROMISED.search(cell) and not _NAME.search(cell)]
    for row in table.rows:
        if any(_bare(cell) for cell in row.cells):
            among = [n for n, cell in enumerate(row.cells) if not _bare(cell) and _DURATION.search(cell)]
            chosen = [n for n in among if n in promised] or among
            found += [_celled(row, row.cells[n]) for n in chosen]
    for column in (n for n, cell in enumerate(head.cells) if _bare(cell)):
        cells = [(row, row.cells[column]) for row in table.rows[1:] if column < len(row.cells)]
        found += [_celled(row, cell) for row, cell in cells if _DURATION.search(cell)]
    return found


def _bare(cell: str) -> bool:
    return _NAME.search(cell) is not None and _DURATION.search(cell) is None


def _celled(row: Row, cell: str) -> _Seen:
    length = _DURATION.search(cell)
    assert length is not None  # that is how the cell came to be chosen
    return _seen(row.number, " ".join(cell.split()), cell[: length.start()], length[0])


def _seen(line: int, words: str, before: str, length: str) -> _Seen:
    return _Seen(line, words, None if _NO_LIMIT.search(before) else _length(length))


def _length(text: str) -> float:
    return sum(
        _number(each["number"]) * UNITS[each["unit"][0].lower()].total_seconds() for each in _PART.finditer(text)
    )


def _number(text: str) -> float:
    word = " ".join(text.lower().split())
    if word in _WORDS:
        return _WORDS[word]
    thousands = re.fullmatch(r"[1-9]\d{0,2}(?:,\d{3})+(?:\.\d+)?", text)
    return float(text.replace(",", "") if thousands else text.replace(",", "."))


def _mentions(parts: tuple[Document, ...]) -> str:
    """Quote the lines that name the RTO without a length of time."""
    lines = [each for part in parts for each in part.lines]
    rows = [Line(row.number, " | ".join(row.cells)) for part in parts for table in part.tables for row in table.rows]
    said = [(each.number, " ".join(each.text.split())) for each in (*lines, *rows) if _NAME.search(each.text)]
    named = [f'line {number}, "{text[:80]}"' for number, text in said]
    return f"seen: {'; '.join(named)}" if named else f"lines {parts[0].line} to {parts[-1].last} do not name it"
