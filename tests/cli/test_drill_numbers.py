"""The numbers of a drill are what could be seen: no gap is left out, and nothing unknown is called none."""

import re

import pytest

from reconciler.cli.drill.visitor import Visit, Visits
from reconciler.core.drill.report import report
from reconciler.core.drill.results import Phase
from reconciler.render.drill import as_text
from tests.core.drill.drills import DRILL, ROUND, once, replace


def visits(*seen):
    """Requests sent each second and answered half a second later: a status, and the database."""
    return Visits(tuple(Visit(float(n), n + 0.5, status, name) for n, (status, name) in enumerate(seen)))


GOOD, FAILED = (200, "a"), (500, "")


@pytest.mark.parametrize(
    ("seen", "gap"),
    [
        ((GOOD, GOOD), 1.0),
        ((GOOD, FAILED, FAILED, GOOD), 3.0),
        ((FAILED, FAILED, FAILED, GOOD, GOOD), 3.5),
        ((GOOD, FAILED, FAILED), 2.0),
        ((FAILED, FAILED), 1.5),
        ((), 0.0),
    ],
)
def test_the_longest_gap_includes_both_ends(seen, gap):
    assert visits(*seen).longest_gap == gap


@pytest.mark.parametrize(
    ("seen", "tells"), [((GOOD, (200, "b")), True), ((GOOD, GOOD), False), (((200, ""), GOOD), False), ((), False)]
)
def test_stale_answers_need_two_databases(seen, tells):
    assert visits(*seen).names_databases is tells


def test_the_phases_add_up_as_in_the_report():
    phases = tuple(once(phase, 0.0, 0.26) for phase in list(Phase)[:4])
    drill = replace(DRILL, rounds=(replace(ROUND, phases=phases),))
    shown = [float(each) for each in re.findall(r" ([0-9]+[.][0-9]) s$", as_text(drill), re.MULTILINE)]
    assert (sorted(shown), f"{sum(shown[:4]):.1f}") == ([0.2, 0.2, 0.3, 0.3, 1.0], "1.0")
    reported = re.findall(r"^\| [a-zA-Z ]+ \| 0.0 s \| ([0-9.]+) s", report(drill, None, ()), re.MULTILINE)
    assert [float(each) for each in reported] == shown[:4]


def test_unknown_stale_answers_are_not_none():
    unknown = replace(DRILL, rounds=(replace(ROUND, traffic=replace(ROUND.traffic, stale=None)),))
    assert "0 failed, stale ones not distinguished, longest gap" in as_text(unknown)
    assert "0 failed, 3 stale, longest gap" in as_text(DRILL)
