"""A branch at a moment holds everything that was committed by then, and nothing else."""

import asyncio
from datetime import datetime, timedelta

import psycopg
import pytest

from tests.sandbox.neon_client import next_millisecond, now

pytestmark = pytest.mark.anyio


async def test_rows_of_before_are_there_and_rows_of_after_are_not(project):
    await project.insert("main", "before")
    moment = await next_millisecond()
    await project.insert("main", "after")
    await project.execute("main", "update item set name = upper(name)")
    assert 201 == (await project.create("then", at=moment)).status_code
    assert ["before"] == await project.items("then")
    assert ["AFTER", "BEFORE"] == await project.items("main")


async def test_a_dropped_table_is_back_in_a_branch_of_the_moment_before(project):
    await project.insert("main", "kept")
    moment = await next_millisecond()
    await project.execute("main", "drop table item")
    await project.create("then", at=moment)
    assert ["kept"] == await project.items("then")
    with pytest.raises(psycopg.errors.UndefinedTable):
        await project.items("main")


async def test_a_moment_later_than_the_last_commit_gives_everything(project):
    await project.insert("main", "last")
    await asyncio.sleep(0.05)
    await project.create("then", at=now())
    assert ["last"] == await project.items("then")


async def test_the_parent_timestamp_is_absent_until_ready_and_then_the_time_of_the_last_commit(project):
    await project.insert("main", "last")
    committed_by = datetime.fromisoformat(now())
    await asyncio.sleep(1.1)
    moment = now()
    created = await project.create("then", at=moment, wait=False)
    branch = created.json()["branch"]
    assert ("init", "ready") == (branch["current_state"], branch["pending_state"])
    assert "parent_timestamp" not in branch
    assert "parent_lsn" in branch
    await project.settled()
    branch = await project.branch("then")
    assert "ready" == branch["current_state"]
    assert "pending_state" not in branch
    resolved = datetime.fromisoformat(branch["parent_timestamp"])
    assert committed_by - timedelta(seconds=2) < resolved <= committed_by < datetime.fromisoformat(moment)


async def test_without_a_time_everything_committed_when_the_call_came_is_there(project):
    for number in range(20):
        await project.insert("main", f"{number:02}")
    created = await project.create("head", wait=False)
    await project.insert("main", "later")
    assert 201 == created.status_code
    await project.settled()
    assert [f"{number:02}" for number in range(20)] == await project.items("head")


async def test_a_child_of_a_child_can_be_made_at_a_moment_of_the_child(project):
    await project.insert("main", "root")
    await project.create("child")
    await project.insert("child", "child")
    moment = await next_millisecond()
    await project.insert("child", "too late")
    await project.insert("main", "elsewhere")
    await project.create("grandchild", "child", at=moment)
    assert ["child", "root"] == await project.items("grandchild")
    await project.insert("grandchild", "grandchild")
    await project.create("great-grandchild", "grandchild")
    assert ["child", "grandchild", "root"] == await project.items("great-grandchild")


async def test_siblings_do_not_see_each_other(project):
    await project.create("one")
    await project.create("two")
    await project.insert("one", "one")
    await project.insert("two", "two")
    assert (["one"], ["two"], []) == (
        await project.items("one"),
        await project.items("two"),
        await project.items("main"),
    )


@pytest.mark.parametrize("late", [False, True], ids=["before its last commit", "after its suspension"])
async def test_a_suspended_parent_can_be_branched(project, late):
    await project.insert("main", "first")
    early = await next_millisecond()
    await project.insert("main", "second")
    await project.act("main", "suspend")
    await project.create("then", at=now() if late else early)
    assert "idle" == (await project.endpoint("main"))["current_state"]
    assert (["first", "second"] if late else ["first"]) == await project.items("then")


async def test_history_lives_through_suspension_and_waking(project):
    await project.insert("main", "first")
    moment = await next_millisecond()
    for name in ("second", "third"):
        await project.act("main", "suspend")
        await project.insert("main", name)
    await project.create("then", at=moment)
    await project.create("head")
    assert ["first"] == await project.items("then")
    assert ["first", "second", "third"] == await project.items("head")


async def test_history_outlives_many_segments_of_the_log(project):
    moment = await next_millisecond()
    await project.execute("main", "create table bulk as select n, repeat('x', 400) from generate_series(1, 50000) n")
    between = await next_millisecond()
    await project.execute("main", "delete from bulk")
    await project.create("then", at=between)
    await project.create("empty", at=moment)
    assert [(50000,)] == await project.execute("then", "select count(*) from bulk")
    assert [(None,)] == await project.execute("empty", "select to_regclass('bulk')")


async def test_roles_and_databases_are_those_of_the_moment(project):
    moment = await next_millisecond()
    roles = await project.path_of("main") + "/roles"
    assert 201 == (await project.neon.post(roles, json={"role": {"name": "late"}})).status_code
    await project.settled()
    databases = await project.path_of("main") + "/databases"
    asked = {"database": {"name": "later", "owner_name": "late"}}
    assert 201 == (await project.neon.post(databases, json=asked)).status_code
    await project.settled()
    await project.create("then", at=moment)
    await project.create("head")
    for branch, expected in (("then", ["owner"]), ("head", ["owner", "late"])):
        answer = await project.neon.get(await project.path_of(branch) + "/roles")
        assert expected == [role["name"] for role in answer.json()["roles"]]
    answer = await project.neon.get(await project.path_of("head") + "/databases")
    assert ["shop", "later"] == [database["name"] for database in answer.json()["databases"]]


async def test_a_branch_outlives_the_deletion_of_what_it_came_from(project):
    await project.insert("main", "kept")
    await project.create("child")
    await project.create("grandchild", "child")
    await project.patch("main", name="old")
    assert ["kept"] == await project.items("grandchild")


@pytest.mark.parametrize(
    ("moment", "words"),
    [
        ("2999-01-01T00:00:00.000Z", "in the future"),
        ("2020-01-01T00:00:00.000Z", "before the start of the history"),
        ("2026-01-01 00:00:00+00", "RFC 3339"),
        ("2026-01-01T00:00:00", "RFC 3339"),
    ],
)
async def test_a_moment_outside_the_history_is_refused(project, moment, words):
    answer = await project.create("never", at=moment)
    assert (400, "") == (answer.status_code, answer.json()["code"])
    assert words in answer.json()["message"]


async def test_a_moment_before_the_branch_was_made_is_refused(project):
    moment = await next_millisecond()
    await project.create("child")
    answer = await project.create("never", "child", at=moment)
    assert 400 == answer.status_code


async def test_a_moment_outside_the_window_is_refused(project):
    moment = await next_millisecond()
    await project.neon.patch(project.path, json={"project": {"history_retention_seconds": 0}})
    answer = await project.create("never", at=moment)
    assert 400 == answer.status_code
    assert "outside the history window" in answer.json()["message"]
