"""Neon's rules that a reader of its description would not guess; each test names its rule."""

from datetime import datetime, timedelta

import psycopg
import pytest

from reconciler.sandbox import timestamps
from tests.sandbox.neon_client import ProjectClient, next_millisecond

pytestmark = pytest.mark.anyio


def message(answer):
    return answer.status_code, answer.json()["message"]


def actions(answer):
    return [operation["action"] for operation in answer.json()["operations"]]


async def lsn(project, branch="main"):
    return (await project.execute(branch, "select pg_current_wal_lsn()::text"))[0][0]


# Identity and reading.


async def test_the_search_for_a_branch_finds_parts_of_names_and_the_newest_change_comes_first(project):
    for name in ("mainline", "domain"):
        await project.create(name, endpoints=[])
    await project.patch("mainline", name="mainline")
    found = (await project.neon.get(f"{project.path}/branches", params={"search": "main"})).json()["branches"]
    assert ["mainline", "domain", "main"] == [branch["name"] for branch in found]


async def test_project_names_are_not_unique(neon):
    made = []
    for _ in range(2):
        answer = await neon.post("/projects", json={"project": {"name": "twin"}})
        made.append(ProjectClient(neon, answer.json()["project"]["id"]))
    assert made[0].id != made[1].id
    for project in made:
        await project.settled()
        await neon.delete(project.path)


async def test_names_may_hold_anything_and_are_swapped_by_two_renames(project):
    await project.create("next / ünit")
    ids = [(await project.branch(name))["id"] for name in ("main", "next / ünit")]
    assert 409 == (await project.patch("next / ünit", name="main")).status_code
    await project.patch("main", name="main_old")
    await project.patch("next / ünit", name="main")
    assert ids == [(await project.branch(name))["id"] for name in ("main_old", "main")]


async def test_times_in_answers_are_utc_in_whole_seconds_and_answers_have_undeclared_fields(project):
    branch = await project.branch("main")
    for name in ("created_at", "updated_at", "state_changed_at"):
        assert branch[name] == timestamps.render(datetime.fromisoformat(branch[name]))
    assert {"slug", "project_slug"} <= set(branch)


async def test_absent_things_are_404_with_their_kind(project):
    assert (404, "branch not found") == message(await project.neon.get(f"{project.path}/branches/br-absent"))
    assert (404, "endpoint not found") == message(await project.neon.get(f"{project.path}/endpoints/ep-absent"))
    assert (404, "operation not found") == message(await project.neon.get(f"{project.path}/operations/absent"))


# Writing.


async def test_each_write_answers_with_the_operations_of_its_kind(project):
    assert ["create_branch"] == actions(await project.create("plain", endpoints=[]))
    branch = await project.branch("plain")
    endpoint = {"endpoint": {"branch_id": branch["id"], "type": "read_write"}}
    assert ["start_compute"] == actions(await project.neon.post(f"{project.path}/endpoints", json=endpoint))
    await project.settled()
    assert ["suspend_compute", "start_compute"] == actions(await project.act("plain", "restart"))
    reset = await project.neon.post(await project.path_of("plain") + "/roles/owner/reset_password")
    assert "apply_config" == actions(reset)[0]


async def test_without_a_parent_the_default_branch_is_taken_at_a_moment_too(project):
    await project.create("next")
    await project.neon.post(await project.path_of("next") + "/set_as_default")
    await project.insert("next", "before")
    asked = {"name": "child", "parent_timestamp": await next_millisecond()}
    await project.insert("next", "after")
    answer = await project.neon.post(
        f"{project.path}/branches", json={"branch": asked, "endpoints": [{"type": "read_write"}]}
    )
    await project.settled()
    assert (await project.branch("next"))["id"] == answer.json()["branch"]["parent_id"]
    assert ["before"] == await project.items("child")


async def test_connection_strings_vanish_from_the_answer_with_several_databases(project):
    assert 1 == len((await project.create("one")).json()["connection_uris"])
    path = await project.path_of("main") + "/databases"
    await project.neon.post(path, json={"database": {"name": "second", "owner_name": "owner"}})
    await project.settled()
    assert "connection_uris" not in (await project.create("two")).json()


async def test_set_as_default_moves_no_protection(project):
    await project.patch("main", protected=True)
    await project.create("next")
    await project.neon.post(await project.path_of("next") + "/set_as_default")
    assert [True, False] == [(await project.branch(name))["protected"] for name in ("main", "next")]
    await project.patch("main", protected=False)


async def test_passwords_are_not_revealed_where_they_are_not_stored(neon):
    asked = {"store_passwords": False, "branch": {"role_name": "owner", "database_name": "shop"}}
    project = ProjectClient(neon, (await neon.post("/projects", json={"project": asked})).json()["project"]["id"])
    await project.settled()
    answer = await neon.get(await project.path_of("main") + "/roles/owner/reveal_password")
    assert 412 == answer.status_code
    await neon.delete(project.path)


# Points in time.


async def test_a_position_in_the_log_is_a_point_in_time_for_branches_and_restores(project):
    await project.insert("main", "before")
    position = await lsn(project)
    await project.insert("main", "after")
    created = await project.create("then", branch={"parent_lsn": position})
    assert position == created.json()["branch"]["parent_lsn"]
    assert ["before"] == await project.items("then")
    assert 200 == (await project.restore("main", "main", source_lsn=position, preserve_under_name="held")).status_code
    assert ["before"] == await project.items("main")


async def test_positions_are_those_of_one_branch_and_have_a_form(project):
    early = await lsn(project)
    await project.create("child")
    for wrong in ({"parent_lsn": early}, {"parent_lsn": "FF/0"}, {"parent_lsn": "1234"}):
        assert 400 == (await project.create("never", "child", branch=wrong)).status_code
    both = {"parent_lsn": early, "parent_timestamp": await next_millisecond()}
    answer = await project.create("never", branch=both)
    assert (400, "branch.parent_timestamp and branch.parent_lsn are mutually exclusive") == message(answer)


async def test_a_window_of_0_seconds_means_no_points_in_time(project):
    position = await lsn(project)
    await project.neon.patch(project.path, json={"project": {"history_retention_seconds": 0}})
    answer = await project.create("never", branch={"parent_lsn": position})
    assert 400 == answer.status_code
    assert 201 == (await project.create("head")).status_code


async def test_a_wider_window_does_not_bring_back_what_was_forgotten(project):
    moment = await next_millisecond()
    for seconds in (0, 86400):
        await project.neon.patch(project.path, json={"project": {"history_retention_seconds": seconds}})
    assert 400 == (await project.create("never", at=moment)).status_code
    assert 201 == (await project.create("now", at=await next_millisecond())).status_code


# Restores in place.


async def test_a_restore_rewinds_every_database_and_every_sequence(project):
    path = await project.path_of("main") + "/databases"
    await project.neon.post(path, json={"database": {"name": "second", "owner_name": "owner"}})
    await project.settled()
    second = (await project.uri("main")).replace("/shop?", "/second?")

    async def ledger(statement):
        async with await psycopg.AsyncConnection.connect(second, autocommit=True) as connection:
            cursor = await connection.execute(statement)
            return await cursor.fetchall() if cursor.description else []

    await project.execute("main", "create sequence counter")
    moment = await next_millisecond()
    await ledger("create table later (n int)")
    await project.execute("main", "select setval('counter', 1000)")
    await project.restore("main", "main", source_timestamp=moment, preserve_under_name="held")
    assert [(None,)] == await ledger("select to_regclass('later')")
    assert [(1,)] == await project.execute("main", "select nextval('counter')")


async def test_a_child_restored_from_itself_hangs_below_its_preserved_state_which_cannot_be_deleted(project, switch):
    await switch(child_as_target=True)
    await project.create("child")
    await project.insert("child", "before")
    moment = await next_millisecond()
    await project.insert("child", "after")
    await project.restore("child", "child", source_timestamp=moment, preserve_under_name="held")
    child, held, main = [await project.branch(name) for name in ("child", "held", "main")]
    assert (held["id"], main["id"]) == (child["parent_id"], held["parent_id"])
    refused = await project.neon.delete(await project.path_of("held"))
    assert (422, f"cannot delete branch that has children: {child['id']}") == message(refused)
    assert ["before"] == await project.items("child")
    await project.restore("child", "main")
    assert main["id"] == (await project.branch("child"))["parent_id"]
    assert 200 == (await project.neon.delete(await project.path_of("held"))).status_code


async def test_a_child_restored_from_another_branch_hangs_below_that(project):
    for name in ("child", "other"):
        await project.create(name)
    await project.restore("child", "other")
    assert (await project.branch("other"))["id"] == (await project.branch("child"))["parent_id"]


async def test_the_preserved_state_of_a_root_can_be_deleted_but_for_the_first_root_replaced_by_another_branch(project):
    moment = await next_millisecond()
    await project.restore("main", "main", source_timestamp=moment, preserve_under_name="own")
    assert 200 == (await project.neon.delete(await project.path_of("own"))).status_code
    await project.settled()
    await project.create("other")
    await project.restore("main", "other", preserve_under_name="original")
    answer = await project.neon.delete(await project.path_of("original"))
    assert 422 == answer.status_code


async def test_a_protected_root_is_restored_between_two_writes(project):
    moment = await next_millisecond()
    await project.insert("main", "gone")
    await project.patch("main", protected=True)
    point = {"source_timestamp": moment, "preserve_under_name": "held"}
    assert 422 == (await project.restore("main", "main", **point)).status_code
    await project.patch("main", protected=False)
    assert 200 == (await project.restore("main", "main", **point)).status_code
    assert False is (await project.branch("held"))["protected"]
    assert True is (await project.patch("main", protected=True)).json()["branch"]["protected"]
    await project.patch("main", protected=False)


async def test_a_restore_in_place_sets_none_of_the_fields_of_snapshot_restores(project):
    moment = await next_millisecond()
    await project.restore("main", "main", source_timestamp=moment, preserve_under_name="held")
    for name in ("main", "held"):
        assert not {"restored_from", "restored_as", "restore_status"} & set(await project.branch(name))


async def test_a_repeated_restore_with_the_same_name_is_409_and_so_known_to_be_done(project):
    moment = await next_millisecond()
    point = {"source_timestamp": moment, "preserve_under_name": "held"}
    assert [200, 409] == [(await project.restore("main", "main", **point)).status_code for _ in range(2)]


async def test_a_reset_keeps_the_passwords_of_a_child_of_a_protected_parent_and_begins_its_life_anew(project):
    await project.patch("main", protected=True)
    tomorrow = (timestamps.now() + timedelta(hours=1)).isoformat()
    await project.create("child", branch={"expires_at": tomorrow})
    uri, expiry = await project.uri("child"), (await project.branch("child"))["expires_at"]
    await project.execute("child", "select pg_sleep(1.1)")
    await project.restore("child", "main")
    assert uri == await project.uri("child")
    assert [] == await project.items("child")
    assert expiry < (await project.branch("child"))["expires_at"]
    await project.patch("main", protected=False)


# Protection, expiry, computes.


async def test_what_is_protected_keeps_its_computes_and_its_project(project):
    await project.create("child")
    await project.patch("child", protected=True)
    endpoint = await project.endpoint("child")
    assert 422 == (await project.neon.delete(f"{project.path}/endpoints/{endpoint['id']}")).status_code
    assert 422 == (await project.neon.delete(project.path)).status_code
    await project.patch("child", protected=False)


async def test_the_read_write_compute_of_the_root_cannot_be_deleted_and_that_is_said_beforehand(project):
    endpoint = await project.endpoint("main")
    assert 422 == (await project.neon.delete(f"{project.path}/endpoints/{endpoint['id']}")).status_code
    assert ["delete-rw-endpoint"] == [item["name"] for item in (await project.branch("main"))["restricted_actions"]]


async def test_a_life_is_at_most_30_days_and_has_whole_seconds(project):
    moment = timestamps.now() + timedelta(days=29)
    answer = await project.create("long", branch={"expires_at": moment.isoformat()}, endpoints=[])
    assert timestamps.render(moment) == answer.json()["branch"]["expires_at"]
    later = (moment + timedelta(days=2)).isoformat()
    assert 400 == (await project.patch("long", expires_at=later)).status_code


async def test_changing_a_sleeping_compute_wakes_it_for_a_moment(project):
    endpoint = await project.endpoint("main")
    path = f"{project.path}/endpoints/{endpoint['id']}"
    sizes = {"autoscaling_limit_min_cu": 0.5, "autoscaling_limit_max_cu": 2}
    await project.act("main", "suspend")
    answer = await project.neon.patch(path, json={"endpoint": sizes})
    assert ["start_compute", "suspend_compute"] == actions(answer)
    await project.settled()
    after = await project.endpoint("main")
    assert ("idle", 0.5, 2) == (after["current_state"], *(after[name] for name in sizes))
    assert (400, "settings must not be nil") == message(
        await project.neon.patch(path, json={"endpoint": {"settings": {}}})
    )
    assert 400 == (await project.neon.patch(path, json={"endpoint": {"autoscaling_limit_min_cu": 4}})).status_code


async def test_a_compute_at_work_is_restarted_to_be_resized_and_not_to_suspend_at_another_time(project):
    path = f"{project.path}/endpoints/{(await project.endpoint('main'))['id']}"
    await project.neon.post(path + "/start")
    await project.settled()
    answer = await project.neon.patch(path, json={"endpoint": {"autoscaling_limit_max_cu": 2}})
    assert ["suspend_compute", "start_compute"] == actions(answer)
    await project.settled()
    assert "active" == (await project.endpoint("main"))["current_state"]
    assert [] == actions(await project.neon.patch(path, json={"endpoint": {"suspend_timeout_seconds": 600}}))


# Plans.


async def test_the_free_plan_fixes_the_suspension_and_has_no_protection_one_snapshot_and_ten_branches(project, switch):
    await switch(subscription_type="free_v3")
    endpoint = await project.endpoint("main")
    path = f"{project.path}/endpoints/{endpoint['id']}"
    assert 412 == (await project.neon.patch(path, json={"endpoint": {"suspend_timeout_seconds": 60}})).status_code
    asked = [{"type": "read_write", "suspend_timeout_seconds": 0}]
    assert 412 == (await project.create("never", endpoints=asked)).status_code
    assert "BRANCHES_PROTECTED_LIMIT_EXCEEDED" == (await project.patch("main", protected=True)).json()["code"]
    answers = []
    for _ in range(2):
        answers.append(await project.neon.post(await project.path_of("main") + "/snapshot"))
        await project.settled()
    assert [200, 422] == [answer.status_code for answer in answers]
    history = {"project": {"history_retention_seconds": 604800}}
    answer = await project.neon.patch(project.path, json=history)
    words = "requested history retention seconds exceeds allowed maximum; "
    assert (400, words + 'requested_history_retention_seconds:"604800", max:"21600"') == message(answer)
    assert 10 == (await project.neon.get(project.path)).json()["project"]["owner"]["branches_limit"]
    for number in range(9):
        assert 201 == (await project.create(f"branch-{number}", endpoints=[])).status_code
    answer = await project.create("too many", endpoints=[])
    assert (422, "BRANCHES_LIMIT_EXCEEDED") == (answer.status_code, answer.json()["code"])


async def test_preserved_and_schema_only_branches_use_the_quota_of_roots(project, switch):
    await switch(subscription_type="free_v3")
    moment = await next_millisecond()
    point = {"source_timestamp": moment, "preserve_under_name": "held"}
    assert 200 == (await project.restore("main", "main", **point)).status_code
    assert 201 == (await project.create("blank", branch={"init_source": "schema-only"})).status_code
    answer = await project.restore("main", "held", preserve_under_name="again")
    assert (422, "ROOT_BRANCHES_LIMIT_EXCEEDED") == (answer.status_code, answer.json()["code"])
    await switch(subscription_type="scale_v3")
    assert 200 == (await project.restore("main", "held", preserve_under_name="again")).status_code


async def test_a_schema_only_branch_is_a_root_with_no_rows_and_exactly_one_read_write_compute(project):
    await project.execute("main", "create table numbered (id int generated always as identity, name text)")
    await project.execute("main", "insert into numbered (name) values ('one'), ('two')")
    for wrong in ([], [{"type": "read_only"}]):
        refused = await project.create("blank", branch={"init_source": "schema-only"}, endpoints=wrong)
        assert 422 == refused.status_code
    created = (await project.create("blank", branch={"init_source": "schema-only"})).json()["branch"]
    assert "schema-only" == created["init_source"]
    assert not {"parent_id", "parent_lsn", "parent_timestamp"} & set(await project.branch("blank"))
    assert [] == await project.execute("blank", "select * from numbered")
    assert [(1,)] == await project.execute("blank", "insert into numbered (name) values ('x') returning id")
    assert [(2,)] == await project.execute("main", "select count(*) from numbered")


# Snapshots.


async def take(project, branch="main", **query):
    answer = await project.neon.post(await project.path_of(branch) + "/snapshot", params=query)
    await project.settled()
    return answer


async def restore(project, snapshot, **body):
    answer = await project.neon.post(f"{project.path}/snapshots/{snapshot['id']}/restore", json=body)
    await project.settled()
    return answer


async def test_a_snapshot_takes_its_parameters_from_the_query_and_lies_on_a_hidden_branch(project):
    await project.insert("main", "before")
    moment = await next_millisecond()
    await project.insert("main", "after")
    answer = await take(project, timestamp=moment, name="release")
    assert (200, ["create_branch", "timeline_archive"]) == (answer.status_code, actions(answer))
    hidden = {operation["branch_id"] for operation in answer.json()["operations"]}
    assert hidden.isdisjoint({(await project.branch("main"))["id"]})
    assert 404 == (await project.neon.get(f"{project.path}/branches/{hidden.pop()}")).status_code
    assert {"count": 1} == (await project.neon.get(f"{project.path}/branches/count")).json()
    restored = await restore(project, answer.json()["snapshot"], name="preview")
    assert ["before"] == await project.items("preview")
    assert ["timeline_unarchive", "create_branch", "start_compute"] == actions(restored)


async def test_snapshots_are_of_roots_only(project):
    await project.create("child")
    assert 422 == (await take(project, "child")).status_code


async def test_without_a_target_a_finalized_restore_replaces_the_source_whose_id_changes_and_whose_host_stays(project):
    await project.insert("main", "before")
    snapshot = (await take(project, name="release")).json()["snapshot"]
    await project.insert("main", "after")
    await project.patch("main", protected=True)
    main, uri = await project.branch("main"), await project.uri("main")
    answer = (await restore(project, snapshot, finalize_restore=True)).json()["branch"]
    assert ("restored", snapshot["id"], main["id"]) == tuple(
        answer[name] for name in ("restore_status", "restored_from", "restored_as")
    )
    assert "parent_id" not in answer
    assert "parent_lsn" in answer
    after, old = await project.branch("main"), await project.branch("main (old)")
    assert (answer["id"], main["id"]) == (after["id"], old["id"])
    assert (True, True, False, False) == (after["default"], after["protected"], old["default"], old["protected"])
    assert "finalized" == after["restore_status"]
    assert (uri, ["before"]) == (await project.uri("main"), await project.items("main"))
    await project.patch("main", protected=False)


async def test_only_a_restore_that_waits_for_it_can_be_finalized(project):
    assert 422 == (await project.neon.post(await project.path_of("main") + "/finalize_restore")).status_code


async def test_a_branch_from_a_snapshot_has_no_points_in_time(project, switch):
    snapshot = (await take(project)).json()["snapshot"]
    await restore(project, snapshot, name="preview")
    moment = await next_millisecond()
    words = "restore from snapshot on target branch is still ongoing"
    point = {"source_timestamp": moment, "preserve_under_name": "held"}
    assert (422, words) == message(await project.restore("preview", "preview", **point))
    await switch(snapshot_restore_status=423)
    assert (423, words) == message(await project.create("never", "preview", at=moment))


async def test_a_snapshot_is_renamed_deleted_with_202_and_vanishes_when_it_expires(project):
    first, second = [(await take(project)).json()["snapshot"] for _ in range(2)]
    path = f"{project.path}/snapshots"
    renamed = await project.neon.patch(f"{path}/{first['id']}", json={"snapshot": {"name": "kept"}})
    assert (200, "kept") == (renamed.status_code, renamed.json()["snapshot"]["name"])
    await restore(project, first, name="preview")
    assert 202 == (await project.neon.delete(f"{path}/{first['id']}")).status_code
    await project.settled()
    assert [] == await project.items("preview")
    soon = (timestamps.now() + timedelta(seconds=0.3)).isoformat()
    await project.neon.patch(f"{path}/{second['id']}", json={"snapshot": {"expires_at": soon}})

    async def are_gone():
        return (await project.neon.get(path)).json()["snapshots"] == []

    await project.until(are_gone)
    await project.settled()


# Schemas.


async def test_the_schema_is_that_of_a_point_and_reading_it_leaves_nothing(project, shared_sandbox):
    moment, position = await next_millisecond(), await lsn(project)
    await project.execute("main", "alter table item add column price int")
    path = await project.path_of("main") + "/schema"
    await project.act("main", "suspend")

    async def schema(**query):
        return (await project.neon.get(path, params={"db_name": "shop"} | query)).json()["sql"]

    clusters = sorted((shared_sandbox._directory / "clusters").iterdir())
    assert "price integer" in await schema()
    assert "price" not in await schema(timestamp=moment)
    assert "price" not in await schema(lsn=position)
    answer = await project.neon.get(path, params={"db_name": "shop", "format": "json"})
    assert {"public.item"} == {f"{each['schema']}.{each['name']}" for each in answer.json()["json"]["tables"]}
    assert clusters == sorted((shared_sandbox._directory / "clusters").iterdir())
    assert "idle" == (await project.endpoint("main"))["current_state"]
    for query, status in (({"db_name": "absent"}, 404), ({}, 400), ({"db_name": "shop", "format": "xml"}, 400)):
        assert status == (await project.neon.get(path, params=query)).status_code
    future = {"db_name": "shop", "timestamp": "2999-01-01T00:00:00Z"}
    assert 400 == (await project.neon.get(path, params=future)).status_code


async def test_the_difference_of_schemas_is_unified_against_the_parent_and_empty_for_equal_ones(project, switch):
    await project.create("child")
    path = await project.path_of("child") + "/compare_schema"

    async def difference(**query):
        return (await project.neon.get(path, params={"db_name": "shop"} | query)).json()["diff"]

    assert "" == await difference()
    moment = await next_millisecond()
    await project.execute("child", "alter table item add column price int")
    lines = (await difference()).splitlines()
    assert ["--- a/shop", "+++ b/shop"] == lines[:2]
    assert ["-    name text", "+    name text,", "+    price integer"] == [
        line for line in lines[2:] if line.startswith(("+", "-"))
    ]
    child = await project.branch("child")
    assert "" == await difference(timestamp=moment, base_branch_id=child["id"], base_timestamp=moment)
    await switch(equal_schemas_diff="--- a/{database}\n+++ b/{database}\n")
    assert "--- a/shop\n+++ b/shop\n" == await difference(timestamp=moment)
    assert 400 == (await project.neon.get(await project.path_of("main") + "/compare_schema?db_name=shop")).status_code
