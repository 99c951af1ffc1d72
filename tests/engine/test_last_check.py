"""After the switch: a last check as users reach the Worker, and the way back where it fails."""

import pytest

from reconciler.core.plan.plan import plan
from reconciler.errors import GateFailed, ReconcilerError
from tests.support import database
from tests.support.database import DAMAGED, GOOD, Rows
from tests.support.shops import PRIMARY


def _ask_with_a_last_check_that_fails(production, web):
    """The staged version answers well, and what users get does not."""
    production.verify(http=[web.url])
    production.desired["verify"]["http"][0]["for"] = "1ms"
    web.live_status = 500
    production.ask(production.shop.good)


def _check_put_back(production, primary):
    """Users, the primary and wrangler.jsonc are where they were; the restored branch is kept, under another name."""
    now = production.branch(PRIMARY)
    assert (now["id"], now["default"]) == (primary["id"], True)
    assert sorted(production.branches()) == [PRIMARY, f"main.failed.{production.timeline()}"]
    config = production.config(production.name)["id"]
    for script in production.scripts:
        assert production.bound_to(production.serving(script)) == config
        assert production.wrangler_id(script) == config
    production.check_never_split()


def test_a_last_check_that_fails_puts_the_old_timeline_back_once_and_for_all(production, web, command):
    primary = production.branch(PRIMARY)
    _ask_with_a_last_check_that_fails(production, web)
    said = command(production, "apply")
    assert said.status == 3
    assert "answered 500, not 200; putting back what was live" in said.stderr
    assert "timeline-failed" in said.stdout
    assert "another id" in said.stdout
    _check_put_back(production, primary)
    assert production.rows() == DAMAGED
    assert production.rows_on(f"main.failed.{production.timeline()}") == GOOD

    web.live_status = None
    production.sandbox.forget_requests()
    assert [each.rule for each in production.apply().final.refusals] == ["timeline-failed"]
    assert production.sandbox.writes() == [], "what has failed was tried again"

    production.ask(None)
    production.check_in_sync()


@pytest.mark.thorough
def test_a_plan_that_was_approved_is_put_back_too_and_what_was_written_meanwhile_is_kept(make_production, web):
    production = make_production(workers=2)
    primary = production.branch(PRIMARY)
    _ask_with_a_last_check_that_fails(production, web)
    web.on_live = lambda: database.add_clicks(production.uri(production.live_branch()), 1)
    outcome = production.apply(expect=plan(*production.observe()).digest)
    assert [each.rule for each in outcome.final.refusals] == ["timeline-failed"]
    _check_put_back(production, primary)
    assert production.rows_on(f"main.failed.{production.timeline()}") == Rows(GOOD.listings, GOOD.clicks + 1)


@pytest.mark.thorough
def test_a_way_back_that_is_interrupted_is_gone_on_with_though_the_check_would_pass_by_now(production, web):
    primary = production.branch(PRIMARY)
    _ask_with_a_last_check_that_fails(production, web)
    production.sandbox.fault("status:400", "POST", "/versions$", nth=2)
    with pytest.raises(ReconcilerError):
        production.apply()
    assert sorted(production.branches()) == [PRIMARY, f"main.failed.{production.timeline()}"]
    assert production.rows() == GOOD, "the way back was not interrupted"
    web.live_status = None
    assert [each.rule for each in production.apply().final.refusals] == ["timeline-failed"]
    _check_put_back(production, primary)


@pytest.mark.thorough
def test_on_failure_hold_stops_with_the_old_timeline_whole_and_goes_on_when_the_check_passes(production, web):
    primary = production.branch(PRIMARY)
    _ask_with_a_last_check_that_fails(production, web)
    production.desired["verify"]["on_failure"] = "hold"
    production.write("hold")
    with pytest.raises(GateFailed, match="answered 500, not 200") as failure:
        production.apply()
    assert "running this again checks again" in failure.value.hint
    assert production.branch(PRIMARY)["id"] == primary["id"]
    assert production.rows_on(PRIMARY) == DAMAGED
    assert production.rows() == GOOD
    web.live_status = None
    assert production.apply().converged
    production.check_live(GOOD)


@pytest.mark.thorough
def test_in_place_the_old_timeline_is_put_back_in_place_and_every_connection_is_made_anew(production, web):
    production.desired["primary"]["method"] = "in-place"
    primary = production.branch(PRIMARY)
    _ask_with_a_last_check_that_fails(production, web)
    outcome = production.apply()
    assert [each.rule for each in outcome.final.refusals] == ["timeline-failed"]
    assert production.branch(PRIMARY)["id"] == primary["id"]
    assert production.rows() == DAMAGED
    restored = production.timeline()
    held = f"main.held.origin.before.{restored}.in-place", f"main.held.{restored}.before.origin.2.in-place"
    assert set(production.branches()) == {PRIMARY, f"main.failed.{restored}", *held}
    assert production.rows_on_held(held[1]) == GOOD
    taken = [done.step.wire_name for done in outcome.taken]
    assert [name for name in taken if name in ("RestoreBranch", "RestartPool")] == ["RestoreBranch", "RestartPool"] * 2

    web.live_status = None
    production.sandbox.forget_requests()
    assert [each.rule for each in production.apply().final.refusals] == ["timeline-failed"]
    assert production.sandbox.writes() == []
