"""The method "in-place", told by the rows that users reach: the primary stays the branch that it is."""

import pytest

from tests.support import database
from tests.support.database import DAMAGED, EARLY, GOOD, Rows
from tests.support.shops import PRIMARY


@pytest.fixture
def production(production):
    production.desired["primary"]["method"] = "in-place"
    return production


def held_in_place(production, timeline, before, sequence=1):
    return f"main.held.{timeline}.before.{before}{f'.{sequence}' if sequence > 1 else ''}.in-place"


@pytest.mark.thorough
def test_a_restore_in_place_keeps_branch_endpoint_and_password_and_holds_what_was_replaced(production):
    before, uri = production.branch(PRIMARY), production.uri(production.branch(PRIMARY))
    configs, deployments = production.own_configs(), production.deployments(production.scripts[0])
    production.ask(production.shop.good)
    assert production.apply().converged
    production.check_live(GOOD)
    assert (before["id"], uri) == (production.branch(PRIMARY)["id"], production.uri(production.branch(PRIMARY)))
    assert (configs, deployments) == (production.own_configs(), production.deployments(production.scripts[0]))
    assert production.config(production.name)["restarted_on"]
    held = held_in_place(production, "origin", production.timeline())
    assert {PRIMARY, held} == set(production.branches())
    assert production.rows_on_held(held) == DAMAGED
    production.check_in_sync()


def test_undo_puts_back_what_was_held_as_it_was_left_and_holds_what_it_replaces(production):
    production.ask(production.shop.good)
    restored = production.timeline()
    production.apply()
    database.add_clicks(production.uri(production.branch(PRIMARY)), 7)
    production.ask(None)
    assert production.apply().converged
    production.check_live(DAMAGED)
    assert production.rows_on_held(held_in_place(production, restored, "origin", 2)) == Rows(25, 407)
    production.ask(production.shop.good)
    assert production.apply().converged
    production.check_live(Rows(25, 407))
    production.check_in_sync()


@pytest.mark.thorough
def test_a_second_restore_finds_the_moment_on_the_branch_that_was_preserved(production):
    production.ask(production.shop.good)
    production.apply()
    production.ask(production.shop.early)
    assert production.apply().converged
    production.check_live(EARLY)


@pytest.mark.thorough
@pytest.mark.parametrize("methods", [("branch", "in-place"), ("in-place", "branch")])
def test_the_method_may_change_between_a_restore_and_its_undo(production, methods):
    first, second = methods
    production.sandbox.switch("neon", child_as_target=True)
    production.desired["primary"]["method"] = first
    production.ask(production.shop.good)
    assert production.apply().converged
    production.check_live(GOOD)
    database.add_clicks(production.uri(production.branch(PRIMARY)), 7)
    production.desired["primary"]["method"] = second
    production.ask(None)
    outcome = production.apply()
    assert outcome.converged, [each.message for each in outcome.final.refusals]
    production.check_live(DAMAGED)
    production.ask(production.shop.good)
    assert production.apply().converged
    production.check_live(Rows(25, 407))
    production.check_in_sync()


def test_what_is_protected_is_unprotected_only_for_the_restore(production):
    production.protect(PRIMARY)
    production.ask(production.shop.good)
    outcome = production.apply()
    names = [done.step.wire_name for done in outcome.taken]
    middle = names.index("RestoreBranch")
    assert names[middle - 1 : middle + 2] == ["UnprotectBranch", "RestoreBranch", "ProtectBranch"]
    production.check_live(GOOD)
    assert production.branch(PRIMARY)["protected"]
