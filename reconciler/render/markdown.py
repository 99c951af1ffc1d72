"""Markdown for GitHub: escaped text, lists, tables, and long documents cut in the middle. Pure."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from reconciler.core.values.escaping import code, prose, shortened

__all__ = ["bullets", "code", "cut", "fenced", "prose", "shortened", "table"]

_FENCE = re.compile(r" {0,3}(`{3,}(?=[^`]*$)|~{3,})(.*)")
_TABLE_RULE = re.compile(r"\|(?:\s*:?-+:?\s*\|)+\s*")
_DETAILS = re.compile(r"<(/?)details\b")


def fenced(text: str, language: str = "text") -> str:
    """Return text as a code block, whatever it contains."""
    ticks = "`" * max(3, *(len(run) + 1 for run in re.findall("`+", text)), 3)
    return f"{ticks}{language}\n{text}\n{ticks}"


def bullets(items: Iterable[str]) -> str:
    """Return a list."""
    return "\n".join(f"- {item}" for item in items)


def table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """Return a table; its cells are Markdown already."""
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, ("---",) * len(head), *rows))


@dataclass(frozen=True, slots=True)
class _Open:
    """What is open where a line begins: a code fence, <details>, a table."""

    fence: str = ""
    details: int = 0
    table: tuple[str, ...] = ()

    @property
    def splits(self) -> bool:
        """Whether a cut may be here: never inside a picture."""
        return "mermaid" not in self.fence

    @property
    def closing(self) -> list[str]:
        """The lines that close everything."""
        found = _FENCE.fullmatch(self.fence)
        return ([found[1]] if found else []) + ["", "</details>"] * self.details

    @property
    def opening(self) -> list[str]:
        """The lines that open everything again."""
        fence = [self.fence] if self.fence else []
        return ["<details open><summary>…</summary>", ""] * self.details + fence + list(self.table)


def cut(text: str, limit: int, rest: str) -> str:
    """Return the text if it has at most `limit` bytes of UTF-8; otherwise leave out lines of its middle.

    What the cut leaves open (code, details, a table) is closed before it and reopened after it. In its place
    is a note of how much is missing, and `rest`: where all of it is.
    """
    if _size(text) <= limit:
        return text
    lines = text.split("\n")
    states = tuple(_states(lines))
    reserve = 512  # for the note at the cut and what it closes, which may need more
    while True:
        shorter = _without_middle(lines, states, limit - reserve, rest)
        if _size(shorter) <= limit:
            return shorter
        if reserve > limit:
            return ""
        reserve *= 2


def _without_middle(lines: list[str], states: tuple[_Open, ...], budget: int, rest: str) -> str:
    head = _fitting(lines, budget // 2)
    while not states[head].splits:
        head -= 1
    tail = len(lines) - _fitting(lines[:head:-1], budget - _size("\n".join(lines[:head])))
    while tail < len(lines) and not states[tail].splits:
        tail += 1
    missing = lines[head:tail]
    note = f"*… {len(missing):,} lines ({_size(chr(10).join(missing)):,} bytes) are left out here: {rest} …*"
    before, after = states[head], states[tail]
    return "\n".join([*lines[:head], *before.closing, "", note, "", *after.opening, *lines[tail:]])


def _fitting(lines: list[str], budget: int) -> int:
    """Count the lines from the first on that fit together, with their line ends."""
    for count, line in enumerate(lines):
        budget -= _size(line) + 1
        if budget < 0:
            return count
    return len(lines)


def _states(lines: list[str]) -> Iterator[_Open]:
    """Yield what is open before each line, and after the last."""
    state, above = _Open(), ""
    yield state
    for line in lines:
        state = _after(state, above, line)
        above = line
        yield state


def _after(state: _Open, above: str, line: str) -> _Open:
    fence = _FENCE.fullmatch(line)
    if state.fence:
        opened = _FENCE.fullmatch(state.fence)
        assert opened is not None  # that is how it came to be the fence
        closes = fence is not None and fence[1].startswith(opened[1]) and not fence[2].strip()
        return replace(state, fence="") if closes else state
    if fence:
        return replace(state, fence=line, table=())
    tags = _DETAILS.findall(line)
    details = max(0, state.details + tags.count("") - tags.count("/"))
    table = state.table if line.startswith("|") else ()
    if _TABLE_RULE.fullmatch(line) and above.startswith("|"):
        table = (above, line)
    return replace(state, details=details, table=table)


def _size(text: str) -> int:
    return len(text.encode("utf-8", "surrogatepass"))
