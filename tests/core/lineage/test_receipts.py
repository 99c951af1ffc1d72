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
from reconciler.core.values.timeline import ORIGIN
from tests.core.files import DESIRED, NOW, asking, hours_ago
from tests.core.lineage.test_lineage import FIRST, SECOND, sequence, timeline
from tests.core.plans import planned, rules, step_of
from tests.core.worlds import WORLD
from tests.support.long_history import example

PROJECT_ID = DESIRED.primary.project
OF_FIRST, OF_SECOND = str(timeline(FIRST)), str(timeline(SECOND))
UNDONE = replace(sequence(FIRST, None), at=NOW)
MINUTE = timedelta(minutes=1)


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


THERE, BACK = receipt(8, "origin", OF_FIRST, asked="1"), receipt(6, OF_FIRST, "origin", asked="2")
THERE_AND_BACK = chained(THERE, BACK)
SPANS = (
    LiveSpan(timeline(FIRST), hours_ago(8).after(MINUTE), hours_ago(6), "1" * 40),
    LiveSpan(ORIGIN, hours_ago(6).after(MINUTE), None, "2" * 40),
)


def spans_of(receipts=THERE_AND_BACK, live=ORIGIN):
    return live_spans(receipts, "production", PROJECT_ID, live)


def again(hours):
    return asking(Restore(hours_ago(hours), "again"))


def source_of(hours, receipts=THERE_AND_BACK):
    """The timeline that a restore to a moment so many hours ago is made from, or None where that is refused."""
    observed = replace(UNDONE, live_spans=spans_of(receipts))
    assert set(rules(again(hours), observed)) <= {"source-ambiguous"}
    found = plan(again(hours), observed)
    return found.source[0].split(" ")[0] if found.steps else None


def elsewhere(found):
    return replace(found, ids=replace(found.ids, project="other"))


INTERRUPTED = receipt(8, "origin", "", asked="1", result=Result.INTERRUPTED)
CHAINS = {
    "two that agree": (THERE_AND_BACK, ORIGIN, SPANS),
    "a first one elsewhere": (chained(elsewhere(receipt(20, "origin", "origin")), THERE, BACK), ORIGIN, SPANS),
    "the last contradicts Neon": (THERE_AND_BACK, timeline(FIRST), SPANS[:1]),
    "interrupted": ([INTERRUPTED], ORIGIN, (LiveSpan(ORIGIN, hours_ago(8).after(MINUTE), None, "1" * 40),)),
}


@pytest.mark.parametrize(("receipts", "live", "spans"), CHAINS.values(), ids=CHAINS)
def test_receipts_give_live_spans(receipts, live, spans):
    assert spans_of(receipts, live)[-len(spans) :] == spans


def test_an_apply_that_changed_nothing_ends_nothing():
    receipts = chained(THERE, receipt(7, OF_FIRST, OF_FIRST, asked="3"), BACK)
    assert [replace(each, commit="") for each in spans_of(receipts)] == [replace(each, commit="") for each in SPANS]


def test_the_next_look_ends_an_interrupted_run():
    receipts = chained(INTERRUPTED, receipt(7.5, OF_FIRST, OF_FIRST), BACK)
    assert spans_of(receipts)[0].timeline == timeline(FIRST)


@pytest.mark.parametrize(
    ("hours", "source"), [(7, OF_FIRST), (4, "origin"), (7.98, None), (6.01, None), (5.98, None), (5.9, "origin")]
)
def test_receipts_settle_moments_away_from_changes(hours, source):
    assert (source_of(hours, ()), source_of(hours)) == (None, source)


SEEN = replace(UNDONE, live_spans=SPANS)


def test_the_plan_names_the_receipt():
    held = next(each.name for each in SEEN.branches if each.name.startswith("main.held."))
    assert step_of(again(7), SEEN, "CreateBranch").source == held
    first, second = plan(again(7), SEEN).source
    assert "the receipt of commit 111111111111" in first
    assert second.startswith("not origin (since ")


def test_a_second_run_continues_the_branch():
    started = step_of(again(7), SEEN, "CreateBranch").predict(SEEN)
    assert (planned(again(7), started)[0], rules(again(7), started)) != ("CreateBranch", [])
    assert rules(again(7), started) == []
    assert rules(again(7), replace(started, live_spans=())) == ["source-ambiguous"]


NO_HELP = {
    "none": (),
    "the first is missing": THERE_AND_BACK[1:],
    "they contradict": chained(THERE, receipt(6, SECOND.id, "origin")),
    "of a timeline not held": chained(receipt(8, "origin", OF_SECOND), receipt(6, OF_SECOND, "origin")),
    "of no timeline": chained(receipt(8, "origin", "nonsense"), receipt(6, "nonsense", "origin")),
    "another environment": [replace(each, environment="staging") for each in THERE_AND_BACK],
    "another project": [elsewhere(each) for each in THERE_AND_BACK],
    "out of order": chained(THERE, BACK, receipt(7.5, "origin", "origin")),
}


@pytest.mark.parametrize("receipts", NO_HELP.values(), ids=NO_HELP)
def test_receipts_are_no_help_where(receipts):
    assert source_of(7, receipts) is None


@pytest.mark.parametrize(
    ("desired", "branches"),
    [
        (DESIRED, WORLD.branches),
        (asking(FIRST), Unknown("403")),
        (asking(FIRST), ()),
        (asking(FIRST), WORLD.branches),
        (asking(FIRST), sequence(FIRST).branches),
    ],
)
def test_receipts_are_not_read_where(desired, branches):
    assert live_and_open(desired, branches) is None


def test_receipts_are_read_for_what_neon_leaves_open():
    assert live_and_open(again(7), UNDONE.branches)[0] == ORIGIN
    assert choice(again(7), UNDONE) is None
    assert with_source_from_receipts(again(7), UNDONE) == again(7)
    assert with_source_from_receipts(DESIRED, replace(WORLD, live_spans=SPANS)) == DESIRED


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


@given(st.sampled_from(WORLDS), st.floats(0.1, 25), st.lists(spans, max_size=4))
def test_receipts_only_choose_among_neons_choices(world, hours, told):
    alone, helped = plan(again(hours), world), plan(again(hours), replace(world, live_spans=tuple(told)))
    ambiguous = [each for each in alone.refusals if each.rule == "source-ambiguous"]
    if ambiguous and helped.steps:
        assert helped.source[0].split(" ")[0] in ambiguous[0].choices
    else:
        assert (alone.waves, alone.refusals, alone.source) == (helped.waves, helped.refusals, helped.source)
