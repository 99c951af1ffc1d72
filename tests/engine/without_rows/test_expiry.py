"""An expiry at Neon for what is held: given once, whatever dies between, and taken away when needed."""

from datetime import timedelta

import pytest

from reconciler.errors import ProviderError

_HOUR = 3600


@pytest.fixture
def held(first):
    """A production that was restored and put back two hours ago, in whose file what is held is to expire."""
    first.converge()
    first.leap(60)
    first.restore = first.desired["primary"]["restore"]
    first.change(primary={"restore": None, "expire_on_neon": True})
    assert "ExpireHeld" not in first.converge()
    first.leap(2 * _HOUR)
    first.watch.requests.clear()
    return first


def expiry(simulation):
    return simulation.branch(simulation.held).expires_at


def test_it_is_given_once_by_one_request(held):
    assert held.converge() == ["ExpireHeld"]
    assert [each.split()[0] for each in held.writes()] == ["PATCH"]
    held.leap(100 * _HOUR)
    assert held.converge() == []


def test_it_comes_two_weeks_after_it_is_set(held):
    held.converge()
    left = expiry(held) - held.branch(held.held).updated_at
    assert abs(left - timedelta(days=14)) < timedelta(minutes=1)


@pytest.mark.parametrize("kind", ["drop-before", "drop-after", "status"])
def test_a_lost_answer_or_busy_provider_ends_with_one(held, kind):
    held.fault(kind, "PATCH", "/branches/", 503 if kind == "status" else 0)
    held.converge()
    assert expiry(held) is not None
    assert held.converge() == []


def test_a_run_killed_right_after_leaves_nothing_to_do(held):
    held.kill_after("PATCH", "/branches/")
    assert held.converge() == []
    assert expiry(held) is not None


def test_where_neon_has_none_the_hint_says_what_to_do(held, monkeypatch):
    monkeypatch.setattr(held.world.sandbox.states[0].switches, "expires_at_available", False)
    with pytest.raises(ProviderError, match="expiration is not available") as raised:
        held.apply()
    assert "leave primary.expire_on_neon out" in raised.value.hint


def test_it_is_taken_away_when_the_file_says_so(held):
    held.converge()
    held.change(primary={"expire_on_neon": False})
    assert held.converge() == ["ClearExpiry"]
    assert expiry(held) is None


def test_a_worker_bound_right_before_keeps_the_branch(held):
    with held.bound_by_hand() as bind:
        held.converge(ExpireHeld=bind)
    assert expiry(held) is None


def test_what_becomes_live_loses_it_first(held):
    held.converge()
    held.ask(held.restore)
    assert held.converge()[0] == "ClearExpiry"
    assert held.branch("main").expires_at is None
