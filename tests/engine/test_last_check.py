"""After the switch: a last check as users reach the Worker, and the way back where it fails."""

from tests.support import database
from tests.support.database import DAMAGED, GOOD, Rows
from tests.support.shops import PRIMARY


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
