"""Declared branches: made, reset once, protected, expired and deleted, whatever dies in between."""

from datetime import timedelta

import pytest

from reconciler.engine.events import StepDropped
from tests.engine.without_rows.simulation import DAY_SECONDS, rules, taken

RESET = {"name": "staging", "reset": {"id": "first"}}
AGAIN = {"name": "staging", "reset": {"id": "second"}}
THIRD = {"name": "staging", "reset": {"id": "third"}}
RECORD = "staging.before-reset.second"


@pytest.fixture
def live(simulate):
    """A production that is in sync."""
    simulation = simulate(primary={"restore": None})
    simulation.restore = simulation.world.moments[0]
    return simulation


def declare(simulation, *branches):
    simulation.change(branches=list(branches))
    return simulation.apply()


def make_by_hand(simulation, name, parent="main"):
    body = {"name": name, "parent_id": simulation.branch(parent).id}
    simulation.neon("POST", "/branches", branch=body, endpoints=[{"type": "read_write"}])


def test_a_declared_branch_is_made_as_declared(live):
    outcome = declare(
        live, {"name": "staging", "expires": "7d", "database": "reports"}, {"name": "drill", "protected": True}
    )
    assert taken(outcome) == ["CreateChild", "ExpireChild", "CreateDatabase", "CreateChild", "ProtectChild"]
    staging = live.branch("staging")
    assert staging.parent_id == live.branch("main").id
    assert staging.expires_at == staging.created_at.replace(microsecond=0) + timedelta(days=7)
    assert staging.databases["reports"].owner_name == "app"
    assert live.branch("drill").protected
    assert live.converge() == []


def test_another_id_resets_a_branch_once(live):
    assert taken(declare(live, RESET)) == ["CreateChild"]
    identity, compute = live.branch("staging").id, live.compute("staging").id
    assert taken(declare(live, AGAIN)) == ["ResetChild"]
    assert live.names() == ["main", "staging", RECORD]
    assert (live.branch("staging").id, live.compute("staging").id) == (identity, compute)
    assert live.converge() == []
    assert taken(declare(live, RESET)) == [], "a reset happens once"


def test_a_reset_deletes_what_an_older_one_kept(live):
    for entry in (RESET, AGAIN, THIRD):
        outcome = declare(live, entry)
        live.leap(60)
    assert taken(outcome) == ["ResetChild", "DeleteChild"]
    assert live.names() == ["main", "staging", "staging.before-reset.third"]
    live.watch.violations.clear()  # they allow one reset


@pytest.mark.parametrize("is_killed", [True, False])
def test_an_interrupted_reset_is_done_once(live, is_killed):
    declare(live, RESET)
    live.change(branches=[AGAIN])
    if is_killed:
        live.kill_after("POST", "/restore$")
    else:
        live.fault("drop-after", "POST", "/restore$")
    live.converge()
    assert live.writes().count("POST restore") == 1
    assert live.names() == ["main", "staging", RECORD]


def test_a_reset_keeps_children_with_what_was_held(live):
    declare(live, RESET)
    make_by_hand(live, "by-hand", "staging")
    assert declare(live, AGAIN).converged
    assert live.branch("by-hand").parent_id == live.branch(RECORD).id
    outcome = declare(live, THIRD)
    assert outcome.converged
    assert RECORD in live.names()
    assert [each for each in outcome.final.warnings if f'"{RECORD}"' in each and "not deleted" in each]
    live.watch.violations.clear()  # they allow one reset


def test_only_what_we_made_is_deleted(live):
    declare(live, AGAIN, {"name": "preview", "parent": "staging"})
    make_by_hand(live, "by-hand")
    live.leave_out("branches")
    outcome = live.apply()
    assert taken(outcome) == []
    assert ['"branches": []' in each for each in outcome.final.warnings] == [True]
    assert taken(declare(live)) == ["DeleteChild", "DeleteChild"]
    assert live.names() == ["by-hand", "main"]


def test_what_a_removed_branch_kept_goes_first(live):
    declare(live, RESET)
    declare(live, AGAIN)
    live.change(branches=[])
    live.kill_after("DELETE", live.branch(RECORD).id)
    live.converge()
    assert live.names() == ["main"]


def test_a_branch_protected_right_before_its_deletion_stays(live):
    declare(live, RESET)
    live.change(branches=[])
    outcome = live.apply(DeleteChild=lambda: setattr(live.branch("staging"), "protected", True))
    assert outcome.converged
    assert live.reported(StepDropped)
    assert "staging" in live.names()
    assert [each for each in outcome.final.warnings if "it is protected" in each]


def test_a_refused_branch_blocks_no_restore(live):
    make_by_hand(live, "staging")
    live.change(branches=[RESET, {"name": "preview"}])
    live.world.ask(live.restore)
    outcome = live.apply(expect=live.plan().digest)
    assert rules(outcome) == ["child-not-ours"]
    assert str(outcome.final.live) == live.timeline
    assert live.branch("preview").parent_id == live.branch("main").id
    assert outcome.final.steps == ()


def test_a_branch_follows_a_restore_at_its_next_reset(live):
    declare(live, RESET)
    old = live.branch("main").id
    live.world.ask(live.restore)
    outcome = live.apply()
    assert live.branch("staging").parent_id == old
    assert [each for each in outcome.final.warnings if each.startswith('"staging" was created from origin')]
    outcome = declare(live, AGAIN)
    assert outcome.converged
    assert live.branch("staging").parent_id == live.branch("main").id != old
    assert not [each for each in outcome.final.warnings if "was created from" in each]


def test_neon_starts_an_expiry_over_with_a_reset(live):
    declare(live, RESET | {"expires": "7d"})
    live.leap(DAY_SECONDS)
    assert taken(declare(live, AGAIN | {"expires": "7d"})) == ["ResetChild"]
    staging = live.branch("staging")
    assert abs(staging.expires_at - staging.last_reset_at - timedelta(days=7)) < timedelta(minutes=5)
    assert taken(declare(live, AGAIN | {"expires": "forever"})) == ["ClearExpiry"]


def test_unreadable_databases_refuse_that_branch_alone(live):
    declare(live, {"name": "staging"})
    live.fault("status", "GET", "/databases$", 400, times=99)
    outcome = declare(live, {"name": "staging", "database": "reports"}, {"name": "preview"})
    assert rules(outcome) == ["child-databases-unknown"]
    assert taken(outcome) == ["CreateChild"]


def test_a_branch_made_by_hand_may_be_declared(live):
    make_by_hand(live, "staging")
    outcome = declare(live, {"name": "staging", "protected": True, "database": "reports"})
    assert taken(outcome) == ["ProtectChild", "CreateDatabase"]
    assert taken(declare(live)) == []
    assert "staging" in live.names()
