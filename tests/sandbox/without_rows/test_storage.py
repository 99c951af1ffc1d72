"""The sandbox without PostgreSQL has logins and no rows, and can be rewound."""

import re
from datetime import UTC, datetime

import psycopg
import pytest

from reconciler.sandbox.server import Sandbox
from reconciler.sandbox.without_postgres.storage import lsn_at, moment_of
from tests.sandbox.neon_client import ask, now, status

pytestmark = pytest.mark.anyio


async def test_a_role_logs_in_with_its_password(project):
    uri = await project.uri("main")
    async with await psycopg.AsyncConnection.connect(uri) as connection:
        assert [(1,)] == await (await connection.execute("select 1")).fetchall()
        assert [(True,)] == await (await connection.execute("select true", prepare=True)).fetchall()


@pytest.mark.parametrize(
    ("pattern", "wrong", "words"),
    [
        (r"(owner:)[^@]*", r"\g<1>wrong", "password authentication failed"),
        (r"/shop\?", "/other?", 'database "other" does not exist'),
    ],
)
async def test_a_wrong_login_is_refused(project, pattern, wrong, words):
    with pytest.raises(psycopg.OperationalError, match=words):
        await ask(re.sub(pattern, wrong, await project.uri("main")))


@pytest.mark.parametrize("prepare", [True, False])
async def test_a_query_about_rows_is_refused(project, prepare):
    async with await psycopg.AsyncConnection.connect(await project.uri("main")) as connection:
        for query in ('select count(*) from "Listing"', 'create table "Listing" ()', "select 1 from pg_roles"):
            with pytest.raises(psycopg.NotSupportedError, match="runs without PostgreSQL"):
                await connection.execute(query, prepare=prepare)
            await connection.rollback()
        query = "select nspname, relname from pg_class"
        assert [] == await (await connection.execute(query, prepare=prepare)).fetchall()


async def test_a_branch_at_a_moment_continues_its_parent(sandbox, project):
    moment = now()
    created = (await project.create("child", at=moment)).json()
    child = await project.branch("child")
    assert "ready" == child["current_state"]
    assert datetime.fromisoformat(child["parent_timestamp"]) <= datetime.fromisoformat(moment)
    assert 7 == await ask(created["connection_uris"][0]["connection_uri"], "select 7")
    assert "select 7" in [each.text for each in sandbox.storage.statements]


def test_positions_grow_with_moments_and_convert_back():
    moments = [datetime(2026, 11, 21, 9, 55, second, tzinfo=UTC) for second in range(60)]
    assert moments == [moment_of(lsn_at(moment)) for moment in moments]
    assert moments == sorted(moments, key=lambda moment: [int(part, 16) for part in lsn_at(moment).split("/")])


async def test_a_rewind_restores_branches_ports_and_passwords(project, control):
    uri, before = await project.uri("main"), await project.get("/branches")
    assert 204 == status(await control.put("/snapshots/begin"))
    for name in ("first", "second"):
        made = (await project.create(name)).json()
        assert 204 == status(await control.post("/snapshots/begin/rewind"))
        assert before == await project.get("/branches")
        with pytest.raises(psycopg.OperationalError):
            await ask(made["connection_uris"][0]["connection_uri"], "select 1")
        assert 1 == await ask(uri, "select 1")
    assert 404 == status(await control.post("/snapshots/unknown/rewind"))


def test_a_sandbox_with_postgresql_cannot_be_rewound():
    with pytest.raises(Exception, match="without-postgres"):
        _ = Sandbox(empty=True).storage
