"""Branches behave as Neon's: names, flags, passwords, refusals, locks, pages."""

from datetime import timedelta

import psycopg
import pytest

from reconciler.sandbox import timestamps

pytestmark = pytest.mark.anyio


def message(answer):
    return answer.status_code, answer.json()["message"]


async def test_a_wrong_key_and_no_key_are_refused(neon):
    for headers in ({"Authorization": "Bearer wrong"}, {"Authorization": ""}, {"Authorization": "Basic x"}):
        answer = await neon.get("/projects", headers=headers)
        assert 401 == answer.status_code
        assert {"request_id", "code", "message"} == set(answer.json())


async def test_a_refusal_echoes_the_request_id(neon):
    answer = await neon.get("/projects/absent", headers={"X-Request-ID": "mine"})
    assert {"request_id": "mine", "code": "", "message": "project not found"} == answer.json()


async def test_what_is_not_served_says_so(project):
    answer = await project.neon.get(f"{project.path}/permissions")
    assert (501, f"Neon serves GET /api/v2{project.path}/permissions, and the sandbox does not") == message(answer)
    assert 404 == (await project.neon.get("/nonsense")).status_code


async def test_creating_a_project_answers_with_everything_that_connects(neon):
    asked = {"name": "961", "branch": {"role_name": "app", "database_name": "tech"}}
    created = await neon.post("/projects", json={"project": asked})
    body = created.json()
    assert 201 == created.status_code
    assert ["create_timeline", "start_compute"] == [operation["action"] for operation in body["operations"]]
    assert ["running", "scheduling"] == [operation["status"] for operation in body["operations"]]
    assert not {"parent_id", "parent_lsn", "parent_timestamp"} & set(body["branch"])
    connection = await psycopg.AsyncConnection.connect(body["connection_uris"][0]["connection_uri"])
    async with connection:
        rows = await (await connection.execute("select current_user, current_database()")).fetchall()
    assert [("app", "tech")] == rows


async def test_a_write_meets_423_while_an_operation_runs_and_succeeds_afterwards(project):
    created = await project.create("one", wait=False)
    assert ["create_branch", "start_compute"] == [item["action"] for item in created.json()["operations"]]
    locked = await project.patch("main", name="renamed")
    assert (
        423,
        "project already has running conflicting operations, scheduling of new ones is prohibited",
    ) == message(locked)
    operations = await project.settled()
    assert {"finished"} == {operation["status"] for operation in operations}
    assert 200 == (await project.patch("main", name="renamed")).status_code


async def test_names_are_unique_in_a_project(project):
    await project.create("taken")
    assert (409, 'branch with name "taken" already exists') == message(await project.create("taken"))
    assert 409 == (await project.patch("main", name="taken")).status_code
    renamed = await project.patch("taken", name="taken")
    assert (200, []) == (renamed.status_code, renamed.json()["operations"])


@pytest.mark.parametrize("name", ["", "   ", "x" * 257, 5])
async def test_a_bad_name_is_refused(project, name):
    assert 400 == (await project.patch("main", name=name)).status_code


async def test_without_a_name_the_branch_is_named_after_its_id(project):
    created = await project.neon.post(f"{project.path}/branches")
    branch = created.json()["branch"]
    assert branch["id"] == branch["name"]
    assert (await project.branch("main"))["id"] == branch["parent_id"]
    assert [] == created.json()["endpoints"]


async def test_annotations_are_set_at_creation_and_read_from_list_and_get(project):
    created = await project.create("noted", annotation_value={"timeline": "r-1"})
    branch_id = created.json()["branch"]["id"]
    listed = (await project.neon.get(f"{project.path}/branches")).json()["annotations"]
    got = (await project.neon.get(f"{project.path}/branches/{branch_id}")).json()["annotation"]
    assert {branch_id} == set(listed)
    assert {"timeline": "r-1"} == listed[branch_id]["value"] == got["value"]
    plain = (await project.neon.get(await project.path_of("main"))).json()["annotation"]
    assert {"object": {"type": "", "id": ""}, "value": {}} == plain


async def test_set_as_default_moves_the_flag_and_nothing_else(project):
    await project.create("next")
    before = await project.endpoint("next")
    answer = await project.neon.post(await project.path_of("next") + "/set_as_default")
    assert (200, [], True) == (answer.status_code, answer.json()["operations"], answer.json()["branch"]["default"])
    assert [False, True] == [(await project.branch(name))["default"] for name in ("main", "next")]
    assert before["host"] == (await project.endpoint("next"))["host"]


async def test_deletion_is_refused_for_what_neon_keeps(project):
    await project.create("child")
    await project.create("grandchild", "child")
    child = await project.path_of("child")
    main = await project.path_of("main")
    grandchild = await project.branch("grandchild")
    delete = project.neon.delete
    assert (422, f"cannot delete branch that has children: {grandchild['id']}") == message(await delete(child))
    await project.patch("grandchild", protected=True)
    assert (422, "cannot delete protected branch") == message(await delete(await project.path_of("grandchild")))
    await project.patch("grandchild", protected=False)
    deleted = await delete(await project.path_of("grandchild"))
    assert ["suspend_compute", "delete_timeline"] == [item["action"] for item in deleted.json()["operations"]]
    assert "storage_deleted" == deleted.json()["branch"]["pending_state"]
    await project.settled()
    await project.neon.post(child + "/set_as_default")
    assert (422, "cannot delete the default branch") == message(await delete(child))
    await project.neon.post(main + "/set_as_default")
    await delete(child)
    await project.settled()
    assert (422, "cannot delete the root branch") == message(await delete(main))


async def test_deleting_what_is_absent_is_204_without_body_and_content_type(project):
    for kind in ("branches", "endpoints"):
        answer = await project.neon.delete(f"{project.path}/{kind}/absent")
        assert (204, b"") == (answer.status_code, answer.content)
        assert "content-type" not in answer.headers


async def test_a_deleted_branch_is_gone_with_its_port(project):
    await project.create("gone")
    uri, path = await project.uri("gone"), await project.path_of("gone")
    await project.neon.delete(path)
    await project.settled()
    assert 404 == (await project.neon.get(path)).status_code
    with pytest.raises(psycopg.OperationalError):
        await psycopg.AsyncConnection.connect(uri)


async def test_a_child_of_a_protected_parent_has_a_new_password_and_of_another_the_same(project):
    await project.create("same")
    await project.patch("main", protected=True)
    await project.create("new")
    passwords = {name: (await project.uri(name)).split("@", maxsplit=1)[0] for name in ("main", "same", "new")}
    assert passwords["main"] == passwords["same"] != passwords["new"]
    assert [] == await project.items("new") == await project.items("same")
    await project.patch("main", protected=False)


async def test_an_expired_branch_vanishes_by_itself(project):
    expires_at = (timestamps.now() + timedelta(seconds=2)).isoformat()
    created = await project.create("brief", branch={"expires_at": expires_at})
    path = f"{project.path}/branches/{created.json()['branch']['id']}"
    assert "expires_at" in created.json()["branch"]

    async def is_gone():
        return (await project.neon.get(path)).status_code == 404

    await project.until(is_gone)
    await project.settled()


async def test_an_expiry_is_refused_where_the_branch_must_not_vanish(project):
    tomorrow = (timestamps.now() + timedelta(days=1)).isoformat()
    assert 422 == (await project.patch("main", expires_at=tomorrow)).status_code
    await project.create("brief", branch={"expires_at": tomorrow})
    assert 422 == (await project.create("child of brief", "brief")).status_code
    assert 422 == (await project.patch("brief", protected=True)).status_code
    assert 422 == (await project.neon.post(await project.path_of("brief") + "/set_as_default")).status_code
    assert 400 == (await project.patch("brief", expires_at="2020-01-01T00:00:00Z")).status_code
    cleared = await project.patch("brief", expires_at=None)
    assert "expires_at" not in cleared.json()["branch"]
    assert 200 == (await project.patch("brief", protected=True)).status_code
    await project.patch("brief", protected=False)


async def test_pages_of_branches_join_to_the_whole_list(project):
    for number in range(4):
        await project.create(f"branch-{number}", endpoints=[])
    names, cursor = [], None
    while True:
        parameters = {"limit": 2} | ({"cursor": cursor} if cursor else {})
        page = (await project.neon.get(f"{project.path}/branches", params=parameters)).json()
        names += [branch["name"] for branch in page["branches"]]
        cursor = page["pagination"].get("next")
        if cursor is None:
            break
    assert ["branch-3", "branch-2", "branch-1", "branch-0", "main"] == names
    assert {"count": 5} == (await project.neon.get(f"{project.path}/branches/count")).json()


async def test_pages_of_operations_join_to_the_whole_list(project):
    await project.create("one")
    every = [operation["id"] for operation in await project.settled()]
    first = (await project.neon.get(f"{project.path}/operations", params={"limit": 1})).json()
    parameters = {"cursor": first["pagination"]["cursor"]}
    rest = (await project.neon.get(f"{project.path}/operations", params=parameters)).json()
    assert every == [operation["id"] for operation in first["operations"] + rest["operations"]]


async def test_the_plan_limits_root_and_protected_branches(project):
    for name in ("one", "two"):
        await project.create(name, endpoints=[])
        assert 200 == (await project.patch(name, protected=True)).status_code
    answer = await project.patch("main", protected=True)
    assert (422, "BRANCHES_PROTECTED_LIMIT_EXCEEDED") == (answer.status_code, answer.json()["code"])
    for name in ("one", "two"):
        await project.patch(name, protected=False)


async def test_a_connection_wakes_a_suspended_compute_at_the_same_port(project):
    uri = await project.uri("main")
    await project.insert("main", "kept")
    suspended = await project.act("main", "suspend")
    assert ["suspend_compute"] == [item["action"] for item in suspended.json()["operations"]]
    assert "idle" == (await project.endpoint("main"))["current_state"]
    connection = await psycopg.AsyncConnection.connect(uri)
    async with connection:
        assert [("kept",)] == await (await connection.execute("select * from item")).fetchall()
    assert "active" == (await project.endpoint("main"))["current_state"]


async def test_a_compute_suspends_when_it_is_not_used(project):
    endpoint = await project.endpoint("main")
    path = f"{project.path}/endpoints/{endpoint['id']}"
    await project.neon.patch(path, json={"endpoint": {"suspend_timeout_seconds": 1}})

    async def is_idle():
        return (await project.endpoint("main"))["current_state"] == "idle"

    await project.until(is_idle)
    assert [] == await project.items("main")


async def test_a_disabled_compute_refuses_connections(project):
    endpoint = await project.endpoint("main")
    uri, path = await project.uri("main"), f"{project.path}/endpoints/{endpoint['id']}"
    await project.neon.patch(path, json={"endpoint": {"disabled": True}})
    await project.settled()
    with pytest.raises(psycopg.OperationalError):
        await psycopg.AsyncConnection.connect(uri)


async def test_a_branch_takes_one_read_write_compute(project):
    branch = await project.branch("main")
    asked = {"endpoint": {"branch_id": branch["id"], "type": "read_write"}}
    answer = await project.neon.post(f"{project.path}/endpoints", json=asked)
    assert (409, "read_write endpoint already exists") == message(answer)


async def test_a_reset_password_replaces_the_old_one(project):
    before = await project.uri("main")
    path = await project.path_of("main") + "/roles/owner"
    reset = await project.neon.post(path + "/reset_password")
    await project.settled()
    revealed = (await project.neon.get(path + "/reveal_password")).json()["password"]
    assert revealed == reset.json()["role"]["password"]
    assert revealed in await project.uri("main")
    assert [] == await project.items("main")
    with pytest.raises(psycopg.OperationalError):
        await psycopg.AsyncConnection.connect(before)


async def test_databases_can_be_renamed_and_deleted(project):
    path = await project.path_of("main") + "/databases"
    for name in ("one", "two"):
        asked = {"database": {"name": name, "owner_name": "owner"}}
        assert 201 == (await project.neon.post(path, json=asked)).status_code
        await project.settled()
    assert 409 == (await project.neon.post(path, json=asked)).status_code
    assert 200 == (await project.neon.patch(f"{path}/one", json={"database": {"name": "three"}})).status_code
    await project.settled()
    assert 200 == (await project.neon.delete(f"{path}/two")).status_code
    assert {"finished"} == {operation["status"] for operation in await project.settled()}
    rows = await project.execute("main", "select datname from pg_database where datname ~ '^(one|two|three|shop)$'")
    assert {("shop",), ("three",)} == set(rows)


async def test_connection_uri_names_the_role_that_is_missing(project):
    parameters = {"database_name": "shop", "role_name": "nobody"}
    branch = await project.branch("main")
    answer = await project.neon.get(f"{project.path}/connection_uri", params=parameters)
    expected = f'role not found for branch; role_name:"nobody", branch_id:"{branch["id"]}"'
    assert (404, expected) == message(answer)
