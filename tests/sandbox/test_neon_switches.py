"""Each thing that no public source tells of Neon is a switch, which does what it says."""

from datetime import timedelta

import psycopg
import pytest

from reconciler.sandbox import timestamps
from tests.sandbox.neon_client import next_millisecond

pytestmark = pytest.mark.anyio


async def restore(project, moment, **body):
    return await project.restore("main", "main", source_timestamp=moment, preserve_under_name="held", **body)


async def test_the_refusal_of_a_bad_moment_has_any_status_code_and_text(project, switch):
    await switch(bad_time_status=422, bad_time_code="WRONG_TIME", bad_time_message="no")
    answer = await project.create("never", at="2999-01-01T00:00:00Z")
    assert (422, "WRONG_TIME", "no") == (answer.status_code, answer.json()["code"], answer.json()["message"])


async def test_a_child_may_be_the_target_of_a_restore_and_says_nothing_beforehand(project, switch):
    await project.create("child")
    assert "restore" in [item["name"] for item in (await project.branch("child"))["restricted_actions"]]
    await switch(restricted_actions=False)
    assert "restricted_actions" not in await project.branch("child")
    moment = await next_millisecond()
    point = {"source_timestamp": moment, "preserve_under_name": "held"}
    assert 422 == (await project.restore("child", "child", **point)).status_code
    await switch(child_as_target=True)
    assert 200 == (await project.restore("child", "child", **point)).status_code


async def test_a_protected_branch_may_be_refused_a_new_name(project, switch):
    await project.patch("main", protected=True)
    await switch(rename_protected=False)
    assert 422 == (await project.patch("main", name="other")).status_code
    await project.patch("main", protected=False)


@pytest.mark.parametrize("seconds", ["1", "86400", "Wed, 21 Oct 2026 07:28:00 GMT"])
async def test_refusals_may_say_when_to_come_again(project, sandbox, switch, seconds):
    await switch(retry_after=seconds)
    await project.create("busy", wait=False)
    assert seconds == (await project.patch("main", name="other")).headers["Retry-After"]
    await project.settled()
    await project.neon.post(f"{sandbox.url}/sandbox/faults", json=[{"path": "/projects$", "action": "status:429"}])
    assert seconds == (await project.neon.get("/projects")).headers["Retry-After"]
    assert "Retry-After" not in (await project.neon.get("/projects")).headers


async def test_the_answer_to_a_restore_may_name_the_preserved_branch(project, switch):
    await switch(parent_id_in_restore_answer=True)
    answer = await restore(project, await next_millisecond())
    assert (await project.branch("held"))["id"] == answer.json()["branch"]["parent_id"]
    assert "parent_id" not in await project.branch("main")


async def test_a_preserved_branch_may_inherit_annotations_protection_and_expiry(project, switch):
    await switch(preserved_inherits=["annotation", "protected", "expires_at"], child_as_target=True)
    tomorrow = timestamps.render(timestamps.now() + timedelta(days=1))
    await project.create("child", branch={"expires_at": tomorrow}, annotation_value={"timeline": "r-1"})
    moment = await next_millisecond()
    await project.restore("child", "child", source_timestamp=moment, preserve_under_name="held")
    held = (await project.neon.get(await project.path_of("held"))).json()
    assert (tomorrow, {"timeline": "r-1"}) == (held["branch"]["expires_at"], held["annotation"]["value"])


async def test_a_branch_may_reach_moments_before_its_restore_under_its_own_id(project, switch):
    await switch(history_before_reset=True)
    await project.insert("main", "first")
    early = await next_millisecond()
    await project.insert("main", "second")
    late = await next_millisecond()
    await project.insert("main", "third")
    await restore(project, late)
    assert 201 == (await project.create("then", at=early)).status_code
    assert ["first"] == await project.items("then")


async def test_a_failed_operation_may_be_tried_again_and_finish_while_the_project_stays_locked(
    project, sandbox, switch
):
    await switch(failed_operation_recovers=True)
    fault = [{"method": "POST", "path": "/branches$", "action": "fail-operation"}]
    await project.neon.post(f"{sandbox.url}/sandbox/faults", json=fault)
    created = await project.create("late", wait=False)
    path = f"{project.path}/operations/{created.json()['operations'][0]['id']}"

    async def operation():
        return (await project.neon.get(path)).json()["operation"]

    async def has_failed():
        return (await operation())["status"] == "failed"

    async def has_finished():
        return (await operation())["status"] == "finished"

    await project.until(has_failed)
    assert (1, True) == ((await operation())["failures_count"], "retry_at" in await operation())
    assert 423 == (await project.patch("main", name="other")).status_code
    await project.until(has_finished)
    await project.settled()
    assert "error" not in await operation()
    assert [] == await project.items("late")


async def test_a_branch_that_was_just_made_or_restored_may_not_be_there_yet(project, switch):
    await switch(read_after_write_lag_seconds=0.8)
    created = await project.create("fresh")
    path = f"{project.path}/branches/{created.json()['branch']['id']}"
    assert 404 == (await project.neon.get(path)).status_code

    async def is_there():
        return (await project.neon.get(path)).status_code == 200

    await project.until(is_there)


async def test_pages_may_be_short_and_promise_more_than_there_is(project, switch):
    await project.create("one", endpoints=[])
    await switch(page_size=1)
    path = f"{project.path}/branches"
    assert ["one"] == [branch["name"] for branch in (await project.neon.get(path)).json()["branches"]]
    await switch(page_size=100, next_on_short_page=True)
    cursor = (await project.neon.get(path)).json()["pagination"]["next"]
    after = (await project.neon.get(path, params={"cursor": cursor})).json()
    assert ([], False) == (after["branches"], "next" in after["pagination"])


async def test_an_expiry_may_not_be_available(project, switch):
    await switch(expires_at_available=False)
    tomorrow = timestamps.render(timestamps.now() + timedelta(days=1))
    assert 422 == (await project.create("never", branch={"expires_at": tomorrow})).status_code


async def test_what_is_out_of_scope_may_be_403(neon, switch):
    await switch(absent_project_status=403)
    assert 403 == (await neon.get("/projects/elsewhere")).status_code


async def test_a_conflict_has_any_code_and_text(project, switch):
    await switch(conflict_code="TAKEN", conflict_message="no")
    answer = await project.create("main")
    assert (409, "TAKEN", "no") == (answer.status_code, answer.json()["code"], answer.json()["message"])


async def test_a_deleted_branch_may_be_recovered_with_its_port_and_without_its_expiry(project, switch):
    await switch(soft_delete=True)
    tomorrow = timestamps.render(timestamps.now() + timedelta(days=1))
    created = await project.create("child", branch={"expires_at": tomorrow})
    await project.insert("child", "kept")
    uri, path = await project.uri("child"), f"{project.path}/branches/{created.json()['branch']['id']}"
    assert [200, 204] == [await delete(project, path) for _ in range(2)]
    assert 404 == (await project.neon.get(path)).status_code
    listed = (await project.neon.get(f"{project.path}/branches", params={"include_deleted": "true"})).json()
    assert ["user"] == [item["recovery"]["deletion_method"] for item in listed["branches"] if "recovery" in item]
    with pytest.raises(psycopg.OperationalError):
        await psycopg.AsyncConnection.connect(uri)
    recovered = await project.neon.post(path + "/recover")
    assert (200, "idle") == (recovered.status_code, recovered.json()["endpoints"][0]["current_state"])
    assert "expires_at" not in recovered.json()["branch"]
    assert (uri, ["kept"]) == (await project.uri("child"), await project.items("child"))
    assert 200 == await delete(project, path + "?hard_delete=true")
    assert 404 == (await project.neon.post(path + "/recover")).status_code


async def delete(project, path):
    status = (await project.neon.delete(path)).status_code
    await project.settled()
    return status
