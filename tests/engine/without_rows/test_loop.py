"""The loop of an apply: what it takes, waits for, looks at again, and leaves alone."""

import re
from dataclasses import replace
from datetime import timedelta

import pytest

from reconciler.engine.events import LooksAgain, PlanChanged, StepFailed, StepStarted, StepUncertain
from reconciler.errors import GateFailed, LeaseLost, NotConverged, ReconcilerError, Suspended
from reconciler.sandbox import timestamps
from reconciler.sandbox.without_postgres.storage import lsn_at
from tests.engine.without_rows.simulation import GATED, EndsWhen, after, names, rules, taken
from tests.exhaustive.invariants import bound_to
from tests.exhaustive.scenarios import SCENARIOS
from tests.exhaustive.trial import End


@pytest.fixture
def unhealthy(simulate):
    """A production with an HTTP gate, which what users get after the switch fails."""
    simulation = simulate(GATED)
    simulation.world.route.live = False
    return simulation


@pytest.mark.thorough
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_every_scenario_ends_in_one_run(worlds, scenario):
    trial = worlds.attempt(scenario, "nothing", 0, whole=True)
    assert (End.AT_ONCE, []) == (trial.end, trial.violations)


# What was approved


def test_an_approved_plan_awaits_what_it_began(first):
    planned = first.plan()
    first.slow("OPERATION create_branch", 5)
    first.fault("drop-after", "POST", "/branches$")
    outcome = first.apply(expect=planned.digest)
    assert outcome.converged
    assert "AwaitBranch" not in names(planned.steps)
    assert taken(outcome)[:2] == ["CreateBranch", "AwaitBranch"]


def test_only_the_approved_plan_is_begun(first):
    with pytest.raises(PlanChanged, match="0123") as changed:
        first.apply(expect="0123")
    assert changed.value.fresh == first.plan()
    assert changed.value.observed.branches == first.observe()[1].branches
    assert first.writes() == []


def test_a_step_that_was_not_approved_is_not_taken(first):
    def let_expire():
        first.candidate.expires_at = timestamps.now() + timedelta(days=1)

    with pytest.raises(PlanChanged) as changed:
        first.apply(expect=first.plan().digest, VerifyBranch=let_expire)
    assert "ClearExpiry" in names(changed.value.fresh.steps)
    assert first.writes() == ["POST branches"]


# The right to go on


@pytest.mark.parametrize("waves", [0, 1, 3])
def test_no_wave_begins_without_the_lease(first, waves):
    with pytest.raises(LeaseLost):
        first.apply(lease=EndsWhen(after(waves)))
    assert first.writes() == ["POST branches", "POST configs"][: (waves + 1) // 2]


@pytest.mark.parametrize(("waves", "written"), [(0, []), (2, ["POST branches"])])
def test_a_suspension_ends_a_run_before_each_wave(first, waves, written):
    with pytest.raises(Suspended):
        first.apply(suspension=EndsWhen(after(waves), Suspended("ada suspended production")))
    assert first.writes() == written
    assert first.apply(suspension=EndsWhen(after(100))).converged


# What cannot be read back


def test_an_effect_that_shows_late_is_not_repeated(first):
    first.fault("stale", "GET", "/branches$", nth=9, times=12)
    first.converge()
    assert "its effect cannot be read back yet" in [each.why for each in first.reported(StepUncertain)]
    assert len(first.writes()) == len(set(first.writes()))


def test_what_may_lag_is_looked_at_again_for_30_s(first):
    config = first.config("shop")
    twin = replace(config, id="0" * 32, name=f"shop-{first.timeline}", origin={**config.origin, "port": 1})
    first.world.account.configs[twin.id] = twin
    outcome = first.apply()
    assert rules(outcome) == ["hyperdrive-name-taken"]
    assert [each.why for each in first.reported(LooksAgain)] == [outcome.final.refusals[0].message]
    assert outcome.seconds > 30


def test_branches_that_lag_behind_configs_are_looked_at_again(first):
    """A run has died after it made the config, and Neon does not show the branch to the next one yet."""
    with pytest.raises(LeaseLost):
        first.apply(lease=EndsWhen(after(3)))
    assert first.writes() == ["POST branches", "POST configs"]
    first.fault("stale", "GET", "/branches$")
    first.converge()
    assert first.writes().count("POST configs") == 1


def test_a_write_lost_four_times_ends_the_run(first):
    first.fault("drop-before", "POST", "/set_as_default$", times=100)
    with pytest.raises(NotConverged, match="SetDefaultBranch was tried 4 times") as failure:
        first.apply()
    assert "run the same command again" in failure.value.hint
    assert names(each.step for each in first.reported(StepUncertain)).count("SetDefaultBranch") == 1
    first.world.calm()
    first.converge()


# Gates


@pytest.mark.parametrize(("status", "hint"), [(400, "run it again"), (403, "Make one"), (404, "Make one")])
def test_a_failed_gate_leaves_nothing_that_points_to_the_branch(first, status, hint):
    first.fault("status", "GET", "/schema$", status)
    with pytest.raises(GateFailed, match='gate "tables" could not run: ') as failure:
        first.apply()
    assert "nothing points to this branch yet" in failure.value.hint
    assert hint in failure.value.hint
    assert first.writes() == ["POST branches"]


def test_a_failed_http_gate_leaves_the_version_at_0_percent(simulate):
    simulation = simulate(GATED)
    serving, config = simulation.script.live.id, simulation.world.wrangler_id(simulation.script.name)
    simulation.world.route.staged = False
    with pytest.raises(GateFailed, match="answered 500, not 200"):
        simulation.apply()
    staged = simulation.script.versions[-1].id
    assert {serving: 100, staged: 0} == dict(simulation.script.deployments[0].split)
    assert bound_to(simulation.script.version(serving)) == config
    assert bound_to(simulation.script.version(staged)) == simulation.config(f"shop-{simulation.timeline}").id
    simulation.world.route.heal()
    assert "CreateBranch" not in simulation.converge()
    assert ((staged, 100),) == simulation.script.deployments[0].split


def test_an_undo_passes_no_gates(simulate):
    simulation = simulate(GATED)
    simulation.converge()
    simulation.world.route.staged = simulation.world.route.live = False
    simulation.leap(60)
    simulation.ask(None)
    assert not [each for each in simulation.converge() if each in {"VerifyWorker", "VerifyLive"}]


def test_a_candidate_older_than_the_history_needs_approval(first):
    first.fault("status", "GET", "/schema$", 400)
    with pytest.raises(GateFailed):
        first.apply()
    first.world.project.history_retention_seconds = 1
    kept = first.candidate
    assert rules(first.apply()) == ["tables-unprovable"]
    assert first.writes() == ["POST branches"]
    first.change(lift=[{"guard": "tables-unprovable", "reason": "we have looked at it"}])
    first.converge()
    assert first.branch("main") is kept


@pytest.mark.parametrize("is_approved", [False, True])
def test_a_failed_last_check_puts_back_what_was_live(unhealthy, is_approved):
    outcome = unhealthy.apply(expect=unhealthy.plan().digest if is_approved else None)
    (failed,) = unhealthy.reported(StepFailed)
    assert "answered 500, not 200" in failed.why
    assert rules(outcome) == ["timeline-failed"]
    assert unhealthy.names() == ["main", f"main.failed.{unhealthy.timeline}"]
    begun = [each.step for each in unhealthy.reported(StepStarted)]
    assert [done.step for done in outcome.taken] == [step for step in begun if step != failed.step]


def test_a_way_back_goes_on_though_the_check_would_pass(unhealthy):
    unhealthy.fault("status", "POST", "/versions$", 400, nth=2)
    with pytest.raises(ReconcilerError, match="400"):
        unhealthy.apply()
    unhealthy.world.calm()
    unhealthy.world.route.heal()
    assert rules(unhealthy.apply()) == ["timeline-failed"]
    assert unhealthy.names() == ["main", f"main.failed.{unhealthy.timeline}"]


def check_put_back(simulation):
    simulation.watch.check_end({"shop", f"shop-{simulation.timeline}"}, failed=True)


def test_stale_deployments_are_not_users_who_were_put_back(unhealthy):
    outcome = unhealthy.apply(RenameBranch=lambda: unhealthy.fault("stale", "GET", "/deployments$", times=6))
    assert rules(outcome) == ["timeline-failed"]
    check_put_back(unhealthy)


def test_deployments_that_stay_stale_end_the_run_without_a_verdict(unhealthy):
    outcome = unhealthy.apply(RenameBranch=lambda: unhealthy.fault("stale", "GET", "/deployments$", times=10_000))
    assert rules(outcome) == ["unreadable"]
    assert "older deployment of shop-api" in outcome.final.refusals[0].message
    unhealthy.world.calm()
    assert rules(unhealthy.apply()) == ["timeline-failed"]
    check_put_back(unhealthy)


def test_a_failed_last_check_may_hold_the_run(unhealthy):
    unhealthy.change(verify={"on_failure": "hold"})
    with pytest.raises(GateFailed, match="answered 500, not 200") as failure:
        unhealthy.apply()
    assert "running this again checks again" in failure.value.hint
    assert unhealthy.names() == ["main", unhealthy.candidate.name]
    unhealthy.world.route.heal()
    unhealthy.converge()


# What a branch needs


def test_a_candidate_gets_a_compute_and_loses_its_expiry(first):
    with pytest.raises(LeaseLost):
        first.apply(lease=EndsWhen(after(1)))
    branch = first.candidate
    first.change_branch(branch.name, expires_at=(timestamps.now() + timedelta(days=1)).isoformat())
    first.neon("DELETE", f"/endpoints/{first.compute(branch.name).id}")
    assert first.converge()[:2] == ["AddCompute", "ClearExpiry"]
    assert first.branch("main") is branch
    assert branch.expires_at is None


def test_protection_is_handed_on_and_kept(first):
    first.change_branch("main", protected=True)
    first.converge()
    assert [branch.protected for branch in first.world.project.branches.values()] == [True, True]


def test_a_restore_converges_without_room_for_protection(first):
    first.neon("POST", "/branches", branch={"name": "audit", "protected": True})
    first.change_branch("main", protected=True)
    outcome = first.apply()
    assert outcome.converged
    assert [each for each in outcome.final.warnings if 'plan "launch_v3" allows 2' in each]
    assert [each.name for each in first.world.project.branches.values() if not each.protected] == ["main"]


# What a production may lack, and what it may have twice


def test_neon_alone_is_restored_without_cloudflare_credentials(simulate, monkeypatch):
    simulation = simulate()
    simulation.leave_out("hyperdrive", "worker", "verify")
    for name in ("CLOUDFLARE_API_TOKEN", "CLOUDFLARE_ACCOUNT_ID"):
        monkeypatch.delitem(simulation.world.environment, name)
    simulation.converge()
    assert [each.split()[0] for each in simulation.writes()] == ["POST", "PATCH", "PATCH", "POST"]
    simulation.watch.violations.clear()  # the file knows nothing of the Worker whose users they are about


def test_hyperdrive_without_a_worker_gets_a_config(simulate):
    simulation = simulate()
    simulation.leave_out("worker")
    simulation.converge()
    config = simulation.config(f"shop-{simulation.timeline}")
    assert simulation.world.branch_at(config.origin["port"]) is simulation.branch("main")
    assert simulation.plan().in_sync
    simulation.watch.violations.clear()  # as above


def test_two_workers_are_prepared_first_and_switched_together(simulate):
    simulation = simulate("two Workers")
    simulation.desired["verify"]["http"] = [simulation.world.http_gate]
    simulation.change()
    simulation.converge()
    requests = [f"{method} {path}" for method, path, _ in simulation.watch.requests]
    sent = [number for number, each in enumerate(requests) if re.match("POST .*/(versions|deployments)$", each)]
    kinds = [requests[number].rsplit("/", 1)[1] for number in sent]
    assert kinds == ["versions"] * 2 + ["deployments"] * 4
    for one, other in (sent[2:4], sent[4:6]):
        assert other == one + 1, "another request came between the two Workers"
        assert requests[one] != requests[other]


@pytest.mark.parametrize("source", ["restored", "origin"])
def test_from_settles_which_of_two_timelines_was_live(first, source):
    restored, origin = first.timeline, first.branch("main").id
    first.converge()
    child = first.branch("main").id
    first.leap(60)
    first.ask(None)
    first.converge()
    first.leap(60)
    later = timestamps.now().replace(microsecond=0)
    first.leap(60)
    first.world.ask(later)
    assert rules(first.plan()) == ["source-ambiguous"]
    first.world.ask(later, **{"from": restored if source == "restored" else "origin"})
    first.converge()
    assert first.branch("main").parent_id == (child if source == "restored" else origin)


def test_a_moment_is_restored_again_only_under_another_id(first):
    first.world.ask(first.world.moments[0], id="one")
    first.converge()
    assert first.apply().taken == ()
    first.world.ask(first.world.moments[0], id="two")
    assert "CreateBranch" in first.converge()


@pytest.mark.parametrize(("method", "made"), [("branch", 1), ("in-place", 3)])
def test_an_lsn_is_restored_undone_and_restored_again(simulate, method, made):
    simulation = simulate(primary={"method": method})
    restore = {"to_lsn": lsn_at(simulation.world.moments[0]), "from": "origin"}
    for asked in (restore, None, restore):
        simulation.ask(asked)
        simulation.converge()
        assert simulation.plan().in_sync
        assert str(simulation.plan().live) == simulation.timeline
    assert [name for name in simulation.names() if f".held.origin.before.{simulation.timeline}" in name]
    assert simulation.writes().count("POST branches") == made


def test_an_lsn_beyond_the_history_changes_nothing(first):
    first.ask({"to_lsn": lsn_at(timestamps.now() + timedelta(days=365)), "from": "origin"})
    before = first.names()
    with pytest.raises(ReconcilerError, match="after the end of the history"):
        first.apply()
    assert first.names() == before
