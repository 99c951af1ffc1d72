"""Restores and their undoing by the rows that users reach through Worker and Hyperdrive, and those that are held."""

import re
from dataclasses import replace

import pytest

from reconciler.core.plan.drift import Answer
from reconciler.core.plan.plan import plan
from tests.support import database
from tests.support.database import DAMAGED, EARLY, GOOD, Rows
from tests.support.shops import PRIMARY
from tests.support.waiting import eventually

_CLICKS = 7


def check_held(production, rows):
    """The newest branch that holds a timeline has its rows, and no timeline is missing."""
    newest = {}
    for name in production.branches():
        found = re.fullmatch(r"main\.held\.(\S+?)\.before\.\S+?(?:\.(\d+))?(?:\.in-place)?", name)
        if found and found[1] != production.timeline():
            newest[found[1]] = max(newest.get(found[1], (0, "")), (int(found[2] or 1), name))
    assert {timeline: production.rows_on_held(name) for timeline, (_, name) in newest.items()} == rows


def drift(production):
    """By hand, what is held is made the default, and wrangler.jsonc names another id: both are repaired, no more."""
    script, held = production.scripts[0], next(name for name in production.branches() if ".held." in name)
    path = production.wrangler_path(script)
    path.write_text(path.read_text().replace(production.wrangler_id(script), "0" * 32))
    identity = production.branch(held)["id"]
    production.sandbox.neon("POST", f"/projects/{production.project}/branches/{identity}/set_as_default")
    eventually(production.is_idle, "the default branch", pause=0.05)
    assert [each.answer for each in plan(*production.observe()).drift] == [Answer.REPAIRED, Answer.REPAIRED]
    taken = [done.step.wire_name for done in production.apply().taken]
    assert sorted(taken) == ["SetDefaultBranch", "WriteBinding"]


@pytest.mark.parametrize(
    ("methods", "protected"),
    [
        pytest.param("bbbbb", False, id="branch"),
        pytest.param("iiiii", False, id="in place", marks=pytest.mark.thorough),
        pytest.param("iiiii", True, id="in place, protected", marks=pytest.mark.thorough),
        pytest.param("bibii", False, id="a child, in place", marks=pytest.mark.thorough),
        pytest.param("ibibb", True, id="alternating, protected"),
    ],
)
def test_the_asked_timeline_is_live_and_all_others_held(make_production, methods, protected):
    """A restore, a second one of another moment, back to the first, its undo, and the undo of that; writes between."""
    production = make_production(protected=protected)
    production.sandbox.switch("neon", child_as_target=True, subscription_type="scale_v3")
    good, early = {"to": production.shop.good}, {"to": production.shop.early, "from": "origin"}
    rows = {"origin": DAMAGED}
    for method, asked in zip(methods, (good, early, good, {"to": None}, good), strict=True):
        production.desired["primary"]["method"] = {"b": "branch", "i": "in-place"}[method]
        production.ask(**asked)
        outcome = production.apply()
        assert outcome.converged, [each.message for each in outcome.final.refusals]
        timeline = production.timeline()
        before = rows.setdefault(timeline, GOOD if asked is good else EARLY)
        production.check_live(before)
        assert production.branch(PRIMARY)["protected"] == protected
        if asked is early or asked["to"] is None:
            drift(production)
            production.check_live(before)
        database.add_clicks(production.uri(production.branch(PRIMARY)), _CLICKS)
        rows[timeline] = replace(before, clicks=before.clicks + _CLICKS)
    del rows[timeline]
    check_held(production, rows)
    production.check_in_sync()


"Restores and their undoing, by the rows that users reach through Worker and Hyperdrive."


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


@pytest.mark.parametrize("method", ["branch", "in-place"])
def test_an_lsn_has_the_rows_of_its_place_in_the_log(production, method):
    production.desired["primary"]["method"] = method
    uri = production.uri(production.branch(PRIMARY))
    with database.connected(uri) as connection:
        connection.execute('create table "Listing" (id int generated always as identity, title text)')
        database.add_listings(uri, GOOD.listings)
        (lsn,) = connection.execute("select pg_current_wal_lsn()::text").fetchone()
    database.damage(uri)
    production.ask_lsn(lsn, "origin")
    assert production.apply().converged
    production.check_live(Rows(GOOD.listings, DAMAGED.clicks, DAMAGED.late))
    production.ask(None)
    assert production.apply().converged
    production.check_live(DAMAGED)


"A reset of a declared branch, by rows."


def test_a_reset_takes_the_parents_rows_once(production):
    def declare(reset):
        shape = {"name": "shape", "schema_only": True}
        production.desired["branches"] = [{"name": "staging", "reset": {"id": reset}, "database": "reports"}, shape]
        production.write()
        return production.apply()

    assert declare("first").converged
    uri = production.uri(production.branch("staging"))
    assert "parent_id" not in production.branch("shape")
    assert production.rows_on("staging") == DAMAGED
    database.add_clicks(uri, 7)
    database.add_clicks(production.uri(production.branch("main")), 1)
    assert declare("first").taken == ()
    assert production.rows_on("staging").clicks == DAMAGED.clicks + 7
    assert declare("second").converged
    assert production.uri(production.branch("staging")) == uri
    assert production.rows_on("staging").clicks == DAMAGED.clicks + 1
    assert production.rows_on_held("staging.before-reset.second").clicks == DAMAGED.clicks + 7
    assert declare("second").taken == ()


"After the switch: a last check as users reach the Worker, and the way back where it fails."


def test_a_failed_last_check_puts_the_old_rows_back(make_production, web, command):
    production = make_production(workers=2)
    production.verify(http=[web.url])
    production.desired["verify"]["http"][0]["for"] = "1ms"
    web.live_status = 500
    web.on_live = lambda: database.add_clicks(production.uri(production.live_branch()), 1)
    production.ask(production.shop.good)
    primary, failed = production.branch(PRIMARY)["id"], f"main.failed.{production.timeline()}"
    said = command(production, "apply")
    assert said.status == 3
    assert "answered 500, not 200" in said.stderr
    assert "timeline-failed" in said.stdout
    now = production.branch(PRIMARY)
    assert (now["id"], now["default"]) == (primary, True)
    assert sorted(production.branches()) == [PRIMARY, failed]
    config = production.config(production.name)["id"]
    for script in production.scripts:
        assert production.bound_to(production.serving(script)) == production.wrangler_id(script) == config
    production.check_never_split()
    assert production.rows() == DAMAGED
    assert production.rows_on(failed) == Rows(GOOD.listings, GOOD.clicks + 1), "what was written meanwhile is kept"

    web.live_status = None
    production.sandbox.forget_requests()
    assert command(production, "apply").status == 3
    assert production.sandbox.writes() == [], "what has failed was tried again"
    production.ask(None)
    production.check_in_sync()
