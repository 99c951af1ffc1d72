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

# Signs


def restored_in_place(**changes: object) -> Observed:
    return changed(after(ASKED, WORLD), "main", **changes)


def test_a_reset_by_hand_after_a_restore_in_place_is_refused():
    later = Instant(after(ASKED, WORLD).at.milliseconds + 3_600_000)
    (refusal,) = plan(ASKED, restored_in_place(last_reset_at=later)).refusals
    assert "provenance-unknown" == refusal.rule
    assert (
        f'"main" is by the last replacement {RESTORED} and was reset or restored since, at {later}' in refusal.message
    )


def test_a_reset_by_hand_of_what_was_made_for_a_timeline_is_refused_also_where_it_was_restored_in_place_before():
    promoted = after(BY_BRANCH, WORLD)
    undone = after(IN_PLACE, promoted)
    assert ORIGIN == lineage_of(undone).live.timeline
    later = Instant(undone.at.milliseconds + 3_600_000)
    (refusal,) = plan(IN_PLACE, changed(undone, "main", last_reset_at=later)).refusals
    assert f'"main" is annotated as {RESTORED} and was reset or restored since' in refusal.message


def test_a_restore_in_place_with_no_branch_that_keeps_what_was_replaced_is_refused():
    """A name is missing: the branch that the restore preserved has been deleted, or renamed, by hand."""
    promoted = after(BY_BRANCH, WORLD)
    undone = after(IN_PLACE, promoted)
    kept = f"main.held.{RESTORED}.before.origin.2.in-place"
    assert ["provenance-unknown"] == rules(IN_PLACE, changed(undone, kept, name="renamed"))


def test_the_oldest_branch_without_annotations_is_the_first_primary_and_every_other_was_preserved():
    restored = after(ASKED, WORLD)
    preserved = {each.branch.name: each.preserved for each in lineage_of(restored).all}
    assert {"main": False, HELD: True} == preserved
    undone = after(DESIRED, restored)
    preserved = {each.branch.name: each.preserved for each in lineage_of(undone).all}
    first = f"main.held.{RESTORED}.before.origin.2"
    assert {"main": True, first: False} == preserved, "by a branch of its own the preserved one has come back"
    assert "in-place" not in first


def test_a_preserved_branch_that_came_back_carries_what_the_last_replacement_says():
    """It has no annotation, and is not the first primary: of itself it says nothing."""
    undone = after(DESIRED, after(ASKED, WORLD))
    first = named(undone.branches, f"main.held.{RESTORED}.before.origin.2")
    astray = changed(undone, first.name, name=f"main.held.{RESTORED}.before.{Timeline(OTHER.to)}.2")
    assert Timeline(OTHER.to) == lineage_of(astray).live.timeline


def test_an_annotation_that_was_passed_on_to_what_was_preserved_does_not_disagree_with_its_name():
    """Whether Neon passes annotations on to a preserved branch is not documented: both are read the same."""
    promoted = after(BY_BRANCH, WORLD)
    undone = after(IN_PLACE, promoted)
    kept = f"main.held.{RESTORED}.before.origin.2.in-place"
    second = after(asking(OTHER, IN_PLACE), undone)
    last = next(name for name in names(second) if name.startswith("main.held.origin.before") and ".3" in name)
    mark = named(second.branches, "main").mark
    assert Annotation("production", RESTORED) == mark
    passed_on = changed(changed(second, last, mark=mark), kept, mark=mark)
    assert isinstance(infer_lineage(IN_PLACE, passed_on.branches), ProvenanceUnknown | Lineage)
    alone = changed(second, "main", mark=None)
    refusal = infer_lineage(IN_PLACE, changed(alone, last, mark=mark).branches)
    assert isinstance(refusal, ProvenanceUnknown)
    assert f'"{last}" is annotated as {RESTORED}' in refusal.message


def test_a_name_that_says_in_place_tells_no_swap_of_names():
    """Without the primary, what was made at a replacement does not make way for anything."""
    restored = after(ASKED, WORLD)
    assert ["primary-missing"] == rules(ASKED, without(restored, "main"))


@pytest.mark.parametrize(
    ("name", "held"),
    [
        (HELD, HeldName("main", ORIGIN, RESTORED, in_place=True)),
        (f"main.held.{RESTORED}.before.origin.2.in-place", HeldName("main", RESTORED, ORIGIN, 2, in_place=True)),
        (f"main.held.{RESTORED}.before.origin.in-place.2", None),
    ],
)
def test_a_held_name_says_what_it_holds_what_replaced_it_its_number_and_whether_in_place(name, held):
    assert held == HeldName.parse("main", name)
    assert held is None or name == str(held) == held.name


# Where a moment comes from


def sequence(*restores: Restore | None, method: Method = Method.IN_PLACE) -> Observed:
    """The world after restores in place (None: back to origin) 8, 7, 6, … hours ago."""
    observed = WORLD
    for number, restore in enumerate(restores):
        observed = after(asking(restore, IN_PLACE, method), replace(observed, at=hours_ago(8 - number)))
    return replace(observed, at=WORLD.at)


FIRST, SECOND = Restore(hours_ago(20), "first"), Restore(hours_ago(10), "second")
OF_FIRST, OF_SECOND = (Timeline(each.to, each.id) for each in (FIRST, SECOND))


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
def test_a_moment_comes_from_the_branch_that_has_kept_what_was_live_then(restores, hours, expected, place):
    """Each restore in place preserves a branch at its moment, so that no moment in between is uncertain."""
    source = lineage_of(sequence(*restores)).source(Restore(hours_ago(hours)))
    assert isinstance(source, TimelineBranch), source
    assert expected == source.timeline
    assert place == ("main" if source.branch.name == "main" else "held")


def test_a_second_restore_of_an_older_moment_is_made_from_the_preserved_branch_and_put_into_the_primary():
    found = plan(asking(Restore(hours_ago(15), "again"), IN_PLACE), sequence(FIRST))
    held = f"main.held.origin.before.{OF_FIRST}.in-place"
    assert (held, held) == (found.steps[0].source, step_of(found.desired, sequence(FIRST), "RestoreBranch").source)


def test_from_names_no_preserved_branch_for_a_moment_before_it_got_what_it_holds():
    observed = sequence(FIRST, None)
    early = replace(FIRST, to=hours_ago(30), id="early", source=OF_FIRST)
    assert ["before-source-reset"] == rules(asking(early, IN_PLACE), observed)
    assert [] == rules(asking(replace(early, source=ORIGIN, to=hours_ago(0.01)), IN_PLACE), observed)


@pytest.mark.parametrize("inherits", [False, True])
def test_what_was_prepared_as_a_branch_and_preserved_in_place_has_no_moment_from_before_it_was_prepared(inherits):
    """Neon would refuse it, after everything else has been done and for ever."""
    restored = after(asking(FIRST, IN_PLACE, Method.BRANCH), replace(WORLD, at=hours_ago(8)))
    undone = replace(after(IN_PLACE, replace(restored, at=hours_ago(7))), at=WORLD.at)
    kept = f"main.held.{OF_FIRST}.before.origin.2.in-place"
    if inherits:
        undone = changed(undone, kept, mark=named(undone.branches, "main").mark)
    for hours, expected in ((8.5, ["before-source-existed"]), (7.5, [])):
        asked = Restore(hours_ago(hours), "x", source=OF_FIRST)
        assert expected == rules(asking(asked, IN_PLACE), undone)
        assert kept == lineage_of(undone).source(asked).branch.name


@pytest.mark.parametrize(("hours", "number"), [(15, ""), (6.5, ".3"), (7.5, ".3")])
def test_from_names_the_branch_of_a_timeline_that_has_the_moment_where_it_was_live_twice(hours, number):
    """The moment in between is in neither, and is refused by the times of the newest."""
    asked = Restore(hours_ago(hours), "x", source=ORIGIN)
    source = lineage_of(sequence(FIRST, None, FIRST)).source(asked)
    assert f"main.held.origin.before.{OF_FIRST}{number}.in-place" == source.branch.name
    expected = ["before-source-reset"] if hours == 7.5 else []
    assert expected == rules(asking(asked, IN_PLACE), sequence(FIRST, None, FIRST))


def source_of(observed: Observed, hours: float) -> TimelineBranch | Refusal:
    return lineage_of(observed).source(Restore(hours_ago(hours)))


def test_where_the_replacement_before_is_not_known_any_more_a_moment_may_belong_to_either():
    """The one that began what is held as the third was deleted: since when that was live is not known."""
    gap = without(sequence(FIRST, SECOND, None), f"main.held.{OF_FIRST}.before.{OF_SECOND}.2.in-place")
    found = [source_of(gap, hours) for hours in (15, 7.5, 6.5, 5.5)]
    assert [TimelineBranch, SourceAmbiguous, SourceAmbiguous, TimelineBranch] == [type(each) for each in found]
    assert (str(OF_SECOND),) == found[1].choices
    name = f"main.held.{OF_SECOND}.before.origin.3.in-place"
    ended = next(each.created_at for each in gap.branches if each.name == name)
    assert f'{OF_SECOND} (since an unknown time, until {ended}, on "{name}")' in found[1].message
    named_source = Restore(hours_ago(6.5), source=OF_SECOND)
    assert OF_SECOND == lineage_of(gap).source(named_source).timeline


def test_a_moment_for_which_no_branch_is_known_to_have_been_live_may_be_in_what_was_preserved():
    """How far back a preserved branch goes, only Neon knows: it is named, or nothing is done."""
    restored = after(asking(FIRST, IN_PLACE, Method.BRANCH), replace(WORLD, at=hours_ago(8)))
    undone = replace(after(IN_PLACE, replace(restored, at=hours_ago(7))), at=WORLD.at)
    before_all = source_of(undone, 24 * 6)
    assert isinstance(before_all, SourceAmbiguous)
    assert (str(OF_FIRST),) == before_all.choices
    assert isinstance(source_of(WORLD, 24 * 6), BeforeSourceExisted)


@pytest.mark.parametrize(("hours", "place"), [(6.5, "main"), (7.5, f"main.held.{OF_FIRST}.before.origin.2.in-place")])
def test_what_a_restore_in_place_has_begun_and_ended_is_certain_also_where_another_branch_had_it_before(hours, place):
    restored = after(asking(FIRST, IN_PLACE, Method.BRANCH), replace(WORLD, at=hours_ago(8)))
    undone = replace(after(IN_PLACE, replace(restored, at=hours_ago(7))), at=WORLD.at)
    assert place == source_of(undone, hours).branch.name


@pytest.mark.parametrize(("hours", "choices"), [(15, {"origin"}), (6.5, {"origin", str(OF_FIRST)})])
def test_where_both_methods_were_used_and_it_is_not_known_which_was_live_it_is_not_guessed(hours, choices):
    observed = replace(WORLD, at=hours_ago(8))
    for restore, method in ((FIRST, Method.IN_PLACE), (None, Method.BRANCH), (SECOND, Method.IN_PLACE)):
        observed = after(asking(restore, IN_PLACE, method), observed)
        observed = replace(observed, at=Instant(observed.at.milliseconds + 3_540_000))
    source = source_of(replace(observed, at=WORLD.at), hours)
    assert isinstance(source, SourceAmbiguous)
    assert choices == set(source.choices)
    assert len(choices) <= len(source.spans)
    assert [each for each in choices if f'"from": "{each}"' not in source.hint] == []
