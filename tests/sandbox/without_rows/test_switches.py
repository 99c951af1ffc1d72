"""Each behaviour of Neon that no public source establishes is a switch, and each switch has its effect."""

import psycopg
import pytest

from tests.sandbox.neon_client import ask, from_now, next_millisecond, status

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("values", "request_it", "refusal"),
    [
        (
            {"bad_time_status": 422, "bad_time_code": "WRONG_TIME", "bad_time_message": "no"},
            lambda project: project.create("never", at="2999-01-01T00:00:00Z"),
            (422, "WRONG_TIME", "no"),
        ),
        (
            {"conflict_code": "TAKEN", "conflict_message": "no"},
            lambda project: project.create("main"),
            (409, "TAKEN", "no"),
        ),
        (
            {"expires_at_available": False},
            lambda project: project.patch("main", expires_at=from_now(days=1)),
            (422, "", "branch expiration is not available for this account"),
        ),
        (
            {"absent_project_status": 403},
            lambda project: project.neon.get("/projects/elsewhere"),
            (403, "", "project not found"),
        ),
    ],
    ids=["bad moment", "taken name", "no expiry", "absent project"],
)
async def test_the_refusal_of_a_request(project, switch, values, request_it, refusal):
    await switch(**values)
    answer = await request_it(project)
    body = answer.json()
    assert refusal == (answer.status_code, body["code"], body["message"])


async def test_a_child_as_the_source_of_a_moment(project, switch):
    await project.create("child")
    moment = await next_millisecond()
    assert 201 == status(await project.create("then", "child", at=moment))
    await switch(child_as_source=False)
    assert 422 == status(await project.create("never", "child", at=moment))


async def test_a_child_as_the_target_of_a_restore(project, switch):
    await project.create("child")
    assert "restore" in [item["name"] for item in (await project.branch("child"))["restricted_actions"]]
    await switch(restricted_actions=False)
    assert "restricted_actions" not in await project.branch("child")
    moment = await next_millisecond()
    for allowed, expected in ((False, 422), (True, 200)):
        await switch(child_as_target=allowed)
        assert expected == status(await project.restore_to(moment, target="child"))


async def test_renaming_a_protected_branch(project, switch):
    await project.patch("main", protected=True)
    assert 200 == status(await project.patch("main", name="other"))
    await switch(rename_protected=False)
    assert 422 == status(await project.patch("other", name="main"))


@pytest.mark.parametrize("seconds", ["1", "86400", "Wed, 21 Oct 2026 07:28:00 GMT"])
async def test_retry_after_on_refusals(project, slow, switch, fault, seconds):
    await switch(retry_after=seconds)
    await project.create("busy", wait=False)
    assert seconds == (await project.patch("main", name="other")).headers["Retry-After"]
    await project.settled()
    await fault("status:429", path="/projects$")
    assert seconds == (await project.neon.get("/projects")).headers["Retry-After"]
    assert "Retry-After" not in (await project.neon.get("/projects")).headers


async def test_the_answer_to_a_restore_names_the_preserved_branch(project, switch):
    await switch(parent_id_in_restore_answer=True)
    answer = await project.restore_to(await next_millisecond())
    assert (await project.branch("held"))["id"] == answer.json()["branch"]["parent_id"]
    assert "parent_id" not in await project.branch("main")


async def test_what_a_preserved_branch_inherits(project, switch):
    await switch(preserved_inherits=["annotation", "protected", "expires_at"], child_as_target=True)
    tomorrow = from_now(days=1)
    await project.create("child", branch={"expires_at": tomorrow}, annotation_value={"timeline": "r-1"})
    await project.restore_to(await next_millisecond(), target="child")
    held = (await project.neon.get(await project.path_of("held"))).json()
    assert (tomorrow, {"timeline": "r-1"}) == (held["branch"]["expires_at"], held["annotation"]["value"])


async def test_a_failed_operation_is_retried_while_the_project_is_locked(project, fault, switch):
    await switch(failed_operation_recovers=True)
    await fault("fail-operation", "POST", "/branches$")
    created = await project.create("late", wait=False)
    path = f"/operations/{created.json()['operations'][0]['id']}"

    async def operation():
        return (await project.get(path))["operation"]

    async def has_failed():
        return "failed" == (await operation())["status"]

    async def has_finished():
        return "finished" == (await operation())["status"]

    await project.until(has_failed)
    assert (1, True) == ((await operation())["failures_count"], "retry_at" in await operation())
    assert 423 == status(await project.patch("main", name="other"))
    await project.until(has_finished)
    assert "error" not in await operation()
    await project.settled()
    assert "ready" == (await project.branch("late"))["current_state"]


async def test_a_new_branch_is_absent_for_a_while(project, switch):
    await switch(read_after_write_lag_seconds=0.3)
    path = f"{project.path}/branches/{(await project.create('fresh', wait=False)).json()['branch']['id']}"
    assert 404 == status(await project.neon.get(path))

    async def is_there():
        return 200 == status(await project.neon.get(path))

    await project.until(is_there)


async def test_short_pages_and_a_next_page_without_content(project, switch):
    await project.create("one", endpoints=[])
    await switch(page_size=1)
    assert ["one"] == await project.names()
    await switch(page_size=100, next_on_short_page=True)
    cursor = (await project.get("/branches"))["pagination"]["next"]
    after = await project.get("/branches", cursor=cursor)
    assert ([], False) == (after["branches"], "next" in after["pagination"])


async def test_a_deleted_branch_can_be_recovered(project, switch):
    await switch(soft_delete=True)
    created = await project.create("child", branch={"expires_at": from_now(days=1)})
    uri, path = await project.uri("child"), f"{project.path}/branches/{created.json()['branch']['id']}"

    async def delete(query=""):
        answer = status(await project.neon.delete(path + query))
        await project.settled()
        return answer

    assert [200, 204, 404] == [await delete(), await delete(), status(await project.neon.get(path))]
    listed = (await project.get("/branches", include_deleted="true"))["branches"]
    assert ["user"] == [item["recovery"]["deletion_method"] for item in listed if "recovery" in item]
    with pytest.raises(psycopg.OperationalError):
        await ask(uri)
    recovered = await project.neon.post(path + "/recover")
    assert (200, "idle") == (status(recovered), recovered.json()["endpoints"][0]["current_state"])
    assert "expires_at" not in recovered.json()["branch"]
    assert (uri, 1) == (await project.uri("child"), await ask(uri, "select 1"))
    assert 200 == await delete("?hard_delete=true")
    assert 404 == status(await project.neon.post(path + "/recover"))


@pytest.mark.parametrize(
    "wrong",
    [{"neon": {"x": 1}}, {"aws": {}}, {"neon": {"page_size": True}}, {"neon": {"subscription_type": "gold"}}, []],
)
async def test_an_unknown_switch_or_value_is_refused(control, wrong):
    before = (await control.get("/switches")).json()
    assert 400 == status(await control.post("/switches", json=wrong))
    assert before == (await control.get("/switches")).json()
