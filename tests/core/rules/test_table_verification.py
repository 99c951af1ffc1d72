"""A candidate whose moment has left the history was never proved, and may be the only copy: it is kept, and told."""

from dataclasses import replace
from datetime import timedelta

import pytest

from reconciler.core.model.desired import Method, Verify, Waivable, Waiver
from reconciler.core.plan.plan import plan
from reconciler.core.rules.context.planning import Blocked
from reconciler.core.rules.next_steps import next_steps
from tests.core.files import BY_BRANCH, DESIRED, NOW, RESTORE, asking, hours_ago
from tests.core.plans import planned, rules, step_of
from tests.core.worlds import MADE, MAIN, PROJECT, WORLD, with_project

LOOKED_AT = Waiver(Waivable.TABLES_UNPROVABLE, "we have looked at it")
UNPROVED = replace(MADE, resolved_at=None)
LATE = with_project(replace(WORLD, branches=(MAIN, UNPROVED)), history=timedelta(hours=6))
IN_TIME = replace(LATE, project=PROJECT)
METHODS = pytest.mark.parametrize("method", Method)


@METHODS
def test_what_was_never_proved_is_refused(method):
    found = plan(asking(RESTORE, method=method), LATE)
    (refusal,) = found.refusals
    assert (refusal.rule, found.steps) == ("tables-unprovable", ())
    assert f'"{UNPROVED.name}" was never verified' in refusal.message
    assert f"{RESTORE.to} has left the history window (6 h, from {hours_ago(6)})" in refusal.message
    assert "tables-unprovable" in refusal.hint


@METHODS
def test_waived_all_but_the_tables_is_checked(method):
    desired = replace(asking(RESTORE, method=method), waivers=(LOOKED_AT,))
    found = plan(desired, LATE)
    assert (found.refusals, found.steps[0].checks) == ((), ("identity", "login", "listings"))
    assert planned(desired, LATE) == planned(asking(RESTORE, method=method), IN_TIME)
    assert "we have looked at it" in found.warnings[0]


def test_a_waiver_leaves_out_no_proof_in_time():
    desired = replace(BY_BRANCH, waivers=(LOOKED_AT,))
    assert step_of(desired, WORLD, "VerifyBranch").tables_at == RESTORE.to


NO_TABLES = asking(RESTORE, replace(DESIRED, hyperdrive=None, workers=(), verify=Verify()))


@pytest.mark.parametrize(
    ("desired", "observed"),
    [(BY_BRANCH, with_project(LATE, history=NOW - RESTORE.to)), (NO_TABLES, replace(LATE, workers=(), configs=()))],
    ids=["at the very edge", "no tables are asked for"],
)
def test_nothing_is_refused(desired, observed):
    assert rules(desired, observed) == []


def test_what_this_run_proved_stays_proved():
    (step,) = next_steps(BY_BRANCH, IN_TIME)
    assert not isinstance(next_steps(BY_BRANCH, replace(LATE, passed=frozenset({step.key}))), Blocked)


@METHODS
@pytest.mark.parametrize("lift", [(), (LOOKED_AT,)])
def test_what_is_not_proved_is_not_deleted_early(method, lift):
    kinds = planned(replace(asking(RESTORE, method=method), waivers=lift), LATE)
    assert "DeleteBranch" not in kinds or (method is Method.IN_PLACE and kinds[-1] == "DeleteBranch")
