"""The sandbox without PostgreSQL: what it does without rows, what it refuses, and that it can be put back."""

import re
from datetime import UTC, datetime

import anyio
import httpx
import psycopg
import pytest

from reconciler.sandbox.faults import FaultError, parse_faults
from reconciler.sandbox.server import Sandbox
from reconciler.sandbox.storage_without_postgres import lsn_at, moment_of

pytestmark = pytest.mark.anyio


@pytest.fixture
async def sandbox():
    sandbox = Sandbox(empty=True, postgres=False)
    await sandbox.start()
    yield sandbox
    await sandbox.stop()
    assert sandbox.failures == []


@pytest.fixture
async def neon(sandbox):
    headers = {"Authorization": f"Bearer {sandbox.environment['NEON_API_KEY']}"}
    async with httpx.AsyncClient(base_url=f"{sandbox.url}/api/v2", headers=headers, trust_env=False) as client:
        yield client


async def _project(neon):
    """Make a project; return its path and the connection string of its role."""
    asked = {"project": {"branch": {"role_name": "app", "database_name": "shop"}}}
    made = (await neon.post("/projects", json=asked)).json()
    path = f"/projects/{made['project']['id']}"
    await _settled(neon, path)
    return path, made["connection_uris"][0]["connection_uri"]


async def _settled(neon, path):
    with anyio.fail_after(10):
        while any(each["status"] in {"scheduling", "running"} for each in await _operations(neon, path)):
            pass


async def _operations(neon, path):
    return (await neon.get(f"{path}/operations")).json()["operations"]


async def test_a_role_logs_in_with_its_password_and_only_to_a_database_that_exists(neon):
    _, uri = await _project(neon)
    async with await psycopg.AsyncConnection.connect(uri) as connection:
        assert await (await connection.execute("select 1")).fetchall() == [(1,)]
        assert await (await connection.execute("select true", prepare=True)).fetchall() == [(True,)]
    wrong = re.sub(r"(app:)[^@]*", r"\g<1>wrong", uri)
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        await psycopg.AsyncConnection.connect(wrong)
    with pytest.raises(psycopg.OperationalError, match='database "other" does not exist'):
        await psycopg.AsyncConnection.connect(uri.replace("/shop?", "/other?"))


@pytest.mark.parametrize("prepare", [True, False])
async def test_a_query_about_rows_is_refused_and_never_answered(neon, prepare):
    _, uri = await _project(neon)
    async with await psycopg.AsyncConnection.connect(uri) as connection:
        for query in ('select count(*) from "Listing"', 'create table "Listing" ()', "select 1 from pg_roles"):
            with pytest.raises(psycopg.NotSupportedError, match="runs without PostgreSQL"):
                await connection.execute(query, prepare=prepare)
            await connection.rollback()
        query = "select nspname, relname from pg_class"
        assert await (await connection.execute(query, prepare=prepare)).fetchall() == []


async def test_a_branch_at_a_moment_says_which_second_it_holds_and_continues_its_parent(sandbox, neon):
    path, uri = await _project(neon)
    moment = datetime.now(UTC).isoformat()  # noqa: TID251  tests have a clock
    asked = {"branch": {"name": "child", "parent_timestamp": moment}, "endpoints": [{"type": "read_write"}]}
    answer = await neon.post(f"{path}/branches", json=asked)
    assert answer.status_code == 201, answer.text
    await _settled(neon, path)
    child = (await neon.get(f"{path}/branches/{answer.json()['branch']['id']}")).json()["branch"]
    assert child["current_state"] == "ready"
    assert datetime.fromisoformat(child["parent_timestamp"]) <= datetime.fromisoformat(moment)
    login = answer.json()["connection_uris"][0]["connection_uri"]
    assert login != uri
    async with await psycopg.AsyncConnection.connect(login) as connection:
        await connection.execute("select 1")
    assert "select 1" in [each.text for each in sandbox.storage.asked]


def test_a_later_moment_has_a_later_position_and_each_leads_to_the_other():
    moments = [datetime(2026, 11, 21, 9, 55, second, tzinfo=UTC) for second in range(60)]
    assert [moment_of(lsn_at(moment)) for moment in moments] == moments
    assert sorted(moments, key=lambda moment: [int(part, 16) for part in lsn_at(moment).split("/")]) == moments


async def test_it_is_put_back_with_its_branches_ports_and_passwords_as_often_as_one_likes(sandbox, neon):
    path, uri = await _project(neon)
    before = (await neon.get(f"{path}/branches")).json()
    async with httpx.AsyncClient(base_url=f"{sandbox.url}/sandbox", trust_env=False) as control:
        assert (await control.put("/snapshots/begin")).status_code == 204
        for name in ("first", "second"):
            asked = {"branch": {"name": name}, "endpoints": [{"type": "read_write"}]}
            made = (await neon.post(f"{path}/branches", json=asked)).json()
            await _settled(neon, path)
            assert (await control.post("/snapshots/begin/rewind")).status_code == 204
            assert (await neon.get(f"{path}/branches")).json() == before
            with pytest.raises(psycopg.OperationalError):
                await psycopg.AsyncConnection.connect(made["connection_uris"][0]["connection_uri"])
            async with await psycopg.AsyncConnection.connect(uri) as connection:
                await connection.execute("select 1")
        assert (await control.post("/snapshots/unknown/rewind")).status_code == 404


async def test_with_postgres_nothing_can_be_put_back():
    sandbox = Sandbox(empty=True)
    with pytest.raises(Exception, match="start it without"):
        _ = sandbox.storage


async def test_an_answer_can_be_lost_behind_a_proxy_or_be_cut_and_everything_is_done(sandbox, neon):
    path, _ = await _project(neon)
    for action, status in (("status-after:524", 524), ("garble", 201)):
        async with httpx.AsyncClient(base_url=f"{sandbox.url}/sandbox", trust_env=False) as control:
            fault = {"method": "POST", "path": "/branches$", "action": action}
            assert (await control.post("/faults", json=[fault])).is_success
        answer = await neon.post(f"{path}/branches", json={"branch": {"name": action.partition(":")[0]}})
        assert answer.status_code == status
        with pytest.raises(ValueError, match=r"Expecting|Unterminated"):
            answer.json()
        await _settled(neon, path)
        await sandbox_calm(sandbox)
    names = {each["name"] for each in (await neon.get(f"{path}/branches")).json()["branches"]}
    assert names == {"main", "status-after", "garble"}


async def sandbox_calm(sandbox):
    async with httpx.AsyncClient(base_url=f"{sandbox.url}/sandbox", trust_env=False) as control:
        assert (await control.delete("/faults")).is_success


async def test_a_refusal_says_when_to_come_again_and_an_operation_can_end_in_an_error(sandbox, neon):
    path, _ = await _project(neon)
    async with httpx.AsyncClient(base_url=f"{sandbox.url}/sandbox", trust_env=False) as control:
        faults = [
            {"method": "GET", "path": path, "action": "status:429:7"},
            {"method": "POST", "path": "/branches$", "action": "error-operation"},
        ]
        assert (await control.post("/faults", json=faults)).is_success
    answer = await neon.get(path)
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "7")
    assert (await neon.post(f"{path}/branches", json={})).status_code == 201
    await _settled(neon, path)
    assert (await _operations(neon, path))[0]["status"] == "error"


@pytest.mark.parametrize(
    "action", ["status-after", "garble:1", "status:429:", "status:429:soon", "delay:5:5", "status-after:99"]
)
def test_a_fault_that_is_malformed_is_refused(action):
    with pytest.raises(FaultError):
        parse_faults([{"action": action}])
