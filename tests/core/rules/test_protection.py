"""A primary that was protected is so again, as long as Neon's plan has room; a restore never waits for that."""

from dataclasses import replace

import pytest

from reconciler.core.model.desired import Method, Restore
from reconciler.core.model.observed import Branch
from reconciler.core.plan.plan import plan
from tests.core.files import CREATED, DESIRED, asking, hours_ago
from tests.core.plans import after, carried_out, planned, rules, warnings
from tests.core.worlds import with_main, with_project

FIRST, SECOND = (asking(Restore(hours_ago(hours), name)) for hours, name in ((24, "first"), (1, "second")))
FIRST_IN_PLACE = asking(FIRST.primary.restore, method=Method.IN_PLACE)


def on_plan(name, others=0, protected=True):
    """A primary of a project on one of Neon's plans, and other branches that are protected."""
    more = tuple(Branch(f"br-{number}", f"other {number}", CREATED, protected=True) for number in range(others))
    observed = with_project(with_main(protected=protected), plan=name)
    return replace(observed, branches=(*observed.branches, *more))


def room(desired, observed):
    """Whether a plan protects the primary, and how many warnings of missing room it has."""
    return "ProtectBranch" in planned(desired, observed), len(warnings(desired, observed, "protected branches"))


def protecting(observed, which):
    return replace(observed, branches=tuple(replace(each, protected=which(each)) for each in observed.branches))


RESTORED = after(FIRST, on_plan("launch", 1))
ROOMY = protecting(RESTORED, lambda each: each.protected and "other" not in each.name)
FILLED = after(FIRST, on_plan("launch"))
CASES = {
    "room on launch": (FIRST, on_plan("launch"), True, 0),
    "room on scale": (FIRST, on_plan("scale", 3), True, 0),
    "room on enterprise": (FIRST, on_plan("enterprise", 9), True, 0),
    "an unknown plan": (FIRST, on_plan("", 9), True, 0),
    "full": (FIRST, on_plan("launch_v3", 1), False, 1),
    "full on scale": (FIRST, on_plan("scale_v3", 4), False, 1),
    "full, and restored": (FIRST, RESTORED, False, 1),
    "restored, and room by now": (FIRST, ROOMY, True, 0),
    "given to the primary by hand": (FIRST, protecting(RESTORED, lambda each: each.name == "main"), False, 0),
    "a second restore": (SECOND, FILLED, False, 1),
    "in place it has its own room": (FIRST_IN_PLACE, on_plan("launch", 1), True, 0),
    "in place, more than full": (FIRST_IN_PLACE, on_plan("launch", 2), False, 1),
    "no restore": (DESIRED, on_plan("launch", 1), False, 0),
    "never protected": (FIRST, on_plan("launch", 2, protected=False), False, 0),
    "an undo": (DESIRED, after(FIRST, on_plan("launch_v3")), False, 0),
}


@pytest.mark.parametrize(("desired", "observed", "protects", "warned"), CASES.values(), ids=CASES)
def test_a_restored_primary_is_protected_with_room(desired, observed, protects, warned):
    assert ((protects, warned), []) == (room(desired, observed), rules(desired, observed))


@pytest.mark.parametrize(("name", "limit"), [("launch_v3", 2), ("scale_v3", 5)])
def test_missing_room_is_said_with_numbers(name, limit):
    (said,) = warnings(FIRST, on_plan(name, limit - 1), "protected branches")
    assert f'has {limit} protected branches, and Neon\'s plan "{name}" allows {limit}.' in said
    assert "Neon Console" in said


def test_missing_room_leaves_nothing_pending():
    assert plan(FIRST, RESTORED).in_sync


@pytest.mark.parametrize("others", [0, 1])
def test_what_is_held_stays_protected(others):
    observed = on_plan("launch", others)
    held = [each for each in carried_out(plan(FIRST, observed).steps, observed).branches if ".held." in each.name]
    assert [each.protected for each in held] == [True]


def test_an_undo_brings_the_protection_back():
    undone = after(DESIRED, FILLED)
    assert [each.protected for each in undone.branches if each.name == "main"] == [True]
