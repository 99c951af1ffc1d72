"""An expiry at Neon for what is held, without rows: given once, whatever dies between, and taken away when needed."""

import copy
from datetime import timedelta

import pytest

from reconciler.core.plan.plan import plan
from reconciler.errors import ProviderError
from tests.engine.without_rows.stage import Stage

_HOUR = timedelta(hours=1).total_seconds()


@pytest.fixture
def stage(worlds):
    """A production that was restored and put back two hours ago, in whose file what is held is to expire."""
    stage = Stage(worlds, "first restore, rebind")
    assert stage.apply().converged
    stage.world.loop.leapt += 60
    stage.restore = stage.asked["primary"]["restore"]
    stage.asked["primary"] |= {"restore": None, "expire_on_neon": True}
    stage.write()
    assert "ExpireHeld" not in kinds(stage.apply())
    stage.watch.promoted.clear()
    stage.world.loop.leapt += 2 * _HOUR
    stage.watch.requests.clear()
    return stage


def kinds(outcome):
    assert outcome.converged
    return [done.step.wire_name for done in outcome.taken]


def held(stage):
    (name,) = [each for each in stage.names() if ".held." in each]
    return stage.branch(name)


def test_it_is_given_once_by_one_request_and_then_all_is_in_sync(stage):
    assert kinds(stage.apply()) == ["ExpireHeld"]
    assert [method for method, _, _ in stage.watch.requests if method != "GET"] == ["PATCH"]
    assert plan(*stage.observe()).in_sync
    stage.world.loop.leapt += 100 * _HOUR
    assert stage.apply().taken == ()


def test_it_comes_a_week_after_the_hold(stage):
    stage.apply()
    left = held(stage).expires_at - held(stage).updated_at
    assert abs(left - timedelta(days=14)) < timedelta(minutes=1)


@pytest.mark.parametrize("kind", ["drop-before", "drop-after", "status"])
def test_a_lost_answer_or_a_busy_provider_ends_with_one(stage, kind):
    stage.fault(kind, "PATCH", "/branches/", 503 if kind == "status" else 0)
    stage.apply()
    assert held(stage).expires_at is not None
    assert stage.apply().taken == ()


def test_a_run_that_is_killed_right_after_is_continued_by_nothing(stage):
    stage.kill_after("PATCH", "/branches/")
    assert stage.apply().converged
    assert held(stage).expires_at is not None


def test_where_neon_lets_nothing_expire_that_is_said_with_what_to_do_and_all_else_is_done(stage, monkeypatch):
    monkeypatch.setattr(stage.world.sandbox.states[0].switches, "expires_at_available", False)
    with pytest.raises(ProviderError, match="expiration is not available") as raised:
        stage.apply()
    assert "leave primary.expire_on_neon out" in raised.value.hint


def test_it_is_taken_away_when_the_file_says_so(stage):
    stage.apply()
    stage.asked["primary"]["expire_on_neon"] = False
    stage.write()
    assert kinds(stage.apply()) == ["ClearExpiry"]
    assert held(stage).expires_at is None


def test_a_worker_that_is_bound_to_its_config_right_before_keeps_it_from_expiring(stage):
    scripts = stage.world.account.scripts
    (ours,) = stage.world.scripts

    def bind():
        other = copy.deepcopy(scripts[ours])
        other.name, other.deployments = "reports", other.deployments[1:]
        scripts["reports"] = other

    outcome = stage.apply(ExpireHeld=bind)
    del scripts["reports"]
    assert (outcome.converged, held(stage).expires_at) == (True, None)


def test_what_expires_loses_that_before_it_is_live_again(stage):
    stage.apply()
    stage.asked["primary"]["restore"] = stage.restore
    stage.write()
    assert kinds(stage.apply())[0] == "ClearExpiry"
    assert stage.branch("main").expires_at is None
