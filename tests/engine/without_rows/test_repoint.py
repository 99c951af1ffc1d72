"""Repoint, without rows: what is sent to Cloudflare, what is looked at again, and how a dead run is continued."""

import json
from datetime import timedelta

import pytest

from reconciler.core.model.hyperdrive import CACHING_OFF
from reconciler.core.model.observed import Unknown
from reconciler.core.plan.plan import plan
from reconciler.core.steps.hyperdrive import AwaitCache, RepointHyperdrive
from reconciler.engine.events import StepDropped, StepFinished
from reconciler.sandbox import timestamps
from tests.engine.without_rows.stage import Stage


@pytest.fixture
def stage(worlds):
    """A production with an HTTP gate that is asked for its first restore, by repoint. It has one config."""
    stage = Stage(worlds, "HTTP gate at 0 %")
    stage.asked["hyperdrive"]["strategy"] = "repoint"
    stage.asked["verify"]["http"][0]["for"] = "1ms"
    stage.write()
    stage.watch._repoints = True
    yield stage
    assert stage.watch.violations == []


def kinds(steps):
    return [step.wire_name for step in steps]


def config(stage):
    (found,) = stage.world.account.configs.values()
    return found


def behind(stage):
    """The name of the branch that the config leads to."""
    return stage.world.branch_at(config(stage).origin["port"]).name


def to_hyperdrive(stage):
    """Every write to Hyperdrive, as its method and the last part of its path."""
    asked = [(method, path) for method, path, _ in stage.watch.requests if method != "GET" and "/hyperdrive/" in path]
    return [f"{method} {'restart' if path.endswith('restart') else 'config'}" for method, path in asked]


def put_worker(stage, name, identity):
    """Somebody's Worker that the file knows nothing about."""
    binding = {"name": "DB", "type": "hyperdrive", "id": identity}
    metadata = {"main_module": "index.js", "bindings": [binding], "compatibility_date": "2025-09-01"}
    module = b"export default {}\n"
    files = [
        ("metadata", (None, json.dumps(metadata), "application/json")),
        ("index.js", ("index.js", module, "application/javascript+module")),
    ]
    stage.do(stage.world.cloudflare("PUT", f"/workers/scripts/{name}", files=files))


def forget_workers(stage, *names):
    for name in names:
        del stage.world.account.scripts[name]


def test_a_restore_and_its_undo_take_one_change_and_one_restart_each_and_no_deployment(stage):
    before = timestamps.now()
    outcome = stage.apply()
    assert outcome.converged
    assert (behind(stage), to_hyperdrive(stage)) == ("main", ["PATCH config", "POST restart"])
    assert timestamps.now() - before > timedelta(seconds=75), "cached answers are waited out"
    stage.asked["primary"]["restore"] = None
    stage.write()
    assert stage.apply().converged
    assert (behind(stage), to_hyperdrive(stage)) == ("main", ["PATCH config", "POST restart"] * 2)
    assert "POST deployments" not in stage.writes()
    assert plan(*stage.observe()).in_sync


def test_the_password_of_the_branch_goes_along_as_a_protected_branchs_child_has_another_one(stage):
    stage.branch("main").protected = True
    before = config(stage).origin["password"]
    assert stage.apply().converged
    assert config(stage).origin["password"] == stage.branch("main").roles["app"].password != before


@pytest.mark.parametrize("where", ["/configs/[0-9a-f]+$", "/restart$"])
def test_a_run_that_dies_there_is_continued_to_the_restart_and_changes_nothing_twice(stage, where):
    stage.kill_after("PATCH" if where.endswith("+$") else "POST", where)
    outcome = stage.apply()
    assert outcome.converged
    assert "VerifyBranch" not in kinds(done.step for done in outcome.taken), "what serves has been proved"
    assert to_hyperdrive(stage) == ["PATCH config", "POST restart"]
    assert "AwaitCache" in kinds(done.step for done in outcome.taken)


def test_an_answer_that_is_lost_is_looked_for(stage):
    stage.fault("drop-after", "PATCH", "/configs/")
    assert stage.apply().converged
    assert to_hyperdrive(stage).count("PATCH config") == 1


def test_a_config_that_is_led_elsewhere_right_before_is_left_alone(stage):
    def lead_elsewhere():
        config(stage).origin["host"] = "db.example.com"

    outcome = stage.apply(RepointHyperdrive=lead_elsewhere)
    assert [each.rule for each in outcome.final.refusals] == ["hyperdrive-differs"]
    assert stage.said(StepDropped) or not any(type(done.step) is RepointHyperdrive for done in stage.said(StepFinished))
    assert to_hyperdrive(stage) == []
    stage.watch.violations.clear()  # users reach no database of ours since somebody led it elsewhere


def test_who_moves_too_is_named_and_is_looked_up_once_in_a_run(stage):
    put_worker(stage, "reports", config(stage).id)
    planned = plan(*stage.observe())
    assert any("does not name them: reports" in each for each in planned.warnings)
    stage.watch.requests.clear()
    assert stage.apply(expect=planned.digest).converged
    lists = [path for method, path, _ in stage.watch.requests if path.endswith("/workers/scripts")]
    assert len(lists) == 1
    forget_workers(stage, "reports")


def test_where_it_can_not_be_read_who_moves_too_nothing_is_begun(stage):
    stage.fault("status", "GET", "/settings$", 403, times=10)
    _, observed = stage.observe()
    assert isinstance(observed.sharers, Unknown)
    outcome = stage.apply()
    assert [each.rule for each in outcome.final.refusals] == ["unreadable"]
    assert stage.writes() == []


def test_a_last_check_that_fails_leads_the_config_back_whatever_is_interrupted(stage):
    stage.world.route.live = False
    outcome = stage.apply()
    assert [each.rule for each in outcome.final.refusals] == ["timeline-failed"]
    assert behind(stage) == "main"
    assert to_hyperdrive(stage) == ["PATCH config", "POST restart"] * 2
    names = kinds(done.step for done in outcome.taken)
    assert names[-4:] == ["RenameBranch", "RepointHyperdrive", "RestartPool", "AwaitCache"]


def test_a_run_that_dies_while_it_leads_the_config_back_is_continued_with_the_restart(stage):
    stage.world.route.live = False
    stage.apply()
    config(stage).restarted_on = config(stage).modified_on - timedelta(seconds=30)
    outcome = stage.apply()
    assert kinds(done.step for done in outcome.taken) == ["RestartPool"]


def test_a_cache_that_is_off_costs_no_time_and_what_is_declared_is_set(stage):
    stage.asked["hyperdrive"]["caching"] = {"disabled": True}
    restore, stage.asked["primary"]["restore"] = stage.asked["primary"]["restore"], None
    stage.write()
    outcome = stage.apply()
    assert kinds(done.step for done in outcome.taken) == ["UpdateHyperdrive"]
    assert config(stage).caching == {"disabled": True}
    stage.asked["primary"]["restore"] = restore
    stage.write()
    before = timestamps.now()
    assert not any(type(done.step) is AwaitCache for done in stage.apply().taken)
    assert timestamps.now() - before < timedelta(seconds=75)
    stage.watch.violations.clear()  # the invariant is about a cache that is on


def test_a_setting_that_was_changed_by_hand_is_set_again_and_the_rest_is_left_as_it_is(stage):
    stage.asked["hyperdrive"] |= {"connection_limit": 20, "strategy": "rebind"}
    stage.asked["primary"]["restore"] = None
    stage.write()
    config(stage).caching = {"disabled": False, "max_age": 5}
    assert stage.apply().converged
    assert (config(stage).origin_connection_limit, config(stage).caching) == (20, {"disabled": False, "max_age": 5})
    config(stage).origin_connection_limit = 30

    def set_it_right():
        config(stage).origin_connection_limit = 20

    outcome = stage.apply(UpdateHyperdrive=set_it_right)
    assert outcome.converged
    assert to_hyperdrive(stage) == ["PATCH config"], "somebody else was first, so nothing was sent"


def test_by_rebind_a_restored_timeline_has_no_cache_where_there_was_none(stage):
    stage.watch._repoints = False
    stage.asked["hyperdrive"]["strategy"] = "rebind"
    stage.write()
    config(stage).caching = {"disabled": True}
    assert stage.apply().converged
    assert {each.caching == CACHING_OFF for each in stage.observe()[1].configs} == {True}


def test_a_password_that_was_reset_at_neon_is_given_to_hyperdrive(stage):
    stage.asked["primary"]["restore"] = None
    stage.write()
    stage.world.loop.leapt += 120
    path = f"/projects/{stage.world.project_id}/branches/{stage.branch('main').id}/roles/app/reset_password"
    stage.do(stage.world.neon("POST", path))
    stage.do(stage.world.settle())
    old = config(stage).origin["password"]
    outcome = stage.apply()
    assert kinds(done.step for done in outcome.taken) == ["RenewPassword"]
    assert config(stage).origin["password"] == stage.branch("main").roles["app"].password != old
    assert plan(*stage.observe()).in_sync


def test_a_password_that_is_reset_in_the_middle_of_an_approved_apply_is_renewed_in_it(stage):
    def reset():
        stage.world.loop.leapt += 120
        role = next(each for each in stage.world.project.branches.values() if ".candidate." in each.name).roles["app"]
        role.updated_at = timestamps.now()

    planned = plan(*stage.observe())
    outcome = stage.apply(expect=planned.digest, RenameBranch=reset)
    assert outcome.converged
    names = kinds(done.step for done in outcome.taken)
    assert names[names.index("RenewPassword") :][:2] == ["RenewPassword", "RestartPool"]
    assert plan(*stage.observe()).in_sync
    stage.watch.violations.clear()  # the invariant takes every change of the config for a repoint


def test_where_it_can_not_be_read_when_a_password_was_changed_nothing_follows(stage):
    stage.asked["primary"]["restore"] = None
    stage.write()
    stage.fault("status", "GET", "/roles/app$", 403, times=10)
    desired, observed = stage.observe()
    assert observed.password_changed_at is None
    assert plan(desired, observed).in_sync


def test_a_restore_goes_on_where_the_config_that_serves_was_deleted_and_versions_are_to_be_tried_at_0_percent(worlds):
    stage = Stage(worlds, "HTTP gate at 0 %")
    stage.world.account.configs.clear()
    outcome = stage.apply()
    assert outcome.converged
    assert "VerifyLive" in [done.step.wire_name for done in outcome.taken]
    before, after = stage.watch.violations
    assert before == "users of shop-api reach no database"
    assert after.startswith("users of shop-api reach version ")
    assert after.endswith("whose HTTP gate was never asked"), "it was asked right after"
