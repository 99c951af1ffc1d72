"""Branches behave as Neon's: names, flags, deletion, expiry, limits, pages."""

from datetime import datetime, timedelta

import psycopg
import pytest

from reconciler.sandbox import timestamps
from tests.sandbox.neon_client import (
    BUSY,
    actions,
    ask,
    code,
    from_now,
    message,
    new_project,
    next_millisecond,
    status,
)

pytestmark = pytest.mark.anyio

LSN_OF_1970 = "0/1"


@pytest.mark.parametrize("authorization", ["Bearer wrong", "", "Basic x"])
async def test_a_wrong_or_missing_key_is_refused(neon, authorization):
    answer = await neon.get("/projects", headers={"Authorization": authorization})
    assert 401 == status(answer)
    assert {"request_id", "code", "message"} == set(answer.json())


async def test_a_refusal_echoes_the_request_id(neon):
    answer = await neon.get("/projects/absent", headers={"X-Request-ID": "mine"})
    assert {"request_id": "mine", "code": "", "message": "project not found"} == answer.json()


async def test_what_is_not_served_is_501(project):
    answer = await project.neon.get(f"{project.path}/permissions")
    assert (501, f"Neon serves GET /api/v2{project.path}/permissions, and the sandbox does not") == message(answer)
    assert 404 == status(await project.neon.get("/nonsense"))


async def test_a_new_project_has_all_that_connects(project):
    body = project.created.json()
    assert (201, ["create_timeline", "start_compute"]) == (status(project.created), actions(project.created))
    assert ["running", "scheduling"] == [operation["status"] for operation in body["operations"]]
    assert not {"parent_id", "parent_lsn", "parent_timestamp"} & set(body["branch"])
    assert 1 == await ask(body["connection_uris"][0]["connection_uri"], "select 1")


async def test_project_names_are_not_unique(neon):
    async with new_project(neon, name="twin") as one, new_project(neon, name="twin") as other:
        assert one.id != other.id


async def test_a_write_is_423_until_operations_end(project, slow):
    assert ["create_branch", "start_compute"] == actions(await project.create("one", wait=False))
    assert (423, BUSY) == message(await project.patch("main", name="renamed"))
    assert {"finished"} == {operation["status"] for operation in await project.settled()}
    assert 200 == status(await project.patch("main", name="renamed"))


@pytest.mark.parametrize(
    ("path", "what"), [("branches/br-absent", "branch"), ("endpoints/x", "endpoint"), ("operations/x", "operation")]
)
async def test_what_is_absent_is_404_with_its_kind(project, path, what):
    assert (404, f"{what} not found") == message(await project.neon.get(f"{project.path}/{path}"))


async def test_times_are_utc_in_whole_seconds(project):
    branch = await project.branch("main")
    for name in ("created_at", "updated_at", "state_changed_at"):
        assert branch[name] == timestamps.render(datetime.fromisoformat(branch[name]))


async def test_each_write_schedules_its_operations(project):
    assert ["create_branch"] == actions(await project.create("plain", endpoints=[]))
    wanted = {"endpoint": {"branch_id": (await project.branch("plain"))["id"], "type": "read_write"}}
    assert ["start_compute"] == actions(await project.neon.post(f"{project.path}/endpoints", json=wanted))
    await project.settled()
    assert (409, "read_write endpoint already exists") == message(
        await project.neon.post(f"{project.path}/endpoints", json=wanted)
    )
    assert ["suspend_compute", "start_compute"] == actions(await project.act("plain", "restart"))
    assert ["apply_config"] == actions(await project.post("plain", "/roles/owner/reset_password"))


# Names and annotations.


async def test_names_are_unique_in_a_project(project):
    await project.create("taken")
    assert (409, 'branch with name "taken" already exists') == message(await project.create("taken"))
    assert 409 == status(await project.patch("main", name="taken"))
    renamed = await project.patch("taken", name="taken")
    assert (200, []) == (status(renamed), actions(renamed))


@pytest.mark.parametrize("name", ["", "   ", "x" * 257, 5])
async def test_a_bad_name_is_refused(project, name):
    assert 400 == status(await project.patch("main", name=name))


async def test_two_renames_swap_names_with_any_characters(project):
    await project.create("next / ünit")
    ids = [(await project.branch(name))["id"] for name in ("main", "next / ünit")]
    await project.patch("main", name="main_old")
    await project.patch("next / ünit", name="main")
    assert ids == [(await project.branch(name))["id"] for name in ("main_old", "main")]


async def test_a_branch_without_a_name_is_named_after_its_id(project):
    created = (await project.neon.post(f"{project.path}/branches")).json()
    assert created["branch"]["id"] == created["branch"]["name"]
    assert ((await project.branch("main"))["id"], []) == (created["branch"]["parent_id"], created["endpoints"])


async def test_annotations_are_in_the_list_and_in_the_branch(project):
    created = await project.create("noted", annotation_value={"timeline": "r-1"})
    branch_id = created.json()["branch"]["id"]
    listed, got = (await project.get("/branches"))["annotations"], await project.get(f"/branches/{branch_id}")
    assert {branch_id} == set(listed)
    assert {"timeline": "r-1"} == listed[branch_id]["value"] == got["annotation"]["value"]
    plain = (await project.neon.get(await project.path_of("main"))).json()["annotation"]
    assert {"object": {"type": "", "id": ""}, "value": {}} == plain


# The default branch, protection, deletion, expiry.


async def test_set_as_default_moves_only_the_flag(project):
    await project.patch("main", protected=True)
    await project.create("next")
    before = await project.endpoint("next")
    answer = await project.set_default("next")
    assert (200, [], True) == (status(answer), actions(answer), answer.json()["branch"]["default"])
    main, branch = await project.branch("main"), await project.branch("next")
    assert [(False, True), (True, False)] == [(each["default"], each["protected"]) for each in (main, branch)]
    assert before["host"] == (await project.endpoint("next"))["host"]
    created = (await project.neon.post(f"{project.path}/branches")).json()["branch"]
    assert branch["id"] == created["parent_id"], "the default branch is the parent unless another is named"


async def test_a_branch_that_neon_keeps_cannot_be_deleted(project):
    await project.create("child")
    await project.create("grandchild", "child")
    grandchild = await project.branch("grandchild")
    assert (422, f"cannot delete branch that has children: {grandchild['id']}") == message(
        await project.delete("child")
    )
    await project.patch("grandchild", protected=True)
    assert (422, "cannot delete protected branch") == message(await project.delete("grandchild"))
    await project.patch("grandchild", protected=False)
    deleted = await project.delete("grandchild")
    assert ["suspend_compute", "delete_timeline"] == actions(deleted)
    assert "storage_deleted" == deleted.json()["branch"]["pending_state"]
    await project.set_default("child")
    assert (422, "cannot delete the default branch") == message(await project.delete("child"))
    await project.set_default("main")
    await project.delete("child")
    assert (422, "cannot delete the root branch") == message(await project.delete("main"))


@pytest.mark.parametrize("kind", ["branches", "endpoints"])
async def test_deleting_what_is_absent_is_204_without_body(project, kind):
    answer = await project.neon.delete(f"{project.path}/{kind}/absent")
    assert (204, b"") == (status(answer), answer.content)
    assert "content-type" not in answer.headers


async def test_a_deleted_branch_is_gone_with_its_port(project):
    await project.create("gone")
    uri, path = await project.uri("gone"), await project.path_of("gone")
    await project.delete("gone")
    assert 404 == status(await project.neon.get(path))
    with pytest.raises(psycopg.OperationalError):
        await ask(uri)


async def test_a_protected_branch_keeps_its_compute_and_project(project):
    await project.create("child")
    await project.patch("child", protected=True)
    endpoint = await project.endpoint("child")
    assert 422 == status(await project.neon.delete(f"{project.path}/endpoints/{endpoint['id']}"))
    assert 422 == status(await project.neon.delete(project.path))


async def test_the_compute_of_the_root_cannot_be_deleted(project):
    endpoint = await project.endpoint("main")
    assert 422 == status(await project.neon.delete(f"{project.path}/endpoints/{endpoint['id']}"))
    assert ["delete-rw-endpoint"] == [item["name"] for item in (await project.branch("main"))["restricted_actions"]]


async def test_an_expired_branch_is_deleted(project):
    expires_at = (timestamps.now() + timedelta(seconds=1)).isoformat()
    created = (await project.create("brief", branch={"expires_at": expires_at})).json()["branch"]
    assert "expires_at" in created

    async def is_gone():
        return 404 == status(await project.neon.get(f"{project.path}/branches/{created['id']}"))

    await project.until(is_gone)


async def test_a_branch_that_must_not_vanish_cannot_expire(project):
    tomorrow = from_now(days=1)
    assert 422 == status(await project.patch("main", expires_at=tomorrow))
    await project.create("brief", branch={"expires_at": tomorrow})
    assert 422 == status(await project.create("child of brief", "brief"))
    assert 422 == status(await project.patch("brief", protected=True))
    assert 422 == status(await project.set_default("brief"))
    for wrong in ("2020-01-01T00:00:00Z", from_now(days=31)):
        assert 400 == status(await project.patch("brief", expires_at=wrong))
    assert "expires_at" not in (await project.patch("brief", expires_at=None)).json()["branch"]
    assert 200 == status(await project.patch("brief", protected=True))


# Lists and limits.


async def test_pages_of_branches_join_to_the_whole_list(project):
    for number in range(4):
        await project.create(f"branch-{number}", endpoints=[])
    names, cursor = [], {}
    while cursor is not None:
        page = await project.get("/branches", limit=2, **cursor)
        names += [branch["name"] for branch in page["branches"]]
        following = page["pagination"].get("next")
        cursor = {"cursor": following} if following else None
    assert ["branch-3", "branch-2", "branch-1", "branch-0", "main"] == names
    assert {"count": 5} == await project.get("/branches/count")


async def test_pages_of_operations_join_to_the_whole_list(project):
    await project.create("one")
    every = [operation["id"] for operation in await project.settled()]
    first = await project.get("/operations", limit=1)
    rest = await project.get("/operations", cursor=first["pagination"]["cursor"])
    assert every == [operation["id"] for operation in first["operations"] + rest["operations"]]


async def test_a_search_finds_parts_of_names_newest_change_first(project):
    for name in ("mainline", "domain", "other"):
        await project.create(name, endpoints=[])
    await project.patch("mainline", name="mainline")
    found = (await project.get("/branches", search="main"))["branches"]
    assert ["mainline", "domain", "main"] == [branch["name"] for branch in found]


async def test_the_free_plan_limits_suspension_history_and_branches(project, switch):
    await switch(subscription_type="free_v3")
    assert 412 == status(await project.patch_endpoint("main", suspend_timeout_seconds=60))
    wanted = [{"type": "read_write", "suspend_timeout_seconds": 0}]
    assert 412 == status(await project.create("never", endpoints=wanted))
    assert (422, "BRANCHES_PROTECTED_LIMIT_EXCEEDED") == code(await project.patch("main", protected=True))
    assert [200, 422] == [status(await project.post("main", "/snapshot")) for _ in range(2)]
    answer = await project.neon.patch(project.path, json={"project": {"history_retention_seconds": 604800}})
    words = "requested history retention seconds exceeds allowed maximum; "
    assert (400, words + 'requested_history_retention_seconds:"604800", max:"21600"') == message(answer)
    assert 10 == (await project.get())["project"]["owner"]["branches_limit"]
    for number in range(9):
        assert 201 == status(await project.create(f"branch-{number}", endpoints=[]))
    assert (422, "BRANCHES_LIMIT_EXCEEDED") == code(await project.create("too many", endpoints=[]))


# Roles, databases, connection strings.


async def test_passwords_that_are_not_stored_are_not_revealed(neon):
    async with new_project(neon, store_passwords=False) as project:
        path = await project.path_of("main") + "/roles/owner/reveal_password"
        assert 412 == status(await neon.get(path))


async def test_several_databases_leave_no_connection_string(project):
    assert 1 == len((await project.create("one")).json()["connection_uris"])
    await project.post("main", "/databases", database={"name": "second", "owner_name": "owner"})
    assert "connection_uris" not in (await project.create("two")).json()


async def test_connection_uri_names_the_missing_role(project):
    answer = await project.neon.get(
        f"{project.path}/connection_uri", params={"database_name": "shop", "role_name": "nobody"}
    )
    branch = await project.branch("main")
    assert (404, f'role not found for branch; role_name:"nobody", branch_id:"{branch["id"]}"') == message(answer)


# Points in time, as far as they need no rows.


@pytest.mark.parametrize(
    ("point", "words"),
    [
        ({"parent_timestamp": "2999-01-01T00:00:00.000Z"}, "in the future"),
        ({"parent_timestamp": "2020-01-01T00:00:00.000Z"}, "before the start of the history"),
        ({"parent_timestamp": "2026-01-01 00:00:00+00"}, "RFC 3339"),
        ({"parent_timestamp": "2026-01-01T00:00:00"}, "RFC 3339"),
        ({"parent_lsn": LSN_OF_1970}, "before the start of the history"),
        ({"parent_lsn": "FFFFFFFF/0"}, "after the end of the history"),
        ({"parent_lsn": "1234"}, "must be like 0/1F3C8A0"),
        ({"parent_lsn": LSN_OF_1970, "parent_timestamp": "2026-01-01T00:00:00Z"}, "are mutually exclusive"),
    ],
)
async def test_a_point_outside_the_history_is_refused(project, point, words):
    await project.create("child")
    answer = await project.create("never", "child", branch=point)
    assert (400, "") == code(answer)
    assert words in answer.json()["message"]


async def test_a_history_of_0_seconds_has_no_points(project):
    moment = await next_millisecond()
    await project.neon.patch(project.path, json={"project": {"history_retention_seconds": 0}})
    answer = await project.create("never", at=moment)
    assert (400, True) == (status(answer), "outside the history window" in answer.json()["message"])
    assert 400 == status(await project.create("never", branch={"parent_lsn": LSN_OF_1970}))
    assert 201 == status(await project.create("head"))


async def test_a_wider_history_does_not_restore_forgotten_points(project):
    moment = await next_millisecond()
    for seconds in (0, 86400):
        await project.neon.patch(project.path, json={"project": {"history_retention_seconds": seconds}})
    assert 400 == status(await project.create("never", at=moment))
    assert 201 == status(await project.create("now", at=await next_millisecond()))


# Computes.


async def test_changing_an_idle_compute_wakes_it_briefly(project):
    sizes = {"autoscaling_limit_min_cu": 0.5, "autoscaling_limit_max_cu": 2}
    await project.act("main", "suspend")
    assert ["start_compute", "suspend_compute"] == actions(await project.patch_endpoint("main", **sizes))
    after = await project.endpoint("main")
    assert ("idle", 0.5, 2) == (after["current_state"], *(after[name] for name in sizes))
    assert (400, "settings must not be nil") == message(await project.patch_endpoint("main", settings={}))
    assert 400 == status(await project.patch_endpoint("main", autoscaling_limit_min_cu=4))


async def test_resizing_an_active_compute_restarts_it(project):
    await project.act("main", "start")
    resized = await project.patch_endpoint("main", autoscaling_limit_max_cu=2)
    assert ["suspend_compute", "start_compute"] == actions(resized)
    assert "active" == await project.state_of_compute("main")
    assert [] == actions(await project.patch_endpoint("main", suspend_timeout_seconds=600))


async def test_a_compute_suspends_when_unused(project):
    await project.patch_endpoint("main", suspend_timeout_seconds=1)

    async def is_idle():
        return "idle" == await project.state_of_compute("main")

    await project.until(is_idle)


async def test_a_disabled_compute_refuses_connections(project):
    uri = await project.uri("main")
    await project.patch_endpoint("main", disabled=True)
    with pytest.raises(psycopg.OperationalError):
        await ask(uri)
