"""An expiry at Neon for what is held: who gets one, when it is taken away, and that it stays as it is otherwise."""

from dataclasses import replace
from datetime import timedelta

import pytest

from reconciler.core.model.desired import DeclaredBranch, Desired
from reconciler.core.model.observed import Observed, Unknown, Use, named
from reconciler.core.plan.drift import Answer
from reconciler.core.plan.plan import plan
from reconciler.core.rules.context.planning import PlanningContext, read
from reconciler.core.rules.retention import expiry
from reconciler.core.steps.branch import ClearExpiry, ExpireHeldBranch
from reconciler.core.steps.hyperdrive import DeleteHyperdrive
from reconciler.core.steps.primary import DeleteBranch
from tests.core.in_place_worlds import ASKED, HELD, IN_PLACE, changed, kinds, lineage_of, rules
from tests.core.rules.test_retention import LEAF, LEAF_CONFIG, UNDONE, later, of_leaf
from tests.core.worlds import DESIRED, WORLD, after, hours_ago

DAY = timedelta(days=1)


def asking(wanted: bool | None, hold: timedelta | None = 7 * DAY, desired: Desired = DESIRED) -> Desired:
    return replace(desired, primary=replace(desired.primary, expire_on_neon=wanted, hold=hold))


def with_history(observed: Observed, span: timedelta) -> Observed:
    return replace(observed, project=replace(observed.project, history=span))


ON, OFF = asking(True), asking(False)
SEEN = later(UNDONE, timedelta(hours=2))
GIVEN = (ExpireHeldBranch(branch=LEAF, seconds=14 * 86_400, reason=""),)
CLEARED = (ClearExpiry(branch=LEAF, reason=""),)
DELETED = DeleteBranch(branch=LEAF, reason="")
EXPIRING = after(ON, SEEN)


def test_what_nothing_needs_gets_an_expiry_a_week_after_its_hold_once():
    assert plan(ON, SEEN).steps == GIVEN
    leaf = named(EXPIRING.branches, LEAF)
    assert leaf.expires_at == SEEN.at.after(14 * DAY)
    assert plan(ON, EXPIRING).in_sync
    assert plan(ON, later(EXPIRING, 6 * DAY)).in_sync
    fate = of_leaf(EXPIRING).fate(EXPIRING.at)
    assert fate.endswith(f"; Neon deletes it at {leaf.expires_at} by itself")


def test_the_plan_is_the_same_a_minute_later():
    assert plan(ON, SEEN).digest == plan(ON, later(SEEN, timedelta(minutes=1))).digest


def test_what_is_protected_gets_none_as_neon_lets_no_such_branch_expire_also_where_the_file_would_delete_it():
    shielded = changed(SEEN, LEAF, protected=True, mark=replace(named(SEEN.branches, LEAF).mark, protects=True))
    desired = replace(ON, primary=replace(ON.primary, unprotect_held=True, protected=False))
    assert plan(desired, shielded).in_sync


def test_that_neon_counts_it_as_a_change_asks_for_no_other_one():
    told = changed(EXPIRING, LEAF, updated_at=SEEN.at.after(timedelta(seconds=30)))
    assert plan(ON, told).in_sync
    assert plan(ON, with_history(told, 14 * DAY)).in_sync, "what it may be asked for lies as long after that change"


@pytest.mark.parametrize(
    ("desired", "observed"),
    [
        (asking(None), SEEN),
        (OFF, SEEN),
        (asking(True, None), SEEN),
        (asking(True, 23 * DAY), SEEN),
        (ON, later(UNDONE, timedelta(minutes=50))),
        (ON, replace(SEEN, uses=Unknown("no answer"))),
        (ON, replace(SEEN, uses=(Use("other", named(SEEN.configs, LEAF_CONFIG).id),))),
        (ON, changed(SEEN, LEAF, protected=True)),
        (ON, changed(SEEN, LEAF, updated_at=None)),
        (ON, replace(later(UNDONE, 8 * DAY), uses=Unknown("no answer"))),
    ],
    ids=["not asked", "not wanted", "for ever", "too long", "fresh", "unknown", "used", "protected", "when", "ended"],
)
def test_nothing_gets_an_expiry_where(desired, observed):
    assert "ExpireHeld" not in kinds(plan(desired, observed).steps)


def refused_of_a_branch(desired: Desired) -> Desired:
    return replace(desired, branches=(DeclaredBranch("staging", parent="nowhere"),))


@pytest.mark.parametrize(
    ("desired", "observed", "steps"),
    [
        (ON, SEEN, GIVEN),
        (asking(True, None), EXPIRING, CLEARED),
        (ON, later(UNDONE, 8 * DAY), (DeleteHyperdrive(name=LEAF_CONFIG, branch=LEAF, reason=""), DELETED)),
    ],
    ids=["given", "taken away", "deleted"],
)
def test_what_is_refused_of_a_declared_branch_changes_nothing_of_what_becomes_of_what_is_held(desired, observed, steps):
    both = refused_of_a_branch(desired)
    assert plan(both, observed).steps == steps == plan(desired, observed).steps
    assert rules(both, observed) == ["child-parent"]


def test_the_longest_hold_with_an_expiry_stays_within_what_neon_takes():
    (step,) = plan(asking(True, 22 * DAY), SEEN).steps
    assert step == ExpireHeldBranch(branch=LEAF, seconds=29 * 86_400, reason="")


def test_what_is_held_too_long_is_deleted_and_gets_none():
    ended = later(UNDONE, 8 * DAY)
    assert kinds(plan(ON, ended).steps) == ["DeleteHyperdrive", "DeleteBranch"]
    context = read(ON, ended)
    assert isinstance(context, PlanningContext)
    assert expiry.give(context) == ()


@pytest.mark.parametrize(
    ("desired", "observed", "why"),
    [
        (OFF, EXPIRING, "the file says"),
        (asking(True, None), EXPIRING, "held for longer than"),
        (asking(True, 23 * DAY), EXPIRING, "held for longer than"),
        (ON, replace(EXPIRING, uses=(Use("other", named(SEEN.configs, LEAF_CONFIG).id),)), "Worker other is bound"),
    ],
    ids=["not wanted", "for ever", "too long", "used"],
)
def test_an_expiry_is_taken_away_where(desired, observed, why):
    found = plan(desired, observed)
    assert found.steps == CLEARED
    assert why in found.steps[0].reason
    assert plan(desired, after(desired, observed)).in_sync


def test_what_the_file_says_nothing_of_is_left_as_it_is():
    assert plan(DESIRED, EXPIRING).in_sync


def test_a_branch_that_neon_is_at_work_on_keeps_its_expiry_until_that_is_done():
    assert plan(OFF, changed(EXPIRING, LEAF, ready=False)).in_sync


def test_a_longer_hold_moves_the_expiry():
    assert plan(asking(True, 20 * DAY), EXPIRING).steps == (
        ExpireHeldBranch(branch=LEAF, seconds=27 * 86_400, reason=""),
    )


def test_what_a_moment_can_be_asked_of_for_longer_gets_none_and_loses_the_one_that_it_has():
    long = 15 * DAY
    assert plan(ON, with_history(SEEN, long)).in_sync
    assert plan(ON, with_history(EXPIRING, long)).steps == CLEARED
    assert plan(ON, with_history(EXPIRING, long - DAY)).in_sync


def test_an_expiry_by_hand_long_after_the_hold_is_judged_by_when_it_comes():
    sooner = changed(with_history(SEEN, 10 * DAY), LEAF, expires_at=SEEN.at.after(8 * DAY))
    assert plan(ON, sooner).steps == (*CLEARED, *GIVEN)
    assert plan(ON, changed(SEEN, LEAF, expires_at=SEEN.at.after(8 * DAY))).in_sync


def test_an_expiry_by_hand_that_is_too_early_is_put_right():
    found = plan(ON, changed(SEEN, LEAF, expires_at=SEEN.at.after(DAY)))
    assert found.steps == GIVEN
    assert [each.answer for each in found.drift] == [Answer.REPAIRED]


def uses_asked(desired: Desired, observed: Observed) -> bool:
    return expiry.must_know_uses(desired, observed, lineage_of(observed, desired))


def test_who_uses_it_is_asked_only_where_an_expiry_depends_on_that():
    kept = changed(SEEN, LEAF, protected=True)
    assert [uses_asked(ON, each) for each in (SEEN, EXPIRING, kept)] == [True, True, False]
    assert not uses_asked(OFF, EXPIRING)
    assert not uses_asked(DESIRED, SEEN)


def test_what_is_to_be_made_from_a_held_branch_takes_its_expiry_away_first():
    restored = changed(after(ASKED, WORLD), HELD, expires_at=hours_ago(-2))
    found = plan(asking(True, desired=IN_PLACE), restored)
    assert kinds(found.steps)[:2] == ["ClearExpiry", "CreateBranch"]
    assert rules(IN_PLACE, restored) == ["source-expires"]


def test_an_expiry_stays_where_a_restore_is_refused_for_another_reason_or_the_branch_is_not_held():
    again = asking(True, desired=ASKED)
    assert rules(again, changed(WORLD, "main", expires_at=hours_ago(-2))) == ["source-expires"]
    restored = changed(after(ASKED, WORLD), HELD, expires_at=hours_ago(-2))
    full = replace(restored, project=replace(restored.project, branches_limit=1))
    assert rules(asking(True, desired=IN_PLACE), full) == ["branch-limit", "source-expires"]
