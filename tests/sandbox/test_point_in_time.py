"""A branch at a point in time has everything committed by then, and nothing else."""

import asyncio
from datetime import datetime, timedelta

import psycopg
import pytest

from tests.sandbox.neon_client import actions, next_millisecond, now, status

pytestmark = pytest.mark.anyio


async def test_rows_from_before_are_there_and_later_ones_not(project):
    moment = await project.before_and_after()
    await project.execute("main", "update item set name = upper(name)")
    assert 201 == status(await project.create("then", at=moment))
    assert ["before"] == await project.items("then")
    assert ["AFTER", "BEFORE"] == await project.items("main")


async def test_a_position_in_the_log_is_a_point(project):
    await project.insert("main", "before")
    position = await project.lsn()
    await project.insert("main", "after")
    created = await project.create("then", branch={"parent_lsn": position})
    assert position == created.json()["branch"]["parent_lsn"]
    assert ["before"] == await project.items("then")
    assert 200 == status(await project.restore("main", "main", source_lsn=position, preserve_under_name="held"))
    assert ["before"] == await project.items("main")


async def test_the_parent_timestamp_is_the_last_commit(project):
    await project.insert("main", "last")
    committed_by = datetime.fromisoformat(now())
    await asyncio.sleep(1.1)
    moment = now()
    branch = (await project.create("then", at=moment, wait=False)).json()["branch"]
    assert ("init", "ready") == (branch["current_state"], branch["pending_state"])
    assert ("parent_timestamp" in branch, "parent_lsn" in branch) == (False, True)
    await project.settled()
    branch = await project.branch("then")
    assert ("ready", False) == (branch["current_state"], "pending_state" in branch)
    resolved = datetime.fromisoformat(branch["parent_timestamp"])
    assert committed_by - timedelta(seconds=2) < resolved <= committed_by < datetime.fromisoformat(moment)


async def test_a_branch_without_a_time_has_everything_committed(project):
    for number in range(20):
        await project.insert("main", f"{number:02}")
    await project.create("head", wait=False)
    await project.insert("main", "later")
    await project.settled()
    assert [f"{number:02}" for number in range(20)] == await project.items("head")


async def test_without_a_parent_the_default_branch_is_taken(project):
    await project.create("next")
    await project.set_default("next")
    await project.insert("next", "before")
    wanted = {"name": "child", "parent_timestamp": await next_millisecond()}
    await project.insert("next", "after")
    await project.neon.post(f"{project.path}/branches", json={"branch": wanted, "endpoints": [{"type": "read_write"}]})
    await project.settled()
    assert ["before"] == await project.items("child")


async def test_a_grandchild_at_a_moment_of_the_child(project):
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


@pytest.mark.parametrize("late", [False, True], ids=["before its last commit", "after its suspension"])
async def test_a_suspended_parent_can_be_branched(project, late):
    early = await project.before_and_after()
    await project.act("main", "suspend")
    await project.create("then", at=now() if late else early)
    assert "idle" == await project.state_of_compute("main")
    assert (["after", "before"] if late else ["before"]) == await project.items("then")


async def test_history_survives_suspension_and_waking(project):
    await project.insert("main", "first")
    moment = await next_millisecond()
    for name in ("second", "third"):
        await project.act("main", "suspend")
        await project.insert("main", name)
    await project.create("then", at=moment)
    await project.create("head")
    assert (["first"], ["first", "second", "third"]) == (await project.items("then"), await project.items("head"))


async def test_history_survives_many_segments_of_the_log(project):
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
    assert 201 == status(await project.post("main", "/roles", role={"name": "late"}))
    database = {"name": "later", "owner_name": "late"}
    assert 201 == status(await project.post("main", "/databases", database=database))
    await project.create("then", at=moment)
    await project.create("head")
    names = {}
    for branch in ("then", "head"):
        for what in ("roles", "databases"):
            listed = (await project.neon.get(f"{await project.path_of(branch)}/{what}")).json()[what]
            names[branch, what] = [each["name"] for each in listed]
    assert (["owner"], ["shop"]) == (names["then", "roles"], names["then", "databases"])
    assert (["owner", "late"], ["shop", "later"]) == (names["head", "roles"], names["head", "databases"])


async def test_a_schema_only_branch_has_no_rows(project):
    await project.execute("main", "create table numbered (id int generated always as identity, name text)")
    await project.execute("main", "insert into numbered (name) values ('one'), ('two')")
    schema_only = {"init_source": "schema-only"}
    for wrong in ([], [{"type": "read_only"}]):
        assert 422 == status(await project.create("blank", branch=schema_only, endpoints=wrong))
    assert "schema-only" == (await project.create("blank", branch=schema_only)).json()["branch"]["init_source"]
    assert not {"parent_id", "parent_lsn", "parent_timestamp"} & set(await project.branch("blank"))
    assert [] == await project.execute("blank", "select * from numbered")
    assert [(1,)] == await project.execute("blank", "insert into numbered (name) values ('x') returning id")
    assert [(2,)] == await project.execute("main", "select count(*) from numbered")


# Restores in place.


async def test_a_restored_root_preserves_what_it_replaces(project):
    moment = await project.before_and_after()
    await project.create("child")
    before, uri = await project.branch("main"), await project.uri("main")
    answer = await project.restore_to(moment)
    assert (200, ["suspend_compute", "create_branch"]) == (status(answer), actions(answer))
    assert ("resetting", "ready") == tuple(answer.json()["branch"][f"{n}_state"] for n in ("current", "pending"))
    after, held = await project.branch("main"), await project.branch("held")
    assert before["id"] == after["id"] != held["id"] == (await project.branch("child"))["parent_id"]
    assert ("ready", "ready", True) == (after["current_state"], held["current_state"], "last_reset_at" in after)
    absent = {"parent_id", "parent_lsn", "restored_from", "restored_as", "restore_status"}
    assert not absent & (set(after) | set(held))
    assert (uri, "idle") == (await project.uri("main"), await project.state_of_compute("main"))
    assert ["before"] == await project.items("main")
    await project.create("look", "held")
    assert ["after", "before"] == await project.items("look")


async def test_a_restore_from_the_preserved_branch_undoes_it(project):
    await project.restore_to(await project.before_and_after())
    await project.insert("main", "meanwhile")
    assert 200 == status(await project.restore("main", "held", preserve_under_name="left"))
    assert ["after", "before"] == await project.items("main")
    await project.create("look", "left")
    assert ["before", "meanwhile"] == await project.items("look")


@pytest.mark.parametrize(("reaches", "expected"), [(False, 400), (True, 201)])
async def test_moments_before_a_restore_are_on_the_preserved_branch(project, switch, reaches, expected):
    await switch(history_before_reset=reaches)
    early = await project.before_and_after()
    await project.restore_to(early)
    assert expected == status(await project.create("own", at=early))
    assert 201 == status(await project.create("again", "held", at=early))
    for name in ("own", "again") if reaches else ("again",):
        assert ["before"] == await project.items(name)


async def test_a_restore_cuts_open_connections(project):
    moment = await next_millisecond()
    connection = await psycopg.AsyncConnection.connect(await project.uri("main"), autocommit=True)
    await connection.execute("insert into item values ('gone')")
    await project.restore_to(moment)
    with pytest.raises(psycopg.OperationalError):
        await connection.execute("select 1")
    await connection.close()
    assert [] == await project.items("main")


async def test_a_connection_during_a_restore_waits_for_it(project, control):
    moment = await next_millisecond()
    await project.insert("main", "gone")
    await control.post("/latency", json={"OPERATION create_branch": 300})
    restoring = asyncio.create_task(project.restore_to(moment))

    async def is_resetting():
        return "resetting" == (await project.branch("main"))["current_state"]

    await project.until(is_resetting)
    assert [] == await project.items("main")
    await restoring


async def test_a_reset_takes_the_parents_present_state(project):
    await project.create("child")
    await project.insert("child", "own")
    await project.insert("main", "parents")
    uri = await project.uri("child")
    answer = await project.restore("child", "main")
    assert ["suspend_compute", "create_branch", "delete_timeline"] == actions(answer)
    assert (uri, ["parents"]) == (await project.uri("child"), await project.items("child"))


async def test_a_restore_rewinds_every_database_and_sequence(project):
    await project.post("main", "/databases", database={"name": "second", "owner_name": "owner"})
    second = (await project.uri("main")).replace("/shop?", "/second?")

    async def in_second(statement):
        async with await psycopg.AsyncConnection.connect(second, autocommit=True) as connection:
            cursor = await connection.execute(statement)
            return await cursor.fetchall() if cursor.description else []

    await project.execute("main", "create sequence counter")
    moment = await next_millisecond()
    await in_second("create table later (n int)")
    await project.execute("main", "select setval('counter', 1000)")
    await project.restore_to(moment)
    assert [(None,)] == await in_second("select to_regclass('later')")
    assert [(1,)] == await project.execute("main", "select nextval('counter')")


# Snapshots.


async def test_a_snapshot_has_the_rows_of_its_moment(project):
    moment = await project.before_and_after()
    taken = await project.neon.post(await project.path_of("main") + "/snapshot", params={"timestamp": moment})
    await project.settled()
    path = f"{project.path}/snapshots/{taken.json()['snapshot']['id']}"
    await project.neon.post(path + "/restore", json={"name": "preview"})
    await project.settled()
    await project.neon.delete(path)
    await project.settled()
    assert ["before"] == await project.items("preview"), "the branch does not need its snapshot"


async def test_a_finalized_snapshot_replaces_its_source(project):
    await project.insert("main", "before")
    snapshot = (await project.post("main", "/snapshot")).json()["snapshot"]
    await project.insert("main", "after")
    await project.patch("main", protected=True)
    main, uri = await project.branch("main"), await project.uri("main")
    path = f"{project.path}/snapshots/{snapshot['id']}/restore"
    answer = (await project.neon.post(path, json={"finalize_restore": True})).json()["branch"]
    await project.settled()
    assert ("restored", snapshot["id"], main["id"]) == tuple(
        answer[name] for name in ("restore_status", "restored_from", "restored_as")
    )
    assert ("parent_id" in answer, "parent_lsn" in answer) == (False, True)
    after, old = await project.branch("main"), await project.branch("main (old)")
    assert (answer["id"], main["id"]) == (after["id"], old["id"])
    assert (True, True, False, False) == (after["default"], after["protected"], old["default"], old["protected"])
    assert "finalized" == after["restore_status"]
    assert (uri, ["before"]) == (await project.uri("main"), await project.items("main"))
