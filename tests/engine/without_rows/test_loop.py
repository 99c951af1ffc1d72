"""The loop of an apply, without rows: what it takes, waits for, looks at again, and leaves alone."""

from dataclasses import replace
from datetime import timedelta

import pytest

from reconciler.core.plan.plan import plan
from reconciler.engine.apply import LooksAgain, PlanChanged, StepFailed, StepStarted, StepUncertain
from reconciler.errors import GateFailed, LeaseLost, NotConverged, Suspended
from reconciler.sandbox import timestamps
from reconciler.sandbox.neon.state import Operation, Status
from tests.engine.without_rows.stage import Stage
from tests.exhaustive.scenarios import SCENARIOS
from tests.exhaustive.trial import End

FIRST = "first restore, rebind"


@pytest.fixture
def stage(worlds):
    """A production that is asked for its first restore. After every single request its invariants hold."""
    stage = Stage(worlds, FIRST)
    yield stage
    assert stage.watch.violations == []


@pytest.fixture
def gated(worlds):
    """The same with an HTTP gate, which is tried for a moment only."""
    stage = Stage(worlds, "HTTP gate at 0 %")
    stage.asked["verify"]["http"][0]["for"] = "1ms"
    stage.write()
    yield stage
    assert stage.watch.violations == []


def kinds(steps):
    return [type(step).__name__ for step in steps]


def candidate(stage):
    return stage.branch(f"main.candidate.{stage.world.timeline_asked()}")


@pytest.mark.thorough
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_every_scenario_comes_to_its_end_at_once_where_nothing_goes_wrong(worlds, scenario):
    trial = worlds.attempt(scenario, "nothing", 0, whole=True)
    assert (trial.end, trial.violations) == (End.AT_ONCE, [])


# What was approved


def test_a_plan_that_was_approved_is_carried_out_and_waits_for_what_it_began_where_an_answer_is_lost(stage):
    planned = plan(*stage.observe())
    stage.slow("OPERATION create_branch", 5)
    stage.fault("drop-after", "POST", "/branches$")
    outcome = stage.apply(expect=planned.digest)
    assert outcome.converged
    assert "AwaitBranch" not in kinds(planned.steps)
    assert kinds(done.step for done in outcome.taken)[:2] == ["CreateBranch", "AwaitBranch"]


def test_another_plan_than_the_approved_one_is_not_begun_and_the_plan_of_now_is_told(stage):
    with pytest.raises(PlanChanged, match="and 0123 was approved") as changed:
        stage.apply(expect="0123")
    assert changed.value.fresh == plan(*stage.observe())
    assert changed.value.observed.branches == stage.observe()[1].branches
    assert stage.writes() == []


def test_a_step_that_becomes_necessary_after_the_approval_is_not_taken(stage):
    def let_expire():
        candidate(stage).expires_at = timestamps.now() + timedelta(days=1)

    with pytest.raises(PlanChanged) as changed:
        stage.apply(expect=plan(*stage.observe()).digest, VerifyBranch=let_expire)
    assert "ClearExpiry" in kinds(changed.value.fresh.steps)
    assert stage.writes() == ["POST branches"]


# The right to go on


class Lasting:
    """A permit that ends before a wave; the waves are counted from 1."""

    def __init__(self, until):
        self._left = until

    async def confirm(self):
        self._left -= 1
        if self._left <= 0:
            raise LeaseLost("somebody else has it now")


@pytest.mark.parametrize("waves", [1, 2, 4])
def test_no_wave_of_steps_is_begun_once_the_right_to_go_on_is_lost(stage, waves):
    with pytest.raises(LeaseLost):
        stage.apply(permit=Lasting(waves))
    assert stage.writes() == ["POST branches", "POST configs"][: waves // 2]


# What is not ours


def begin_something_else(stage, seconds):
    stage.slow("OPERATION create_branch", seconds)
    path = f"/projects/{stage.world.project_id}/branches"
    stage.do(stage.world.neon("POST", path, json={"branch": {"name": "preview"}}))


def test_the_end_of_somebody_elses_operation_is_waited_for_and_that_is_told_once(stage):
    begin_something_else(stage, 60)
    outcome = stage.apply()
    assert outcome.converged
    assert outcome.seconds > 50
    (told,) = [each.why for each in stage.said(StepUncertain) if "not ours" in each.why]
    assert told == "it waits while Neon is at work on something that is not ours (create_branch)"


def test_an_operation_that_does_not_end_is_a_refusal_after_two_minutes_and_nothing_was_written(stage):
    begin_something_else(stage, 600)
    outcome = stage.apply()
    assert [each.rule for each in outcome.final.refusals] == ["operation-running"]
    assert 120 <= outcome.seconds < 200
    assert stage.writes() == ["POST branches"], "that is the other one"


def test_a_run_that_goes_on_with_a_restore_in_place_does_not_take_its_operations_for_somebody_elses(worlds):
    stage = Stage(worlds, FIRST)  # whose invariants are about the other method
    stage.asked["primary"]["method"] = "in-place"
    stage.write()
    change_branch(stage, stage.branch("main"), protected=True)
    stage.kill_after("POST", "/restore$")
    stage.do(stage.world.settle())
    last = Operation(
        id="5f0c7a52-0000-4000-8000-000000000001",
        project_id=stage.world.project_id,
        branch_id=stage.branch("main").id,
        endpoint_id=None,
        action="start_compute",
        status=Status.RUNNING,
        created_at=timestamps.now() - timedelta(minutes=10),
        updated_at=timestamps.now(),
    )
    stage.world.project.operations[last.id] = last
    outcome = stage.apply(ProtectBranch=lambda: setattr(last, "status", Status.FINISHED))
    assert outcome.converged
    assert [each for each in stage.writes() if each.endswith("restore")] == ["POST restore"]


class SuspensionCheck:
    """Says yes so many times."""

    def __init__(self, times):
        self.times = times

    async def confirm(self):
        self.times -= 1
        if self.times < 0:
            raise Suspended("ada suspended production")


@pytest.mark.parametrize(("times", "written"), [(0, []), (2, ["POST branches"])])
def test_a_suspension_ends_a_run_when_it_begins_and_before_each_wave(stage, times, written):
    with pytest.raises(Suspended):
        stage.apply(consent=SuspensionCheck(times))
    assert stage.writes() == written
    assert stage.apply(consent=SuspensionCheck(100)).converged


# What has changed since the look


def test_a_primary_that_is_renamed_right_before_it_would_be_held_is_left_alone(stage):
    outcome = stage.apply(RenameBranch=lambda: setattr(stage.branch("main"), "name", "main-old"))
    assert [each.rule for each in outcome.final.refusals] == ["primary-missing"]
    assert stage.names() == ["main-old", candidate(stage).name]


def test_a_step_that_somebody_else_takes_first_is_neither_taken_nor_told_as_taken(stage):
    def make_default():
        for branch in stage.world.project.branches.values():
            branch.default = branch.name == "main"

    outcome = stage.apply(SetDefaultBranch=make_default)
    assert outcome.converged
    assert "SetDefaultBranch" not in kinds(done.step for done in outcome.taken)
    assert "POST set_as_default" not in stage.writes()


# What cannot be read back


def test_an_effect_that_is_seen_late_is_waited_for_and_nothing_is_repeated(stage):
    stage.fault("stale", "GET", "/branches$", nth=9, times=12)
    assert stage.apply().converged
    assert "its effect cannot be read back yet" in [each.why for each in stage.said(StepUncertain)]
    assert len(stage.writes()) == len(set(stage.writes())), "a write was repeated"


def test_what_may_be_a_list_that_lags_behind_is_looked_at_again_and_that_is_told_once(stage):
    (config,) = stage.world.account.configs.values()
    twin = replace(
        config, id="0" * 32, name=f"shop-{stage.world.timeline_asked()}", origin={**config.origin, "port": 1}
    )
    stage.world.account.configs[twin.id] = twin
    outcome = stage.apply()
    (refusal,) = outcome.final.refusals
    (told,) = stage.said(LooksAgain)
    assert refusal.rule == "hyperdrive-name-taken"
    assert told.why == refusal.message
    assert outcome.seconds > 30


def test_a_list_of_branches_that_lags_behind_the_list_of_configs_is_looked_at_again(stage):
    """A run has died after it made the config, and Neon does not show the branch to the next one yet."""
    with pytest.raises(LeaseLost):
        stage.apply(permit=Lasting(4))
    assert stage.writes() == ["POST branches", "POST configs"]
    stage.fault("stale", "GET", "/branches$")
    assert stage.apply().converged
    assert stage.writes().count("POST configs") == 1


def test_what_is_lost_four_times_ends_the_run_with_a_way_out_and_each_doubt_is_told_once(stage):
    stage.fault("drop-before", "POST", "/set_as_default$", times=100)
    with pytest.raises(NotConverged, match="SetDefaultBranch was tried 4 times") as failure:
        stage.apply()
    assert failure.value.hint == "run the same command again when the provider has recovered: it looks first"
    assert len([each for each in stage.said(StepUncertain) if type(each.step).__name__ == "SetDefaultBranch"]) == 1
    stage.world.calm()
    assert stage.apply().converged


# Gates


def test_a_gate_that_fails_ends_the_run_where_nothing_points_to_the_branch(stage):
    stage.fault("status", "GET", "/schema$", 400)
    with pytest.raises(GateFailed, match='gate "tables" could not run: ') as failure:
        stage.apply()
    assert failure.value.hint == "nothing points to this branch yet; run it again"
    assert stage.writes() == ["POST branches"]


def test_a_candidate_whose_moment_has_left_the_history_is_kept_and_used_once_a_person_has_looked_at_it(stage):
    stage.fault("status", "GET", "/schema$", 400)
    with pytest.raises(GateFailed):
        stage.apply()
    stage.world.project.history_retention_seconds = 1
    kept = candidate(stage)
    (refusal,) = stage.apply().final.refusals
    assert refusal.rule == "tables-unprovable"
    assert stage.writes() == ["POST branches"]
    stage.asked["lift"] = [{"guard": refusal.rule, "reason": "we have looked at it"}]
    stage.write()
    assert stage.apply().converged
    assert stage.branch("main") is kept


def test_a_last_check_that_fails_puts_the_old_timeline_back_and_is_told(gated):
    gated.world.route.live = False
    outcome = gated.apply()
    (told,) = gated.said(StepFailed)
    assert "answered 500, not 200" in told.why
    assert [each.rule for each in outcome.final.refusals] == ["timeline-failed"]
    assert gated.names() == ["main", f"main.failed.{gated.world.timeline_asked()}"]
    begun = [each.step for each in gated.said(StepStarted)]
    assert [done.step for done in outcome.taken] == [step for step in begun if step != told.step]


def test_an_old_look_at_the_deployments_is_not_taken_for_users_who_were_put_back(gated):
    gated.world.route.live = False
    outcome = gated.apply(RenameBranch=lambda: gated.fault("stale", "GET", "/deployments$", times=6))
    assert [each.rule for each in outcome.final.refusals] == ["timeline-failed"]
    gated.watch.check_end({"shop", f"shop-{gated.world.timeline_asked()}"}, failed=True)


def test_deployments_that_stay_older_than_those_of_before_end_the_run_without_a_verdict(gated):
    gated.world.route.live = False
    outcome = gated.apply(RenameBranch=lambda: gated.fault("stale", "GET", "/deployments$", times=10_000))
    (refusal,) = outcome.final.refusals
    assert (refusal.rule, "older deployment of shop-api" in refusal.message) == ("unreadable", True)
    gated.world.calm()
    assert [each.rule for each in gated.apply().final.refusals] == ["timeline-failed"]
    gated.watch.check_end({"shop", f"shop-{gated.world.timeline_asked()}"}, failed=True)


def test_what_was_approved_is_put_back_too(gated):
    gated.world.route.live = False
    outcome = gated.apply(expect=plan(*gated.observe()).digest)
    assert [each.rule for each in outcome.final.refusals] == ["timeline-failed"]


def test_a_last_check_that_fails_where_the_file_asks_to_hold_ends_the_run_there(gated):
    gated.asked["verify"]["on_failure"] = "hold"
    gated.write()
    gated.world.route.live = False
    with pytest.raises(GateFailed, match="answered 500, not 200"):
        gated.apply()
    assert gated.names() == ["main", candidate(gated).name]


# What a branch needs


def change_branch(stage, branch, **fields):
    path = f"/projects/{stage.world.project_id}/branches/{branch.id}"
    stage.do(stage.world.neon("PATCH", path, json={"branch": fields}))
    stage.do(stage.world.settle())


def test_a_candidate_without_a_compute_that_would_expire_gets_the_one_and_loses_the_other(stage):
    with pytest.raises(LeaseLost):
        stage.apply(permit=Lasting(2))
    branch = candidate(stage)
    change_branch(stage, branch, expires_at=(timestamps.now() + timedelta(days=1)).isoformat())
    (endpoint,) = [each for each in stage.world.project.endpoints.values() if each.branch_id == branch.id]
    stage.do(stage.world.neon("DELETE", f"/projects/{stage.world.project_id}/endpoints/{endpoint.id}"))
    stage.do(stage.world.settle())
    outcome = stage.apply()
    assert outcome.converged
    assert ["AddCompute", "ClearExpiry"] == kinds(done.step for done in outcome.taken)[:2]
    assert stage.branch("main") is branch
    assert branch.expires_at is None


def test_protection_is_handed_on_to_the_new_primary_and_kept_on_the_old_one(stage):
    change_branch(stage, stage.branch("main"), protected=True)
    assert stage.apply().converged
    assert [branch.protected for branch in stage.world.project.branches.values()] == [True, True]


def test_a_restore_ends_converged_where_neon_has_no_room_for_one_more_protected_branch(stage):
    path = f"/projects/{stage.world.project_id}/branches"
    stage.do(stage.world.neon("POST", path, json={"branch": {"name": "audit", "protected": True}}))
    stage.do(stage.world.settle())
    change_branch(stage, stage.branch("main"), protected=True)
    outcome = stage.apply()
    assert outcome.converged
    assert [each for each in outcome.final.warnings if 'plan "launch_v3" allows 2' in each]
    assert [each.name for each in stage.world.project.branches.values() if not each.protected] == ["main"]


def test_a_file_with_neither_hyperdrive_nor_role_is_restored_by_neon_alone(worlds):
    stage = Stage(worlds, FIRST)  # its users reach no Worker of the file, which the invariants are about
    for key in ("hyperdrive", "worker", "verify"):
        del stage.asked[key]
    stage.write()
    assert stage.apply().converged
    assert [each.split()[0] for each in stage.writes()] == ["POST", "PATCH", "PATCH", "POST"]
