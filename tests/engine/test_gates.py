"""Gates: what has not been proved gets no users, and what could not run has not been proved."""

import re
import socket
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from urllib.parse import urlsplit

import pytest
import stamina

from reconciler.core.model.desired import HttpGate, SqlGate
from reconciler.core.values.secret import Secret
from reconciler.errors import GateFailed
from reconciler.ports import Origin
from reconciler.providers.postgres import gates as sql_gates
from reconciler.providers.postgres.lazy import LazyGates
from tests.support import database
from tests.support.database import DAMAGED, GOOD
from tests.support.shops import DATABASE, PRIMARY, ROLE

MOMENT = timedelta(milliseconds=1)
HUGE = 10**400


@pytest.fixture
def origin(untouched):
    """How the application logs in to a database without the table of listings and with one click."""
    uri = urlsplit(untouched.uri(untouched.branch(PRIMARY)))
    return Origin(uri.hostname, uri.port, DATABASE, ROLE, Secret(uri.password))


@pytest.fixture
def retries():
    """What was tried again, and why."""
    before, seen = stamina.instrumentation.get_on_retry_hooks(), []
    stamina.instrumentation.set_on_retry_hooks([seen.append])
    yield seen
    stamina.instrumentation.set_on_retry_hooks(before)


# SQL


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("select true", True),
        ("select false", False),
        ("select 'as it was'", "as it was"),
        ('select count(*) from "Click"', 1),
        ("select 25::numeric", 25),
        ("select 0.5::real", 0.5),
        ("select 25", "25"),
    ],
)
async def test_a_sql_gate_compares_values_by_meaning(origin, query, expected):
    await LazyGates().sql(origin, SqlGate("value", query, expected))


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("query", "expected", "said"),
    [
        ("select false", True, "answered False"),
        ('select count(*) from "Click"', 26, "answered 1, not 26"),
        ("selec 1", True, "could not run"),
        ('select count(*) > 0 from "Gone"', True, "could not run"),
        ("select 1 / 0 = 1", True, "could not run"),
        ("select true where false", True, "0 rows"),
        ("select true from generate_series(1, 2)", True, "more than one row"),
        ("select true, true", True, "2 columns"),
        ("select", True, "0 columns"),
        ("do $$ begin end $$", True, "0 rows"),
        ("select null::boolean", True, "answered None"),
        ("select null::text", "None", "answered None"),
        ("select 'true'", True, "answered 'true'"),
        ("select 1", True, "answered 1, not True"),
        ("select true", 1, "answered True, not 1"),
        ("""insert into "Click" (listing_id) values (1) returning true""", True, "read-only"),
        ('drop table "Click"', True, "read-only"),
        ("""set transaction read write; insert into "Click" values (1) returning true""", True, "could not run"),
        ("""commit; insert into "Click" (listing_id) values (1)""", True, "could not run"),
        ("select set_config('transaction_read_only', 'off', false) = 'off'", True, "must be set before any query"),
        ("select pg_sleep(60) is null", True, "due to statement timeout"),
        ("select set_config('statement_timeout', '0', false), pg_sleep(60)", True, "due to statement timeout"),
    ],
)
async def test_a_sql_gate_passes_on_its_one_value_alone(origin, query, expected, said):
    with pytest.raises(GateFailed, match=re.escape(said)) as failure:
        await LazyGates(statement_seconds=0.1).sql(origin, SqlGate("value", query, expected))
    assert 'gate "value"' in failure.value.message


def test_no_number_equals_one_that_no_float_holds():
    assert not sql_gates._equal(Decimal(25), HUGE)


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"password": Secret("canary-of-a-wrong-one")}, "password authentication failed"),
        ({"database": "gone"}, "does not exist"),
    ],
)
async def test_a_login_that_can_never_succeed_is_not_repeated(origin, retries, change, said):
    with pytest.raises(GateFailed, match=said):
        await LazyGates().login(replace(origin, **change))
    assert retries == []


@pytest.mark.anyio
async def test_a_login_waits_for_a_compute_that_wakes(origin, retries, without_waiting):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        asleep = replace(origin, port=free.getsockname()[1])
    with pytest.raises(GateFailed, match="cannot log in"):
        await LazyGates().login(asleep)
    assert retries


def test_a_branch_that_lost_a_table_is_not_promoted(production):
    """The history of the source is asked which tables there were, and not the branch."""
    primary = production.branch(PRIMARY)
    production.verify(sql=[("select false", True)])
    production.ask(production.shop.good)
    with pytest.raises(GateFailed, match="answered False"):
        production.apply()
    (candidate,) = production.timeline_branches(production.timeline())
    uri = production.uri(production.branch(candidate))
    with database.connected(uri) as connection:
        connection.execute('alter table "Listing" rename to "Other"')
    production.verify(sql=[('select count(*) from "Click"', GOOD.clicks)])
    with pytest.raises(GateFailed, match=r"the source had public\.Listing at") as failure:
        production.apply()
    assert failure.value.gate == "tables"
    assert production.rows() == DAMAGED
    assert production.branch(PRIMARY) == primary
    assert production.own_configs() == [production.name]
    with database.connected(uri) as connection:
        connection.execute('alter table "Other" rename to "Listing"')
    assert production.apply().converged
    production.check_live(GOOD)


# HTTP


async def ask(web, versions=None, *, staged=True, **wanted):
    await LazyGates().http(HttpGate("health", web.url, **{"patience": MOMENT, **wanted}), versions or {}, staged=staged)


async def said_of(web, versions=None, **wanted):
    """Why a gate has failed."""
    with pytest.raises(GateFailed) as failure:
        await ask(web, versions, **wanted)
    return failure.value.message


@pytest.mark.anyio
async def test_a_staged_version_is_asked_by_name_more_than_once(web, without_waiting):
    web.status = 503
    await said_of(web, {"shop": "staged"}, patience=timedelta(seconds=0.2))
    assert {each["cloudflare-workers-version-overrides"] for each in web.asked} == {'shop="staged"'}
    assert len(web.asked) > 1, "an override may lag: one answer proves nothing"


@pytest.mark.anyio
async def test_users_answers_are_asked_for_without_a_version(web):
    await ask(web, {"shop": "live"}, staged=False)
    assert "cloudflare-workers-version-overrides" not in web.asked[0]


@pytest.mark.anyio
async def test_a_gate_for_a_version_accepts_no_other(web):
    """An override may lag behind a deployment, and then the live version answers for the staged one."""
    wanted = {"contains": '"version":"{version}"'}
    web.body = '{"version":"live"}'
    assert "staged" in await said_of(web, {"shop": "staged"}, **wanted)
    web.body = '{"version":"staged"}'
    await ask(web, {"shop": "staged"}, **wanted)


@pytest.mark.anyio
async def test_a_status_and_a_text_must_be_the_asked_ones(web):
    assert 'does not contain "25 listings"' in await said_of(web, contains="25 listings")
    web.body = "there are 25 listings"
    await ask(web, contains="25 listings")
    web.status = 503
    assert "answered 503, not 200" in await said_of(web, contains="25 listings")


@pytest.mark.anyio
async def test_a_gate_that_is_never_answered_fails(without_waiting):
    gate = HttpGate("health", "http://127.0.0.1:1/", patience=timedelta(seconds=1))
    with pytest.raises(GateFailed, match=r"failed \d+ times within 1 s"):
        await LazyGates().http(gate, {})


ANSWER = '{"status":"ok","listings":25,"deep":{"a/b":[{"m~n":null}]},"ready":true,"version":"v2"}'


@pytest.mark.anyio
async def test_values_at_json_pointers_are_compared(web):
    web.body = ANSWER
    wanted = {"/status": "ok", "/listings": 25, "/deep/a~1b/0/m~0n": None, "/ready": True, "/version": "{version}"}
    await ask(web, {"shop": "v2"}, json=tuple(wanted.items()))


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("body", "pointer", "wanted", "said"),
    [
        (ANSWER, "/status", "bad", 'has "ok" at "/status", not "bad"'),
        (ANSWER, "/listings", True, 'has 25 at "/listings", not true'),
        (ANSWER, "/ready", 1, 'has true at "/ready", not 1'),
        (ANSWER, "/listings", "25", 'not "25"'),
        (ANSWER, "/listings/0", 2, 'has nothing at "/listings/0"'),
        (ANSWER, "/deep/a~1b/1", None, 'has nothing at "/deep/a~1b/1"'),
        (ANSWER, "/deep/a~1b/00", None, "has nothing at"),
        (ANSWER, "/gone", None, 'has nothing at "/gone"'),
        (ANSWER, "", "ok", 'at "", not "ok"'),
        ("<html>", "/status", "ok", "is not JSON"),
        ("[" * 100_000, "/status", "ok", "is not JSON"),
        ("", "/status", "ok", "is not JSON"),
        (f"1{'0' * 400}", "", 0.5, 'at "", not 0.5'),
        ("0.5", "", HUGE, 'has 0.5 at ""'),
        (f"1{'0' * 400}", "", HUGE + 1, 'at "", not 1'),
        (f"{'[' * 900}{']' * 900}", "", 1, "not 1"),
        ("1e999", "", 1, "not 1"),
        (f"1{'0' * 5000}", "", 1, "is not JSON"),
    ],
    ids=range(18),
)
async def test_other_values_and_no_json_fail_the_gate(web, body, pointer, wanted, said):
    web.body = body
    assert said in await said_of(web, {"shop": "v2"}, json=((pointer, wanted),))


@pytest.mark.anyio
@pytest.mark.parametrize("charset", ["hex", "undefined", "idna", "zip"])
async def test_a_charset_that_is_none_fails_with_its_name(web, charset):
    web.kind, web.body = f"text/plain; charset={charset}", "healthy.\u00e9"
    assert f'its charset is "{charset}"' in await said_of(web, contains="healthy")


@pytest.mark.anyio
async def test_an_answer_may_be_too_slow(web):
    web.seconds = 0.05
    assert re.search(r"took \d+ ms, not 20 ms at most", await said_of(web, within=timedelta(milliseconds=20)))
    await ask(web, within=timedelta(minutes=1))


@pytest.mark.anyio
async def test_an_answer_may_be_too_long(web):
    web.body = "x" * 1_000_001
    assert "longer than 1000000 bytes" in await said_of(web)


@pytest.mark.anyio
async def test_a_gate_is_repeated_until_it_passes_or_ends(web, without_waiting):
    web.live_status = 503
    web.on_live = lambda: setattr(web, "on_live", lambda: setattr(web, "live_status", None))
    await ask(web, staged=False, patience=timedelta(minutes=1))
    assert len(web.asked) == 2
    web.status = 503
    assert re.search(r"failed \d+ times within 0.001 s: .* answered 503", await said_of(web))
