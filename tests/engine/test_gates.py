"""Gates: what has not been proved gets no users, and what could not run has not been proved."""

import socket
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from urllib.parse import urlsplit

import pytest
import stamina

from reconciler.core.model.desired import HttpGate, SqlGate
from reconciler.core.values.secret import Secret
from reconciler.engine.loop import Apply
from reconciler.errors import GateFailed
from reconciler.ports import Origin
from reconciler.providers.postgres import gates as sql_gates
from reconciler.providers.postgres.lazy import LazyGates
from tests.support import database
from tests.support.database import DAMAGED, GOOD
from tests.support.shops import DATABASE, PRIMARY, ROLE

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


def test_no_number_is_a_number_that_no_float_holds():
    assert not sql_gates._equal(Decimal(25), 10**400)


def test_a_gate_of_a_role_that_cannot_log_in_fails_and_nothing_points_to_the_branch(production, monkeypatch):
    monkeypatch.setattr(Apply, "_patience", lambda *_: 0.0)
    primary = production.branch(PRIMARY)
    production.desired["hyperdrive"]["database"] = "gone"
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
    assert production.timeline_branches(production.timeline()) == [f"main.candidate.{production.timeline()}"]

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
    with pytest.raises(GateFailed, match=r"failed \d+ times within 10 s"):
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
        await LazyGates().http(gate, {"shop": "staged"})
    web.body = '{"version":"staged"}'
    await LazyGates().http(gate, {"shop": "staged"})


def test_a_branch_without_the_tables_that_its_source_had_at_the_moment_is_not_promoted(production):
    """The source's own history is asked, and not the branch: here one that lost a table on the way."""
    primary = production.branch(PRIMARY)
    production.verify(sql=[("select false", True)])
    production.ask(production.shop.good)
    with pytest.raises(GateFailed, match="answered False"):
        production.apply()
    (candidate,) = production.timeline_branches(production.timeline())
    uri = production.uri(production.branch(candidate))
    with database.connected(uri) as connection:
        connection.execute('alter table "Listing" rename to "Other"')
    production.verify(sql=[("select true", True)])
    with pytest.raises(GateFailed, match=r'gate "tables" failed: the source had public\.Listing at') as failure:
        production.apply()
    assert failure.value.gate == "tables"
    _check_untouched(production, primary)

    production.sandbox.fault("status:400", "GET", "/schema$")
    with pytest.raises(GateFailed, match='gate "tables" could not run'):
        production.apply()
    for status in (403, 404):
        production.sandbox.calm()
        production.sandbox.fault(f"status:{status}", "GET", "/schema$")
        with pytest.raises(GateFailed, match='gate "tables" could not run') as failure:
            production.apply()
        assert "every key that reaches the project may. Make one" in failure.value.hint
    production.sandbox.calm()
    with database.connected(uri) as connection:
        connection.execute('alter table "Other" rename to "Listing"')
    assert production.apply().converged
    production.check_live(GOOD)


@pytest.mark.anyio
async def test_a_query_that_takes_too_long_could_not_run(untouched):
    origin = _origin(untouched)
    for query in ("select pg_sleep(60) is null", "select set_config('statement_timeout', '0', false), pg_sleep(60)"):
        with pytest.raises(GateFailed, match="could not run: canceling statement due to statement timeout"):
            await LazyGates(statement_seconds=0.1).sql(origin, SqlGate("slow", query))


@pytest.mark.anyio
async def test_no_query_makes_its_transaction_writable(untouched):
    gate = SqlGate("writes", "select set_config('transaction_read_only', 'off', false) = 'off'")
    with pytest.raises(GateFailed, match="could not run: transaction read-write mode must be set"):
        await LazyGates().sql(_origin(untouched), gate)


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"password": Secret("canary-of-a-wrong-one")}, "password authentication failed"),
        ({"database": "gone"}, "does not exist"),
    ],
)
async def test_a_login_that_can_never_succeed_is_not_tried_again(untouched, retries, change, said):
    """Only a compute that wakes is waited for; this test would take half a minute otherwise."""
    with pytest.raises(GateFailed, match=said):
        await LazyGates().login(replace(_origin(untouched), **change))
    assert retries == []


@pytest.mark.anyio
async def test_a_login_waits_for_a_compute_that_wakes(untouched, retries, without_waiting):
    """Nobody listens at first, as while a compute is started."""
    origin = _origin(untouched)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(GateFailed, match="cannot log in"):
        await LazyGates().login(replace(origin, port=port))
    assert retries


_ANSWER = '{"status":"ok","listings":25,"deep":{"a/b":[{"m~n":null}]},"ready":true,"version":"v2"}'


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("json", "said"),
    [
        ({"/status": "ok", "/listings": 25, "/deep/a~1b/0/m~0n": None, "/ready": True, "/version": "{version}"}, ""),
        ({"/status": "bad"}, 'has "ok" at "/status", not "bad"'),
        ({"/listings": True}, 'has 25 at "/listings", not true'),
        ({"/ready": 1}, 'has true at "/ready", not 1'),
        ({"/listings": "25"}, 'not "25"'),
        ({"/listings/0": 2}, 'has nothing at "/listings/0"'),
        ({"/deep/a~1b/1": None}, 'has nothing at "/deep/a~1b/1"'),
        ({"/deep/a~1b/00": None}, "has nothing at"),
        ({"/gone": None}, 'has nothing at "/gone"'),
        ({"": "ok"}, 'at "", not "ok"'),
    ],
)
async def test_an_http_gate_compares_values_at_json_pointers(web, json, said):
    web.body = _ANSWER
    gate = HttpGate("json", web.url, json=tuple(json.items()), patience=timedelta(milliseconds=1))
    if not said:
        await LazyGates().http(gate, {"shop": "v2"})
        return
    with pytest.raises(GateFailed) as failure:
        await LazyGates().http(gate, {"shop": "v2"})
    assert said in failure.value.message


@pytest.mark.anyio
@pytest.mark.parametrize("body", ["<html>", "[" * 100_000, ""], ids=["html", "nested", "empty"])
async def test_an_answer_that_is_not_json_fails_the_gate(web, body):
    web.body = body
    gate = HttpGate("json", web.url, json=(("/status", "ok"),), patience=timedelta(milliseconds=1))
    with pytest.raises(GateFailed, match="is not JSON"):
        await LazyGates().http(gate, {})


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("body", "wanted", "said"),
    [
        (f"1{'0' * 400}", 0.5, 'at "", not 0.5'),
        ("0.5", 10**400, 'has 0.5 at ""'),
        (f"1{'0' * 400}", 10**400 + 1, 'at "", not 1'),
        (f"{'[' * 900}{']' * 900}", 1, "not 1"),
        ("1e999", 1, "not 1"),
        (f"1{'0' * 5000}", 1, "is not JSON"),
    ],
    ids=["huge", "wanted huge", "nearly equal", "nested", "infinite", "endless"],
)
async def test_numbers_that_no_float_holds_are_compared_or_fail_the_gate(web, body, wanted, said):
    web.body = body
    gate = HttpGate("json", web.url, json=(("", wanted),), patience=timedelta(milliseconds=1))
    with pytest.raises(GateFailed) as failure:
        await LazyGates().http(gate, {})
    assert said in failure.value.message


@pytest.mark.anyio
@pytest.mark.parametrize("charset", ["hex", "undefined", "idna", "zip"])
async def test_a_charset_that_is_none_fails_the_gate_with_its_name(web, charset):
    web.kind, web.body = f"text/plain; charset={charset}", "healthy.\u00e9"
    gate = HttpGate("text", web.url, contains="healthy", patience=timedelta(milliseconds=1))
    with pytest.raises(GateFailed, match=f'cannot be read: its charset is "{charset}"'):
        await LazyGates().http(gate, {})


@pytest.mark.anyio
async def test_an_answer_that_is_too_slow_or_too_long_fails_the_gate(web):
    gate = HttpGate("fast", web.url, within=timedelta(milliseconds=20), patience=timedelta(milliseconds=1))
    web.seconds = 0.05
    with pytest.raises(GateFailed, match=r"took \d+ ms, not 20 ms at most"):
        await LazyGates().http(gate, {})
    await LazyGates().http(replace(gate, within=timedelta(minutes=1)), {})
    web.seconds, web.body = 0, "x" * 1_000_001
    with pytest.raises(GateFailed, match="longer than 1000000 bytes"):
        await LazyGates().http(replace(gate, within=None), {})


@pytest.mark.anyio
async def test_an_http_gate_is_tried_again_until_it_passes_or_its_time_is_over(web, without_waiting):
    gate = HttpGate("late", web.url, patience=timedelta(minutes=1))
    web.live_status = 503
    web.on_live = lambda: setattr(web, "on_live", lambda: setattr(web, "live_status", None))
    await LazyGates().http(gate, {}, staged=False)
    assert len(web.asked) == 2
    web.status = 503
    with pytest.raises(GateFailed, match=r"failed \d+ times within 0.001 s: .* answered 503"):
        await LazyGates().http(replace(gate, patience=timedelta(milliseconds=1)), {})


@pytest.fixture
def retries():
    """What was tried again, and why."""
    before, seen = stamina.instrumentation.get_on_retry_hooks(), []
    stamina.instrumentation.set_on_retry_hooks([seen.append])
    yield seen
    stamina.instrumentation.set_on_retry_hooks(before)


def _origin(production):
    uri = urlsplit(production.uri(production.branch(PRIMARY)))
    return Origin(uri.hostname, uri.port, DATABASE, ROLE, Secret(uri.password))
