"""A restore in place keeps the branch, its port and its password, and keeps what it replaces under a name."""

import asyncio

import psycopg
import pytest

from tests.sandbox.neon_client import next_millisecond

pytestmark = pytest.mark.anyio


async def test_a_root_goes_back_and_the_replaced_history_is_preserved(project):
    await project.insert("main", "before")
    moment = await next_millisecond()
    await project.insert("main", "after")
    await project.create("child")
    before, uri = await project.branch("main"), await project.uri("main")
    answer = await project.restore("main", "main", source_timestamp=moment, preserve_under_name="held")
    assert 200 == answer.status_code
    actions = [operation["action"] for operation in answer.json()["operations"]]
    assert ["suspend_compute", "create_branch"] == actions
    assert ("resetting", "ready") == tuple(answer.json()["branch"][f"{n}_state"] for n in ("current", "pending"))
    after, held = await project.branch("main"), await project.branch("held")
    assert before["id"] == after["id"] != held["id"]
    assert ("ready", "ready") == (after["current_state"], held["current_state"])
    assert "last_reset_at" in after
    assert not {"parent_id", "parent_lsn"} & (set(after) | set(held))
    assert uri == await project.uri("main")
    assert "idle" == (await project.endpoint("main"))["current_state"]
    assert ["before"] == await project.items("main")
    assert held["id"] == (await project.branch("child"))["parent_id"]
    await project.create("look", "held")
    assert ["after", "before"] == await project.items("look")


async def test_the_undo_is_a_restore_from_the_preserved_branch(project):
    await project.insert("main", "before")
    moment = await next_millisecond()
    await project.insert("main", "after")
    await project.restore("main", "main", source_timestamp=moment, preserve_under_name="held")
    await project.insert("main", "meanwhile")
    assert 200 == (await project.restore("main", "held", preserve_under_name="left")).status_code
    assert ["after", "before"] == await project.items("main")
    await project.create("look", "left")
    assert ["before", "meanwhile"] == await project.items("look")


async def test_a_moment_before_the_restore_is_found_on_the_preserved_branch_only(project):
    await project.insert("main", "early")
    early = await next_millisecond()
    await project.insert("main", "late")
    await project.restore("main", "main", source_timestamp=early, preserve_under_name="held")
    assert 400 == (await project.create("never", "main", at=early)).status_code
    assert 201 == (await project.create("again", "held", at=early)).status_code
    assert ["early"] == await project.items("again")


async def test_open_connections_are_cut_and_the_next_one_sees_the_restored_data(project):
    moment = await next_millisecond()
    connection = await psycopg.AsyncConnection.connect(await project.uri("main"), autocommit=True)
    await connection.execute("insert into item values ('gone')")
    await project.restore("main", "main", source_timestamp=moment, preserve_under_name="held")
    with pytest.raises(psycopg.OperationalError):
        await connection.execute("select 1")
    await connection.close()
    assert [] == await project.items("main")


async def test_a_connection_during_the_restore_waits_and_never_reaches_the_old_data(project, neon, sandbox):
    moment = await next_millisecond()
    await project.insert("main", "gone")
    await neon.post(f"{sandbox.url}/sandbox/latency", json={"OPERATION create_branch": 300})
    restoring = asyncio.create_task(
        project.restore("main", "main", source_timestamp=moment, preserve_under_name="held")
    )

    async def is_resetting():
        return (await project.branch("main"))["current_state"] == "resetting"

    await project.until(is_resetting)
    assert [] == await project.items("main")
    await restoring


async def test_the_refusals_of_a_restore(project):
    moment = await next_millisecond()
    await project.create("child")

    async def refusal(target, source, **body):
        answer = await project.restore(target, source, **body)
        return answer.status_code, answer.json()["message"]

    assert (422, "Branch has children, preserve_under_name is required") == await refusal(
        "main", "main", source_timestamp=moment
    )
    assert 409 == (await refusal("main", "main", source_timestamp=moment, preserve_under_name="child"))[0]
    assert 400 == (await refusal("main", "main", preserve_under_name="held"))[0]
    assert 422 == (await refusal("child", "main", source_timestamp=moment, preserve_under_name="held"))[0]
    await project.patch("main", protected=True)
    assert (422, "cannot reset protected branch") == await refusal(
        "main", "main", source_timestamp=moment, preserve_under_name="held"
    )
    await project.patch("main", protected=False)


async def test_a_reset_from_parent_takes_the_head_and_keeps_nothing(project):
    await project.create("child")
    await project.insert("child", "own")
    await project.insert("main", "parents")
    uri = await project.uri("child")
    answer = await project.restore("child", "main")
    actions = [operation["action"] for operation in answer.json()["operations"]]
    assert ["suspend_compute", "create_branch", "delete_timeline"] == actions
    assert ["parents"] == await project.items("child")
    assert uri == await project.uri("child")


async def test_a_failed_restore_leaves_the_branch_as_it_was(project, sandbox):
    await project.insert("main", "kept")
    moment = await next_millisecond()
    fault = [{"method": "POST", "path": "/restore$", "action": "fail-operation"}]
    await project.neon.post(f"{sandbox.url}/sandbox/faults", json=fault)
    answer = await project.restore("main", "main", source_timestamp=moment, preserve_under_name="held")
    assert 200 == answer.status_code
    operations = await project.settled()
    assert ["cancelled", "failed"] == [operation["status"] for operation in operations[:2]]
    branches = (await project.neon.get(f"{project.path}/branches")).json()["branches"]
    assert [("main", "ready")] == [(branch["name"], branch["current_state"]) for branch in branches]
    assert ["kept"] == await project.items("main")
