"""The story that changes and receipts tell: complete, in order, and stopped by nothing."""

import itertools
import json
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.history.entries import (
    Applied,
    ApplyKind,
    Change,
    Changed,
    ChangeKind,
    NotAReceipt,
    ReceiptMissing,
    Revert,
    Rollback,
    RollbackTo,
    compile_history,
)
from reconciler.core.history.lanes import State
from reconciler.core.records.receipt import Result
from reconciler.core.values.instant import Instant
from reconciler.core.values.timeline import ORIGIN, Timeline
from tests.support.long_history import example

NOW = Instant.parse_strict("2026-11-22T10:00:00Z")
ONE = Timeline(Instant.parse_strict("2026-11-20T09:00:00Z"), "one")
TWO = Timeline(Instant.parse_strict("2026-11-21T09:00:00Z"), "two")


def hours_ago(hours):
    return NOW.before(timedelta(hours=hours))


def text(timeline=ORIGIN, reason="", hold="7d", **more):
    restore = None if timeline.to is None else {"to": str(timeline.to), "id": timeline.id, "reason": reason}
    return json.dumps({"primary": {"project": "p", "branch": "main", "restore": restore, "hold": hold}, **more})


def changes(*texts, at=100):
    """Commits c0, c1, … with an hour between them, that put these texts into the file."""
    pairs = zip((None, *texts), texts, strict=False)
    return [
        Change(f"c{number}", hours_ago(at - number), "anna", f"change {number}", before, after)
        for number, (before, after) in enumerate(pairs)
    ]


def receipt(began, before, after, **more):
    found = example(str(began), str(before), str(after))
    return replace(found, **more)


def told(texts, *receipts, commit="c1"):
    return compile_history("production", changes(*texts), {commit: [each.line for each in receipts]}, NOW)


def kinds(history):
    return [each.kind for each in history.entries]


# what a change asks for


def test_a_change_is_named_by_its_effect():
    texts = [
        text(),
        text(ONE, "dropped"),
        text(TWO, "dropped again"),
        text(ONE, "dropped"),
        text(ONE, "dropped", hold="14d"),
        "// a comment\n" + text(ONE, "dropped", hold="14d"),
        "{ broken",
        text(ORIGIN),
        None,
    ]
    history = told(texts)
    assert kinds(history) == [
        ChangeKind.ADDED, ChangeKind.RESTORE, ChangeKind.RESTORE, ChangeKind.UNDO, ChangeKind.SETTINGS,
        ChangeKind.NOTHING, ChangeKind.UNREADABLE, ChangeKind.UNDO, ChangeKind.REMOVED,
    ]  # fmt: skip
    assert [each.timeline for each in history.entries[:4]] == [ORIGIN, ONE, TWO, ONE]
    assert [each.reason for each in history.entries[1:3]] == ["dropped", "dropped again"]
    assert history.entries[4].fields == ("primary.hold",)
    assert "line 1" in history.entries[6].problem
    assert history.asked is None


@pytest.mark.parametrize(
    "broken",
    ["", "[]", "null", "{}", '{"primary": 1}', '{"primary": {"restore": 1}}', '{"primary": {"restore": {}}}', "\udc80",
     '{"primary": {"restore": {"to": "yesterday"}}}', '{"primary": {"restore": {"to": 5}}}', "[" * 5000,
     '{"primary": {"restore": {"to": "2026-11-20T09:00:00Z", "id": "No Id!"}}}'],
)  # fmt: skip
def test_an_unreadable_version_is_an_entry(broken):
    history = told([text(), broken, text(ONE)])
    assert kinds(history) == [ChangeKind.ADDED, ChangeKind.UNREADABLE, ChangeKind.RESTORE]
    assert history.entries[1].problem
    assert history.asked == ONE


def test_a_version_by_other_rules_is_read():
    odd = '{"primary": {"restore": {"to": "2026-11-20T10:00:00+01:00", "id": "one", "gone": 1}, "hold": 5}, "old": []}'
    assert told([odd]).asked == ONE


# what applies came to


def test_an_apply_is_named_by_its_outcome():
    history = told(
        [text(), text(ONE)],
        receipt(hours_ago(90), ORIGIN, ONE),
        receipt(hours_ago(89), ONE, ONE, steps=()),
        receipt(hours_ago(88), ONE, ONE),
        receipt(hours_ago(87), ONE, ORIGIN),
        receipt(hours_ago(86), ORIGIN, ORIGIN, result=Result.FAILED),
        receipt(hours_ago(85), ORIGIN, ORIGIN, result=Result.REFUSED),
        receipt(hours_ago(84), ORIGIN, "", result=Result.INTERRUPTED),
    )
    assert kinds(history)[2:] == [
        ApplyKind.RESTORED, ApplyKind.IN_SYNC, ApplyKind.REPAIRED, ApplyKind.RETURNED, ApplyKind.FAILED,
        ApplyKind.REFUSED, ApplyKind.INTERRUPTED,
    ]  # fmt: skip


def test_another_environments_apply_is_left_out():
    other = receipt(hours_ago(98), ORIGIN, ONE, environment="staging")
    assert kinds(told([text(), text(ONE)], other)) == [ChangeKind.ADDED, ChangeKind.RESTORE]


def test_a_change_has_its_last_result():
    failed = receipt(hours_ago(90), ORIGIN, ORIGIN, result=Result.FAILED)
    converged = receipt(hours_ago(89), ORIGIN, ONE)
    later = receipt(hours_ago(88), ONE, ONE, result=Result.FAILED)
    assert told([text(), text(ONE)]).entries[1].result is None
    assert told([text(), text(ONE)], failed).entries[1].result is Result.FAILED
    assert told([text(), text(ONE)], failed, converged, later).entries[1].result is Result.CONVERGED


def test_a_receipt_on_a_merge_belongs_to_it():
    change = replace(changes(text(), text(ONE))[1], commits=("merge", "merged"))
    for commit in change.commits:
        notes = {commit: [receipt(hours_ago(90), ORIGIN, ONE).line]}
        history = compile_history("production", [change], notes, NOW)
        assert history.entries[0].result is Result.CONVERGED
        assert history.entries[1].is_here


# how it is undone


def undos(history):
    return [each.undo for each in history.entries]


def test_an_older_restore_is_rolled_back_by_name():
    first, second = receipt(hours_ago(90), ORIGIN, ONE), receipt(hours_ago(80), ONE, TWO)
    history = told([text(), text(ONE), text(TWO)], first, second)
    assert undos(history) == [None, None, Revert("c2", is_merge=False), RollbackTo(ORIGIN), Rollback()]


def test_what_was_undone_already_is_not_undone_again():
    there, back = receipt(hours_ago(90), ORIGIN, ONE), receipt(hours_ago(80), ONE, ORIGIN)
    history = told([text(), text(ONE), text()], there, back)
    assert undos(history) == [None, None, Revert("c2", is_merge=False), None, Rollback()]


def test_what_is_gone_cannot_be_undone():
    applied = receipt(hours_ago(90), ORIGIN, ONE)
    assert undos(told([text(), text(ONE, hold="4d")], applied))[-1] == Rollback()
    assert undos(told([text(), text(ONE, hold="3d")], applied))[-1] is None
    assert undos(told([text(), text(ONE, hold="forever")], applied))[-1] == Rollback()


def test_a_pending_undo_is_not_doubled():
    history = told([text(), text(ONE), text()], receipt(hours_ago(90), ORIGIN, ONE))
    assert undos(history)[-1] == RollbackTo(ORIGIN)


def test_a_merge_is_reverted_as_a_merge():
    first, second = changes(text(), text(ONE))
    history = compile_history("production", [first, replace(second, is_merge=True)], {}, NOW)
    assert history.entries[1].undo == Revert("c1", is_merge=True)


# the timelines


def test_spans_show_what_was_live_and_held():
    first, second = receipt(hours_ago(40), ORIGIN, ONE, seconds=30.0), receipt(hours_ago(10), ONE, TWO, seconds=60.0)
    history = told([text(), text(ONE), text(TWO, hold="1d")], first, second)
    origin, one, two = history.lanes
    switched = Instant(hours_ago(40).milliseconds + 30_000)
    again = Instant(hours_ago(10).milliseconds + 60_000)
    assert [(span.start, span.end) for span in origin.spans] == [(None, switched)]
    assert [(span.start, span.end) for span in one.spans] == [(switched, again)]
    assert [(span.start, span.end) for span in two.spans] == [(again, None)]
    assert [each.state for each in history.lanes] == [State.HOLD_ENDED, State.HELD, State.LIVE]
    assert one.hold_ends == Instant(again.milliseconds + 86_400_000)
    assert (one.source, two.source) == (ORIGIN, ONE)
    assert history.live == two


def test_a_timeline_that_came_back_has_two_spans():
    there, back = receipt(hours_ago(90), ORIGIN, ONE), receipt(hours_ago(80), ONE, ORIGIN)
    history = told([text(), text(ONE), text()], there, back)
    assert [len(each.spans) for each in history.lanes] == [2, 1]
    assert history.held == (history.lanes[1],)


def test_a_switch_without_receipt_is_dated_later():
    found = receipt(hours_ago(80), TWO, TWO)
    history = told([text(), text(ONE)], receipt(hours_ago(90), ORIGIN, ONE), found)
    assert history.lanes[1].spans[0].end == history.lanes[2].spans[0].start == hours_ago(80)


def test_an_apply_without_a_look_changes_nothing():
    lost = receipt(hours_ago(80), ONE, "", result=Result.FAILED)
    history = told([text(), text(ONE)], receipt(hours_ago(90), ORIGIN, ONE), lost)
    assert history.live.timeline == ONE
    assert history.live.spans[-1].end is None


def test_a_named_source_comes_first():
    asked = json.loads(text(TWO))
    asked["primary"]["restore"]["from"] = "origin"
    receipts = receipt(hours_ago(90), ORIGIN, ONE), receipt(hours_ago(10), ONE, TWO)
    assert told([text(), json.dumps(asked)], *receipts).lanes[-1].source == ORIGIN
    assert told([text(), text(TWO)], *receipts).lanes[-1].source == ONE


# problems


def test_missing_and_broken_receipts_are_problems():
    first = receipt(hours_ago(90), ORIGIN, ONE)
    second = receipt(hours_ago(80), ONE, TWO, previous=first.fingerprint)
    lines = {"c1": ["what a day", second.line]}
    history = compile_history("production", changes(text(), text(ONE)), lines, NOW)
    assert history.problems == (ReceiptMissing(first.fingerprint, second.began), NotAReceipt("c1", "what a day"))
    assert told([text(), text(ONE)], first, second).problems == ()


# whatever happens

timelines = st.sampled_from([ORIGIN, ONE, TWO])
hours = st.integers(1, 100)
versions = st.none() | timelines.map(text) | st.text(max_size=20)
applies = st.builds(
    lambda at, before, after, result, environment: receipt(
        hours_ago(at), before, after, result=result, environment=environment
    ),
    hours,
    timelines,
    timelines | st.just(""),
    st.sampled_from(Result),
    st.sampled_from(["production", "production", "staging"]),
)


@st.composite
def stories(draw):
    """Changes at any times, and notes that hold receipts, some of them twice, among garbage."""
    texts = draw(st.lists(versions, max_size=6))
    known = [replace(each, at=hours_ago(draw(hours))) for each in changes(*texts)]
    receipts = draw(st.lists(applies, max_size=6))
    garbage = draw(st.lists(st.text(max_size=20), max_size=4))
    lines = draw(st.permutations([*(each.line for each in receipts), *garbage]))
    commits = st.sampled_from([*(each.commit for each in known), "unknown"])
    notes = {}
    for line in [*lines, *lines[:2]]:
        notes.setdefault(draw(commits), []).append(line)
    return known, receipts, garbage, notes


@given(stories())
def test_every_change_and_apply_is_there_once(story):
    known, receipts, garbage, notes = story
    history = compile_history("production", known, notes, NOW)
    changed = [each.change for each in history.entries if isinstance(each, Changed)]
    applied = [each.receipt for each in history.entries if isinstance(each, Applied)]
    own = {each.fingerprint for each in receipts if each.environment == "production"}
    assert changed == known
    assert sorted(own) == sorted(each.fingerprint for each in applied)
    noted = {each.line for each in history.problems if isinstance(each, NotAReceipt)}
    assert noted == set(garbage)


@given(stories())
def test_time_runs_forwards_within_a_clock(story):
    known, _, _, notes = story
    history = compile_history("production", known, notes, NOW)
    began = [each.at for each in history.entries if isinstance(each, Applied) and not each.is_here]
    assert began == sorted(began)
    places = {commit: place for place, each in enumerate(history.entries) if isinstance(each, Changed)
              for commit in each.change.all_commits}  # fmt: skip
    for place, each in enumerate(history.entries):
        assert not isinstance(each, Applied) or places.get(each.commit, -1) < place


@given(stories())
def test_clocks_that_agree_give_the_order(story):
    known, _, _, notes = story
    in_order = [replace(each, at=hours_ago(1000 - number)) for number, each in enumerate(known)]
    moments = [each.at for each in compile_history("production", in_order, notes, NOW).entries]
    assert moments == sorted(moments)


@given(stories())
def test_spans_have_no_gap_or_overlap(story):
    known, _, _, notes = story
    history = compile_history("production", known, notes, NOW)
    spans = sorted(
        (span for lane in history.lanes for span in lane.spans),
        key=lambda span: (span.start or Instant(0), span.end or Instant(2**60)),
    )
    assert all(before.end == after.start for before, after in itertools.pairwise(spans))
    assert sum(lane.state is State.LIVE for lane in history.lanes) == bool(history.lanes)
    assert sum(span.end is None for span in spans) == bool(history.lanes)
