"""A restore in place: what it sends, what it reads again right before, and what stays as it was."""

from dataclasses import replace

import pytest

from reconciler.errors import GateFailed, LeaseLost, ReconcilerError
from reconciler.sandbox import timestamps
from reconciler.sandbox.neon.state import PLANS
from tests.engine.without_rows.simulation import FIRST, GATED, EndsWhen, rules, taken

IN_PLACE = {"method": "in-place"}


@pytest.fixture
def first(simulate):
    """A production that is asked for its first restore, in place."""
    return simulate(primary=IN_PLACE)


@pytest.fixture
def protected(first):
    """The same, with a protected primary."""
    first.branch("main").protected = True
    return first


def address(simulation):
    """How users reach the data."""
    primary, compute = simulation.branch("main"), simulation.compute()
    bound = simulation.world.wrangler_id(simulation.script.name)
    return primary.id, primary.roles["app"].password, compute.id, compute.port, bound, simulation.configs()


def test_a_restore_and_its_undo_keep_the_address(first):
    before, timeline = address(first), first.timeline
    first.converge()
    assert first.config("shop").restarted_on
    first.ask(None)
    first.converge()
    assert address(first) == before
    assert "POST deployments" not in first.writes()
    preserved = f"main.held.origin.before.{timeline}.in-place", f"main.held.{timeline}.before.origin.2.in-place"
    assert first.names() == sorted(["main", *preserved])
    deleted = [path for method, path, _ in first.watch.requests if method == "DELETE"]
    assert len(deleted) == 2
    assert not any(path.endswith(before[0]) for path in deleted)


def test_protection_is_taken_only_for_the_restore(protected):
    steps = protected.converge()
    middle = steps.index("RestoreBranch")
    assert steps[middle - 1 : middle + 2] == ["UnprotectBranch", "RestoreBranch", "ProtectBranch"]
    assert protected.branch("main").protected


def test_protection_given_right_before_the_restore_comes_back(first):
    steps = first.converge(RestoreBranch=lambda: setattr(first.branch("main"), "protected", True))
    assert "UnprotectBranch" in steps
    assert first.writes().count("POST restore") == 1
    assert first.branch("main").protected


@pytest.mark.parametrize("path", ["/endpoints/", "/branches/"])
def test_protection_survives_a_death_and_an_undo(first, path):
    first.kill_after("POST", "/branches$")
    first.do(first.world.settle())
    first.branch("main").protected = True
    first.kill_after("PATCH", path)
    first.ask(None)
    first.converge()
    assert first.branch("main").protected


def test_protection_survives_a_restore_that_neon_refuses(protected):
    for _ in range(2):
        protected.fault("status", "POST", "/restore$", 422)
        with pytest.raises(ReconcilerError, match="422"):
            protected.apply()
        assert protected.branch("main").protected
    protected.converge()
    assert protected.branch("main").protected


def test_protection_survives_a_refusal_after_it_was_taken(protected, monkeypatch):
    protected.kill_after("PATCH", f"/branches/{protected.branch('main').id}$")
    assert not protected.branch("main").protected
    plan = protected.world.sandbox.states[0].switches.subscription_type
    monkeypatch.setitem(PLANS, plan, replace(PLANS[plan], branches=len(protected.names())))
    assert rules(protected.apply()) == ["branch-limit"]
    assert protected.branch("main").protected


def test_what_is_reset_by_hand_right_before_is_left_alone(first):
    def reset():
        """What has children is reset only with a name for what it held, which they follow (API reference, restore)."""
        first.branch("main").last_reset_at = timestamps.now()
        first.candidate.parent_id = "br-preserved-by-hand"

    assert rules(first.apply(RestoreBranch=reset))
    assert "POST restore" not in first.writes()


def test_a_proved_branch_protected_by_hand_is_not_deleted(first):
    name = f"main.proved.{first.timeline}"
    outcome = first.apply(DeleteBranch=lambda: setattr(first.branch(name), "protected", True))
    assert outcome.converged
    assert name in first.names()
    assert [each for each in outcome.final.warnings if f'"{name}"' in each and "protected" in each]


def test_a_run_killed_before_the_deletion_is_continued(first):
    with pytest.raises(LeaseLost):
        first.apply(lease=EndsWhen(lambda: any(".proved." in name for name in first.names())))
    assert first.converge() == ["DeleteBranch"]
    assert first.names() == ["main", first.held]


def test_a_failed_gate_leaves_the_primary_untouched(first):
    first.fault("status", "GET", "/schema$", 400)
    with pytest.raises(GateFailed):
        first.apply()
    assert "POST restore" not in first.writes()
    assert rules(first.plan()) == []


def test_a_failed_last_check_is_undone_in_place(simulate):
    simulation = simulate(GATED, primary=IN_PLACE)
    simulation.world.route.live = False
    outcome = simulation.apply()
    assert rules(outcome) == ["timeline-failed"]
    steps = [each for each in taken(outcome) if each in {"RestoreBranch", "RestartPool"}]
    assert steps == ["RestoreBranch", "RestartPool"] * 2
    failed, held = f"main.failed.{simulation.timeline}", f"main.held.{simulation.timeline}.before.origin.2.in-place"
    assert {failed, held} <= set(simulation.names())
    simulation.world.route.heal()
    assert simulation.apply().taken == ()


@pytest.mark.parametrize("methods", [("branch", "in-place"), ("in-place", "branch")])
def test_the_method_may_change_between_restore_and_undo(simulate, monkeypatch, methods):
    simulation = simulate(FIRST, primary={"method": methods[0]})
    monkeypatch.setattr(simulation.world.sandbox.states[0].switches, "child_as_target", True)
    simulation.converge()
    simulation.leap(60)
    simulation.change(primary={"method": methods[1], "restore": None})
    simulation.converge()
    assert str(simulation.plan().live) == "origin"
