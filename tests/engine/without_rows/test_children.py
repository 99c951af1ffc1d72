"""Declared branches, without rows: made, reset once, protected, expired and deleted, whatever dies in between."""

from datetime import timedelta

import pytest

from reconciler.core.plan.plan import plan
from reconciler.engine.events import StepDropped
from tests.engine.without_rows.stage import Stage


@pytest.fixture
def stage(worlds):
    """A production that is in sync."""
    stage = Stage(worlds, "first restore, rebind")
    stage.asked["primary"]["restore"] = None
    stage.write()
    return stage


def declare(stage, *branches):
    stage.asked["branches"] = list(branches)
    stage.write()


def kinds(outcome):
    return [done.step.wire_name for done in outcome.taken]


def make(stage, name, parent="main", **more):
    """Make a branch as somebody else does."""
    body = {"branch": {"name": name, "parent_id": stage.branch(parent).id}, "endpoints": [{"type": "read_write"}]}
    stage.do(stage.world.neon("POST", f"/projects/{stage.world.project_id}/branches", json=body | more))
    stage.do(stage.world.settle())


RESET = {"name": "staging", "reset": {"id": "first"}}
AGAIN = {"name": "staging", "reset": {"id": "second"}}
RECORD = "staging.before-reset.second"


def test_a_declared_branch_is_made_as_declared_and_then_nothing_is_left_to_do(stage):
    declare(stage, {"name": "staging", "expires": "7d", "database": "reports"}, {"name": "drill", "protected": True})
    outcome = stage.apply()
    assert outcome.converged
    assert kinds(outcome) == ["CreateChild", "ExpireChild", "CreateDatabase", "CreateChild", "ProtectChild"]
    staging = stage.branch("staging")
    assert staging.parent_id == stage.branch("main").id
    assert staging.expires_at == staging.created_at.replace(microsecond=0) + timedelta(days=7)
    assert staging.databases["reports"].owner_name == "app"
    assert stage.branch("drill").protected
    assert kinds(stage.apply()) == []


def test_a_new_branch_has_had_the_reset_that_is_asked_for_and_another_id_resets_it_once(stage):
    declare(stage, RESET)
    assert kinds(stage.apply()) == ["CreateChild"]
    identity, endpoint = stage.branch("staging").id, stage.world.project.endpoints_of(stage.branch("staging").id)[0].id
    declare(stage, AGAIN)
    assert kinds(stage.apply()) == ["ResetChild"]
    assert stage.names() == ["main", "staging", RECORD]
    assert stage.branch("staging").id == identity
    assert stage.world.project.endpoints_of(identity)[0].id == endpoint
    assert kinds(stage.apply()) == []
    declare(stage, RESET)
    assert kinds(stage.apply()) == [], "a reset happens once"


def test_what_an_older_reset_has_kept_goes_with_the_next_one(stage):
    for entry in (RESET, AGAIN, {"name": "staging", "reset": {"id": "third"}}):
        declare(stage, entry)
        outcome = stage.apply()
        stage.loop.leapt += 60
    assert kinds(outcome) == ["ResetChild", "DeleteChild"]
    assert stage.names() == ["main", "staging", "staging.before-reset.third"]


@pytest.mark.parametrize("kill", ["POST", None])
def test_a_reset_whose_run_is_killed_or_whose_answer_is_lost_is_not_done_twice(stage, kill):
    declare(stage, RESET)
    stage.apply()
    declare(stage, AGAIN)
    if kill:
        stage.kill_after("POST", "/restore$")
    else:
        stage.fault("drop-after", "POST", "/restore$")
    outcome = stage.apply()
    assert outcome.converged
    assert stage.writes().count("POST restore") == 1
    assert stage.names() == ["main", "staging", RECORD]


@pytest.mark.parametrize("kind", ["drop-before", "drop-after"])
def test_a_creation_whose_answer_is_lost_makes_one_branch(stage, kind):
    declare(stage, RESET)
    stage.fault(kind, "POST", "/branches$")
    assert stage.apply().converged
    assert stage.names() == ["main", "staging"]


def test_a_reset_keeps_the_children_of_the_branch_with_what_it_held(stage):
    declare(stage, RESET)
    stage.apply()
    make(stage, "somebodys", "staging")
    declare(stage, AGAIN)
    assert stage.apply().converged
    assert stage.branch("somebodys").parent_id == stage.branch(RECORD).id
    declare(stage, {"name": "staging", "reset": {"id": "third"}})
    outcome = stage.apply()
    assert outcome.converged
    assert RECORD in stage.names()
    assert [
        each for each in outcome.final.warnings if f'"{RECORD}" was kept at an older reset and is not deleted' in each
    ]


def test_what_is_not_declared_any_more_is_deleted_only_where_we_made_it(stage):
    declare(stage, AGAIN, {"name": "preview", "parent": "staging"})
    stage.apply()
    make(stage, "somebodys")
    del stage.asked["branches"]
    stage.write()
    outcome = stage.apply()
    assert kinds(outcome) == []
    assert ['"branches": [] would delete it' in each for each in outcome.final.warnings] == [True]
    declare(stage)
    assert kinds(stage.apply()) == ["DeleteChild", "DeleteChild"]
    assert stage.names() == ["main", "somebodys"]


def test_what_a_removed_branch_has_kept_goes_first(stage):
    for entry in (RESET, AGAIN):
        declare(stage, entry)
        stage.apply()
    declare(stage)
    stage.kill_after("DELETE", stage.branch(RECORD).id)
    assert stage.apply().converged
    assert stage.names() == ["main"]


def test_a_branch_that_gets_a_child_right_before_it_would_be_deleted_stays(stage):
    declare(stage, RESET)
    stage.apply()
    declare(stage)
    outcome = stage.apply(DeleteChild=lambda: setattr(stage.branch("staging"), "protected", True))
    assert outcome.converged
    assert stage.said(StepDropped)
    assert "staging" in stage.names()
    assert [each for each in outcome.final.warnings if "it is protected" in each]


def test_a_refused_branch_does_not_stop_the_restore_of_the_primary_and_is_told_afterwards(stage):
    make(stage, "staging")
    declare(stage, RESET, {"name": "preview"})
    stage.world.ask(stage.world.moments[0])
    stage.asked["primary"] = stage.world.desired["primary"]
    stage.write()
    planned = plan(*stage.observe())
    outcome = stage.apply(expect=planned.digest)
    assert [each.rule for each in outcome.final.refusals] == ["child-not-ours"]
    assert str(outcome.final.live) == stage.world.timeline_asked()
    assert stage.branch("preview").parent_id == stage.branch("main").id
    assert outcome.final.steps == ()


def test_after_a_restore_a_branch_stays_with_the_old_history_until_its_reset_gets_another_id(stage):
    declare(stage, RESET)
    stage.apply()
    old = stage.branch("main").id
    stage.world.ask(stage.world.moments[0])
    stage.asked["primary"] = stage.world.desired["primary"]
    stage.write()
    outcome = stage.apply()
    assert stage.branch("staging").parent_id == old
    assert [each for each in outcome.final.warnings if each.startswith('"staging" was made from origin')]
    declare(stage, AGAIN)
    outcome = stage.apply()
    assert outcome.converged
    assert stage.branch("staging").parent_id == stage.branch("main").id != old
    assert not [each for each in outcome.final.warnings if "was made from" in each]


def test_an_expiry_begins_anew_with_a_reset_and_is_not_set_by_us_then(stage):
    declare(stage, RESET | {"expires": "7d"})
    stage.apply()
    stage.loop.leapt += 24 * 3600
    declare(stage, AGAIN | {"expires": "7d"})
    outcome = stage.apply()
    assert outcome.converged
    assert kinds(outcome) == ["ResetChild"]
    staging = stage.branch("staging")
    assert abs(staging.expires_at - staging.last_reset_at - timedelta(days=7)) < timedelta(minutes=5)
    declare(stage, AGAIN | {"expires": "forever"})
    assert kinds(stage.apply()) == ["ClearExpiry"]


def test_databases_that_cannot_be_read_are_a_refusal_of_that_branch_alone(stage):
    declare(stage, {"name": "staging"})
    stage.apply()
    declare(stage, {"name": "staging", "database": "reports"}, {"name": "preview"})
    stage.fault("status", "GET", "/databases$", 400, times=99)
    outcome = stage.apply()
    assert [each.rule for each in outcome.final.refusals] == ["child-databases-unknown"]
    assert kinds(outcome) == ["CreateChild"]


def test_somebody_elses_branch_may_be_declared_for_what_harms_nobody(stage):
    make(stage, "staging")
    declare(stage, {"name": "staging", "protected": True, "database": "reports"})
    assert kinds(stage.apply()) == ["ProtectChild", "CreateDatabase"]
    declare(stage)
    assert kinds(stage.apply()) == []
    assert "staging" in stage.names()
