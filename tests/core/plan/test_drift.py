"""What differs from how it was left, told by what is asked and seen alone; docs/drift.md has each with its answer."""

from dataclasses import replace
from datetime import timedelta

import pytest

from reconciler.core.model.observed import Branch, Unknown
from reconciler.core.plan.drift import Answer
from reconciler.core.plan.plan import plan
from tests.core.files import ASKED_IN_PLACE as ASKED
from tests.core.files import CREATED, DESIRED, IN_PLACE, OTHER, RESTORE, RESTORED, asking, hours_ago
from tests.core.files import HELD_IN_PLACE as HELD
from tests.core.plans import after, killed_after, rules
from tests.core.worlds import PROJECT, SEEN, WORLD, changed, without

BY_BRANCH = asking(RESTORE)


def told(desired, observed):
    return [each.what for each in plan(desired, observed).drift]


def of_config(observed, **changes):
    configs = tuple(replace(each, **changes) if each.name != "tech961" else each for each in observed.configs)
    return replace(observed, configs=configs)


@pytest.mark.parametrize("desired", [DESIRED, BY_BRANCH, ASKED], ids=["origin", "branch", "in place"])
def test_nothing_is_said_of_what_is_in_sync_nor_of_what_is_on_its_way(desired):
    assert told(desired, WORLD) == []
    assert told(desired, after(desired, WORLD)) == []


@pytest.mark.parametrize("unread", ["project", "branches", "configs"])
def test_what_can_not_be_read_has_not_drifted(unread):
    assert told(DESIRED, replace(WORLD, **{unread: Unknown("no answer")})) == []


def test_a_worker_that_can_not_be_read_has_not_drifted():
    assert told(DESIRED, replace(WORLD, workers=(Unknown("no answer"),))) == []


def test_without_hyperdrive_in_the_file_nothing_is_said_of_it():
    moved = replace(WORLD, workers=())
    assert told(replace(DESIRED, hyperdrive=None, workers=()), moved) == []


def test_each_thing_that_was_changed_is_said_with_what_it_is_and_what_it_is_not():
    seen = changed(after(BY_BRANCH, WORLD), "main", default=False, expires_at=hours_ago(-1))
    seen = of_config(seen, database="other", user="reader")
    assert told(BY_BRANCH, seen) == [
        f'"main" is to be deleted by Neon at {hours_ago(-1)}, and must not expire',
        'the default branch is none, not "main"',
        f'the database of Hyperdrive config "tech961-{RESTORED}" is other, not tech961',
        f'the user of Hyperdrive config "tech961-{RESTORED}" is reader, not app',
    ]


def test_a_primary_without_a_compute_is_said_and_nothing_of_where_its_config_leads():
    assert told(DESIRED, changed(WORLD, "main", endpoint=None)) == ['"main" has no compute, so nothing can query it']


def test_a_primary_that_is_gone_is_named_by_who_uses_it():
    seen = changed(WORLD, "main", name="main-old")
    assert told(DESIRED, seen) == ['the branch that tech961-api uses is called "main-old", not "main"']
    assert {each.answer for each in plan(DESIRED, seen).drift} == {Answer.REFUSED}
    two = replace(seen, workers=(SEEN, replace(SEEN, script="tech961-jobs")))
    workers = (*DESIRED.workers, replace(DESIRED.workers[0], config="jobs.jsonc"))
    assert told(replace(DESIRED, workers=workers), two) == [
        'the branch that tech961-api, tech961-jobs use is called "main-old", not "main"'
    ]


def test_a_config_that_leads_nowhere_names_no_branch():
    seen = changed(replace(WORLD, configs=(replace(WORLD.configs[0], host="gone.example"),)), "main", name="main-old")
    assert told(DESIRED, seen) == []


def test_what_the_live_branch_was_made_from_is_expected_under_the_name_that_says_it():
    seen = after(BY_BRANCH, WORLD)
    held = f"main.held.origin.before.{RESTORED}"
    assert told(BY_BRANCH, changed(seen, held, name="old")) == [
        f'what "main" was made from is called "old", not "{held}"'
    ]


def test_of_a_later_replacement_the_name_has_its_number_and_an_older_one_is_only_said_not_to_be_held():
    later = asking(replace(OTHER, to=hours_ago(-0.5)))
    seen = after(later, replace(after(BY_BRANCH, WORLD), at=hours_ago(-1)))
    newest = f"main.held.{RESTORED}.before.{later.timeline}.2"
    assert told(later, seen) == []
    assert told(later, changed(seen, f"main.held.origin.before.{RESTORED}", name="old")) == [
        f'what "{newest}" was made from is called "old", not held'
    ]
    assert told(later, changed(seen, newest, name="old", mark=None)) == [
        f'what "main" was made from is called "old", not "main.held.{RESTORED}.before.{later.timeline}.2"'
    ]


def test_what_was_not_replaced_last_is_only_said_not_to_be_held_also_where_the_live_branch_was_made_from_it():
    older = asking(OTHER)
    seen = after(older, after(BY_BRANCH, WORLD))
    assert told(older, changed(seen, f"main.held.origin.before.{RESTORED}", name="old")) == [
        'what "main" was made from is called "old", not held',
        f'what "main.held.{RESTORED}.before.{older.timeline}.2" was made from is called "old", not held',
    ]


def test_a_reset_that_no_name_accounts_for_is_said_with_what_was_made_then():
    seen = changed(after(ASKED, WORLD), HELD, name="old")
    (said,) = plan(ASKED, seen).drift
    assert said.what.endswith('no name says what keeps what it held ("old" was made then)')
    assert said.answer is Answer.REFUSED
    assert rules(ASKED, seen) == ["before-source-reset"]


def test_a_primary_whose_newest_replacement_is_not_there_is_refused_also_where_origin_would_be_live():
    world = WORLD
    for number, desired in enumerate((ASKED, IN_PLACE, ASKED)):
        world = after(desired, replace(world, at=hours_ago(-number)))
    newest = f"main.held.origin.before.{RESTORED}.3.in-place"
    seen = without(world, newest)
    assert rules(ASKED, seen) == ["provenance-unknown"], "it would be restored again"
    assert rules(IN_PLACE, seen) == ["provenance-unknown"]


@pytest.mark.parametrize(
    ("hold", "days", "said"), [(timedelta(days=7), 6, 1), (timedelta(days=7), 8, 0), (None, 400, 1)]
)
def test_an_expiry_of_what_is_held_is_drift_only_where_it_comes_too_early_for_certain(hold, days, said):
    asked = replace(ASKED, primary=replace(ASKED.primary, hold=hold))
    seen = after(asked, WORLD)
    made = next(each.created_at for each in seen.branches if each.name == HELD)
    seen = changed(seen, HELD, expires_at=made.before(-timedelta(days=days)))
    found = plan(asked, seen).drift
    assert len(found) == said
    assert all(each.answer is Answer.LEFT for each in found)


def test_what_a_restore_has_not_checked_yet_has_not_drifted():
    assert told(ASKED, changed(killed_after(ASKED, WORLD, "RestoreBranch"), "main", default=False)) == []


def test_a_protection_that_neons_plan_has_no_room_for_is_a_warning_and_not_said_to_be_put_right():
    desired = replace(DESIRED, primary=replace(DESIRED.primary, protected=True))
    others = tuple(Branch(f"br-{n}", f"staging-{n}", CREATED, protected=True) for n in range(2))
    observed = replace(WORLD, branches=(*WORLD.branches, *others))
    full = replace(observed, project=replace(PROJECT, plan="launch"))
    assert told(desired, observed) == ['"main" is not protected, and the file asks for it']
    found = plan(desired, full)
    assert (found.in_sync, found.drift) == (True, ())
    assert ["2 protected branches" in each for each in found.warnings] == [True]
