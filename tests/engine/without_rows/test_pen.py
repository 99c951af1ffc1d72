"""The holding pen, without rows: what is asked before anything goes, and what somebody does right before it would."""

import copy
from dataclasses import replace
from datetime import timedelta

import pytest

from reconciler.core.plan.plan import plan
from reconciler.engine.events import StepDropped
from reconciler.sandbox import timestamps
from reconciler.sandbox.neon.state import PLANS
from tests.engine.without_rows.stage import Stage

_DAY = timedelta(days=1).total_seconds()


@pytest.fixture
def stage(worlds):
    """A production that was restored and put back, eight days ago."""
    stage = Stage(worlds, "first restore, rebind")
    assert stage.apply().converged
    stage.world.loop.leapt += 60
    stage.asked["primary"]["restore"] = None
    stage.write()
    assert stage.apply().converged
    stage.watch.promoted.clear()
    stage.world.loop.leapt += 8 * _DAY
    stage.watch.requests.clear()
    return stage


def held(stage):
    (name,) = [each for each in stage.names() if ".held." in each]
    return name


def configs(stage):
    return sorted(each.name for each in stage.world.account.configs.values())


def test_what_is_held_too_long_is_deleted_with_its_config_and_nothing_else(stage):
    outcome = stage.apply()
    assert outcome.converged
    assert [done.step.wire_name for done in outcome.taken] == ["DeleteHyperdrive", "DeleteBranch"]
    deleted = [path for method, path, _ in stage.watch.requests if method != "GET"]
    assert [path.split("/")[-2] for path in deleted] == ["configs", "branches"]
    assert (stage.names(), len(configs(stage))) == (["main"], 1)
    assert stage.apply().taken == ()


def test_while_nothing_has_ended_no_other_worker_is_asked_for(stage):
    stage.world.loop.leapt -= 7 * _DAY
    assert stage.apply().taken == ()
    assert not [path for _, path, _ in stage.watch.requests if path.endswith("/workers/scripts")]


@pytest.mark.parametrize("kind", ["drop-before", "drop-after", "status"])
@pytest.mark.parametrize("path", ["/hyperdrive/configs/", "/branches/"])
def test_a_lost_answer_or_a_busy_provider_ends_with_both_gone(stage, kind, path):
    stage.fault(kind, "DELETE", path, 503 if kind == "status" else 0)
    assert stage.apply().converged
    assert stage.names() == ["main"]


@pytest.mark.parametrize("path", ["/hyperdrive/configs/", "/branches/"])
def test_a_run_that_is_killed_at_a_deletion_is_continued(stage, path):
    stage.kill_after("DELETE", path)
    assert stage.apply().converged
    assert (stage.names(), len(configs(stage))) == (["main"], 1)


def test_a_branch_that_is_protected_right_before_it_would_be_deleted_stays_and_the_end_is_in_sync(stage):
    name = held(stage)

    def protect():
        stage.branch(name).protected = True

    outcome = stage.apply(DeleteBranch=protect)
    assert outcome.converged
    assert name in stage.names()
    assert [each.step.wire_name for each in stage.said(StepDropped)] == ["DeleteBranch"]


def delete_by_hand(stage):
    """Somebody deletes the held branch at Neon, and leaves its config."""
    path = f"/projects/{stage.world.project_id}/branches/{stage.branch(held(stage)).id}"
    stage.do(stage.world.neon("DELETE", path))
    stage.do(stage.world.settle())
    stage.watch.requests.clear()


def test_the_config_of_a_branch_that_was_deleted_by_hand_goes_where_nothing_uses_it(stage):
    delete_by_hand(stage)
    assert [done.step.wire_name for done in stage.apply().taken] == ["DeleteHyperdrive"]
    assert (len(stage.writes()), len(configs(stage))) == (1, 1)
    assert stage.apply().taken == ()


def test_a_worker_that_is_bound_to_it_right_before_keeps_it(stage):
    delete_by_hand(stage)
    scripts, (ours,) = stage.world.account.scripts, stage.world.scripts

    def bind():
        other = copy.deepcopy(scripts[ours])
        other.name, other.deployments = "reports", other.deployments[1:]
        scripts["reports"] = other

    outcome = stage.apply(DeleteHyperdrive=bind)
    del scripts["reports"]
    assert (outcome.converged, outcome.taken, len(configs(stage))) == (True, (), 2)


@pytest.fixture
def shielded(worlds):
    """The same of a primary that was protected, and so is what is held; the file lets it go all the same."""
    stage = Stage(worlds, "hold ended, protected")
    stage.watch.promoted.clear()
    return stage


def test_what_was_protected_as_the_primary_is_unprotected_right_before_its_own_deletion(shielded):
    name = held(shielded)
    identity = shielded.branch(name).id
    assert shielded.apply().converged
    sent = [(method, path.split("/")[-1]) for method, path, _ in shielded.watch.requests if method != "GET"]
    assert sent[1:] == [("PATCH", identity), ("DELETE", identity)]
    assert (shielded.names(), shielded.branch("main").protected) == (["main"], True)
    assert shielded.apply().taken == ()


def test_what_is_made_from_it_right_before_keeps_it_with_its_protection(shielded):
    name = held(shielded)

    def make_from_it():
        shielded.branch("main").parent_id = shielded.branch(name).id

    outcome = shielded.apply(DeleteBranch=make_from_it)
    assert (outcome.converged, shielded.branch(name).protected) == (True, True)


def test_a_run_that_dies_between_unprotecting_and_deleting_leaves_it_held_once_more_and_then_it_goes(shielded):
    name = held(shielded)
    shielded.kill_after("PATCH", "/branches/")
    assert not shielded.branch(name).protected
    assert shielded.apply().taken == ()
    shielded.world.loop.leapt += 8 * _DAY
    assert shielded.apply().converged
    assert shielded.names() == ["main"]


def test_a_worker_that_is_put_back_by_hand_right_before_is_switched_to_what_is_asked_before_anything_goes(stage):
    script = stage.world.script(stage.world.scripts[0])

    def put_back():
        script.deployments.insert(0, replace(script.deployments[1], id="put-back-by-hand", created_on=timestamps.now()))

    kinds = [done.step.wire_name for done in stage.apply(DeleteHyperdrive=put_back).taken]
    assert kinds.index("SwitchTraffic") < kinds.index("DeleteHyperdrive") < kinds.index("DeleteBranch")
    assert not [each for each in stage.watch.violations if "reach no database" in each]


def test_another_worker_that_is_bound_right_before_the_config_would_be_deleted_keeps_config_and_branch(stage):
    name, before = held(stage), configs(stage)
    scripts = stage.world.account.scripts
    (ours,) = stage.world.scripts

    def bind():
        other = copy.deepcopy(scripts[ours])
        other.name, other.deployments = "reports", other.deployments[1:]
        scripts["reports"] = other

    outcome = stage.apply(DeleteHyperdrive=bind)
    del scripts["reports"]
    assert (outcome.converged, name in stage.names(), configs(stage)) == (True, True, before)


def test_a_list_of_workers_that_cannot_be_read_deletes_nothing(stage):
    stage.fault("status", "GET", "/workers/scripts$", 403, times=99)
    assert plan(*stage.observe()).in_sync
    assert stage.apply().taken == ()
    assert held(stage)


def test_a_declared_branch_gets_the_room_of_what_is_held_too_long(stage, monkeypatch):
    monkeypatch.setitem(PLANS, "launch_v3", replace(PLANS["launch_v3"], branches=2))
    stage.asked["branches"] = [{"name": "staging"}]
    stage.write()
    outcome = stage.apply()
    assert [done.step.wire_name for done in outcome.taken] == ["DeleteHyperdrive", "DeleteBranch", "CreateChild"]
    assert (outcome.converged, stage.names()) == (True, ["main", "staging"])
    assert stage.apply().taken == ()
