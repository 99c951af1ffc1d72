"""What receipts tell of which timeline was live when: a help where Neon leaves it open, and nothing anywhere else."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.lineage.live_spans import live_spans
from reconciler.core.lineage.receipts import choice, live_and_open, with_source_from_receipts
from reconciler.core.model.desired import Restore
from reconciler.core.model.observed import LiveSpan, Unknown
from reconciler.core.plan.plan import plan
from reconciler.core.records.receipt import Result
from reconciler.core.steps.branch import CreateBranch
from reconciler.core.values.timeline import ORIGIN
from tests.core.files import DESIRED, NOW, asking, hours_ago
from tests.core.lineage.test_lineage import FIRST, SECOND, sequence, timeline
from tests.core.worlds import WORLD
from tests.support.long_history import example

PROJECT_ID = DESIRED.primary.project
FIRST_LIVE = str(timeline(FIRST))
UNDONE = replace(sequence(FIRST, None), at=NOW)


def receipt(began, before, after, *, asked="a", seconds=60.0, **others):
    """An apply that began some hours ago."""
    made = example(str(hours_ago(began)), before, after, asked * 40)
    ids = replace(made.ids, project=PROJECT_ID)
    return replace(made, **{"seconds": seconds, "after": after, "ids": ids} | others)


def chained(*receipts):
    """Each names the one before as its previous."""
    found = []
    for each in receipts:
        found.append(replace(each, previous=found[-1].fingerprint if found else ""))
    return found


THERE_AND_BACK = chained(receipt(8, "origin", FIRST_LIVE, asked="1"), receipt(6, FIRST_LIVE, "origin", asked="2"))


def told(receipts=THERE_AND_BACK, live=ORIGIN, environment="production", project=PROJECT_ID):
    return live_spans(receipts, environment, project, live)


def source_of(hours, receipts=THERE_AND_BACK):
    """The timeline that a restore to a moment so many hours ago is made from, or None where that is refused."""
    desired = asking(Restore(hours_ago(hours), "again"))
    found = plan(desired, replace(UNDONE, live_spans=told(receipts)))
    assert {each.rule for each in found.refusals} <= {"source-ambiguous"}
    return found.source[0].split(" ")[0] if found.steps else None


def test_two_receipts_that_agree_tell_what_was_live_between_them_and_the_last_what_has_been_since():
    minute = timedelta(minutes=1)
    assert told() == (
        LiveSpan(timeline(FIRST), hours_ago(8).before(-minute), hours_ago(6), "1" * 40),
        LiveSpan(ORIGIN, hours_ago(6).before(-minute), None, "2" * 40),
    )


def test_an_apply_that_changed_nothing_ends_nothing():
    between = receipt(7, FIRST_LIVE, FIRST_LIVE, asked="3")
    receipts = chained(THERE_AND_BACK[0], between, THERE_AND_BACK[1])
    assert [(each.timeline, each.since, each.until) for each in told(receipts)] == [
        (each.timeline, each.since, each.until) for each in told()
    ]


def test_a_run_that_was_interrupted_leaves_it_to_the_next_look_what_was_live_at_its_end():
    interrupted = receipt(8, "origin", "", asked="1", result=Result.INTERRUPTED)
    receipts = chained(interrupted, receipt(7.5, FIRST_LIVE, FIRST_LIVE), THERE_AND_BACK[1])
    assert told(receipts)[0].timeline == timeline(FIRST)
    assert told([interrupted], live=ORIGIN)[-1] == LiveSpan(
        ORIGIN, hours_ago(8).before(-timedelta(minutes=1)), None, "1" * 40
    )


@pytest.mark.parametrize(
    ("hours", "source"), [(7, FIRST_LIVE), (4, "origin"), (7.98, None), (6.01, None), (5.98, None), (5.9, "origin")]
)
def test_what_neon_leaves_open_is_told_by_the_receipts_but_not_around_a_change(hours, source):
    assert source_of(hours, ()) is None
    assert source_of(hours) == source


def test_the_plan_says_which_receipt_told_it_and_a_second_run_goes_on_from_the_branch_that_was_made():
    desired, seen = asking(Restore(hours_ago(7), "again")), replace(UNDONE, live_spans=told())
    found = plan(desired, seen)
    (made,) = (step for step in found.steps if isinstance(step, CreateBranch))
    held = next(each.name for each in seen.branches if each.name.startswith("main.held."))
    assert made.source == held
    assert "the receipt of commit 111111111111 tells that it was live at " in found.source[0]
    assert found.source[0].endswith("Neon's own signs leave it open")
    assert found.source[1].startswith("not origin (since ")
    started = made.predict(seen)
    assert [type(step) for step in plan(desired, started).steps[:1]] != [CreateBranch]
    assert plan(desired, started).refusals == ()
    assert [each.rule for each in plan(desired, replace(started, live_spans=())).refusals] == ["source-ambiguous"]


@pytest.mark.parametrize(
    "receipts",
    [
        (),
        THERE_AND_BACK[1:],  # it names one that is not there
        chained(THERE_AND_BACK[0], receipt(6, SECOND.id, "origin")),
        chained(receipt(8, "origin", str(timeline(SECOND))), receipt(6, str(timeline(SECOND)), "origin")),
        chained(receipt(8, "origin", "nonsense"), receipt(6, "nonsense", "origin")),
        [replace(each, environment="staging") for each in THERE_AND_BACK],
        [replace(each, ids=replace(each.ids, project="other")) for each in THERE_AND_BACK],
        chained(*THERE_AND_BACK, receipt(7.5, "origin", "origin")),
    ],
)
def test_receipts_that_are_missing_contradict_each_other_or_are_of_something_else_are_no_help(receipts):
    assert source_of(7, receipts) is None


def test_what_was_applied_to_another_project_before_is_no_gap():
    other = receipt(20, "origin", "origin")
    moved = chained(replace(other, ids=replace(other.ids, project="other")), *THERE_AND_BACK)
    assert [each.timeline for each in told(moved)] == [each.timeline for each in told()]


def test_what_the_last_receipt_says_must_be_what_is_live_by_neon():
    assert told(live=timeline(FIRST)) == told()[:1]


def test_where_neon_tells_it_or_nothing_can_be_read_nobody_asks_the_receipts():
    assert live_and_open(DESIRED, WORLD.branches) is None
    assert live_and_open(asking(FIRST), Unknown("403")) is None
    assert live_and_open(asking(FIRST), ()) is None
    assert live_and_open(asking(FIRST), WORLD.branches) is None
    assert live_and_open(asking(FIRST), sequence(FIRST).branches) is None
    desired = asking(Restore(hours_ago(7), "again"))
    assert live_and_open(desired, UNDONE.branches)[0] == ORIGIN
    assert choice(desired, UNDONE) is None
    assert with_source_from_receipts(desired, UNDONE) is desired
    assert with_source_from_receipts(DESIRED, replace(WORLD, live_spans=told())) is DESIRED


spans = st.builds(
    LiveSpan,
    st.sampled_from([ORIGIN, timeline(FIRST), timeline(SECOND)]),
    st.floats(1, 30).map(hours_ago),
    st.none() | st.floats(0, 30).map(hours_ago),
    st.just("c" * 40),
)
WORLDS = [
    replace(sequence(*each), at=NOW)
    for each in ((), (FIRST,), (FIRST, None), (FIRST, SECOND), (FIRST, None, SECOND), (FIRST, None, FIRST))
]


@given(st.sampled_from(WORLDS), st.floats(0.1, 25).map(hours_ago), st.lists(spans, max_size=4))
def test_whatever_receipts_tell_a_plan_is_the_same_where_neon_tells_it_and_one_of_its_choices_elsewhere(
    world, moment, tell
):
    desired = asking(Restore(moment, "again"))
    alone, helped = plan(desired, world), plan(desired, replace(world, live_spans=tuple(tell)))
    ambiguous = [each for each in alone.refusals if each.rule == "source-ambiguous"]
    if ambiguous and helped.steps:
        assert helped.source[0].split(" ")[0] in ambiguous[0].choices
    else:
        assert (alone.waves, alone.refusals, alone.source) == (helped.waves, helped.refusals, helped.source)
