"""Fences, without rows: which histories take writes, what their computes say, and what a run that ends badly leaves."""

import asyncio

import pytest

from reconciler.engine import loop
from reconciler.engine.events import NotMended, PlanChanged, StepFinished, StepStarted
from reconciler.errors import LeaseLost, ReconcilerError
from reconciler.sandbox import timestamps
from tests.engine.without_rows.stage import Stage
from tests.support.database import text

FENCED = "first restore, fenced"


@pytest.fixture
def stage(worlds):
    """A production with a fence that is asked for its first restore. After every single request its invariants hold."""
    stage = Stage(worlds, FENCED)
    yield stage
    assert stage.watch.violations == []


def kinds(steps):
    return [step.wire_name for step in steps]


def held(stage):
    (found,) = [name for name in stage.names() if ".held." in name]
    return found


def is_closed(stage, name):
    return stage.world.fences.is_closed(stage.branch(name).cluster)


def compute(stage, name):
    identity = stage.branch(name).id
    (found,) = [each for each in stage.world.project.endpoints.values() if each.branch_id == identity]
    return found


def says(stage, name):
    """What the compute of a branch is called."""
    return compute(stage, name).name


def test_a_run_that_fails_at_the_switch_lifts_the_fence_and_the_next_one_comes_to_its_end(stage):
    stage.fault("status", "POST", "/deployments$", 400)
    with pytest.raises(ReconcilerError):
        stage.apply()
    assert not is_closed(stage, "main")
    assert stage.events[-1].step.wire_name == "LiftFence"
    stage.world.calm()
    assert stage.apply().converged
    assert (is_closed(stage, "main"), is_closed(stage, held(stage))) == (False, True)


def test_a_run_that_ends_by_a_fault_of_its_own_lifts_the_fence(stage):
    def fault():
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        stage.apply(SwitchTraffic=fault)
    assert stage.events[-1].step.wire_name == "LiftFence"
    assert not is_closed(stage, "main")


def test_where_that_cannot_be_lifted_it_is_said_that_writes_may_fail(stage):
    stage.fault("status", "POST", "/deployments$", 400)
    stage.fault("status", "PATCH", "/endpoints/", 400, nth=2)
    with pytest.raises(ReconcilerError):
        stage.apply()
    assert isinstance(stage.events[-1], NotMended)
    assert "400" in stage.events[-1].why


def test_lifting_that_takes_too_long_is_given_up_and_said(stage, monkeypatch):
    async def hangs(_owner, _user):
        if "POST deployments" in stage.writes():
            await asyncio.Event().wait()

    monkeypatch.setattr(stage.world.fences, "open", hangs)
    monkeypatch.setattr(loop, "_MENDING_SECONDS", 1.0)
    stage.fault("status", "POST", "/deployments$", 400)
    with pytest.raises(ReconcilerError):
        stage.apply()
    assert stage.events[-1] == NotMended("no answer within 1 s")


class Until:
    """A permit that ends as soon as something is so."""

    def __init__(self, ended):
        self._ended = ended

    async def confirm(self):
        if self._ended():
            raise LeaseLost("somebody else has it now")


def test_a_run_that_has_lost_its_right_lifts_nothing_and_the_next_one_lifts_what_it_finds_first(stage):
    with pytest.raises(LeaseLost):
        stage.apply(permit=Until(lambda: stage.said(StepFinished) and is_closed(stage, "main")))
    assert is_closed(stage, "main")
    assert isinstance(stage.events[-1], NotMended)
    stage.events.clear()
    assert stage.apply(permit=Until(lambda: False)).converged
    assert kinds(done.step for done in stage.said(StepFinished))[0] == "LiftFence"


def test_a_fence_that_an_earlier_run_left_is_lifted_at_once_though_neon_is_long_at_work_for_somebody_else(
    stage, monkeypatch
):
    with pytest.raises(LeaseLost):
        stage.apply(permit=Until(lambda: stage.said(StepFinished) and is_closed(stage, "main")))
    stage.slow("OPERATION create_branch", 600)
    begun = stage.loop.time()
    theirs = {"branch": {"name": "theirs"}}
    stage.do(stage.world.neon("POST", f"/projects/{stage.world.project_id}/branches", json=theirs))
    opened, lift = [], stage.world.fences.open

    async def note(owner, user):
        await lift(owner, user)
        opened.append(stage.loop.time() - begun)

    monkeypatch.setattr(stage.world.fences, "open", note)
    with pytest.raises(ReconcilerError, match="423"):
        stage.apply()
    assert not is_closed(stage, "main")
    assert opened[0] < 10, "seconds of the world's time"


def test_a_fence_that_an_earlier_run_left_is_lifted_though_the_approved_plan_is_another(stage):
    with pytest.raises(LeaseLost):
        stage.apply(permit=Until(lambda: stage.said(StepFinished) and is_closed(stage, "main")))
    with pytest.raises(PlanChanged):
        stage.apply(expect="0123")
    assert not is_closed(stage, "main")


def test_once_users_are_switched_the_next_run_fences_again_and_the_name_of_the_compute_stays(stage):
    with pytest.raises(LeaseLost):
        stage.apply(permit=Until(lambda: "POST deployments" in stage.writes()))
    named = f"PATCH {compute(stage, 'main').id}"
    assert stage.writes().count(named) == 1
    outcome = stage.apply()
    assert kinds(done.step for done in outcome.taken)[:2] == ["FenceBranch", "RenameBranch"]
    assert stage.writes().count(named) == 1


def test_what_is_held_already_is_fenced_when_the_option_is_set_and_says_so_only_when_it_is_done(worlds):
    stage = Stage(worlds, FENCED)  # its first restore is without a fence, which the invariants of this scenario mind
    stage.asked["primary"]["fence"] = False
    stage.write()
    assert stage.apply().converged
    assert not is_closed(stage, held(stage))
    stage.asked["primary"]["fence"] = True
    stage.write()
    stage.fault("status", "PATCH", "/endpoints/", 400)
    with pytest.raises(ReconcilerError):
        stage.apply()
    assert is_closed(stage, held(stage))
    assert not says(stage, held(stage))
    stage.world.calm()
    assert kinds(done.step for done in stage.apply().taken) == ["FenceBranch"]
    assert says(stage, held(stage)).startswith("fenced by reconciler")


def test_a_list_of_versions_that_lags_behind_leads_to_no_second_upload(stage):
    def lag():
        stage.fault("stale", "GET", "/versions$", times=2)

    assert stage.apply(FenceBranch=lag).converged
    assert stage.writes().count("POST versions") == 1
    begun = kinds(each.step for each in stage.said(StepStarted))
    assert begun.count("UploadVersion") == 2, "it was asked for again"


def test_a_role_that_does_not_own_the_database_is_fenced_by_its_owner(worlds, monkeypatch):
    stage = Stage(worlds, FENCED)  # its users reach no Worker of the file, which the invariants are about
    branch = stage.branch("main")
    path = f"/projects/{stage.world.project_id}/branches/{branch.id}/roles"
    stage.do(stage.world.neon("POST", path, json={"role": {"name": "reader"}}))
    stage.do(stage.world.settle())
    stage.world.loop.leapt += 60
    stage.asked["primary"]["restore"] = {"to": text(timestamps.now())}
    stage.world.loop.leapt += 60
    database = stage.asked.pop("hyperdrive")["database"]
    del stage.asked["worker"]
    stage.asked["verify"] = {"database": database, "role": "reader"}
    stage.write()
    asked, close = [], stage.world.fences.close

    async def note(owner, user):
        asked.append((owner.role, user.role))
        await close(owner, user)

    monkeypatch.setattr(stage.world.fences, "close", note)
    assert stage.apply().converged
    assert asked == [("app", "reader")]


def close_then(stage, **fault):
    """Have something go wrong on every look from right after the fence is closed."""

    def strike():
        for method, path, number in fault["strikes"]:
            stage.fault("status", method, path, number, times=1000)

    async def close(owner, user):
        await type(stage.world.fences).close(stage.world.fences, owner, user)
        strike()

    return close


@pytest.mark.parametrize("path", ["/hyperdrive/configs", "/deployments$"])
def test_what_can_no_longer_be_read_after_the_fence_does_not_leave_users_read_only(stage, monkeypatch, path):
    monkeypatch.setattr(stage.world.fences, "close", close_then(stage, strikes=[("GET", path, 403)]))
    outcome = stage.apply()
    assert [each.rule for each in outcome.final.refusals] == ["unreadable"]
    assert not is_closed(stage, "main")
    assert "fenced" not in (says(stage, "main") or "")


def test_where_neon_itself_can_no_longer_be_read_it_is_said_that_writes_may_fail(stage, monkeypatch):
    monkeypatch.setattr(stage.world.fences, "close", close_then(stage, strikes=[("GET", "/branches$", 403)]))
    outcome = stage.apply()
    assert [each.rule for each in outcome.final.refusals] == ["unreadable"]
    assert isinstance(stage.events[-1], NotMended)
