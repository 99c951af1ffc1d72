"""What a restore in place leaves to be read: what is live, what is held, and which branch a moment comes from."""

from dataclasses import replace

import pytest

from reconciler.core.lineage.infer import ProvenanceUnknown, infer_lineage
from reconciler.core.lineage.lineage import BeforeSourceExisted, Lineage, SourceAmbiguous, TimelineBranch
from reconciler.core.model.desired import Method, Restore
from reconciler.core.model.observed import Annotation, Observed, named
from reconciler.core.model.refusal import Refusal
from reconciler.core.plan.plan import plan
from reconciler.core.values.instant import Instant
from reconciler.core.values.timeline import ORIGIN, HeldName, Timeline
from tests.core.files import ASKED_IN_PLACE as ASKED
from tests.core.files import BY_BRANCH, DESIRED, IN_PLACE, OTHER, RESTORED, asking, hours_ago
from tests.core.files import HELD_IN_PLACE as HELD
from tests.core.plans import after, lineage_of, rules, step_of
from tests.core.worlds import WORLD, changed, names, without

KEPT = f"main.held.{RESTORED}.before.origin.2.in-place"
RESTORED_WORLD, PROMOTED = after(ASKED, WORLD), after(BY_BRANCH, WORLD)
UNDONE = after(IN_PLACE, PROMOTED)

# What is live and held


@pytest.mark.parametrize(
    ("observed", "words"),
    [
        (RESTORED_WORLD, f'"main" is by the last replacement {RESTORED} and was reset or restored since, at '),
        (UNDONE, f'"main" is annotated as {RESTORED} and was reset or restored since'),
    ],
    ids=["after a restore in place", "after an undo in place"],
)
def test_a_reset_by_hand_is_refused(observed, words):
    later = Instant(observed.at.milliseconds + 3_600_000)
    (refusal,) = plan(ASKED, changed(observed, "main", last_reset_at=later)).refusals
    assert ("provenance-unknown", True) == (refusal.rule, words in refusal.message)


def test_a_lost_preserved_branch_is_refused():
    assert ["provenance-unknown"] == rules(IN_PLACE, changed(UNDONE, KEPT, name="renamed"))


def test_a_lost_primary_is_no_swap():
    """What was preserved in place does not make way for anything."""
    assert ["primary-missing"] == rules(ASKED, without(RESTORED_WORLD, "main"))


@pytest.mark.parametrize(
    ("observed", "preserved"),
    [
        (RESTORED_WORLD, {"main": False, HELD: True}),
        (after(DESIRED, RESTORED_WORLD), {"main": True, f"main.held.{RESTORED}.before.origin.2": False}),
    ],
    ids=["restored", "put back by branch"],
)
def test_the_oldest_branch_is_the_first_primary(observed, preserved):
    assert preserved == {each.branch.name: each.preserved for each in lineage_of(observed).all}


def test_a_preserved_branch_follows_the_last_name():
    """It has no annotation, and is not the first primary: of itself it says nothing."""
    astray = f"main.held.{RESTORED}.before.{Timeline(OTHER.to)}.2"
    undone = changed(after(DESIRED, RESTORED_WORLD), f"main.held.{RESTORED}.before.origin.2", name=astray)
    assert Timeline(OTHER.to) == lineage_of(undone).live.timeline


def test_an_inherited_annotation_does_not_disagree():
    """Whether Neon passes annotations on to a preserved branch is not documented: both are read the same."""
    second = after(asking(OTHER, IN_PLACE), UNDONE)
    last = next(name for name in names(second) if name.startswith("main.held.origin.before") and ".3" in name)
    mark = named(second.branches, "main").mark
    assert Annotation("production", RESTORED) == mark
    passed_on = changed(changed(second, last, mark=mark), KEPT, mark=mark)
    assert isinstance(infer_lineage(IN_PLACE, passed_on.branches), ProvenanceUnknown | Lineage)
    refusal = infer_lineage(IN_PLACE, changed(changed(second, "main", mark=None), last, mark=mark).branches)
    assert isinstance(refusal, ProvenanceUnknown)
    assert f'"{last}" is annotated as {RESTORED}' in refusal.message


@pytest.mark.parametrize(
    ("name", "held"),
    [
        (HELD, HeldName("main", ORIGIN, RESTORED, in_place=True)),
        (KEPT, HeldName("main", RESTORED, ORIGIN, 2, in_place=True)),
        (f"main.held.{RESTORED}.before.origin.in-place.2", None),
    ],
)
def test_a_held_name_is_read_and_written(name, held):
    assert held == HeldName.parse("main", name)
    assert held is None or name == str(held) == held.name


# Where a moment comes from


def sequence(*restores: Restore | None, methods: tuple[Method, ...] = ()) -> Observed:
    """The world after restores (None: back to origin) 8, 7, 6, … hours ago, in place where not said otherwise."""
    observed = WORLD
    for number, restore in enumerate(restores):
        method = methods[number] if methods else Method.IN_PLACE
        observed = after(asking(restore, IN_PLACE, method), replace(observed, at=hours_ago(8 - number)))
    return replace(observed, at=WORLD.at)


def source_of(observed: Observed, hours: float, source: Timeline | None = None) -> TimelineBranch | Refusal:
    return lineage_of(observed).source(Restore(hours_ago(hours), "x", source=source))


FIRST, SECOND = Restore(hours_ago(20), "first"), Restore(hours_ago(10), "second")
OF_FIRST, OF_SECOND = (Timeline(each.to, each.id) for each in (FIRST, SECOND))
THRICE = sequence(FIRST, None, FIRST)
# Made by a branch of its own, and replaced in place.
MIXED = sequence(FIRST, None, methods=(Method.BRANCH, Method.IN_PLACE))
OF_MIXED = f"main.held.{OF_FIRST}.before.origin.2.in-place"


@pytest.mark.parametrize(
    ("restores", "hours", "expected", "place"),
    [
        ((FIRST,), 15, ORIGIN, "held"),
        ((FIRST,), 7.5, OF_FIRST, "main"),
        ((FIRST, SECOND), 15, ORIGIN, "held"),
        ((FIRST, SECOND), 7.5, OF_FIRST, "held"),
        ((FIRST, SECOND), 6.5, OF_SECOND, "main"),
        ((FIRST, None), 15, ORIGIN, "held"),
        ((FIRST, None), 7.5, OF_FIRST, "held"),
        ((FIRST, None), 6.5, ORIGIN, "main"),
        ((FIRST, None, FIRST), 7.5, OF_FIRST, "held"),
        ((FIRST, None, FIRST), 5.5, OF_FIRST, "main"),
    ],
)
def test_a_moment_comes_from_what_was_live(restores, hours, expected, place):
    """Each restore in place preserves a branch at its moment, so that no moment in between is uncertain."""
    source = source_of(sequence(*restores), hours)
    assert isinstance(source, TimelineBranch), source
    assert (expected, place) == (source.timeline, "main" if source.branch.name == "main" else "held")


def test_an_older_moment_comes_from_the_preserved_branch():
    desired, observed = asking(Restore(hours_ago(15), "again"), IN_PLACE), sequence(FIRST)
    held = f"main.held.origin.before.{OF_FIRST}.in-place"
    assert [held] * 2 == [step_of(desired, observed, kind).source for kind in ("CreateBranch", "RestoreBranch")]


NAMED = {
    "before the branch got what it holds": (sequence(FIRST, None), 30, OF_FIRST, ["before-source-reset"]),
    "within what is live": (sequence(FIRST, None), 0.01, ORIGIN, []),
    "before it was prepared": (MIXED, 8.5, OF_FIRST, ["before-source-existed"]),
    "after it was prepared": (MIXED, 7.5, OF_FIRST, []),
    "live twice, the first time": (THRICE, 15, ORIGIN, []),
    "live twice, the second time": (THRICE, 6.5, ORIGIN, []),
    "live twice, in between": (THRICE, 7.5, ORIGIN, ["before-source-reset"]),
}


@pytest.mark.parametrize(("observed", "hours", "source", "refused"), NAMED.values(), ids=NAMED)
def test_a_named_source_must_have_the_moment(observed, hours, source, refused):
    assert refused == rules(asking(Restore(hours_ago(hours), "x", source=source), IN_PLACE), observed)


@pytest.mark.parametrize("hours", [8.5, 7.5])
def test_an_inherited_annotation_changes_no_source(hours):
    inherited = changed(MIXED, OF_MIXED, mark=named(MIXED.branches, "main").mark)
    for observed in (MIXED, inherited):
        assert OF_MIXED == source_of(observed, hours, OF_FIRST).branch.name


@pytest.mark.parametrize(("hours", "number"), [(15, ""), (6.5, ".3"), (7.5, ".3")])
def test_a_timeline_live_twice_has_two_branches(hours, number):
    assert f"main.held.origin.before.{OF_FIRST}{number}.in-place" == source_of(THRICE, hours, ORIGIN).branch.name


# The branch that began what is held as the third was deleted: since when that was live is not known.
GAP = without(sequence(FIRST, SECOND, None), f"main.held.{OF_FIRST}.before.{OF_SECOND}.2.in-place")


@pytest.mark.parametrize(("hours", "kind"), [(15, TimelineBranch), (7.5, None), (6.5, None), (5.5, TimelineBranch)])
def test_a_gap_leaves_moments_ambiguous(hours, kind):
    assert type(source_of(GAP, hours)) is (kind or SourceAmbiguous)


def test_an_ambiguous_moment_names_what_is_known():
    found = source_of(GAP, 7.5)
    name = f"main.held.{OF_SECOND}.before.origin.3.in-place"
    ended = named(GAP.branches, name).created_at
    assert (str(OF_SECOND),) == found.choices
    assert f'{OF_SECOND} (since an unknown time, until {ended}, on "{name}")' in found.message
    assert OF_SECOND == source_of(GAP, 6.5, OF_SECOND).timeline


def test_a_moment_before_all_may_be_preserved():
    """How far back a preserved branch goes, only Neon knows: it is named, or nothing is done."""
    found = source_of(MIXED, 24 * 6)
    assert isinstance(found, SourceAmbiguous)
    assert (str(OF_FIRST),) == found.choices
    assert isinstance(source_of(WORLD, 24 * 6), BeforeSourceExisted)


@pytest.mark.parametrize(("hours", "place"), [(6.5, "main"), (7.5, OF_MIXED)])
def test_in_place_both_ends_are_certain(hours, place):
    assert place == source_of(MIXED, hours).branch.name


@pytest.mark.parametrize(("hours", "choices"), [(15, {"origin"}), (6.5, {"origin", str(OF_FIRST)})])
def test_after_both_methods_nothing_is_guessed(hours, choices):
    observed = replace(WORLD, at=hours_ago(8))
    for restore, method in ((FIRST, Method.IN_PLACE), (None, Method.BRANCH), (SECOND, Method.IN_PLACE)):
        observed = after(asking(restore, IN_PLACE, method), observed)
        observed = replace(observed, at=Instant(observed.at.milliseconds + 3_540_000))
    source = source_of(replace(observed, at=WORLD.at), hours)
    assert isinstance(source, SourceAmbiguous)
    assert (choices, True) == (set(source.choices), len(choices) <= len(source.spans))
    assert [each for each in choices if f'"from": "{each}"' not in source.hint] == []
