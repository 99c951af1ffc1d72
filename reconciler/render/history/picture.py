"""The timelines of an environment as pictures in SVG: a lane for each, the newest on top. Pure.

Places are percentages, so a picture fits a phone as well as a wide screen and its letters stay legible. The axis keeps
the order of moments and not their distances: half of it goes by the clock, half by counting events, so that three
restores in an hour after a year without one stay apart. Many timelines become several pictures, each with its own axis.
"""

import itertools
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from html import escape

from reconciler.core.history.entries import History
from reconciler.core.history.lanes import Lane, State
from reconciler.core.values.instant import Instant
from reconciler.core.values.timeline import Timeline
from reconciler.render.history.rows import fate, minute

LANES_A_PICTURE = 24

_LANE = 58  # pixels from one lane to the next
_BAR_AT, _BAR = 38, 10  # where the bar is in its lane, and how thick
_TOP, _BOTTOM = 26, 10
_LEFT, _RIGHT = 1.5, 98.5  # percent; a margin for what is drawn at the ends
_TICKS = (0.0, 1 / 3, 2 / 3, 1.0)


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture and what it shows: from when to when, and how many timelines."""

    svg: str
    first: Instant
    last: Instant
    count: int


class Axis:
    """Gives each moment a place from 0 to 100, in order."""

    def __init__(self, moments: Iterable[Instant]) -> None:
        found = sorted({each.milliseconds for each in moments})
        self._moments = found if len(found) > 1 else [found[0] - 3_600_000, found[0]]
        first, length = self._moments[0], self._moments[-1] - self._moments[0]
        last = len(self._moments) - 1
        self._places = [(each - first) / length / 2 + number / last / 2 for number, each in enumerate(self._moments)]

    def place(self, moment: Instant | None) -> float:
        """Return a moment's place in percent of the width; one before the axis, or an unknown one, is at its start."""
        if moment is None:
            return _LEFT
        share = _between(moment.milliseconds, self._moments, self._places)
        return _LEFT + share * (_RIGHT - _LEFT)

    def moment(self, share: float) -> Instant:
        """Return the moment at a share of the axis, from 0 to 1."""
        return Instant(round(_between(share, self._places, self._moments)))

    @property
    def ends(self) -> tuple[Instant, Instant]:
        """The first and the last moment."""
        return Instant(self._moments[0]), Instant(self._moments[-1])


def pictures(history: History) -> tuple[Picture, ...]:
    """Draw every timeline, those that were first live last in the first picture."""
    newest_first = history.lanes[::-1]
    chunks = [newest_first[at : at + LANES_A_PICTURE] for at in range(0, len(newest_first), LANES_A_PICTURE)]
    return tuple(_Drawing(chunk, history, number).picture() for number, chunk in enumerate(chunks))


class _Drawing:
    """One picture."""

    def __init__(self, lanes: Sequence[Lane], history: History, number: int) -> None:
        self._lanes = lanes
        self._now = history.now
        self._number = number
        self._rows = {each.timeline: row for row, each in enumerate(lanes)}
        moments = sorted(self._moments())
        if any(span.start is None for lane in lanes for span in lane.spans):
            moments.insert(0, moments[0].before(max(moments[-1] - moments[0], timedelta(hours=1)) / 10))
        self._axis = Axis(moments)
        self._height = _TOP + _LANE * len(lanes) + _BOTTOM

    def picture(self) -> Picture:
        first, last = self._axis.ends
        title = f"timelines-{self._number}"
        lines = [
            f'<svg class="timelines" width="100%" height="{self._height}" role="img" aria-labelledby="{title}">',
            f'<title id="{title}">{escape(self._summary())}</title>',
            *self._scale(),
            *(line for lane in self._lanes for line in self._lane(lane)),
            *(line for lane in self._lanes for line in self._fork(lane)),
            *(line for lane in self._lanes for line in self._labels(lane)),
            "</svg>",
        ]
        return Picture("\n".join(lines), first, last, len(self._lanes))

    def _summary(self) -> str:
        parts = [f"{each.timeline}: {fate(each, self._now)}{self._from_words(each)}" for each in self._lanes]
        return "; ".join(parts)

    def _moments(self) -> Iterator[Instant]:
        # The present belongs to the axis only where something reaches it.
        for lane in self._lanes:
            if lane.state is not State.HOLD_ENDED:
                yield self._now
            for moment in (lane.timeline.moment, lane.hold_ends):
                if moment is not None:
                    yield moment
            yield from (each for span in lane.spans for each in (span.start, span.end) if each is not None)
        if all(lane.timeline.moment is None for lane in self._lanes):
            yield self._now

    def _bar(self, lane: Lane) -> float:
        return _TOP + self._rows[lane.timeline] * _LANE + _BAR_AT

    def _scale(self) -> Iterator[str]:
        anchors = ("start", "middle", "middle", "end")
        for number, (share, anchor) in enumerate(zip(_TICKS, anchors, strict=True)):
            at = _LEFT + share * (_RIGHT - _LEFT)
            x = {"start": 0.0, "end": 100.0}.get(anchor, at)
            # A phone has no room for the two in the middle.
            inner = " inner" if 0 < number < len(_TICKS) - 1 else ""
            yield f'<line class="grid" x1="{at:.2f}%" y1="{_TOP - 6}" x2="{at:.2f}%" y2="{self._height}"/>'
            yield f'<text class="tick{inner}" x="{x:.2f}%" y="14" text-anchor="{anchor}">{self._tick(share)}</text>'
        first, last = self._axis.ends
        if first < self._now < last:
            at = self._axis.place(self._now)
            yield f'<line class="now" x1="{at:.2f}%" y1="{_TOP - 6}" x2="{at:.2f}%" y2="{self._height}"/>'

    def _tick(self, share: float) -> str:
        return minute(self._axis.moment(share))

    def _lane(self, lane: Lane) -> Iterator[str]:
        y = self._bar(lane)
        yield from self._held(lane, y)
        for span in lane.spans:
            start, end = self._axis.place(span.start), self._axis.place(span.end or self._now)
            width = max(end - start, 0.5)
            kind = "live" if span.end is None else "was-live"
            yield (
                f'<rect class="{kind}" x="{start:.2f}%" y="{y - _BAR / 2:g}" width="{width:.2f}%" height="{_BAR}" '
                f'rx="3"/>'
            )

    def _fork(self, lane: Lane) -> Iterator[str]:
        """Draw where the data come from: from the source's lane at the moment asked for to where it became live."""
        if lane.timeline.moment is None:
            return
        y = self._bar(lane)
        at, start = self._axis.place(lane.timeline.moment), self._axis.place(lane.spans[0].start)
        row = self._rows.get(lane.source) if lane.source is not None else None
        from_y = _TOP + row * _LANE + _BAR_AT if row is not None else y + _LANE / 2
        yield f'<line class="fork" x1="{at:.2f}%" y1="{from_y:g}" x2="{at:.2f}%" y2="{y:g}"/>'
        yield f'<line class="fork" x1="{at:.2f}%" y1="{y:g}" x2="{start:.2f}%" y2="{y:g}"/>'
        if row is not None:
            yield f'<circle class="fork-point" cx="{at:.2f}%" cy="{from_y:g}" r="4"/>'

    def _held(self, lane: Lane, y: float) -> Iterator[str]:
        """Draw how long it is, or was, kept after it had been live; one that came back was held in between."""
        ends = self._axis.place(lane.hold_ends) if lane.hold_ends else _RIGHT
        pairs = [(before.end, self._axis.place(after.start)) for before, after in itertools.pairwise(lane.spans)]
        if lane.held_since is not None:
            pairs.append((lane.held_since, ends))
        for since, until in pairs:
            start = self._axis.place(since)
            width = max(until - start, 0.3)
            yield (
                f'<rect class="held" x="{start:.2f}%" y="{y - _BAR / 2 + 2:g}" width="{width:.2f}%" '
                f'height="{_BAR - 4}" rx="2"/>'
            )
        if lane.state is State.HELD and lane.hold_ends is not None:
            yield f'<line class="expiry" x1="{ends:.2f}%" y1="{y - 8:g}" x2="{ends:.2f}%" y2="{y + 8:g}"/>'

    def _labels(self, lane: Lane) -> Iterator[str]:
        """Write above each bar which timeline it is and what became of it."""
        y = self._bar(lane)
        name = f"name {lane.state.value.replace(' ', '-')}"
        yield f'<text class="{name}" x="0" y="{y - 24:g}">{escape(str(lane.timeline))}</text>'
        says = f"{self._when(lane)}{self._from_words(lane)}"
        yield f'<text class="fate" x="0" y="{y - 10:g}">{escape(says)}</text>'

    def _when(self, lane: Lane) -> str:
        if lane.state is not State.HOLD_ENDED:
            return fate(lane, self._now)
        return f"was live {minute(lane.spans[0].start)} to {minute(lane.held_since)}".replace(" ? to ", " until ")

    def _from_words(self, lane: Lane) -> str:
        """Say where the data come from, where the picture cannot show it."""
        source: Timeline | None = lane.source
        if lane.timeline.to is None or source is None or source in self._rows:
            return ""
        return f", from {source}"


def _between(value: float, known: Sequence[float], wanted: Sequence[float]) -> float:
    """Interpolate; what lies outside is at the nearest end. `known` rises."""
    if value <= known[0]:
        return wanted[0]
    if value >= known[-1]:
        return wanted[-1]
    right = bisect_right(known, value)
    left = right - 1
    share = (value - known[left]) / (known[right] - known[left])
    return wanted[left] + share * (wanted[right] - wanted[left])
