"""Which timeline was live from when to when, and which are held: read from receipts alone, for people.

What is live is never decided here: that is read from Neon. Where an apply found another timeline live than the one
before it had left, it was changed without a receipt, and the change is shown at the moment it was found.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum

from reconciler.core.records.receipt import Receipt
from reconciler.core.values.instant import Instant
from reconciler.core.values.timeline import Timeline


@dataclass(frozen=True, slots=True)
class Span:
    """A time in which a timeline was live. `start` None: before the first receipt; `end` None: it still is."""

    start: Instant | None
    end: Instant | None


class State(Enum):
    """What became of a timeline."""

    LIVE = "live"
    HELD = "held"
    HOLD_ENDED = "hold ended"


@dataclass(frozen=True, slots=True)
class Lane:
    """A timeline that was live at some time.

    `source` is the timeline that it was made from, as far as receipts show, at the moment `timeline.to`. `hold_ends`
    is when the file's `hold` runs out, counted from when it was last replaced; None where it is live or kept for ever.
    """

    timeline: Timeline
    source: Timeline | None
    spans: tuple[Span, ...]
    state: State
    hold_ends: Instant | None = None

    @property
    def held_since(self) -> Instant | None:
        """When it was last replaced; None while it is live."""
        return self.spans[-1].end


def ended(receipt: Receipt) -> Instant:
    """Return the moment at which an apply ended."""
    return Instant(receipt.began_at.milliseconds + round(receipt.seconds * 1000))


def lanes(
    receipts: Iterable[Receipt],
    sources: Mapping[Timeline, Timeline],
    hold: timedelta | None,
    now: Instant,
) -> tuple[Lane, ...]:
    """Lay out the timelines in the order in which they were first live.

    `receipts` are one environment's, in time order; `sources` are the `from` of restores that named one.
    """
    periods = _periods(receipts)
    by_timeline: dict[Timeline, list[Span]] = {}
    for timeline, span in periods:
        by_timeline.setdefault(timeline, []).append(span)
    return tuple(
        _lane(timeline, tuple(spans), sources.get(timeline) or _source(timeline, periods), hold, now)
        for timeline, spans in by_timeline.items()
    )


def _lane(
    timeline: Timeline, spans: tuple[Span, ...], source: Timeline | None, hold: timedelta | None, now: Instant
) -> Lane:
    replaced = spans[-1].end
    if replaced is None:
        return Lane(timeline, source, spans, State.LIVE)
    if hold is None:
        return Lane(timeline, source, spans, State.HELD)
    ends = replaced.after(hold)
    return Lane(timeline, source, spans, State.HELD if now < ends else State.HOLD_ENDED, ends)


def _periods(receipts: Iterable[Receipt]) -> list[tuple[Timeline, Span]]:
    """List who was live when, one after the other and without gaps."""
    found: list[tuple[Timeline, Span]] = []
    for receipt in receipts:
        before, after = Timeline.parse(receipt.before), Timeline.parse(receipt.after)
        _switch(found, before, receipt.began_at)
        _switch(found, after, ended(receipt))
    return found


def _switch(periods: list[tuple[Timeline, Span]], timeline: Timeline | None, at: Instant) -> None:
    """Note that a timeline is live at a moment. None: it could not be read, so nothing is known."""
    if timeline is None:
        return
    if not periods:
        periods.append((timeline, Span(None, None)))
        return
    last, span = periods[-1]
    if last == timeline:
        return
    moment = at if span.start is None else max(at, span.start)
    periods[-1] = (last, Span(span.start, moment))
    periods.append((timeline, Span(moment, None)))


def _source(timeline: Timeline, periods: Sequence[tuple[Timeline, Span]]) -> Timeline | None:
    """Find the timeline that was live at the moment that a restore goes back to."""
    to = timeline.moment
    if to is None:
        return None
    for other, span in periods:
        begun = span.start is None or span.start <= to
        if begun and (span.end is None or to < span.end) and other != timeline:
            return other
    return None
