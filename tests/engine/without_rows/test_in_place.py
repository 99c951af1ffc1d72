"""A restore in place, without rows: what it sends, what it reads again right before, and what stays as it was."""

from dataclasses import replace

import pytest

from reconciler.core.plan.plan import plan
from reconciler.engine.events import StepFinished
from reconciler.errors import GateFailed, LeaseLost, ReconcilerError
from reconciler.sandbox import timestamps
from reconciler.sandbox.neon.state import PLANS
from tests.engine.without_rows.stage import Stage


@pytest.fixture
def stage(worlds):
    """A production that is asked for its first restore, in place."""
    stage = Stage(worlds, "first restore, rebind")
    stage.asked["primary"]["method"] = "in-place"
    stage.write()
    return stage


def kinds(steps):
    return [step.wire_name for step in steps]


def test_a_restore_in_place_and_its_undo_leave_branch_config_and_deployment_as_they_are(stage):
    primary, bound = stage.branch("main").id, stage.world.wrangler_id(stage.world.scripts[0])
    timeline = stage.world.timeline_asked()
    assert stage.apply().converged
    stage.asked["primary"]["restore"] = None
    stage.write()
    assert stage.apply().converged
    first, second = f"main.held.origin.before.{timeline}.in-place", f"main.held.{timeline}.before.origin.2.in-place"
    assert stage.names() == sorted(["main", first, second])
    assert (stage.branch("main").id, stage.world.wrangler_id(stage.world.scripts[0])) == (primary, bound)
    assert "POST deployments" not in stage.writes()
    deleted = [path for method, path, _ in stage.watch.requests if method == "DELETE"]
    assert len(deleted) == 2
    assert not any(path.endswith(primary) for path in deleted)


def test_what_is_protected_right_before_it_is_restored_is_unprotected_first_and_protected_in_the_end(stage):
    def protect():
        stage.branch("main").protected = True

    assert stage.apply(RestoreBranch=protect).converged
    assert "UnprotectBranch" in kinds(done.step for done in stage.said(StepFinished))
    assert stage.writes().count("POST restore") == 1
    assert stage.branch("main").protected


@pytest.mark.parametrize("path", ["/endpoints/", "/branches/"])
def test_what_was_protected_after_its_candidate_was_made_is_so_again_also_after_a_death(stage, path):
    stage.kill_after("POST", "/branches$")
    stage.do(stage.world.settle())
    stage.branch("main").protected = True
    stage.kill_after("PATCH", path)
    stage.asked["primary"]["restore"] = None
    stage.write()
    assert stage.apply().converged
    assert stage.branch("main").protected


def test_a_primary_that_was_protected_is_so_again(stage):
    stage.branch("main").protected = True
    outcome = stage.apply()
    names = kinds(done.step for done in outcome.taken)
    middle = names.index("RestoreBranch")
    assert names[middle - 1 : middle + 2] == ["UnprotectBranch", "RestoreBranch", "ProtectBranch"]
    assert stage.branch("main").protected


def test_what_is_reset_by_hand_right_before_it_would_be_restored_is_left_alone(stage):
    def reset():
        """What has children is reset only with a name for what it held, which they follow (API reference, restore)."""
        stage.branch("main").last_reset_at = timestamps.now()
        stage.branch(f"main.candidate.{stage.world.timeline_asked()}").parent_id = "br-preserved-by-hand"

    outcome = stage.apply(RestoreBranch=reset)
    assert "POST restore" not in stage.writes()
    assert outcome.final.refusals


def test_a_restore_whose_answer_is_lost_is_looked_for_and_not_sent_again(stage):
    stage.fault("drop-after", "POST", "/restore$")
    assert stage.apply().converged
    assert stage.writes().count("POST restore") == 1


def test_a_branch_that_is_protected_right_before_it_would_be_deleted_stays_and_the_end_is_in_sync(stage):
    name = f"main.proved.{stage.world.timeline_asked()}"

    def protect():
        stage.branch(name).protected = True

    outcome = stage.apply(DeleteBranch=protect)
    assert outcome.converged
    assert name in stage.names()
    assert [each for each in outcome.final.warnings if f'"{name}" has done its work and is not deleted' in each]


def test_a_run_that_is_killed_before_the_branch_is_deleted_is_continued_by_deleting_it(stage):
    class Ends:
        """Lasts until the branch is called proved."""

        async def confirm(self):
            if any(".proved." in name for name in stage.names()):
                raise LeaseLost("somebody else has it now")

    with pytest.raises(LeaseLost):
        stage.apply(permit=Ends())
    (name,) = [each for each in stage.names() if ".proved." in each]
    outcome = stage.apply()
    assert kinds(done.step for done in outcome.taken) == ["DeleteBranch"]
    assert name not in stage.names()


def test_a_gate_that_fails_on_the_candidate_leaves_the_primary_untouched(stage):
    stage.fault("status", "GET", "/schema$", 400)
    with pytest.raises(GateFailed):
        stage.apply()
    assert "POST restore" not in stage.writes()
    assert plan(*stage.observe()).refusals == ()


def test_a_restore_that_neon_refuses_leaves_the_primary_protected_run_after_run(stage):
    stage.branch("main").protected = True
    for _ in range(2):
        stage.fault("status", "POST", "/restore$", 422)
        with pytest.raises(ReconcilerError, match="422"):
            stage.apply()
        assert stage.branch("main").protected
    assert stage.apply().converged
    assert stage.branch("main").protected


def test_what_is_refused_between_unprotecting_and_restoring_leaves_the_primary_protected(stage, monkeypatch):
    stage.branch("main").protected = True
    stage.kill_after("PATCH", f"/branches/{stage.branch('main').id}$")
    assert not stage.branch("main").protected
    plans = stage.world.sandbox.states[0].switches.subscription_type
    monkeypatch.setitem(PLANS, plans, replace(PLANS[plans], branches=len(stage.names())))
    outcome = stage.apply()
    assert [each.rule for each in outcome.final.refusals] == ["branch-limit"]
    assert stage.branch("main").protected


def test_a_last_check_that_fails_in_place_is_undone_in_place_with_everything_proved_anew(worlds):
    stage = Stage(worlds, "HTTP gate at 0 %")
    stage.asked["primary"]["method"] = "in-place"
    stage.write()
    stage.world.route.live = False
    timeline = stage.world.timeline_asked()
    outcome = stage.apply()
    assert [each.rule for each in outcome.final.refusals] == ["timeline-failed"]
    names = kinds(done.step for done in outcome.taken)
    assert names.count("RestoreBranch") == 2
    assert names[names.index("RestoreBranch", names.index("RestoreBranch") + 1) :].count("RestartPool") == 1
    assert {f"main.failed.{timeline}", f"main.held.{timeline}.before.origin.2.in-place"} <= set(stage.names())
    assert stage.apply().taken == ()
