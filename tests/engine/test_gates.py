"""Gates: what has not been proved gets no users, and what could not run has not been proved."""

import pytest

from reconciler.core.desired import HttpGate
from reconciler.errors import GateFailed
from reconciler.providers.gates import RealGates
from tests.support.database import DAMAGED, GOOD
from tests.support.shops import PRIMARY

_NO_PASS = {
    "answers false": ("select false", True, "answered False"),
    "answers another number": ('select count(*) from "Listing"', 26, "answered 25, not 26"),
    "is not SQL": ("selec 1", True, "could not run"),
    "asks a table that is not there": ('select count(*) > 0 from "Gone"', True, "could not run"),
    "divides by zero": ("select 1 / 0 = 1", True, "could not run"),
    "answers no row": ("select true where false", True, "0 rows"),
    "answers two rows": ("select true from generate_series(1, 2)", True, "more than one row"),
    "answers two columns": ("select true, true", True, "2 columns"),
    "answers no column": ("select", True, "0 columns"),
    "answers nothing at all": ("do $$ begin end $$", True, "0 rows"),
    "answers null": ("select null::boolean", True, "answered None"),
    "answers null where text is expected": ("select null::text", "None", "answered None"),
    "answers the text true": ("select 'true'", True, "answered 'true'"),
    "answers the number one for true": ("select 1", True, "answered 1, not True"),
    "answers true for the number one": ("select true", 1, "answered True, not 1"),
    "inserts": ("""insert into "Click" (listing_id) values (1) returning true""", True, "read-only"),
    "drops": ('drop table "Listing"', True, "read-only"),
    "makes itself writable": (
        """set transaction read write; insert into "Click" (listing_id) values (1) returning true""",
        True,
        "could not run",
    ),
    "commits and writes": ("""commit; insert into "Click" (listing_id) values (1)""", True, "could not run"),
}


def test_a_sql_gate_passes_only_where_its_one_value_comes_back(production):
    """Every gate that does not pass leaves the users, the primary and Hyperdrive alone; then the right one passes."""
    primary = production.branch(PRIMARY)
    production.ask(production.shop.good)
    for case, (query, expected, said) in _NO_PASS.items():
        production.verify(sql=[("select true", True), (query, expected)])
        with pytest.raises(GateFailed) as failure:
            production.apply()
        assert 'gate "sql 1"' in failure.value.message, case
        assert said in failure.value.message, case
    _check_untouched(production, primary)
    assert production.own_configs() == [production.name]
    assert len(production.branches()) == 2

    production.verify(sql=[('select count(*) from "Listing"', 25), ('select count(*) from "Click"', 400)])
    assert production.apply().converged
    production.check_live(GOOD)
    assert len(production.branches()) == 2


def test_a_gate_compares_values_by_their_meaning(production):
    numbers = [("select 25::numeric", 25), ("select 0.5::real", 0.5), ("select 25", "25")]
    production.verify(
        sql=[("select true", True), ("select false", False), ("select 'as it was'", "as it was"), *numbers]
    )
    production.ask(production.shop.good)
    assert production.apply().converged


def test_a_gate_of_a_role_that_cannot_log_in_fails_and_nothing_points_to_the_branch(production):
    primary = production.branch(PRIMARY)
    production.desired["verify"] = {"sql": [], "role": "app", "database": "gone"}
    production.ask(production.shop.good)
    with pytest.raises(Exception, match="database not found"):
        production.apply()
    _check_untouched(production, primary)


def test_an_http_gate_that_fails_leaves_users_where_they_are_and_the_version_at_0_percent(
    production, web, without_waiting
):
    primary = production.branch(PRIMARY)
    (script,) = production.scripts
    before = production.serving(script)["id"]
    production.verify(http=[web.url])
    production.ask(production.shop.good)
    web.status = 503
    with pytest.raises(GateFailed, match="answered 503, not 200"):
        production.apply()

    _check_untouched(production, primary)
    (staged,) = [version for version, share in production.deployments(script)[0].items() if share == 0]
    assert production.deployments(script)[0] == {before: 100, staged: 0}
    assert production.bound_to(production.version(script, staged)) == production.config(production.config_name())["id"]
    assert {each["cloudflare-workers-version-overrides"] for each in web.asked} == {f'{script}="{staged}"'}
    assert len(web.asked) > 1, "an override may lag: one answer proves nothing"
    assert production.carriers(production.timeline()) == [f"main.candidate.{production.timeline()}"]

    web.status = 200
    production.sandbox.forget_requests()
    assert production.apply().converged
    production.check_live(GOOD)
    assert "POST /branches" not in {
        f"{each.method} /{each.path.split('/')[-1]}" for each in production.sandbox.writes()
    }
    assert list(production.deployments(script)[0].items()) == [(staged, 100)]


def test_an_http_gate_that_nobody_answers_fails(production, web, without_waiting):
    primary = production.branch(PRIMARY)
    production.verify(http=[web.url.replace("127.0.0.1", "127.0.0.1:1/")])
    production.ask(production.shop.good)
    with pytest.raises(GateFailed, match="failed 5 times"):
        production.apply()
    _check_untouched(production, primary)


def test_an_http_gate_wants_the_text_that_the_file_names(production, web, without_waiting):
    production.verify(http=[web.url])
    production.desired["verify"]["http"][0]["contains"] = "25 listings"
    production.ask(production.shop.good)
    with pytest.raises(GateFailed, match='does not contain "25 listings"'):
        production.apply()
    web.body = "there are 25 listings"
    assert production.apply().converged


def test_gates_do_not_stand_in_the_way_of_going_back(production, web):
    """The damaged history fails the very gates that the restored one has passed: an undo must not ask them."""
    production.verify(sql=[('select count(*) > 0 from "Listing"', True)], http=[web.url])
    production.ask(production.shop.good)
    assert production.apply().converged
    web.status = 503
    production.ask(None)
    assert production.apply().converged
    production.check_live(DAMAGED)


def _check_untouched(production, primary):
    """Users, the primary and wrangler.jsonc are where they were."""
    assert production.rows() == DAMAGED
    for script in production.scripts:
        assert production.bound_to(production.serving(script)) == production.config(production.name)["id"]
    now = production.branch(PRIMARY)
    assert (now["id"], now["default"]) == (primary["id"], True)
    production.check_never_split()


@pytest.mark.anyio
async def test_a_gate_that_asks_for_the_version_does_not_pass_on_the_answer_of_another(web, without_waiting):
    """An override may lag behind a deployment, and then the live version answers for the staged one."""
    gate = HttpGate("health", web.url, contains='"version":"{version}"')
    web.body = '{"version":"live"}'
    with pytest.raises(GateFailed, match="staged"):
        await RealGates().http(gate, {"shop": "staged"})
    web.body = '{"version":"staged"}'
    await RealGates().http(gate, {"shop": "staged"})
