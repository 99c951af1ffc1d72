"""Restores and their undoing, told by the rows that users reach through Worker and Hyperdrive."""

import pytest

from reconciler.core.lineage.lineage import SourceAmbiguous
from tests.support import database
from tests.support.database import DAMAGED, EARLY, GOOD, Rows
from tests.support.shops import PRIMARY


def test_a_restore_brings_the_rows_back_and_holds_the_damaged_history(production):
    production.ask(production.shop.good)
    assert production.apply().converged
    production.check_live(GOOD)
    assert production.rows_on(f"main.held.origin.before.{production.timeline()}") == DAMAGED


def test_git_revert_brings_back_the_history_exactly_as_it_was_left(production):
    production.ask(production.shop.good, message="the restore")
    restored = production.timeline()
    production.apply()
    production.commit("wrangler.jsonc as deployed")
    database.add_clicks(production.uri(production.branch(PRIMARY)), 7)
    production.desired["primary"]["restore"] = None
    production.git("revert", "--no-edit", "HEAD~1")
    assert production.apply().converged
    production.check_live(DAMAGED)
    assert production.rows_on(f"main.held.{restored}.before.origin.2") == Rows(25, 407)


def test_a_restore_that_was_undone_comes_back_as_it_was_left_when_it_is_asked_for_again(production):
    shop = production.shop
    production.ask(shop.good)
    production.apply()
    database.add_clicks(production.uri(production.branch(PRIMARY)), 7)
    production.ask(None)
    production.apply()
    production.ask(shop.good)
    outcome = production.apply()
    assert outcome.converged
    production.check_live(Rows(25, 407))
    assert "CreateBranch" not in [done.step.wire_name for done in outcome.taken]
    assert len(production.branches()) == len(production.own_configs()) == 2


def test_a_second_restore_to_a_moment_of_the_restored_history_comes_from_the_promoted_child(production):
    production.ask(production.shop.good)
    production.apply()
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


def test_a_second_restore_to_a_moment_before_the_first_comes_from_the_held_origin(production):
    origin = production.branch(PRIMARY)
    production.ask(production.shop.good)
    production.apply()
    production.ask(production.shop.early)
    assert production.apply().converged
    production.check_live(EARLY)
    assert production.branch(PRIMARY)["parent_id"] == origin["id"]


def test_the_same_moment_is_restored_again_only_under_another_id(production):
    production.ask(production.shop.good, id="one")
    production.apply()
    database.damage(production.uri(production.branch(PRIMARY)))
    production.check_in_sync()
    production.ask(production.shop.good, id="two")
    production.apply()
    production.check_live(GOOD)


def test_a_moment_after_the_last_write_can_be_restored(production):
    origin = production.uri(production.branch(PRIMARY))
    later = database.moment(origin)
    database.settle(later)
    production.ask(later)
    assert production.apply().converged
    production.check_live(DAMAGED)


def _moment_in_the_middle_of_business(production, *branches):
    later = database.moment(production.uri(branches[0]))
    for branch in branches:
        database.add_clicks(production.uri(branch), 1)
    database.settle(later)
    return later


def test_where_two_timelines_may_have_been_live_nothing_is_done_until_from_names_one(production):
    shop = production.shop
    origin = production.branch(PRIMARY)
    production.ask(shop.good)
    production.apply()
    child = production.branch(PRIMARY)
    database.add_clicks(production.uri(child), 7)
    production.ask(None)
    production.apply()
    later = _moment_in_the_middle_of_business(production, origin, child)

    production.sandbox.forget_requests()
    production.ask(later)
    (refusal,) = production.apply().final.refusals
    assert isinstance(refusal, SourceAmbiguous)
    assert production.sandbox.writes() == []

    restored = f"r-{database.text(shop.good).replace('-', '').replace(':', '').replace('.', '')}"
    production.ask(later, **{"from": restored})
    assert production.apply().converged
    production.check_live(Rows(25, 407))
    assert production.branch(PRIMARY)["parent_id"] == child["id"]


@pytest.mark.thorough
def test_from_overrides_the_timeline_that_was_live(production):
    origin = production.branch(PRIMARY)
    production.ask(production.shop.good)
    production.apply()
    later = _moment_in_the_middle_of_business(production, origin)
    production.ask(later, **{"from": "origin"})
    assert production.apply().converged
    production.check_live(DAMAGED)
    assert production.branch(PRIMARY)["parent_id"] == origin["id"]


def test_in_sync_again_and_again_writes_nothing(production):
    for _ in range(3):
        production.check_in_sync()
    production.ask(production.shop.good)
    production.apply()
    for _ in range(3):
        production.check_in_sync()
    production.check_live(GOOD)


def test_a_protected_primary_hands_its_protection_on_and_the_new_password_reaches_the_rows(make_production):
    production = make_production(protected=True)
    before = production.uri(production.branch(PRIMARY))
    production.ask(production.shop.good)
    assert production.apply().converged
    production.check_live(GOOD)
    assert production.branch(PRIMARY)["protected"]
    assert production.branch(f"main.held.origin.before.{production.timeline()}")["protected"]
    # Hyperdrive has logged in with what it was given, or there were no config.
    assert _password(production.uri(production.branch(PRIMARY))) != _password(before)
    production.check_in_sync()


def _password(uri):
    return uri.split("@")[0].rsplit(":")[-1]


def test_a_project_with_neither_hyperdrive_nor_worker_is_restored_and_undone(make_production):
    production = make_production(hyperdrive=False)
    production.ask(production.shop.good)
    assert production.apply().converged
    production.check_live(GOOD)
    assert not [each for each in production.sandbox.requests() if "/client/v4" in each.path and each.is_write]
    production.ask(None)
    production.apply()
    production.check_live(DAMAGED)


def test_a_project_with_neither_hyperdrive_nor_worker_needs_no_cloudflare_credentials(make_production):
    production = make_production(hyperdrive=False)
    production.environment = {name: value for name, value in production.environment.items() if "NEON" in name}
    production.check_in_sync()


def test_hyperdrive_without_a_worker_gets_a_config_that_leads_to_the_restored_rows(make_production):
    production = make_production(workers=0)
    production.ask(production.shop.good)
    assert production.apply().converged
    production.check_live(GOOD)
    branch = production.branch_behind(production.config(production.config_name()))
    assert database.look(production.uri(branch)) == GOOD
    production.check_in_sync()


@pytest.mark.thorough
def test_two_workers_are_both_prepared_first_and_then_switched_right_after_each_other(make_production, web):
    production = make_production(workers=2)
    production.verify(http=[web.url])
    production.ask(production.shop.good)
    assert production.apply().converged
    production.check_live(GOOD)
    workers = [each for each in production.sandbox.writes() if "/workers/scripts/" in each.path]
    kinds = [each.path.rsplit("/", 1)[1] for each in workers]
    assert kinds == ["versions"] * 2 + ["deployments"] * 2 + ["deployments"] * 2
    staged, switched = workers[2:4], workers[4:6]
    for pair in (staged, switched):
        assert pair[1].n == pair[0].n + 1, "another request came between the two Workers"
        assert {each.path.split("/")[-2] for each in pair} == set(production.scripts)
    assert len(web.asked) == 2, "once while staged, once as users ask"
    override = web.asked[0]["cloudflare-workers-version-overrides"]
    assert "cloudflare-workers-version-overrides" not in web.asked[1]
    assert all(f'{script}="' in override for script in production.scripts)


@pytest.mark.thorough
@pytest.mark.parametrize("workers", [1, 2])
def test_no_deployment_ever_shares_traffic_between_two_databases(make_production, web, workers):
    production = make_production(workers=workers)
    production.verify(http=[web.url])
    for to in (production.shop.good, None, production.shop.good):
        production.ask(to)
        production.apply()
    production.check_never_split()
    for script in production.scripts:
        # As deployed first, staged and switched, back, and there again without gates: it was live before.
        assert [sorted(each.values()) for each in production.deployments(script)] == [
            [100], [100], [100], [0, 100], [100],
        ]  # fmt: skip
