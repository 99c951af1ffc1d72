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
from tests.core.files import ASKED_IN_PLACE, DESIRED, HELD_IN_PLACE, IN_PLACE, hours_ago, primary
from tests.core.plans import after, lineage_of, planned, rules
from tests.core.rules.test_retention import CONFIG_ID, DAY, LEAF, LEAF_CONFIG, UNDONE, later, of_leaf
from tests.core.worlds import WORLD, changed, with_project


def asking(wanted: bool | None, hold: timedelta | None = 7 * DAY, desired: Desired = DESIRED, **more) -> Desired:
    return primary(desired, expire_on_neon=wanted, hold=hold, **more)


def given(days: int) -> tuple[ExpireHeldBranch]:
    return (ExpireHeldBranch(branch=LEAF, seconds=days * 86_400, reason=""),)


ON, OFF = asking(True), asking(False)
SEEN = later(UNDONE, timedelta(hours=2))
CLEARED = (ClearExpiry(branch=LEAF, reason=""),)
EXPIRING = after(ON, SEEN)
USED = (Use("other", CONFIG_ID),)
ENDED = later(UNDONE, 8 * DAY)
SHIELDED = changed(SEEN, LEAF, protected=True, mark=replace(named(SEEN.branches, LEAF).mark, protects=True))
TOUCHED = changed(EXPIRING, LEAF, updated_at=SEEN.at.after(timedelta(seconds=30)))
SOON = changed(SEEN, LEAF, expires_at=SEEN.at.after(8 * DAY))
DELETED = (DeleteHyperdrive(name=LEAF_CONFIG, branch=LEAF, reason=""), DeleteBranch(branch=LEAF, reason=""))

GIVEN = {
    "asked": (ON, SEEN, given(14)),
    "as long as Neon takes": (asking(True, 22 * DAY), SEEN, given(29)),
    "a longer hold": (asking(True, 20 * DAY), EXPIRING, given(27)),
    "too early, by hand": (ON, changed(SEEN, LEAF, expires_at=SEEN.at.after(DAY)), given(14)),
    "it is deleted instead": (ON, ENDED, DELETED),
}
LEFT = {
    "not asked": (asking(None), SEEN),
    "not wanted": (OFF, SEEN),
    "held for ever": (asking(True, None), SEEN),
    "held too long": (asking(True, 23 * DAY), SEEN),
    "fresh": (ON, later(UNDONE, timedelta(minutes=50))),
    "users unknown": (ON, replace(SEEN, uses=Unknown("no answer"))),
    "used": (ON, replace(SEEN, uses=USED)),
    "protected by hand": (ON, changed(SEEN, LEAF, protected=True)),
    "protected, to be deleted": (asking(True, unprotect_held=True, protected=False), SHIELDED),
    "replaced at an unknown time": (ON, changed(SEEN, LEAF, updated_at=None)),
    "ended, users unknown": (ON, replace(ENDED, uses=Unknown("no answer"))),
    "its moments can be asked for longer": (ON, with_project(SEEN, history=15 * DAY)),
    "given": (ON, EXPIRING),
    "given, and six days later": (ON, later(EXPIRING, 6 * DAY)),
    "given, which Neon counts as a change": (ON, TOUCHED),
    "and its moments lie as long after that": (ON, with_project(TOUCHED, history=14 * DAY)),
    "given, and its moments go before": (ON, with_project(EXPIRING, history=14 * DAY)),
    "given, and the file says nothing": (DESIRED, EXPIRING),
    "given, and Neon is at work": (OFF, changed(EXPIRING, LEAF, ready=False)),
    "by hand, soon after the hold": (ON, SOON),
}
TAKEN = {
    "not wanted": (OFF, EXPIRING, "the file sets"),
    "held for ever": (asking(True, None), EXPIRING, "held for longer than"),
    "held too long": (asking(True, 23 * DAY), EXPIRING, "held for longer than"),
    "used": (ON, replace(EXPIRING, uses=USED), "Worker other is bound"),
    "its moments can be asked for longer": (ON, with_project(EXPIRING, history=15 * DAY), "can be asked for"),
}


@pytest.mark.parametrize(("desired", "observed", "steps"), GIVEN.values(), ids=GIVEN)
def test_an_expiry_is_given_where(desired, observed, steps):
    assert plan(desired, observed).steps == steps


@pytest.mark.parametrize(("desired", "observed"), LEFT.values(), ids=LEFT)
def test_nothing_expires_or_changes_where(desired, observed):
    assert [each for each in planned(desired, observed) if each != "ProtectBranch"] == []


@pytest.mark.parametrize(("desired", "observed", "why"), TAKEN.values(), ids=TAKEN)
def test_an_expiry_is_taken_away_where(desired, observed, why):
    (step,) = plan(desired, observed).steps
    assert (step, why in step.reason) == (*CLEARED, True)
    assert plan(desired, after(desired, observed)).in_sync


def test_an_expiry_comes_a_week_after_the_hold():
    leaf = named(EXPIRING.branches, LEAF)
    assert leaf.expires_at == SEEN.at.after(14 * DAY)
    assert of_leaf(EXPIRING).fate(EXPIRING.at).endswith(f"; Neon deletes it at {leaf.expires_at} by itself")


def test_a_minute_changes_no_digest():
    assert plan(ON, SEEN).digest == plan(ON, later(SEEN, timedelta(minutes=1))).digest


@pytest.mark.parametrize(
    ("desired", "observed", "steps"),
    [(ON, SEEN, given(14)), (asking(True, None), EXPIRING, CLEARED), (ON, ENDED, DELETED)],
)
def test_a_refused_declared_branch_changes_nothing_here(desired, observed, steps):
    both = replace(desired, branches=(DeclaredBranch("staging", parent="nowhere"),))
    assert (plan(both, observed).steps, rules(both, observed)) == (steps, ["child-parent"])


def test_what_ended_is_never_given_an_expiry():
    context = read(ON, ENDED)
    assert isinstance(context, PlanningContext)
    assert expiry.set_expiry(context) == ()


def test_an_expiry_within_the_history_is_replaced():
    assert plan(ON, with_project(SOON, history=10 * DAY)).steps == (*CLEARED, *given(14))


def test_an_expiry_that_is_too_early_is_drift():
    found = plan(ON, changed(SEEN, LEAF, expires_at=SEEN.at.after(DAY)))
    assert [each.answer for each in found.drift] == [Answer.REPAIRED]


@pytest.mark.parametrize(
    ("desired", "observed", "asked"),
    [
        (ON, SEEN, True),
        (ON, EXPIRING, True),
        (ON, changed(SEEN, LEAF, protected=True), False),
        (OFF, EXPIRING, False),
        (DESIRED, SEEN, False),
    ],
)
def test_users_are_read_where_an_expiry_needs_them(desired, observed, asked):
    assert asked == expiry.must_know_uses(desired, observed, lineage_of(observed, desired))


# What is to be made from a held branch

AGAIN, NOW_UNDONE = (asking(True, desired=each) for each in (ASKED_IN_PLACE, IN_PLACE))


def expiring(observed: Observed, name: str) -> Observed:
    return changed(observed, name, expires_at=hours_ago(-2))


RESTORED_WORLD = expiring(after(ASKED_IN_PLACE, WORLD), HELD_IN_PLACE)


def test_a_source_loses_its_expiry_first():
    assert planned(NOW_UNDONE, RESTORED_WORLD)[:2] == ["ClearExpiry", "CreateBranch"]


@pytest.mark.parametrize(
    ("desired", "observed", "refused"),
    [
        (IN_PLACE, RESTORED_WORLD, ["source-expires"]),
        (AGAIN, expiring(WORLD, "main"), ["source-expires"]),
        (
            asking(True, desired=IN_PLACE),
            with_project(RESTORED_WORLD, branches_limit=1),
            ["branch-limit", "source-expires"],
        ),
    ],
    ids=["not asked", "not held", "refused for more"],
)
def test_a_source_that_expires_is_refused_where(desired, observed, refused):
    assert rules(desired, observed) == refused
