"""What a primary that somebody restored by hand is told to carry from then on, and where that can't be right."""

from dataclasses import replace

import pytest

from reconciler.core.importing.adoption import Adoption, adoption
from reconciler.core.model.desired import Restore
from reconciler.core.model.observed import Annotation, Unknown
from reconciler.core.plan.plan import plan
from reconciler.core.steps.primary import RenameBranch
from reconciler.core.values.lsn import Lsn
from reconciler.core.values.timeline import ORIGIN, Timeline
from tests.core.files import ASKED_IN_PLACE as ASKED
from tests.core.files import DESIRED, RESTORE, RESTORED, asking, hours_ago
from tests.core.files import HELD_IN_PLACE as HELD
from tests.core.plans import after
from tests.core.worlds import MAIN, WORLD, changed, with_main

BY_HAND = Timeline(hours_ago(3), "by-hand")
RESET = hours_ago(2)
OLD = replace(MAIN, id="br-old", name="main_old_2026-11-22", created_at=RESET, default=False, endpoint=None)
PRESERVED = replace(WORLD, branches=(replace(MAIN, last_reset_at=RESET), OLD))


def renamed(observed, rename):
    return RenameBranch(branch=rename.branch, to=rename.to, reason="").predict(observed)


def adopted(desired, observed, timeline, held=""):
    """What is asked and there afterwards; and adopting it once more has nothing left to do."""
    found = adoption(desired, observed, timeline, held)
    assert isinstance(found, Adoption), found
    if found.rename is not None:
        observed = renamed(observed, found.rename)
    assert plan(found.asked, observed).live == timeline
    assert adoption(found.asked, observed, timeline) == replace(found, rename=None)
    return found, observed


def refused(desired, observed, timeline, held=""):
    found = adoption(desired, observed, timeline, held)
    assert not isinstance(found, Adoption)
    return found.message


def test_what_the_console_preserved_is_named_as_what_was_replaced_and_the_plan_is_in_sync():
    found, world = adopted(DESIRED, PRESERVED, BY_HAND)
    assert (found.rename.branch, found.rename.to) == (OLD.name, f"main.held.origin.before.{BY_HAND}.in-place")
    assert found.asked == asking(Restore(BY_HAND.to, BY_HAND.id))
    assert plan(found.asked, world).in_sync
    assert plan(found.asked, world).drift == ()
    assert plan(asking(None), world).lineage.timeline_branch(ORIGIN).branch.id == OLD.id


LSN = Timeline(Lsn.parse_strict("0/1A2B3C8"), "by-hand")


@pytest.mark.parametrize("source", [None, Timeline(hours_ago(9))])
def test_an_lsn_that_was_restored_by_hand_belongs_to_what_was_there_before_unless_somebody_says_another(source):
    found = adoption(DESIRED, PRESERVED, LSN, source=source)
    assert found.rename.to == f"main.held.origin.before.{LSN}.in-place"
    assert found.asked == asking(Restore(LSN.to, LSN.id, source=source or ORIGIN))
    assert adoption(found.asked, renamed(PRESERVED, found.rename), LSN) == replace(found, rename=None)


def test_an_lsn_that_is_told_already_belongs_to_what_it_has_replaced_also_where_the_file_was_not_written():
    asked = asking(Restore(LSN.to, LSN.id, source=ORIGIN))
    assert adoption(DESIRED, after(asked, WORLD), LSN) == Adoption(asked, None)
    named = adoption(DESIRED, PRESERVED, LSN)
    assert adoption(DESIRED, renamed(PRESERVED, named.rename), LSN) == replace(named, rename=None)


def test_an_lsn_of_which_nothing_tells_where_it_belongs_has_to_be_given_that():
    asked = asking(Restore(LSN.to, LSN.id, source=ORIGIN))
    restored = after(asked, WORLD)
    alone = replace(restored, branches=tuple(each for each in restored.branches if each.name == "main"))
    assert "nothing tells to which timeline 0/1A2B3C8 belongs: name it by --from" in refused(DESIRED, alone, LSN)
    assert adoption(DESIRED, alone, LSN, source=ORIGIN) == Adoption(asked, None)


def test_a_reset_after_a_restore_by_branch_holds_what_that_had_made_live():
    world = after(asking(RESTORE), WORLD)
    reset = replace(changed(world, "main", last_reset_at=hours_ago(-1)), at=hours_ago(-2))
    kept = replace(OLD, created_at=hours_ago(-1), parent_id=next(b.parent_id for b in world.branches))
    reset = replace(reset, branches=(*reset.branches, kept))
    assert [each.rule for each in plan(asking(RESTORE), reset).refusals] == ["provenance-unknown"]
    found, world = adopted(asking(RESTORE), reset, BY_HAND)
    assert found.rename.to == f"main.held.{RESTORED}.before.{BY_HAND}.2.in-place"
    assert plan(found.asked, world).refusals == ()


def test_a_branch_that_was_renamed_into_the_primarys_place_makes_what_was_the_primary_held():
    new = replace(MAIN, id="br-new", parent_id="br-main", created_at=RESET)
    swapped = replace(WORLD, branches=(replace(MAIN, name="main-broken", default=False), new))
    found, world = adopted(DESIRED, swapped, BY_HAND)
    assert (found.rename.branch, found.rename.to) == ("main-broken", f"main.held.origin.before.{BY_HAND}")
    assert plan(found.asked, world).in_sync


def test_a_restore_of_ours_whose_preserved_branch_was_renamed_is_told_again_by_the_files_own_timeline():
    world = changed(after(ASKED, WORLD), HELD, name="old")
    found, world = adopted(ASKED, world, ASKED.timeline)
    assert (found.rename.branch, found.rename.to) == ("old", HELD)
    assert found.asked == ASKED
    assert plan(ASKED, world).in_sync


def test_what_is_told_already_needs_no_name():
    found, _ = adopted(asking(RESTORE), PRESERVED, ORIGIN)
    assert (found.rename, found.asked) == (None, DESIRED)


@pytest.mark.parametrize(
    ("world", "timeline", "held", "said"),
    [
        (with_main(last_reset_at=RESET), BY_HAND, "", "no branch keeps what it held before"),
        (PRESERVED, BY_HAND, "main", '"main" is not a branch that was preserved or replaced then'),
        (PRESERVED, Timeline(hours_ago(1)), "", f"it got what it holds at {RESET}, before that moment"),
        (with_main(mark=Annotation("staging", RESTORED)), ORIGIN, "", 'annotated for environment "staging"'),
        (with_main(mark=Annotation("staging", RESTORED), last_reset_at=RESET), BY_HAND, "", "no branch keeps"),
        (with_main(name="gone"), BY_HAND, "", 'no branch is named "main"'),
        (replace(WORLD, branches=Unknown("no answer")), BY_HAND, "", "no branch is named"),
    ],
)
def test_what_can_not_be_right_is_refused_with_what_is_known(world, timeline, held, said):
    assert said in refused(DESIRED, world, timeline, held)


def test_where_two_branches_may_keep_it_one_has_to_be_named():
    other = replace(OLD, id="br-other", name="preview")
    world = replace(PRESERVED, branches=(*PRESERVED.branches, other))
    assert '"main_old_2026-11-22" and "preview" may each keep' in refused(DESIRED, world, BY_HAND)
    found, _ = adopted(DESIRED, world, BY_HAND, OLD.name)
    assert found.rename.branch == OLD.name


def test_a_branch_of_another_environment_keeps_nothing_of_this_one():
    world = replace(WORLD, branches=(PRESERVED.branches[0], replace(OLD, mark=Annotation("staging", RESTORED))))
    assert "no branch keeps" in refused(DESIRED, world, BY_HAND)


def test_the_timeline_that_was_live_before_needs_another_id():
    world = replace(
        PRESERVED, branches=tuple(replace(b, mark=Annotation("production", BY_HAND)) for b in PRESERVED.branches)
    )
    assert "give the restore another id" in refused(DESIRED, world, BY_HAND)


def test_signs_that_would_still_disagree_are_refused_and_quoted():
    claims = replace(
        MAIN, id="br-c", name=f"main.candidate.{BY_HAND}", mark=Annotation("production", BY_HAND), default=False
    )
    misnamed = replace(claims, id="br-d", name="mine")
    world = replace(PRESERVED, branches=(*PRESERVED.branches, claims, misnamed))
    assert 'whose branch would be "main.candidate' in refused(DESIRED, world, BY_HAND)


def test_where_a_swap_of_names_is_under_way_there_is_nothing_to_adopt():
    world = after(asking(RESTORE), WORLD)
    candidate = f"main.candidate.{RESTORED}"
    assert "no branch has its name" in refused(asking(RESTORE), changed(world, "main", name=candidate), BY_HAND)
