"""Roles, databases and schemas are PostgreSQL's own."""

import psycopg
import pytest

from tests.sandbox.neon_client import ask, message, new_project, next_millisecond, status

pytestmark = pytest.mark.anyio


async def test_a_new_project_has_its_role_and_database(neon):
    async with new_project(neon, branch={"role_name": "app", "database_name": "tech"}) as project:
        uri = project.created.json()["connection_uris"][0]["connection_uri"]
        assert "app in tech" == await ask(uri, "select current_user || ' in ' || current_database()")


async def test_a_child_of_a_protected_parent_has_a_new_password(project):
    await project.create("same")
    await project.patch("main", protected=True)
    await project.create("new")
    main, same, new = [(await project.uri(name)).split("@")[0] for name in ("main", "same", "new")]
    assert main == same != new
    assert [] == await project.items("new") == await project.items("same")


async def test_a_reset_password_replaces_the_old_one(project):
    before, path = await project.uri("main"), await project.path_of("main") + "/roles/owner"
    reset = (await project.post("main", "/roles/owner/reset_password")).json()["role"]["password"]
    assert reset == (await project.neon.get(path + "/reveal_password")).json()["password"]
    assert "owner" == await ask(await project.uri("main"))
    with pytest.raises(psycopg.OperationalError):
        await ask(before)


async def test_databases_are_renamed_and_deleted(project):
    path = await project.path_of("main") + "/databases"
    for name, expected in (("one", 201), ("two", 201), ("two", 409)):
        answer = await project.post("main", "/databases", database={"name": name, "owner_name": "owner"})
        assert expected == status(answer)
    assert 200 == status(await project.neon.patch(f"{path}/one", json={"database": {"name": "three"}}))
    await project.settled()
    assert 200 == status(await project.neon.delete(f"{path}/two"))
    assert {"finished"} == {operation["status"] for operation in await project.settled()}
    rows = await project.execute("main", "select datname from pg_database where datname ~ '^(one|two|three|shop)$'")
    assert {("shop",), ("three",)} == set(rows)


async def test_a_connection_wakes_an_idle_compute(project):
    uri = await project.uri("main")
    await project.insert("main", "kept")
    await project.act("main", "suspend")
    assert "idle" == await project.state_of_compute("main")
    assert "kept" == await ask(uri, "select name from item")
    assert "active" == await project.state_of_compute("main")


async def test_a_schema_is_that_of_its_point(project, shared_sandbox):
    moment, position = await next_millisecond(), await project.lsn()
    await project.execute("main", "alter table item add column price int")
    path = await project.path_of("main") + "/schema"
    await project.act("main", "suspend")
    clusters = sorted((shared_sandbox._directory / "clusters").iterdir())

    async def schema(**query):
        return (await project.neon.get(path, params={"db_name": "shop"} | query)).json()

    assert "price integer" in (await schema())["sql"]
    assert "price" not in (await schema(timestamp=moment))["sql"]
    assert "price" not in (await schema(lsn=position))["sql"]
    tables = (await schema(format="json"))["json"]["tables"]
    assert [("public", "item")] == [(table["schema"], table["name"]) for table in tables]
    assert clusters == sorted((shared_sandbox._directory / "clusters").iterdir()), "reading leaves nothing behind"
    assert "idle" == await project.state_of_compute("main")


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"db_name": "absent"}, 404),
        ({}, 400),
        ({"db_name": "shop", "format": "xml"}, 400),
        ({"db_name": "shop", "timestamp": "2999-01-01T00:00:00Z"}, 400),
    ],
)
async def test_a_schema_that_cannot_be_read_is_refused(project, query, expected):
    assert expected == status(await project.neon.get(await project.path_of("main") + "/schema", params=query))


async def test_a_difference_of_schemas_is_unified(project, switch):
    await project.create("child")
    path = await project.path_of("child") + "/compare_schema"

    async def difference(**query):
        return (await project.neon.get(path, params={"db_name": "shop"} | query)).json()["diff"]

    assert "" == await difference()
    moment = await next_millisecond()
    await project.execute("child", "alter table item add column price int")
    header, lines = (await difference()).splitlines()[:2], (await difference()).splitlines()[2:]
    assert ["--- a/shop", "+++ b/shop"] == header
    assert ["-    name text", "+    name text,", "+    price integer"] == [
        line for line in lines if line.startswith(("+", "-"))
    ]
    child = await project.branch("child")
    assert "" == await difference(timestamp=moment, base_branch_id=child["id"], base_timestamp=moment)
    await switch(equal_schemas_diff="--- a/{database}\n+++ b/{database}\n")
    assert "--- a/shop\n+++ b/shop\n" == await difference(timestamp=moment)
    refused = await project.neon.get(await project.path_of("main") + "/compare_schema?db_name=shop")
    assert (400, "base_branch_id is required for a branch without a parent") == message(refused)
