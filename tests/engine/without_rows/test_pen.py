"""The deletion of what was held long enough: what is asked before it, and what is done by hand right before."""

from dataclasses import replace

import pytest

from reconciler.engine.events import StepDropped
from reconciler.sandbox import timestamps
from reconciler.sandbox.neon.state import PLANS
from tests.engine.without_rows.simulation import DAY_SECONDS, names

BOTH = pytest.mark.parametrize("path", ["/hyperdrive/configs/", "/branches/"])


@pytest.fixture
def due(first):
    """A production that was restored and put back, eight days ago."""
    first.converge()
    first.leap(60)
    first.ask(None)
    first.converge()
    first.leap(8 * DAY_SECONDS)
    first.watch.requests.clear()
    return first


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


def is_gone(simulation):
    return (simulation.names(), simulation.configs()) == (["main"], ["shop"])


def test_what_is_held_too_long_goes_with_its_config(due):
    assert due.converge() == ["DeleteHyperdrive", "DeleteBranch"]
    assert [path.split("/")[-2] for method, path, _ in due.watch.requests if method != "GET"] == ["configs", "branches"]
    assert is_gone(due)
    assert due.converge() == []


def test_within_the_hold_no_other_worker_is_listed(due):
    due.leap(-7 * DAY_SECONDS)
    assert due.converge() == []
    assert due.reads("/workers/scripts") == []


@pytest.mark.parametrize("kind", ["drop-before", "drop-after", "status"])
@BOTH
def test_a_lost_answer_or_busy_provider_ends_with_both_gone(due, kind, path):
    due.fault(kind, "DELETE", path, 503 if kind == "status" else 0)
    due.converge()
    assert is_gone(due)


@BOTH
def test_a_run_killed_at_a_deletion_is_continued(due, path):
    due.kill_after("DELETE", path)
    due.converge()
    assert is_gone(due)


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
    def put_back():
        old = replace(due.script.deployments[1], id="by-hand", created_on=timestamps.now())
        due.script.deployments.insert(0, old)

    steps = due.converge(DeleteHyperdrive=put_back)
    assert steps.index("SwitchTraffic") < steps.index("DeleteHyperdrive") < steps.index("DeleteBranch")
    assert not [each for each in due.watch.violations if "reach no database" in each]
    due.watch.violations.clear()  # users were put back by hand


def test_an_unreadable_list_of_workers_deletes_nothing(due):
    due.fault("status", "GET", "/workers/scripts$", 403, times=99)
    assert due.plan().in_sync
    assert due.converge() == []
    assert due.held


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


def test_a_declared_branch_gets_the_room(due, monkeypatch):
    monkeypatch.setitem(PLANS, "launch_v3", replace(PLANS["launch_v3"], branches=2))
    due.change(branches=[{"name": "staging"}])
    assert due.converge() == ["DeleteHyperdrive", "DeleteBranch", "CreateChild"]
    assert due.names() == ["main", "staging"]
    assert due.converge() == []
