"""What differs from how it was left, told by what is asked and seen alone; docs/drift.md has each with its answer."""

from dataclasses import replace
from datetime import timedelta

import pytest

from reconciler.core.model.observed import Branch, Unknown, named
from reconciler.core.plan.drift import Answer
from reconciler.core.plan.plan import plan
from tests.core.files import ASKED_IN_PLACE as ASKED
from tests.core.files import BY_BRANCH, CREATED, DESIRED, HELD, IN_PLACE, OTHER, RESTORED, asking, hours_ago, primary
from tests.core.files import HELD_IN_PLACE as KEPT
from tests.core.plans import after, killed_after, rules, warnings
from tests.core.worlds import WORLD, changed, with_project, without

ONCE, PUT = after(BY_BRANCH, WORLD), after(ASKED, WORLD)
LATER, OLDER = asking(replace(OTHER, to=hours_ago(-0.5))), asking(OTHER)
TWICE = after(LATER, replace(ONCE, at=hours_ago(-1)))
NEWEST = f"main.held.{RESTORED}.before.{LATER.timeline}.2"
BACK = after(OLDER, ONCE)
MOVED = changed(WORLD, "main", name="main-old")
TWO_WORKERS = replace(DESIRED, workers=(*DESIRED.workers, replace(DESIRED.workers[0], config="jobs.jsonc")))
UNREAD = Unknown("no answer")


def told(desired, observed):
    return [each.what for each in plan(desired, observed).drift]


def of_config(observed, **changes):
    configs = tuple(replace(each, **changes) if each.name != "tech961" else each for each in observed.configs)
    return replace(observed, configs=configs)


NOTHING = {
    "origin is asked": (DESIRED, WORLD),
    "a branch is asked": (BY_BRANCH, WORLD),
    "in place is asked": (ASKED, WORLD),
    "restored by branch": (BY_BRANCH, ONCE),
    "restored in place": (ASKED, PUT),
    "restored twice": (LATER, TWICE),
    "not checked yet": (ASKED, changed(killed_after(ASKED, WORLD, "RestoreBranch"), "main", default=False)),
    "project unread": (DESIRED, replace(WORLD, project=UNREAD)),
    "branches unread": (DESIRED, replace(WORLD, branches=UNREAD)),
    "configs unread": (DESIRED, replace(WORLD, configs=UNREAD)),
    "a Worker unread": (DESIRED, replace(WORLD, workers=(UNREAD,))),
    "no hyperdrive in the file": (replace(DESIRED, hyperdrive=None, workers=()), replace(WORLD, workers=())),
    "a config that points nowhere": (
        DESIRED,
        replace(MOVED, configs=(replace(WORLD.configs[0], host="gone.example"),)),
    ),
}


@pytest.mark.parametrize(("desired", "observed"), NOTHING.values(), ids=NOTHING)
def test_nothing_has_drifted_where(desired, observed):
    assert told(desired, observed) == []


CHANGED = of_config(changed(ONCE, "main", default=False, expires_at=hours_ago(-1)), database="other", user="reader")
DRIFT = {
    "everything": (
        BY_BRANCH, CHANGED,
        [
            f'Neon will delete "main" at {hours_ago(-1)}, and it must not expire',
            'the default branch is none, not "main"',
            f'the database of Hyperdrive config "tech961-{RESTORED}" is other, not tech961',
            f'the user of Hyperdrive config "tech961-{RESTORED}" is reader, not app',
        ],
    ),
    "the compute": (DESIRED, changed(WORLD, "main", endpoint=None), ['"main" has no compute, so nothing can query it']),
    "the primary": (DESIRED, MOVED, ['the branch that tech961-api uses is called "main-old", not "main"']),
    "the primary of two Workers": (
        TWO_WORKERS, replace(MOVED, workers=(WORLD.workers[0], replace(WORLD.workers[0], script="tech961-jobs"))),
        ['the branch that tech961-api, tech961-jobs use is called "main-old", not "main"'],
    ),
    "what is held": (
        BY_BRANCH, changed(ONCE, HELD, name="old"), [f'the parent of "main" is called "old", not "{HELD}"']
    ),
    "what was held before": (
        LATER, changed(TWICE, HELD, name="old"), [f'the parent of "{NEWEST}" is called "old", not held']
    ),
    "what is held last": (
        LATER, changed(TWICE, NEWEST, name="old", mark=None),
        [f'the parent of "main" is called "old", not "{NEWEST}"'],
    ),
    "what was held before, and is live": (
        OLDER, changed(BACK, HELD, name="old"),
        [
            'the parent of "main" is called "old", not held',
            f'the parent of "main.held.{RESTORED}.before.{OLDER.timeline}.2" is called "old", not held',
        ],
    ),
    "a protection": (primary(protected=True), WORLD, ['"main" is not protected, but the file asks for it']),
}  # fmt: skip


@pytest.mark.parametrize(("desired", "observed", "said"), DRIFT.values(), ids=DRIFT)
def test_what_drifted_is_named(desired, observed, said):
    assert told(desired, observed) == said


def test_a_renamed_primary_is_refused():
    assert {each.answer for each in plan(DESIRED, MOVED).drift} == {Answer.REFUSED}


def test_a_reset_without_a_name_is_refused():
    seen = changed(PUT, KEPT, name="old")
    (said,) = plan(ASKED, seen).drift
    assert said.what.endswith('no branch name says what it held ("old" was created then)')
    assert (said.answer, rules(ASKED, seen)) == (Answer.REFUSED, ["before-source-reset"])


@pytest.mark.parametrize("desired", [ASKED, IN_PLACE])
def test_a_lost_newest_replacement_is_refused(desired):
    """Else it would be restored again, or origin taken for live."""
    world = WORLD
    for number, each in enumerate((ASKED, IN_PLACE, ASKED)):
        world = after(each, replace(world, at=hours_ago(-number)))
    seen = without(world, f"main.held.origin.before.{RESTORED}.3.in-place")
    assert rules(desired, seen) == ["provenance-unknown"]


@pytest.mark.parametrize(
    ("hold", "days", "said"), [(timedelta(days=7), 6, 1), (timedelta(days=7), 8, 0), (None, 400, 1)]
)
def test_a_held_expiry_is_drift_where_too_early(hold, days, said):
    asked = primary(ASKED, hold=hold)
    made = named(PUT.branches, KEPT).created_at
    found = plan(asked, changed(after(asked, WORLD), KEPT, expires_at=made.after(timedelta(days=days)))).drift
    assert [each.answer for each in found] == [Answer.LEFT] * said


def test_protection_without_room_is_no_drift():
    others = tuple(Branch(f"br-{n}", f"staging-{n}", CREATED, protected=True) for n in range(2))
    full = with_project(replace(WORLD, branches=(*WORLD.branches, *others)), plan="launch")
    found = plan(primary(protected=True), full)
    assert (found.in_sync, found.drift) == (True, ())
    assert warnings(primary(protected=True), full, "2 protected branches")
