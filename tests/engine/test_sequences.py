"""Restores and their undoing, by the rows that users reach through Worker and Hyperdrive."""

from tests.support import database
from tests.support.database import DAMAGED, Rows
from tests.support.shops import PRIMARY


def test_git_revert_brings_back_the_rows_as_left(production):
    production.ask(production.shop.good, message="the restore")
    restored = production.timeline()
    assert production.apply().converged
    production.commit("wrangler.jsonc as deployed")
    database.add_clicks(production.uri(production.branch(PRIMARY)), 7)
    production.desired["primary"]["restore"] = None
    production.git("revert", "--no-edit", "HEAD~1")
    assert production.apply().converged
    production.check_live(DAMAGED)
    assert production.rows_on(f"main.held.{restored}.before.origin.2") == Rows(25, 407)


def test_a_moment_of_a_restored_timeline_comes_from_it(production):
    production.ask(production.shop.good)
    assert production.apply().converged
    first, primary = production.timeline(), production.branch(PRIMARY)
    database.add_listings(production.uri(primary), 3)
    later = database.moment(production.uri(primary))
    database.damage(production.uri(primary))
    database.settle(later)
    production.ask(later, id="again")
    assert production.apply().converged
    production.check_live(Rows(28, 400))
    assert production.branch(PRIMARY)["parent_id"] == primary["id"]
    assert production.rows_on(f"main.held.{first}.before.{production.timeline()}.2") == DAMAGED
    assert len(production.branches()) == 3


def test_a_moment_after_the_last_write_can_be_restored(production):
    later = database.moment(production.uri(production.branch(PRIMARY)))
    database.settle(later)
    production.ask(later)
    assert production.apply().converged
    production.check_live(DAMAGED)
