"""A suspension: one canonical line, by which nothing that somebody wrote can act, and which ends by itself."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.records.suspension import LONGEST_REASON, Suspension, shown
from reconciler.core.values.instant import Instant
from tests.core.files import NOW

HOSTILE = "a|b`c`\n## <b>@everyone</b>\x1b[31m\u202e #12 [x](http://y)\u2028***"
SUSPENSION = Suspension("production", "ada on desk", NOW, NOW.before(-timedelta(hours=2)), "migration 0042 is running")
texts = st.text(max_size=40)
moments = st.integers(0, 4_000_000_000_000).map(Instant)
suspensions = st.builds(Suspension, st.just("production"), texts, moments, moments, texts)


@given(suspensions)
def test_a_suspension_is_read_without_terminal_codes(suspension):
    line = suspension.line
    assert line.isascii()
    assert "\n" not in line
    read = Suspension.parse(line, "production")
    assert (read.since, read.until) == (suspension.since, suspension.until)
    assert read.by == (shown(suspension.by, 200) or "(unknown)")
    assert read.reason == (shown(suspension.reason, LONGEST_REASON) or "(no reason)")
    assert Suspension.parse(read.line, "production") == read


@given(texts, st.integers(1, 30))
def test_shown_text_is_one_line(text, longest):
    said = shown(text, longest)
    assert said.isprintable()
    assert len(said) <= longest
    assert said == said.strip()


def test_hostile_text_loses_its_powers():
    assert shown(HOSTILE, 500) == "a|b`c` ## <b>@everyone</b>[31m #12 [x](http://y) ***"


@pytest.mark.parametrize(
    "line",
    [
        "",
        "null",
        "[]",
        "somebody else's",
        "[" * 100_000,
        '{"version":2}',
        SUSPENSION.line.replace('"version":1', '"version":"1"'),
        SUSPENSION.line.replace('"by"', '"who"'),
        SUSPENSION.line.replace(NOW.text, "yesterday"),
    ],
)
def test_anything_else_is_no_suspension(line):
    with pytest.raises(ValueError, match=r"."):
        Suspension.parse(line, "production")


def test_a_suspension_belongs_to_its_ref():
    assert json.loads(SUSPENSION.line)["environment"] == "production"
    assert Suspension.parse(SUSPENSION.line, "staging") == replace(SUSPENSION, environment="staging")


def test_a_suspension_ends_at_its_moment():
    assert not SUSPENSION.is_over(SUSPENSION.until.before(timedelta(milliseconds=1)))
    assert SUSPENSION.is_over(SUSPENSION.until)


def test_a_suspension_says_how_to_resume():
    assert SUSPENSION.message == (
        "ada on desk suspended production at 2026-11-22T10:00:00.000Z until 2026-11-22T12:00:00.000Z: "
        "migration 0042 is running"
    )
    assert SUSPENSION.hint == "nothing is applied until then; reconciler resume production ends it now"
