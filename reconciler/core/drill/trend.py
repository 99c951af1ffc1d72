"""How long restores have taken from drill to drill, as a table in Markdown and as a picture in SVG. Pure.

The picture's scale is logarithmic, as a restore of a minute and a promise of half an hour are to be seen at once. How
a drill ended is shown by shape and in words, not by colour alone.
"""

import math
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import assert_never

from reconciler.core.drill.history import Done, PastDrill, Unread
from reconciler.core.values.duration import for_people
from reconciler.core.values.escaping import marked_up, prose

FILE = "dr-trend.svg"

_WIDTH, _HEIGHT = 760, 340
_LEFT, _RIGHT, _TOP, _BOTTOM = 70, 740, 60, 270
_TICKS = (1, 10, 60, 600, 3_600, 36_000, 864_000, 8_640_000)
_MOST_LABELS = 10
_STYLE = """\
.page { fill: #ffffff }
text { fill: #1c2024; font: 12px system-ui, sans-serif; stroke: #ffffff; stroke-width: 4px; paint-order: stroke }
.title { font-size: 15px; font-weight: 600 }
.grid { stroke: #d0d3d8 } .line { stroke: #0969da; fill: none; stroke-width: 2 }
.promise { stroke: #8b6a2f; stroke-width: 2; stroke-dasharray: 7 4 } .promised { fill: #6f5213 }
.passed { fill: #0f7b4f } .late { fill: #9a5b00 } .failed { stroke: #b3261e; stroke-width: 3; fill: none }
@media (prefers-color-scheme: dark) {
  .page { fill: #0d1117 } text { fill: #eceef0; stroke: #0d1117 } .grid { stroke: #343a41 } .line { stroke: #6cb6ff }
  .promise { stroke: #cfa75a } .promised { fill: #dcbc7c } .passed { fill: #3ecf8e } .late { fill: #f0a94a }
  .failed { stroke: #ff8a80 }
}"""


def ending(drill: Done) -> str:
    """Say how a drill ended."""
    if not drill.rounds:
        return "not proved: no restore came to its end"
    if not drill.proved:
        return "not proved"
    if drill.promised is None:
        return "proved"
    return "proved, within the promise" if drill.kept else "proved, later than promised"


def table(history: Sequence[PastDrill]) -> str:
    """Write the drills as a table, in the order of their lines; what cannot be read has its row too."""
    if not history:
        return "No drill has been recorded yet."
    rows = ["| Drill | Environment | Rounds | Slowest restore | Promise | Ended |", "|---|---|--:|--:|--:|---|"]
    for each in history:
        match each:
            case Unread():
                rows.append(f"| line {each.number} | ? | ? | ? | ? | cannot be read: {prose(each.reason)} |")
            case Done():
                promised = "none" if each.promised is None else length(each.promised)
                took = length(each.seconds) if each.rounds else "none"
                rows.append(
                    f"| {each.begun.text[:10]} | {prose(each.environment)} | {each.rounds} | {took} | "
                    f"{promised} | {ending(each)} |"
                )
            case _:
                assert_never(each)
    return "\n".join(rows)


def svg(history: Sequence[PastDrill]) -> str:
    """Draw the drills from left to right, each that has a time, and the promise as a line."""
    drills = [each for each in history if isinstance(each, Done) and each.rounds]
    described = "; ".join(f"{each.begun.text[:10]}: {length(each.seconds)}, {ending(each)}" for each in drills)
    size = f'viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}" height="{_HEIGHT}"'
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-labelledby="title desc">',
        '<title id="title">Slowest restore of each drill, and the promise</title>',
        f'<desc id="desc">{described or "No drill has been recorded yet."}</desc>',
        f"<style>{_STYLE}</style>",
        f'<rect class="page" width="{_WIDTH}" height="{_HEIGHT}"/>',
        f'<text class="title" x="20" y="26">{_heading(drills)}</text>',
        *_drawn(drills),
        *_key(),
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def length(seconds: float) -> str:
    """Say a length of time as the table and the picture do: tenths of a second below two minutes."""
    return f"{seconds:.1f} s" if seconds < 120 else for_people(timedelta(seconds=seconds))


def _heading(drills: Sequence[Done]) -> str:
    names = sorted({each.environment for each in drills})
    return marked_up(f"Slowest restore of each drill of {', '.join(names)[:60]}" if names else "No drill yet")


def _drawn(drills: Sequence[Done]) -> Iterator[str]:
    values = [each.seconds for each in drills] + [each.promised for each in drills if each.promised is not None]
    top = next((tick for tick in _TICKS[1:] if tick >= max(values, default=1)), max(values, default=1))
    for tick in (each for each in _TICKS if each <= top):
        y = _height(tick, top)
        yield f'<line class="grid" x1="{_LEFT}" y1="{y:.1f}" x2="{_RIGHT}" y2="{y:.1f}"/>'
        yield f'<text x="{_LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{for_people(timedelta(seconds=tick))}</text>'
    places = [(_LEFT + (_RIGHT - _LEFT) * (n + 0.5) / len(drills), each) for n, each in enumerate(drills)]
    yield from _promises(places, top)
    points = " ".join(f"{x:.1f},{_height(each.seconds, top):.1f}" for x, each in places)
    yield f'<polyline class="line" points="{points}"/>'
    step = math.ceil(len(drills) / _MOST_LABELS) or 1
    for number, (x, each) in enumerate(places):
        y = _height(each.seconds, top)
        yield _mark(each, x, y)
        if (len(places) - 1 - number) % step == 0:
            says = y + _beside(each, y, top)
            yield f'<text x="{x:.1f}" y="{says:.1f}" text-anchor="middle">{length(each.seconds)}</text>'
            yield f'<text x="{x:.1f}" y="{_BOTTOM + 20}" text-anchor="middle">{each.begun.text[:10]}</text>'


def _promises(places: Sequence[tuple[float, Done]], top: float) -> Iterator[str]:
    """Draw what was promised at each drill; say it where it changes."""
    half, said = (_RIGHT - _LEFT) / len(places) / 2 if places else 0, None
    for x, each in places:
        if each.promised is None:
            continue
        y = _height(each.promised, top)
        yield f'<line class="promise" x1="{x - half:.1f}" y1="{y:.1f}" x2="{x + half:.1f}" y2="{y:.1f}"/>'
        if each.promised != said:
            says = f"promise {length(each.promised)}"
            yield f'<text class="promised" x="{x - half + 4:.1f}" y="{y - 6:.1f}">{says}</text>'
        said = each.promised


def _beside(drill: Done, y: float, top: float) -> int:
    """Say how far below its point a time is written: above it, but for where the line of the promise is."""
    is_near = drill.promised is not None and 0 <= y - _height(drill.promised, top) < 32
    return 20 if is_near and y + 20 < _BOTTOM else -12


def _mark(drill: Done, x: float, y: float) -> str:
    if not drill.proved:
        return f'<path class="failed" d="M{x - 6:.1f} {y - 6:.1f} l12 12 m0 -12 l-12 12"/>'
    if not drill.kept:
        return f'<path class="late" d="M{x:.1f} {y - 8:.1f} l8 14 h-16 z"/>'
    return f'<circle class="passed" cx="{x:.1f}" cy="{y:.1f}" r="6"/>'


def _key() -> Iterator[str]:
    y = _HEIGHT - 22
    yield f'<circle class="passed" cx="{_LEFT + 6}" cy="{y}" r="6"/>'
    yield f'<text x="{_LEFT + 20}" y="{y + 4}">proved</text>'
    yield f'<path class="late" d="M{_LEFT + 106} {y - 8} l8 14 h-16 z"/>'
    yield f'<text x="{_LEFT + 122}" y="{y + 4}">proved, later than promised</text>'
    yield f'<path class="failed" d="M{_LEFT + 310} {y - 6} l12 12 m0 -12 l-12 12"/>'
    yield f'<text x="{_LEFT + 332}" y="{y + 4}">not proved</text>'


def _height(seconds: float, top: float) -> float:
    """Give the place of a length of time, from one second at the bottom; less than that is there too."""
    share = math.log(max(seconds, 1.0)) / math.log(max(top, 10.0))
    return _BOTTOM - share * (_BOTTOM - _TOP)
