"""What `status` says of what is held: since when, until when, how large, and what keeps it."""

from datetime import timedelta

from reconciler.cli.status_command import _as_text, _facts
from reconciler.core.plan import plan
from tests.core.in_place_worlds import BY_BRANCH, changed
from tests.core.test_pen import ENDED, LEAF, LEAF_CONFIG, UNDONE, later
from tests.core.worlds import DESIRED, WORLD, after


def facts(desired, observed):
    return _facts(plan(desired, observed), observed) | {"lease": None}


def test_each_unit_is_told_with_age_size_config_and_the_end_of_its_hold():
    world = changed(later(UNDONE, timedelta(days=1)), LEAF, size=31_457_280)
    (held,) = facts(DESIRED, world)["held"]
    assert (held["branch"], held["hyperdrive"], held["size_bytes"]) == (LEAF, [LEAF_CONFIG], 31_457_280)
    text = _as_text(facts(DESIRED, world), "")
    assert f"replaced 1 d ago, 31.5 MB, Hyperdrive config {LEAF_CONFIG}" in text.replace("1 d 1 min", "1 d")
    assert f"held until {held['held_until']} (5 d 23 h left)" in text


def test_what_an_apply_would_delete_is_told_and_what_can_never_go_says_why():
    assert "an apply deletes it" in _as_text(facts(DESIRED, ENDED), "")
    kept = _as_text(facts(BY_BRANCH, later(after(BY_BRANCH, WORLD), timedelta(days=30))), "")
    assert "and it is kept: main was made from it; Neon never deletes a project's first branch" in kept


def test_what_failed_is_held_as_well_and_nothing_of_ours_is_called_not_managed_here():
    world = changed(ENDED, LEAF, name=LEAF.replace(".before.origin.2", "").replace(".held.", ".failed."))
    told = facts(DESIRED, world)
    assert [each["fate"].endswith("an apply deletes it") for each in told["failed"]] == [True]
    assert (told["held"], told["unmanaged"]) == ([], [])


def test_a_branch_whose_size_and_age_are_not_told_has_no_line_about_them():
    world = changed(ENDED, LEAF, updated_at=None, endpoint=None)
    text = _as_text(facts(DESIRED, world), "")
    assert "kept: Neon does not tell when it was replaced" in text
    assert "replaced" not in text.replace("when it was replaced", "")
