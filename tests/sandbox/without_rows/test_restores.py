"""The rules of restores in place and of snapshots, as far as they need no rows."""

from datetime import timedelta

import pytest

from reconciler.sandbox import timestamps
from tests.sandbox.neon_client import actions, code, from_now, message, next_millisecond, status

pytestmark = pytest.mark.anyio


async def test_the_refusals_of_a_restore(project):
    moment = await next_millisecond()
    await project.create("child")

    async def refusal(target, **body):
        return message(await project.restore(target, "main", **body))

    point = {"source_timestamp": moment}
    assert (422, "Branch has children, preserve_under_name is required") == await refusal("main", **point)
    assert 409 == (await refusal("main", **point, preserve_under_name="child"))[0]
    assert 400 == (await refusal("main", preserve_under_name="held"))[0]
    assert 422 == (await refusal("child", **point, preserve_under_name="held"))[0]
    await project.patch("main", protected=True)
    assert (422, "cannot reset protected branch") == await refusal("main", **point, preserve_under_name="held")


async def test_a_protected_root_is_restored_between_two_writes(project):
    moment = await next_millisecond()
    for protected, expected in ((True, 422), (False, 200), (False, 409)):
        await project.patch("main", protected=protected)
        assert expected == status(await project.restore_to(moment)), "a repeated restore is a conflict of names"
    assert False is (await project.branch("held"))["protected"]
    assert True is (await project.patch("main", protected=True)).json()["branch"]["protected"]


async def test_a_restored_child_is_below_its_preserved_state(project, switch):
    await switch(child_as_target=True)
    await project.create("child")
    await project.restore_to(await next_millisecond(), target="child")
    child, held, main = [await project.branch(name) for name in ("child", "held", "main")]
    assert (held["id"], main["id"]) == (child["parent_id"], held["parent_id"])
    assert (422, f"cannot delete branch that has children: {child['id']}") == message(await project.delete("held"))
    await project.restore("child", "main")
    assert main["id"] == (await project.branch("child"))["parent_id"], "it is below the source of its last restore"
    assert 200 == status(await project.delete("held"))


async def test_the_preserved_first_root_cannot_be_deleted(project):
    await project.restore_to(await next_millisecond(), held="own")
    assert 200 == status(await project.delete("own")), "it was restored from itself"
    await project.create("other")
    await project.restore("main", "other", preserve_under_name="original")
    assert 422 == status(await project.delete("original"))


async def test_a_reset_keeps_passwords_and_renews_the_expiry(project, monkeypatch):
    await project.patch("main", protected=True)
    await project.create("child", branch={"expires_at": from_now(hours=1)})
    uri, expiry = await project.uri("child"), (await project.branch("child"))["expires_at"]
    clock = timestamps.read_clock
    monkeypatch.setattr(timestamps, "read_clock", lambda: clock() + 5)
    await project.restore("child", "main")
    assert uri == await project.uri("child")
    assert expiry < (await project.branch("child"))["expires_at"]


async def test_preserved_and_schema_only_branches_count_as_roots(project, switch):
    await switch(subscription_type="free_v3")
    assert 200 == status(await project.restore_to(await next_millisecond()))
    snapshot = (await project.post("main", "/snapshot")).json()["snapshot"]
    assert 200 == status(await restore(project, snapshot, name="blank"))
    again = {"preserve_under_name": "again"}
    for answer in (
        await project.restore("main", "held", **again),
        await project.create("empty", branch={"init_source": "schema-only"}),
    ):
        assert (422, "ROOT_BRANCHES_LIMIT_EXCEEDED") == code(answer)
    await switch(subscription_type="scale_v3")
    assert 200 == status(await project.restore("main", "held", **again))


# Snapshots.


async def restore(project, snapshot, **body):
    answer = await project.neon.post(f"{project.path}/snapshots/{snapshot['id']}/restore", json=body)
    await project.settled()
    return answer


async def test_a_snapshot_has_a_hidden_branch(project):
    answer = await project.neon.post(await project.path_of("main") + "/snapshot", params={"name": "release"})
    await project.settled()
    assert (200, ["create_branch", "timeline_archive"]) == (status(answer), actions(answer))
    (hidden,) = {operation["branch_id"] for operation in answer.json()["operations"]}
    assert 404 == status(await project.neon.get(f"{project.path}/branches/{hidden}"))
    assert {"count": 1} == await project.get("/branches/count")
    restored = await restore(project, answer.json()["snapshot"], name="preview")
    assert ["timeline_unarchive", "create_branch", "start_compute"] == actions(restored)


async def test_the_refusals_of_snapshots(project):
    await project.create("child")
    assert (422, "snapshots can be taken of root branches only") == message(await project.post("child", "/snapshot"))
    words = "branch is not a restored snapshot that waits to be finalized"
    assert (422, words) == message(await project.post("main", "/finalize_restore"))


async def test_a_branch_from_a_snapshot_has_no_points(project, switch):
    snapshot = (await project.post("main", "/snapshot")).json()["snapshot"]
    await restore(project, snapshot, name="preview")
    moment = await next_millisecond()
    words = "restore from snapshot on target branch is still ongoing"
    assert (422, words) == message(await project.restore_to(moment, target="preview"))
    await switch(snapshot_restore_status=423)
    assert (423, words) == message(await project.create("never", "preview", at=moment))


async def test_a_snapshot_is_renamed_deleted_and_expires(project):
    first, second = [(await project.post("main", "/snapshot")).json()["snapshot"] for _ in range(2)]
    path = f"{project.path}/snapshots"
    renamed = await project.neon.patch(f"{path}/{first['id']}", json={"snapshot": {"name": "kept"}})
    assert (200, "kept") == (status(renamed), renamed.json()["snapshot"]["name"])
    await restore(project, first, name="preview")
    assert 202 == status(await project.neon.delete(f"{path}/{first['id']}"))
    await project.settled()
    assert "ready" == (await project.branch("preview"))["current_state"]
    soon = (timestamps.now() + timedelta(seconds=0.2)).isoformat()
    await project.neon.patch(f"{path}/{second['id']}", json={"snapshot": {"expires_at": soon}})

    async def are_gone():
        return [] == (await project.get("/snapshots"))["snapshots"]

    await project.until(are_gone)
