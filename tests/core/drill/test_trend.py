"""The history of drills loses no line, and its picture and its table tell the same to everybody."""

import json
import re
from dataclasses import replace
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.core.drill.history import Done, Unread, added, done, line, read_history
from reconciler.core.drill.trend import ending, length, svg, table
from reconciler.core.values.instant import Instant
from tests.core.drill.drills import DRILL, ROUND, UNPROVED, slower

PASSED = done(DRILL)
LATE = replace(done(slower(2_400)), begun=Instant.parse_strict("2028-03-30T08:00:00Z"))
FAILED = replace(done(replace(DRILL, rounds=(UNPROVED,))), begun=Instant.parse_strict("2029-03-30T08:00:00Z"))
SVG = "{http://www.w3.org/2000/svg}"


def test_a_line_is_read_back():
    (past,) = read_history(added("", DRILL))
    assert past == PASSED == Done("production", DRILL.begun, "branch", "0123456789abcdef", 1, 15.1, 1_800.0, True)
    assert [each["destruction"] for each in json.loads(line(DRILL))["rounds"]] == ['drop table "Listing"']
    assert read_history(line(replace(DRILL, promise=None))) == (replace(PASSED, promised=None),)


@given(st.text(max_size=30))
def test_any_drill_is_one_line(name):
    text = added("", replace(DRILL, environment=name, commit=name, rounds=(replace(ROUND, destruction=name),)))
    assert text.count("\n") == 1
    assert text.isascii()
    assert len(read_history(text)) == 1


@given(st.text(max_size=60))
def test_adding_a_line_changes_nothing_that_is_there(text):
    longer = added(text, DRILL)
    assert longer.startswith(text)
    assert read_history(longer)[: len(read_history(text))] == read_history(text)
    assert read_history(longer)[-1] == PASSED


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{", "is no JSON"),
        ("[" * 100_000, "is no JSON"),
        ("[]", "is no drill"),
        ("{}", "is of version None, and this is read: 1"),
        ('{"version": 2}', "is of version 2, and this is read: 1"),
        ('{"version": 1}', "is no drill: 'promised'"),
        (line(DRILL).replace("15.1", "-15.1"), "is no drill: seconds is no length of time"),
        (line(DRILL).replace("1800.0", "NaN").replace("1800", "NaN"), "is no drill: promised is no length of time"),
        (line(DRILL).replace('"production"', "7"), "is no drill: environment is no str"),
        (line(DRILL).replace("2027-03-30T", "yesterday "), "is no drill:"),
    ],
)
def test_an_unreadable_line_is_shown(text, reason):
    history = read_history(f"{line(DRILL)}\n\n{text}\n{line(DRILL)}")
    assert [type(each) for each in history] == [Done, Unread, Done]
    assert history[1].number == 3
    assert history[1].reason.startswith(reason)
    assert "| line 3 | ? | ? | ? | ? | cannot be read: " in table(history)


def test_the_table_says_how_each_drill_ended():
    assert table((PASSED, LATE, replace(FAILED, promised=None), replace(PASSED, promised=None))).splitlines()[2:] == [
        "| 2027-03-30 | production | 1 | 15.1 s | 30 min | proved, within the promise |",
        "| 2028-03-30 | production | 1 | 40 min | 30 min | proved, later than promised |",
        "| 2029-03-30 | production | 1 | 15.1 s | none | not proved |",
        "| 2027-03-30 | production | 1 | 15.1 s | none | proved |",
    ]
    assert table(()) == "No drill has been recorded yet."


def test_the_picture_does_without_colour():
    root = ET.fromstring(svg((PASSED, LATE, FAILED, Unread(4, "broken"))))
    assert root.find(f"{SVG}title").text == "Slowest restore of each drill, and the promise"
    assert root.find(f"{SVG}desc").text == (
        "2027-03-30: 15.1 s, proved, within the promise; 2028-03-30: 40 min, proved, later than promised; "
        "2029-03-30: 15.1 s, not proved"
    )
    labels = [each.text for each in root.iter(f"{SVG}text")]
    assert {"15.1 s", "40 min", "promise 30 min", "2027-03-30", "not proved", "10 min"} <= set(labels)
    assert labels.count("promise 30 min") == 1
    # One of each is in the key.
    marks = [each.get("class") for each in root.iter() if each.tag in {f"{SVG}circle", f"{SVG}path"}]
    assert sorted(marks) == ["failed", "failed", "late", "late", "passed", "passed"]


def test_a_longer_time_is_higher_up():
    root = ET.fromstring(svg((PASSED, LATE)))
    points = root.find(f"{SVG}polyline").get("points").split()
    low, high = (float(each.split(",")[1]) for each in points)
    promise = float(next(each for each in root.iter(f"{SVG}line") if each.get("class") == "promise").get("y1"))
    assert high < promise < low


def test_empty_and_long_histories_are_pictures():
    assert "No drill has been recorded yet." in svg(())
    assert "<title" in svg((replace(PASSED, promised=None),))
    many = [replace(PASSED, begun=Instant(n * 10_000_000_000)) for n in range(60)]
    dates = re.findall(r">\d{4}-\d\d-\d\d</text>", svg(many))
    assert len(dates) == 10
    assert f">{many[-1].begun.text[:10]}<" in dates[-1]


@settings(max_examples=30)
@given(st.lists(st.tuples(st.text(max_size=20), st.floats(0, 1e9), st.none() | st.floats(0, 1e9)), max_size=5))
def test_any_history_stays_in_its_frame(drills):
    history = [replace(PASSED, environment=name, seconds=took, promised=limit) for name, took, limit in drills]
    root = ET.fromstring(svg(history))
    for each in root.iter():
        for name, low, high in (("x", 0, 760), ("y", 0, 340), ("cy", 0, 340), ("y1", 0, 340), ("x2", 0, 760)):
            assert low <= float(each.get(name, "1")) <= high
    assert len(table(history).splitlines()) == (len(history) + 2 if history else 1)


def test_lengths_have_tenths_below_two_minutes():
    assert [length(0.04), length(119.94), length(120), length(3_700)] == ["0.0 s", "119.9 s", "2 min", "1 h 1 min"]
    assert ending(LATE) == "proved, later than promised"


def test_a_drill_without_a_restore_has_no_time():
    ended = done(replace(DRILL, rounds=(), commit="", failure="round 1 (drop-role): Neon answers 503"))
    assert table([ended]).endswith("| production | 0 | none | 30 min | not proved: no restore came to its end |")
    assert svg([ended]) == svg([])
