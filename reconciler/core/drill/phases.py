"""The phases of a drill's round in numbers that add up as they are shown, and as a Gantt chart in Mermaid. Pure."""

import math
from collections.abc import Sequence

from reconciler.core.drill.results import Phase, Round, Stretch
from reconciler.core.values.escaping import label

# A chart knows days only. This one has no change to or from summer time anywhere: the axis is seconds in truth.
_DAY = "2001-01-15"


def tenths(values: Sequence[float]) -> tuple[int, ...]:
    """Round values to tenths so that the rounded ones add up to the rounded sum: each is off by less than one.

    The tenths that are missing go to those that lost most by being cut off, the first of equals first.
    """
    exact = [10 * value for value in values]
    whole = [math.floor(each) for each in exact]
    # Rounded as `Round.seconds` is, and then as it is shown: the sum of a table is the number in every other place.
    missing = round(10 * round(round(math.fsum(values), 3), 1)) - sum(whole)
    order = sorted(range(len(exact)), key=lambda n: (whole[n] - exact[n], n))
    gets = frozenset(order[:missing])
    return tuple(each + (n in gets) for n, each in enumerate(whole))


def phase_table(measured: Round, promised: float | None) -> str:
    """Write a round's phases as a table in Markdown: when each began, what it took, and its share of the promise."""
    took = tenths([each.seconds for each in measured.phases])
    rows = ["| Phase | Began after | Took |", "|---|--:|--:|"]
    rows += [
        f"| {each.phase.value} | {each.began:.1f} s | {shown / 10:.1f} s |"
        for each, shown in zip(measured.phases, took, strict=True)
    ]
    rows.append(f"| **all** |  | **{measured.seconds:.1f} s** |")
    if promised is None:
        return "\n".join(rows)
    shares = tenths([100 * each.seconds / promised for each in measured.phases])
    ends = ["Of the promise |", "--:|", *(f"{each / 10:.1f} % |" for each in shares), f"**{sum(shares) / 10:.1f} %** |"]
    return "\n".join(f"{row} {end}" if end != "--:|" else row + end for row, end in zip(rows, ends, strict=True))


def gantt(measured: Round, title: str) -> str:
    """Draw a round's phases as a Gantt chart, a bar for each stretch; empty where none took any time."""
    bars = sorted(
        ((each.phase, stretch) for each in measured.phases for stretch in each.stretches if stretch.seconds > 0),
        key=lambda bar: bar[1].began,
    )
    if not bars:
        return ""
    lines = [
        "gantt",
        f"  accTitle: {label(title)}",
        f"  accDescr: {label(_described(bars))}",
        f"  title {label(title)}",
        "  dateFormat YYYY-MM-DD HH:mm:ss.SSS",
        f"  axisFormat {_axis(max(stretch.began + stretch.seconds for _, stretch in bars))}",
        "  section Restore",
    ]
    lines += [
        f"  {label(phase.value)} :p{number}, {_moment(stretch.began)}, {max(round(stretch.seconds * 1000), 1)}ms"
        for number, (phase, stretch) in enumerate(bars)
    ]
    return "\n".join(lines)


def _described(bars: Sequence[tuple[Phase, Stretch]]) -> str:
    names = list(dict.fromkeys(phase.value for phase, _ in bars))
    return f"{len(names)} phases from {names[0]} to {names[-1]}"


def _moment(seconds: float) -> str:
    minutes, milliseconds = divmod(round(max(seconds, 0.0) * 1000), 60_000)
    hours, minutes = divmod(minutes, 60)
    return f"{_DAY} {min(hours, 23):02d}:{minutes:02d}:{milliseconds / 1000:06.3f}"


def _axis(seconds: float) -> str:
    if seconds < 5:
        return "%-S.%L s"
    return "%M:%S" if seconds < 3_600 else "%-H:%M:%S"
