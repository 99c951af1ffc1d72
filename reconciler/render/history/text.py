"""A history as text, JSON and Markdown, newest first. Pure.

Names and reasons come from commits and notes, so anyone may have written them: what a terminal would obey or hide is
shown escaped.
"""

import json
import textwrap
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from reconciler.core.history.entries import History, RollbackTo
from reconciler.core.history.lanes import Lane
from reconciler.render.history.rows import (
    Row,
    fate,
    live_sentence,
    minute,
    problem_sentence,
    rows,
    undo_command,
)
from reconciler.render.markdown import code, prose

NARROWEST, WIDEST = 60, 120

_PROBLEMS_SHOWN = 5
_WHEN, _PART, _OUTCOME = 16, 5, 14
_ROOMY = 90


def visible(text: str) -> str:
    """Return text in which nothing is obeyed or hidden: control and direction marks are shown by their number."""
    return "".join(each if each.isprintable() else f"\\u{ord(each):04x}" for each in text)


def as_json(history: History, limit: int | None = None) -> str:
    """Render for programs. Entries are newest first."""
    facts = {
        "environment": history.environment,
        "live_timeline": str(history.live.timeline) if history.live else None,
        "desired_timeline": str(history.asked) if history.asked else None,
        "suspended": history.suspended or None,
        "entries": [_row_facts(each) for each in rows(history, limit)],
        "timelines": [_lane_facts(each) for each in reversed(history.lanes)],
        "problems": [problem_sentence(each) for each in history.problems],
    }
    return json.dumps(facts, indent=2)


def _row_facts(row: Row) -> dict[str, Any]:
    return {
        "entry": "change" if row.part == "file" else "apply",
        "at": str(row.at),
        "who": row.who,
        "what": row.what,
        "asked": row.asked or None,
        "timeline": row.timeline or None,
        "outcome": row.outcome or None,
        "seconds": row.seconds,
        "notes": list(row.notes),
        "undo": row.undo or None,
        "commit": row.commit,
        "run": row.run or None,
    }


def _lane_facts(lane: Lane) -> dict[str, Any]:
    return {
        "timeline": str(lane.timeline),
        "source": str(lane.source) if lane.source else None,
        "state": lane.state.value,
        "live": [
            {"from": str(span.start) if span.start else None, "to": str(span.end) if span.end else None}
            for span in lane.spans
        ],
        "held_since": str(lane.held_since) if lane.held_since else None,
        "hold_ends": str(lane.hold_ends) if lane.hold_ends else None,
    }


def as_text(history: History, limit: int | None = None, width: int = 100) -> str:
    """Render for a person at a terminal of so many columns."""
    width = max(NARROWEST, min(width, WIDEST))
    lines = [f"{history.environment}: {live_sentence(history)}", *_suspended(history, width), *_held(history), ""]
    shown = rows(history, limit)
    if not shown:
        return "\n".join([*lines, "nothing has happened yet: the file has no commit"])
    lines += ["Newest first", ""]
    layout = _Layout(width)
    lines += [layout.line("when (UTC)", "who", "", "what", "outcome")]
    lines += [line for each in shown for line in _entry(each, layout)]
    rest = len(history.entries) - len(shown)
    if rest:
        lines += ["", f"{rest} older {'entry' if rest == 1 else 'entries'}: --limit 0 shows all"]
    return "\n".join([*lines, *_problems(history, width)])


def _suspended(history: History, width: int) -> list[str]:
    return _wrapped(visible(history.suspended), width, "  suspended  ", "        ") if history.suspended else []


def _held(history: History) -> Iterator[str]:
    for each in history.held:
        back = undo_command(history.environment, RollbackTo(each.timeline))
        yield f"  held  {each.timeline}, {fate(each, history.now).removeprefix('held ')}"
        yield f"        back to it: {back}"


@dataclass(frozen=True, slots=True)
class _Layout:
    """The columns of a terminal of this width: what the others leave belongs to who and what."""

    width: int

    @property
    def gap(self) -> str:
        return "  " if self.width >= _ROOMY else " "

    @property
    def who(self) -> int:
        return max(7, min(16, self._left - 38))

    @property
    def what(self) -> int:
        return self._left - self.who

    @property
    def indent(self) -> str:
        return " " * (_WHEN + len(self.gap))

    @property
    def _left(self) -> int:
        return self.width - _WHEN - _PART - _OUTCOME - 4 * len(self.gap)

    def line(self, when: str, who: str, part: str, what: str, outcome: str) -> str:
        """Set one line; what is too long for its column is cut, but for the last."""
        sized = ((when, _WHEN), (who, self.who), (part, _PART), (what, self.what))
        return self.gap.join([*(_fitted(text, size) for text, size in sized), outcome]).rstrip()


def _entry(row: Row, layout: _Layout) -> Iterator[str]:
    outcome = " ".join(part for part in (row.outcome, row.took) if part)
    yield layout.line(minute(row.at), row.who, row.part, row.what, outcome)
    for note in row.notes:
        yield from _wrapped(visible(note), layout.width, layout.indent, layout.indent)
    if row.undo:
        yield f"{layout.indent}undo: {row.undo}"


def _fitted(text: str, width: int) -> str:
    """Cut a text to the columns that it may take, and fill them."""
    text = visible(text)
    if _columns_of(text) > width:
        while _columns_of(text) > width - 1:
            text = text[:-1]
        text += "…"
    return text + " " * (width - _columns_of(text))


def _columns_of(text: str) -> int:
    """Count the columns of a terminal: East Asian characters take two, combining ones none."""
    return sum(
        0 if unicodedata.combining(each) else 2 if unicodedata.east_asian_width(each) in "WF" else 1 for each in text
    )


def _problems(history: History, width: int) -> Iterator[str]:
    if not history.problems:
        return
    yield from ("", "Problems")
    for each in history.problems[:_PROBLEMS_SHOWN]:
        sentence = visible(problem_sentence(each))
        yield from _wrapped(sentence, width, "  ! ", "    ")
    if (more := len(history.problems) - _PROBLEMS_SHOWN) > 0:
        yield f"  ! and {more} more: --format json has them all"


def _wrapped(text: str, width: int, first: str, others: str) -> list[str]:
    return textwrap.wrap(text, width, initial_indent=first, subsequent_indent=others, break_on_hyphens=False)


def as_markdown(history: History, limit: int | None = None) -> str:
    """Render for a pull request or an incident's report."""
    lines = [f"### {_prose(history.environment)}: {_prose(live_sentence(history))}", ""]
    lines += [f"- suspended: {_prose(history.suspended)}"] if history.suspended else []
    lines += [f"- {code(str(each.timeline))}: {_prose(fate(each, history.now))}" for each in history.held]
    shown = rows(history, limit)
    lines += ["", "Newest first, times in UTC.", ""]
    lines += ["| when | who | | what | asked moment | outcome | took | undo |", "|---|---|---|---|---|---|---|---|"]
    lines += [_markdown_row(each) for each in shown]
    if rest := len(history.entries) - len(shown):
        lines += ["", f"{rest} older ones are left out."]
    if history.problems:
        lines += ["", "**Problems**", "", *(f"- {_prose(problem_sentence(each))}" for each in history.problems)]
    return "\n".join(lines)


def _markdown_row(row: Row) -> str:
    what = "<br>".join([_prose(row.what), *(f"<sub>{_prose(note)}</sub>" for note in row.notes)])
    undo = code(row.undo) if row.undo else ""
    asked = row.asked.removesuffix("Z").replace("T", " ")
    cells = (minute(row.at), _prose(row.who), row.part, what, asked, row.outcome, row.took, undo)
    return f"| {' | '.join(cells)} |"


def _prose(text: str) -> str:
    return prose(visible(text))
