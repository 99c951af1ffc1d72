"""A candidate whose moment has left the history was never proved, and may be the only copy: it is kept, and told."""

from dataclasses import replace
from datetime import timedelta

import pytest

from reconciler.core.model.desired import Lift, Liftable, Method, Verify
from reconciler.core.model.observed import Endpoint
from reconciler.core.plan.plan import plan
from reconciler.core.rules.context.planning import Blocked
from reconciler.core.rules.next_steps import next_steps
from reconciler.core.steps.branch import VerifyBranch
from reconciler.core.steps.primary import DeleteBranch
from tests.core.files import DESIRED, NOW, asking, hours_ago
from tests.core.rules.test_guards import CANDIDATE, RESTORE
from tests.core.worlds import MAIN, PROJECT, WORLD

LOOKED_AT = Lift(Liftable.TABLES_UNPROVABLE, "we have looked at it")
MADE = replace(CANDIDATE, created_at=hours_ago(20), lsn="0/1", endpoint=Endpoint("ep-made", "ep-made.neon.tech"))
LATE = replace(WORLD, branches=(MAIN, MADE), project=replace(PROJECT, history=timedelta(hours=6)))
METHODS = pytest.mark.parametrize("method", Method)


@METHODS
def test_what_can_not_be_proved_any_more_is_refused_with_what_holds_it_and_the_way_out(method):
    found = plan(asking(RESTORE, method=method), LATE)
    (refusal,) = found.refusals
    assert (refusal.rule, found.steps) == ("tables-unprovable", ())
    assert f'"{MADE.name}" was made and never proved' in refusal.message
    assert f"{RESTORE.to} has left the history window (6 h, from {hours_ago(6)})" in refusal.message
    assert "never delete it" in refusal.hint
    assert "lift tables-unprovable" in refusal.hint


@METHODS
def test_once_it_is_lifted_everything_but_the_tables_is_checked_and_nothing_else_is_left_out(method):
    desired = replace(asking(RESTORE, method=method), lift=(LOOKED_AT,))
    found = plan(desired, LATE)
    assert found.refusals == ()
    assert found.steps[0].checks == ("identity", "login", "listings")
    in_time = plan(asking(RESTORE, method=method), replace(LATE, project=PROJECT)).steps
    assert [type(each) for each in found.steps] == [type(each) for each in in_time]
    assert "we have looked at it" in found.warnings[0]


def test_lifting_it_takes_the_gate_from_nothing_that_can_be_proved():
    desired = replace(asking(RESTORE), lift=(LOOKED_AT,))
    (step,) = [each for each in plan(desired, WORLD).steps if isinstance(each, VerifyBranch)]
    assert step.tables_at == RESTORE.to


def test_a_moment_at_the_very_edge_can_still_be_proved():
    edge = replace(LATE, project=replace(PROJECT, history=NOW - RESTORE.to))
    assert plan(asking(RESTORE), edge).refusals == ()


def test_what_this_run_has_proved_stays_so_when_its_moment_leaves_the_history():
    (step,) = next_steps(asking(RESTORE), replace(LATE, project=PROJECT))
    assert not isinstance(next_steps(asking(RESTORE), replace(LATE, passed=frozenset({step.key}))), Blocked)


def test_where_no_tables_are_asked_for_there_is_nothing_to_refuse():
    without = replace(DESIRED, hyperdrive=None, workers=(), verify=Verify())
    assert plan(asking(RESTORE, without), replace(LATE, workers=(), configs=())).refusals == ()


@METHODS
@pytest.mark.parametrize("lift", [(), (LOOKED_AT,)])
def test_no_branch_that_could_not_be_proved_is_deleted_before_the_primary_carries_what_it_holds(method, lift):
    found = plan(replace(asking(RESTORE, method=method), lift=lift), LATE)
    kinds = [type(step) for step in found.steps]
    assert DeleteBranch not in kinds or (method is Method.IN_PLACE and kinds[-1] is DeleteBranch)
