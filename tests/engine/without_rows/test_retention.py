"""What is held: deleted when its hold has ended, or given an expiry at Neon, unless it is needed."""

from dataclasses import replace
from datetime import timedelta

import pytest

from reconciler.engine.events import StepDropped
from reconciler.errors import ProviderError
from reconciler.sandbox import timestamps
from reconciler.sandbox.neon.state import PLANS
from tests.engine.without_rows.simulation import DAY_SECONDS, names


def put_back(simulation, seconds, **primary):
    """Restore the production and put it back, so long ago, with a file that has these keys since."""
    simulation.restore = simulation.desired["primary"]["restore"]
    simulation.converge()
    simulation.leap(60)
    simulation.change(primary={"restore": None, **primary})
    simulation.converge()
    simulation.leap(seconds)
    simulation.watch.requests.clear()
    return simulation


@pytest.fixture
def due(first):
    """A production whose hold of eight days has ended."""
    return put_back(first, 8 * DAY_SECONDS)


@pytest.fixture
def orphaned(due):
    """The same, whose held branch was deleted by hand at Neon, and its config was not."""
    due.delete_branch(due.held)
    due.watch.requests.clear()
    return due


@pytest.fixture
def shielded(simulate):
    """The same of a primary that was protected, and so is what is held; the file lets it go all the same."""
    return simulate("hold ended, protected")


@pytest.fixture
def expiring(first):
    """A production in whose file what it has held for two hours is to expire."""
    return put_back(first, 2 * 3600, expire_on_neon=True)


def expiry(simulation):
    return simulation.branch(simulation.held).expires_at


# Deletions


def test_what_is_held_too_long_goes_with_its_config(due):
    assert due.converge() == ["DeleteHyperdrive", "DeleteBranch"]
    assert [path.split("/")[-2] for method, path, _ in due.watch.requests if method != "GET"] == ["configs", "branches"]
    assert (due.names(), due.configs()) == (["main"], ["shop"])
    assert due.converge() == []


def test_within_the_hold_no_other_worker_is_listed(due):
    due.leap(-7 * DAY_SECONDS)
    assert due.converge() == []
    assert due.reads("/workers/scripts") == []


@pytest.mark.parametrize("path", ["/hyperdrive/configs/", "/branches/"])
def test_a_run_killed_at_a_deletion_is_continued(due, path):
    due.kill_after("DELETE", path)
    due.converge()
    assert (due.names(), due.configs()) == (["main"], ["shop"])


def test_a_branch_protected_right_before_stays(due):
    name = due.held
    due.converge(DeleteBranch=lambda: setattr(due.branch(name), "protected", True))
    assert name in due.names()
    assert names(each.step for each in due.reported(StepDropped)) == ["DeleteBranch"]


def test_a_worker_bound_right_before_keeps_config_and_branch(due):
    before = due.names(), due.configs()
    with due.bound_by_hand() as bind:
        due.converge(DeleteHyperdrive=bind)
    assert (due.names(), due.configs()) == before


def test_a_worker_put_back_right_before_is_switched_first(due):
    def put_back_by_hand():
        old = replace(due.script.deployments[1], id="by-hand", created_on=timestamps.now())
        due.script.deployments.insert(0, old)

    steps = due.converge(DeleteHyperdrive=put_back_by_hand)
    assert steps.index("SwitchTraffic") < steps.index("DeleteHyperdrive") < steps.index("DeleteBranch")
    assert not [each for each in due.watch.violations if "reach no database" in each]
    due.watch.violations.clear()  # users were put back by hand


def test_an_unreadable_list_of_workers_deletes_nothing(due):
    due.fault("status", "GET", "/workers/scripts$", 403, times=99)
    assert due.plan().in_sync
    assert due.converge() == []
    assert due.held


def test_a_declared_branch_gets_the_room(due, monkeypatch):
    monkeypatch.setitem(PLANS, "launch_v3", replace(PLANS["launch_v3"], branches=2))
    due.change(branches=[{"name": "staging"}])
    assert due.converge() == ["DeleteHyperdrive", "DeleteBranch", "CreateChild"]
    assert due.names() == ["main", "staging"]
    assert due.converge() == []


def test_the_config_of_a_branch_deleted_by_hand_goes(orphaned):
    assert orphaned.converge() == ["DeleteHyperdrive"]
    assert len(orphaned.writes()) == 1
    assert orphaned.configs() == ["shop"]
    assert orphaned.converge() == []


def test_a_worker_bound_right_before_keeps_an_orphaned_config(orphaned):
    with orphaned.bound_by_hand() as bind:
        assert orphaned.converge(DeleteHyperdrive=bind) == []
    assert len(orphaned.configs()) == 2


def test_protection_of_the_former_primary_goes_right_before(shielded):
    identity = shielded.branch(shielded.held).id
    shielded.converge()
    sent = [(method, path.split("/")[-1]) for method, path, _ in shielded.watch.requests if method != "GET"]
    assert sent[1:] == [("PATCH", identity), ("DELETE", identity)]
    assert shielded.names() == ["main"]
    assert shielded.branch("main").protected
    assert shielded.converge() == []


def test_a_child_made_right_before_keeps_the_protection(shielded):
    held = shielded.branch(shielded.held)
    shielded.converge(DeleteBranch=lambda: setattr(shielded.branch("main"), "parent_id", held.id))
    assert held.protected


def test_a_run_killed_after_unprotecting_holds_once_more(shielded):
    shielded.kill_after("PATCH", "/branches/")
    assert not shielded.branch(shielded.held).protected
    assert shielded.converge() == []
    shielded.leap(8 * DAY_SECONDS)
    shielded.converge()
    assert shielded.names() == ["main"]


# Expiries


def test_an_expiry_is_given_once_by_one_request(expiring):
    assert expiring.converge() == ["ExpireHeld"]
    assert [each.split()[0] for each in expiring.writes()] == ["PATCH"]
    left = expiry(expiring) - expiring.branch(expiring.held).updated_at
    assert abs(left - timedelta(days=14)) < timedelta(minutes=1)
    expiring.leap(4 * DAY_SECONDS)
    assert expiring.converge() == []


def test_a_run_killed_after_an_expiry_leaves_nothing_to_do(expiring):
    expiring.kill_after("PATCH", "/branches/")
    assert expiring.converge() == []
    assert expiry(expiring) is not None


def test_an_expiry_whose_answer_is_lost_is_given(expiring):
    expiring.fault("drop-before", "PATCH", "/branches/")
    expiring.converge()
    assert expiry(expiring) is not None


def test_where_neon_has_no_expiries_the_hint_says_so(expiring, monkeypatch):
    monkeypatch.setattr(expiring.world.sandbox.states[0].switches, "expires_at_available", False)
    with pytest.raises(ProviderError, match="expiration is not available") as raised:
        expiring.apply()
    assert "remove primary.expire_on_neon from the file" in raised.value.hint


def test_an_expiry_is_taken_away_when_the_file_says_so(expiring):
    expiring.converge()
    expiring.change(primary={"expire_on_neon": False})
    assert expiring.converge() == ["ClearExpiry"]
    assert expiry(expiring) is None


def test_a_worker_bound_right_before_keeps_the_branch(expiring):
    with expiring.bound_by_hand() as bind:
        expiring.converge(ExpireHeld=bind)
    assert expiry(expiring) is None


def test_what_becomes_live_loses_its_expiry_first(expiring):
    expiring.converge()
    expiring.ask(expiring.restore)
    assert expiring.converge()[0] == "ClearExpiry"
    assert expiring.branch("main").expires_at is None
