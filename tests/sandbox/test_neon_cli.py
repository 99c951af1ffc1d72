"""The official Neon CLI, unmodified, works against the sandbox.

RECONCILER_TEST_NEON_CLI names its executable (`npm install neonctl`, then `node_modules/.bin/neon`).
"""

import asyncio
import json
import os
import shutil

import psycopg
import pytest

from tests.sandbox.neon_client import ask, from_now, next_millisecond

pytestmark = pytest.mark.anyio

VARIABLE = "RECONCILER_TEST_NEON_CLI"


async def output_of(*command, **options):
    """Run a program that must succeed; return its output."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        *command, stdin=asyncio.subprocess.DEVNULL, stdout=pipe, stderr=pipe, **options
    )
    try:
        output, errors = await asyncio.wait_for(process.communicate(), 60)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert 0 == process.returncode, f"{' '.join(command)}: {errors.decode()}"
    return output.decode().strip()


class Cli:
    """The CLI with its own home, for one project."""

    def __init__(self, program, home, environment, project):
        self._program, self._home, self._project = program, home, project
        self._environment = {"PATH": os.environ["PATH"], "HOME": str(home)} | environment

    async def __call__(self, *words):
        """Run a command on the settled project; return the JSON that it prints, or None."""
        await self._project.settled()
        output = await self.text(*words, "--project-id", self._project.id, "--output", "json")
        return json.loads(output) if output else None

    async def text(self, *words):
        options = ("--no-analytics", "--config-dir", str(self._home / "config"))
        return await output_of(self._program, *words, *options, cwd=self._home, env=self._environment)


@pytest.fixture
def cli(project, sandbox, tmp_path):
    program = os.environ.get(VARIABLE)
    if not program:
        say = pytest.fail if os.environ.get("CI") == "true" else pytest.skip
        say(f"NOT TESTED: the official Neon CLI; {VARIABLE} does not say where its executable is")
    environment = {name: value for name, value in sandbox.environment.items() if name.startswith("NEON_")}
    return Cli(program, tmp_path, environment, project)


async def psql(uri, query):
    """Run a query with psql, or with its library if psql is not installed."""
    program = shutil.which("psql")
    return await output_of(program, uri, "-XAtc", query) if program else str(await ask(uri, query))


async def test_projects_are_listed_and_read(cli, project):
    commands = (("projects", "list"), ("projects", "get", project.id))
    listed, got = [json.loads(await cli.text(*command, "--output", "json")) for command in commands]
    assert project.id in [item["id"] for item in listed["projects"]]
    assert (project.id, 86400) == (got["id"], got["history_retention_seconds"])


async def test_the_printed_connection_string_connects(cli, project):
    await project.insert("main", "seen")
    uri = await cli.text("connection-string", "main", "--project-id", project.id)
    assert uri.endswith("?sslmode=require&channel_binding=require")
    assert ("seen", uri) == (await psql(uri, "select name from item"), await project.uri("main"))
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        await ask(uri.replace("npg_", "other_"))


async def test_a_connection_string_of_a_moment_reads_the_past(cli, project):
    moment = await project.before_and_after()
    uri = await cli.text("connection-string", f"main@{moment}", "--project-id", project.id)
    assert "before" == await psql(uri, "select name from item")


async def test_a_branch_is_created_listed_renamed_and_deleted(cli, project):
    moment = await project.before_and_after()
    options = ("--cu", "0.5-2", "--suspend-timeout", "600", "--annotation", '{"ticket": "42"}')
    created = await cli("branches", "create", "--name", "dev", "--parent", moment, *options)
    (compute,) = created["endpoints"]
    names = ("type", "autoscaling_limit_min_cu", "autoscaling_limit_max_cu", "suspend_timeout_seconds")
    assert ("read_write", 0.5, 2, 600) == tuple(compute[name] for name in names)
    assert created["connection_uris"][0]["connection_uri"].startswith("postgresql://owner:")
    name = "work/of ünits"
    renamed = await cli("branches", "rename", "dev", name)
    assert (name, created["branch"]["id"]) == (renamed["name"], renamed["id"])
    assert {"main", name} == {branch["name"] for branch in await cli("branches", "list")}
    assert (await project.branch("main"))["id"] == (await cli("branches", "get", name))["parent_id"]
    annotation = (await project.neon.get(await project.path_of(name))).json()["annotation"]
    assert ({"ticket": "42"}, ["before"]) == (annotation["value"], await project.items(name))
    assert renamed["id"] == (await cli("branches", "delete", name))["id"]
    assert None is await cli("branches", "delete", renamed["id"])


async def test_an_expiry_is_set_and_a_compute_added(cli, project):
    await project.create("dev")
    tomorrow = from_now(days=1)
    assert tomorrow == (await cli("branches", "set-expiration", "dev", "--expires-at", tomorrow))["expires_at"]
    assert "expires_at" not in await cli("branches", "set-expiration", "dev")
    added = await cli("branches", "add-compute", "dev")
    assert ("read_only", "dev") == (added["type"], added["name"])


async def test_a_root_is_restored_to_a_moment(cli, project):
    moment = await project.before_and_after()
    restored = await cli("branches", "restore", "main", f"^self@{moment}", "--preserve-under-name", "held")
    assert (await project.branch("main"))["id"] == restored["id"]
    assert "last_reset_at" in restored
    await project.settled()
    assert ["before"] == await project.items("main")
    await project.create("look", "held")
    assert ["after", "before"] == await project.items("look")


async def test_a_child_is_reset_and_becomes_the_default(cli, project):
    await project.create("dev")
    await project.insert("dev", "own")
    await project.insert("main", "parents")
    await cli("branches", "reset", "dev", "--parent")
    await project.settled()
    assert ["parents"] == await project.items("dev")
    assert True is (await cli("branches", "set-default", "dev"))["default"]
    assert [True, False] == [(await project.branch(name))["default"] for name in ("dev", "main")]


async def test_the_difference_of_two_schemas_is_shown(cli, project):
    await project.create("dev")
    moment = await next_millisecond()
    await project.execute("dev", "alter table item add column price int")
    command, options = ("branches", "schema-diff", "main"), ("--database", "shop", "--project-id", project.id)
    different, equal = await asyncio.gather(
        *(cli.text(*command, branch, *options) for branch in ("dev", f"dev@{moment}"))
    )
    assert ["+    name text,", "+    price integer"] == [
        line for line in different.splitlines() if line.startswith("+    ")
    ]
    assert "price" not in equal


async def test_databases_roles_and_operations_are_listed(cli):
    role = await cli("roles", "create", "--name", "reader")
    assert role.get("role", role)["password"]
    await cli("databases", "create", "--name", "stock", "--owner-name", "reader")
    assert ["owner", "reader"] == [role["name"] for role in await cli("roles", "list")]
    databases = [(item["name"], item["owner_name"]) for item in await cli("databases", "list")]
    assert [("shop", "owner"), ("stock", "reader")] == databases
    operations = await cli("operations", "list")
    assert ("apply_config", {"finished"}) == (operations[0]["action"], {each["status"] for each in operations})


async def test_a_snapshot_is_taken_restored_and_finalized(cli, project):
    await project.insert("main", "before")
    before, uri = await project.branch("main"), await project.uri("main")
    snapshot = await cli("snapshots", "create", "--branch", "main", "--name", "release")
    await project.settled()
    await project.insert("main", "after")
    assert [snapshot] == await cli("snapshots", "list")
    restored = (await cli("snapshots", "restore", "release", "--target-branch", "main"))["restored_branch"]
    await project.settled()
    assert (["before"], ["after", "before"]) == (
        await project.items(restored["name"]),
        await project.items("main"),
    )
    await cli("snapshots", "finalize", restored["id"])
    await project.settled()
    ids = [(await project.branch(name))["id"] for name in ("main", "main (old)")]
    assert [restored["id"], before["id"]] == ids
    assert (uri, ["before"]) == (await project.uri("main"), await project.items("main"))
    await cli("snapshots", "delete", "release")
    assert [] == await cli("snapshots", "list")
