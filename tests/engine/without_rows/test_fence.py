"""Fences: which histories take writes, what their computes say, and what a run that ends badly leaves."""

import asyncio

import pytest

from reconciler.engine import loop
from reconciler.engine.events import PlanChanged, SafetyNetFailed, StepFinished, StepStarted
from reconciler.errors import FenceFailed, LeaseLost, ReconcilerError, Suspended
from reconciler.sandbox import timestamps
from tests.engine.without_rows.simulation import GATED, EndsWhen, Killed, names, rules, taken
from tests.support.database import text

MARK = "fenced by reconciler"


@pytest.fixture
def fenced(simulate):
    """A production with a fence that is asked for its first restore."""
    return simulate("first restore, fenced")


@pytest.fixture
def left(fenced):
    """The same, after a run that was killed with the fence up."""
    fenced.kill_at(StepFinished, "FenceBranch")
    assert is_closed(fenced)
    return fenced


def is_closed(simulation, name="main"):
    return simulation.world.fences.is_closed(simulation.branch(name).cluster)


def closed(simulation):
    """Whether what is live takes no writes, and whether what is held takes none."""
    return is_closed(simulation), is_closed(simulation, simulation.held)


def says_fenced(simulation, name="main"):
    return MARK in (simulation.compute(name).name or "")


def fail_the_switch(simulation):
    simulation.fault("status", "POST", "/deployments$", 400)


def test_a_run_that_fails_at_the_switch_lifts_the_fence(fenced):
    fail_the_switch(fenced)
    with pytest.raises(ReconcilerError):
        fenced.apply()
    assert not is_closed(fenced)
    assert not says_fenced(fenced)
    assert names([fenced.events[-1].step]) == ["LiftFence"]
    fenced.converge()
    assert closed(fenced) == (False, True)


@pytest.mark.parametrize("error", [ZeroDivisionError, asyncio.CancelledError])
def test_a_run_that_ends_by_itself_lifts_the_fence(fenced, error):
    def fault():
        raise error

    with pytest.raises(error):
        fenced.apply(SwitchTraffic=fault)
    assert names([fenced.events[-1].step]) == ["LiftFence"]
    assert not is_closed(fenced)


def test_a_fence_that_cannot_be_lifted_is_reported(fenced):
    fail_the_switch(fenced)
    fenced.fault("status", "PATCH", "/endpoints/", 400, nth=2)
    with pytest.raises(ReconcilerError):
        fenced.apply()
    assert isinstance(fenced.events[-1], SafetyNetFailed)
    assert "400" in fenced.events[-1].why


def test_a_fence_that_fails_switches_nothing(fenced, monkeypatch):
    async def fails(_owner, _user):
        raise FenceFailed("it still takes writes")

    monkeypatch.setattr(fenced.world.fences, "close", fails)
    with pytest.raises(FenceFailed):
        fenced.apply()
    assert "POST deployments" not in fenced.writes()
    assert not says_fenced(fenced)


def test_lifting_that_takes_too_long_is_reported(fenced, monkeypatch):
    async def hangs(_owner, _user):
        if "POST deployments" in fenced.writes():
            await asyncio.Event().wait()

    monkeypatch.setattr(fenced.world.fences, "open", hangs)
    monkeypatch.setattr(loop, "_SAFETY_NET_SECONDS", 1.0)
    fail_the_switch(fenced)
    with pytest.raises(ReconcilerError):
        fenced.apply()
    assert fenced.events[-1] == SafetyNetFailed("no answer within 1 s")


def test_a_run_without_its_lease_lifts_nothing(fenced):
    with pytest.raises(LeaseLost):
        fenced.apply(lease=EndsWhen(lambda: fenced.reported(StepFinished) and is_closed(fenced)))
    assert is_closed(fenced)
    assert isinstance(fenced.events[-1], SafetyNetFailed)


def test_a_suspension_keeps_no_fence_up(fenced):
    suspended = EndsWhen(lambda: is_closed(fenced), Suspended("ada suspended production"))
    with pytest.raises(Suspended):
        fenced.apply(suspension=suspended)
    assert names(event.step for event in fenced.events[-3:-1]) == ["FenceBranch", "LiftFence"]
    assert not is_closed(fenced)


# What an earlier run has left


def test_a_left_fence_is_lifted_first(left):
    assert left.converge()[0] == "LiftFence"


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"suspension": EndsWhen(lambda: True, Suspended("ada suspended production"))}, Suspended),
        ({"expect": "0123", "lease": EndsWhen(lambda: False)}, PlanChanged),
    ],
    ids=["suspended", "another plan"],
)
def test_a_left_fence_is_lifted_though_nothing_else_may_be_done(left, arguments, error):
    with pytest.raises(error):
        left.apply(**arguments)
    assert {"LiftFence"} == set(names(event.step for event in left.events))
    assert not is_closed(left)


def test_a_left_fence_is_lifted_though_the_restore_is_refused(left):
    left.ask(left.desired["primary"]["restore"] | {"id": "b", "from": "r-20200101T000000000Z"})
    outcome = left.apply()
    assert rules(outcome) == ["source-not-held"]
    assert taken(outcome) == ["LiftFence"]
    assert not is_closed(left)


def test_a_left_fence_is_lifted_while_others_keep_neon_busy(left, monkeypatch):
    left.slow("OPERATION create_branch", 600)
    begun = left.loop.time()
    path = f"/projects/{left.world.project_id}/branches"
    left.do(left.world.neon("POST", path, json={"branch": {"name": "theirs"}}))
    opened, lift = [], left.world.fences.open

    async def note(owner, user):
        await lift(owner, user)
        opened.append(left.loop.time() - begun)

    monkeypatch.setattr(left.world.fences, "open", note)
    with pytest.raises(ReconcilerError, match="423"):
        left.apply()
    assert not is_closed(left)
    assert opened[0] < 10, "seconds of the world's time"


# Where a run is killed


@pytest.mark.parametrize("is_done", [False, True])
def test_a_run_killed_while_it_fences_is_continued(fenced, monkeypatch, is_done):
    close = fenced.world.fences.close

    async def dies(owner, user):
        if is_done:
            await close(owner, user)
        raise Killed

    monkeypatch.setattr(fenced.world.fences, "close", dies)
    with pytest.raises(Killed):
        fenced.apply()
    monkeypatch.undo()
    assert (says_fenced(fenced), is_closed(fenced)) == (True, is_done)
    fenced.kill_at(StepFinished, "LiftFence")
    assert (says_fenced(fenced), is_closed(fenced)) == (False, False)
    fenced.converge()
    assert closed(fenced) == (False, True)


def test_a_run_killed_after_the_switch_is_fenced_again(fenced):
    fenced.kill_at(StepFinished, "SwitchTraffic")
    assert is_closed(fenced), "users are on the new one"
    named = f"PATCH {fenced.compute().id}"
    assert fenced.writes().count(named) == 1
    assert fenced.converge()[:2] == ["FenceBranch", "RenameBranch"]
    assert fenced.writes().count(named) == 1
    assert closed(fenced) == (False, True)


def test_a_killed_undo_is_continued_step_by_step(fenced):
    fenced.converge()
    fenced.leap(60)
    held = fenced.held
    fenced.ask(None)
    for event, step, expected in (
        (StepFinished, "FenceBranch", (True, True)),
        (StepFinished, "LiftFence", (False, True)),
        (StepStarted, "SwitchTraffic", (True, False)),
    ):
        fenced.kill_at(event, step)
        assert (is_closed(fenced), is_closed(fenced, held)) == expected, step
    fenced.converge()
    assert closed(fenced) == (False, True)


# Other ways to a fence


def test_what_is_held_already_is_fenced_when_the_file_says_so(simulate):
    simulation = simulate("first restore, fenced", primary={"fence": False})
    simulation.converge()
    assert closed(simulation) == (False, False)
    simulation.change(primary={"fence": True})
    simulation.fault("status", "PATCH", "/endpoints/", 400)
    with pytest.raises(ReconcilerError):
        simulation.apply()
    assert closed(simulation) == (False, True)
    assert not says_fenced(simulation, simulation.held)
    assert simulation.converge() == ["FenceBranch"]
    assert says_fenced(simulation, simulation.held)


def test_a_failed_last_check_puts_back_what_takes_writes(simulate):
    simulation = simulate(GATED, primary={"fence": True})
    simulation.world.route.live = False
    outcome = simulation.apply()
    assert rules(outcome) == ["timeline-failed"]
    steps = [each for each in taken(outcome) if each in {"FenceBranch", "LiftFence", "SwitchTraffic"}]
    assert steps[-4:] == ["FenceBranch", "SwitchTraffic", "LiftFence", "SwitchTraffic"]
    assert not is_closed(simulation)
    simulation.watch.violations.clear()  # what has failed its check is not fenced


def test_a_stale_list_of_versions_uploads_nothing_twice(fenced):
    fenced.converge(FenceBranch=lambda: fenced.fault("stale", "GET", "/versions$", times=2))
    assert fenced.writes().count("POST versions") == 1
    assert names(each.step for each in fenced.reported(StepStarted)).count("UploadVersion") == 2


def test_the_owner_fences_for_a_role_that_owns_nothing(fenced, monkeypatch):
    fenced.neon("POST", f"/branches/{fenced.branch('main').id}/roles", role={"name": "reader"})
    fenced.leap(60)
    moment = text(timestamps.now())
    fenced.leap(60)
    fenced.ask({"to": moment})
    fenced.change(verify={"database": fenced.desired["hyperdrive"]["database"], "role": "reader"})
    fenced.leave_out("hyperdrive", "worker")
    asked, close = [], fenced.world.fences.close

    async def note(owner, user):
        asked.append((owner.role, user.role))
        await close(owner, user)

    monkeypatch.setattr(fenced.world.fences, "close", note)
    fenced.converge()
    assert asked == [("app", "reader")]
    fenced.watch.violations.clear()  # the file knows nothing of the Worker whose users they are about


# What cannot be read any more once the fence is up


@pytest.fixture
def fail_once_fenced(fenced, monkeypatch):
    """Have every read of a path fail from right after the fence is up."""

    def fail(path):
        close = fenced.world.fences.close

        async def close_and_fail(owner, user):
            await close(owner, user)
            fenced.fault("status", "GET", path, 403, times=1000)

        monkeypatch.setattr(fenced.world.fences, "close", close_and_fail)

    return fail


@pytest.mark.parametrize("path", ["/hyperdrive/configs", "/deployments$"])
def test_what_cloudflare_hides_keeps_no_fence_up(fenced, fail_once_fenced, path):
    fail_once_fenced(path)
    assert rules(fenced.apply()) == ["unreadable"]
    assert not is_closed(fenced)
    assert not says_fenced(fenced)


def test_what_neon_hides_is_reported(fenced, fail_once_fenced):
    fail_once_fenced("/branches$")
    assert rules(fenced.apply()) == ["unreadable"]
    assert isinstance(fenced.events[-1], SafetyNetFailed)
