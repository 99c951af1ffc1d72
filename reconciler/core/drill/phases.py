"""The phases of a drill's round in numbers that add up as they are shown, and as a Gantt chart in Mermaid. Pure."""

import math
from collections.abc import Sequence

from reconciler.core.drill.results import Phase, Round, Stretch
from reconciler.core.harmless import label

# A chart knows days only. This one has no change to or from summer time anywhere: the axis is seconds in truth.
_DAY = "2001-01-15"


def apportioned(values: Sequence[float], unit: float) -> tuple[int, ...]:
    """Round values to whole units so that the rounded ones add up to the rounded sum: each is off by less than one.

    The units that are missing go to those that lost most by being cut off, the first of equals first.
    """
    exact = [value / unit for value in values]
    whole = [math.floor(each) for each in exact]
    missing = round(math.fsum(exact)) - sum(whole)
    order = sorted(range(len(exact)), key=lambda n: (whole[n] - exact[n], n))
    gets = frozenset(order[:missing])
    return tuple(each + (n in gets) for n, each in enumerate(whole))


def restored_in(measured: Round) -> float:
    """Return what a round's restore took as it is shown: seconds, to the tenth, the sum of the shown phases."""
    return sum(apportioned([each.seconds for each in measured.phases], 0.1)) / 10


def phase_table(measured: Round, promised: float | None) -> str:
    """Write a round's phases as a table in Markdown: when each began, what it took, and its share of the promise."""
    took = apportioned([each.seconds for each in measured.phases], 0.1)
    rows = ["| Phase | Began after | Took |", "|---|--:|--:|"]
    rows += [
        f"| {each.phase.value} | {each.began:.1f} s | {tenths / 10:.1f} s |"
        for each, tenths in zip(measured.phases, took, strict=True)
    ]
    rows.append(f"| **all** |  | **{restored_in(measured):.1f} s** |")
    if promised is None:
        return "\n".join(rows)
    shares = apportioned([100 * each.seconds / promised for each in measured.phases], 0.1)
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
