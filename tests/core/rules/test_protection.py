"""A primary that was protected is so again, as long as Neon's plan has room; a restore never waits for that."""

from dataclasses import replace

import pytest

from reconciler.core.model.desired import Method, Restore
from reconciler.core.model.observed import Branch
from reconciler.core.plan.plan import plan
from reconciler.core.steps.primary import ProtectBranch
from tests.core.files import CREATED, DESIRED, asking, hours_ago
from tests.core.plans import after
from tests.core.worlds import PROJECT, with_main

FIRST, SECOND = (asking(Restore(hours_ago(hours), name)) for hours, name in ((24, "first"), (1, "second")))


def on_plan(name, *others, protected=True):
    """A primary of a project on one of Neon's plans, and other branches."""
    observed = with_main(protected=protected)
    return replace(observed, project=replace(PROJECT, plan=name), branches=(*observed.branches, *others))


def of_others(count):
    return tuple(Branch(f"br-{number}", f"other {number}", CREATED, protected=True) for number in range(count))


def told(found):
    return [each for each in found.warnings if "protected branches" in each]


def protects(found):
    return any(isinstance(step, ProtectBranch) for step in found.steps)


@pytest.mark.parametrize(("name", "limit"), [("launch_v3", 2), ("scale_v3", 5)])
def test_a_restore_does_not_wait_for_room_and_says_that_the_primary_will_not_be_protected(name, limit):
    observed = on_plan(name, *of_others(limit - 1))
    found = plan(FIRST, observed)
    assert (found.refusals, protects(found)) == ((), False)
    (said,) = told(found)
    assert said.startswith("the primary was protected and is not any more after this: the project has ")
    assert f'has {limit} protected branches, and Neon\'s plan "{name}" allows {limit}.' in said
    assert "Neon Console" in said


def test_once_it_is_restored_nothing_is_pending_and_every_plan_says_so_until_there_is_room():
    restored = after(FIRST, on_plan("launch", *of_others(1)))
    found = plan(FIRST, restored)
    assert found.in_sync
    assert told(found)[0].startswith("the primary was protected and is not any more: the project has 2 protected")
    roomy = replace(
        restored, branches=tuple(replace(b, protected=b.protected and "other" not in b.name) for b in restored.branches)
    )
    assert protects(plan(FIRST, roomy))
    assert told(plan(FIRST, roomy)) == []


def test_a_person_may_give_the_protection_to_the_primary_instead():
    restored = after(FIRST, on_plan("launch", *of_others(1)))
    by_hand = replace(restored, branches=tuple(replace(b, protected=b.name == "main") for b in restored.branches))
    found = plan(FIRST, by_hand)
    assert (found.in_sync, told(found)) == (True, [])


@pytest.mark.parametrize(("name", "others"), [("launch", 0), ("scale", 3), ("enterprise", 9), ("", 9)])
def test_where_there_is_room_or_the_plan_is_unknown_it_is_protected_again_and_nothing_is_said(name, others):
    found = plan(FIRST, on_plan(name, *of_others(others)))
    assert protects(found)
    assert told(found) == []


def test_two_restores_of_a_protected_primary_fill_the_plan_and_the_second_is_not_refused():
    first = after(FIRST, on_plan("launch"))
    assert [each.protected for each in first.branches] == [True, True]
    second = plan(SECOND, first)
    assert (second.refusals, protects(second), len(told(second))) == ((), False, 1)


def test_in_place_the_primary_has_its_own_room_again():
    found = plan(asking(FIRST.primary.restore, method=Method.IN_PLACE), on_plan("launch", *of_others(1)))
    assert protects(found)
    assert told(found) == []


def test_in_place_on_a_plan_that_is_more_than_full_the_plan_says_that_protection_ends():
    found = plan(asking(FIRST.primary.restore, method=Method.IN_PLACE), on_plan("launch", *of_others(2)))
    assert (found.refusals, protects(found)) == ((), False)
    assert told(found)[0].startswith("the primary was protected and is not any more after this")


def test_nothing_is_said_where_the_primary_stays_or_was_never_protected():
    assert told(plan(DESIRED, on_plan("launch", *of_others(1)))) == []
    assert told(plan(FIRST, on_plan("launch", *of_others(2), protected=False))) == []


def test_no_step_takes_the_protection_of_what_is_held():
    observed = on_plan("launch", *of_others(1))
    for step in plan(FIRST, observed).steps:
        observed = step.predict(observed)
    held = [each for each in observed.branches if ".held." in each.name]
    assert [each.protected for each in held] == [True]


def test_a_protected_branch_that_comes_back_by_an_undo_needs_no_room_and_no_warning():
    restored = after(FIRST, on_plan("launch_v3"))
    assert sum(each.protected for each in restored.branches) == 2
    undo = plan(DESIRED, restored)
    assert undo.steps
    assert not told(undo)
    assert [each.protected for each in after(DESIRED, restored).branches if each.name == "main"] == [True]
