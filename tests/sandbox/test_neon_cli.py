"""The official Neon CLI, unmodified, works against the sandbox; what it prints and what it did are looked at.

RECONCILER_TEST_NEON_CLI names its executable (`npm install neonctl`, then `node_modules/.bin/neon`).
"""

import asyncio
import json
import os
import shutil
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest

from reconciler.sandbox import timestamps
from tests.sandbox.neon_client import next_millisecond

pytestmark = pytest.mark.anyio

VARIABLE = "RECONCILER_TEST_NEON_CLI"
SECONDS = 60


class Cli:
    """The CLI with a home of its own, against one project. It waits for nothing, so it is run when all is settled."""

    def __init__(self, program: str, home: Path, environment: dict[str, str], project) -> None:
        self._program = program
        self._home = home
        self._environment = {"PATH": os.environ["PATH"], "HOME": str(home)} | environment
        self._project = project

    async def __call__(self, *words: str) -> object:
        """Run a command on the project, and give the JSON that it prints; None where it prints nothing."""
        await self._project.settled()
        output = await self.text(*words, "--project-id", self._project.id, "--output", "json")
        return json.loads(output) if output.strip() else None

    async def text(self, *words: str) -> str:
        """Run a command and give what it prints."""
        process = await asyncio.create_subprocess_exec(
            self._program,
            *words,
            "--no-analytics",
            "--config-dir",
            str(self._home / "config"),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            cwd=self._home,
            env=self._environment,
        )
        try:
            output, errors = await asyncio.wait_for(process.communicate(), SECONDS)
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        assert 0 == process.returncode, f"neon {' '.join(words)}: {errors.decode()}"
        return output.decode()


@pytest.fixture
def cli(project, sandbox, tmp_path):
    program = os.environ.get(VARIABLE)
    if not program:
        reason = f"NOT TESTED: the official Neon CLI; {VARIABLE} does not say where its executable is"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    environment = {name: value for name, value in sandbox.environment.items() if name.startswith("NEON_")}
    return Cli(program, tmp_path, environment, project)


async def psql(uri: str, query: str) -> str:
    """Run a query with psql, where it is installed, else with the library that psql is made of."""
    program = shutil.which("psql")
    if program is None:
        connection = await psycopg.AsyncConnection.connect(uri)
        async with connection:
            return str((await (await connection.execute(query)).fetchone())[0])
    process = await asyncio.create_subprocess_exec(
        program, uri, "-XAtc", query, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    output, errors = await process.communicate()
    assert 0 == process.returncode, errors.decode()
    return output.decode().strip()


async def test_projects_are_listed_and_read(cli, project):
    commands = (("projects", "list"), ("projects", "get", project.id))
    listed, got = [json.loads(await cli.text(*command, "--output", "json")) for command in commands]
    assert project.id in [item["id"] for item in listed["projects"]]
    assert (project.id, 86400) == (got["id"], got["history_retention_seconds"])


async def test_the_printed_connection_string_connects_with_psql_encrypted_and_bound_to_the_channel(cli, project):
    await project.insert("main", "seen")
    uri = (await cli.text("connection-string", "main", "--project-id", project.id)).strip()
    assert uri.endswith("?sslmode=require&channel_binding=require")
    assert "seen" == await psql(uri, "select name from item")
    assert uri == await project.uri("main")
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        await psycopg.AsyncConnection.connect(uri.replace("npg_", "other_"))


async def test_the_connection_string_of_a_moment_reads_what_was_so_then(cli, project):
    await project.insert("main", "before")
    moment = await next_millisecond()
    await project.insert("main", "after")
    uri = (await cli.text("connection-string", f"main@{moment}", "--project-id", project.id)).strip()
    assert "before" == await psql(uri, "select name from item")


async def test_a_branch_is_created_at_a_moment_and_listed_read_renamed_and_deleted(cli, project):
    await project.insert("main", "before")
    moment = await next_millisecond()
    await project.insert("main", "after")
    options = ("--cu", "0.5-2", "--suspend-timeout", "600", "--annotation", '{"ticket": "42"}')
    created = await cli("branches", "create", "--name", "dev", "--parent", moment, *options)
    sizes = [created["endpoints"][0][f"autoscaling_limit_{which}_cu"] for which in ("min", "max")]
    assert ([0.5, 2], 600) == (sizes, created["endpoints"][0]["suspend_timeout_seconds"])
    assert created["connection_uris"][0]["connection_uri"].startswith("postgresql://owner:")
    assert "read_write" == created["endpoints"][0]["type"]
    renamed = await cli("branches", "rename", "dev", "work/of ünits")
    assert ("work/of ünits", created["branch"]["id"]) == (renamed["name"], renamed["id"])
    listed, got = await cli("branches", "list"), await cli("branches", "get", "work/of ünits")
    assert {"main", "work/of ünits"} == {branch["name"] for branch in listed}
    assert (await project.branch("main"))["id"] == got["parent_id"]
    annotation = (await project.neon.get(await project.path_of("work/of ünits"))).json()["annotation"]
    assert {"ticket": "42"} == annotation["value"]
    assert ["before"] == await project.items("work/of ünits")
    assert renamed["id"] == (await cli("branches", "delete", "work/of ünits"))["id"]
    await project.settled()
    assert None is await cli("branches", "delete", renamed["id"])


async def test_an_expiry_is_set_and_removed_and_a_compute_added(cli, project):
    await project.create("dev")
    tomorrow = timestamps.render(timestamps.now() + timedelta(days=1))
    assert tomorrow == (await cli("branches", "set-expiration", "dev", "--expires-at", tomorrow))["expires_at"]
    assert "expires_at" not in await cli("branches", "set-expiration", "dev")
    added = await cli("branches", "add-compute", "dev")
    assert ("read_only", "dev") == (added["type"], added["name"])


async def test_a_root_is_restored_to_a_moment_and_the_former_state_preserved(cli, project):
    await project.insert("main", "before")
    moment = await next_millisecond()
    await project.insert("main", "after")
    restored = await cli("branches", "restore", "main", f"^self@{moment}", "--preserve-under-name", "held")
    assert (await project.branch("main"))["id"] == restored["id"]
    assert "last_reset_at" in restored
    await project.settled()
    assert ["before"] == await project.items("main")
    await project.create("look", "held")
    assert ["after", "before"] == await project.items("look")


async def test_a_child_is_reset_to_its_parent_and_can_become_the_default(cli, project):
    await project.create("dev")
    await project.insert("dev", "own")
    await project.insert("main", "parents")
    await cli("branches", "reset", "dev", "--parent")
    await project.settled()
    assert ["parents"] == await project.items("dev")
    assert True is (await cli("branches", "set-default", "dev"))["default"]
    assert [True, False] == [(await project.branch(name))["default"] for name in ("dev", "main")]


async def test_the_difference_of_two_schemas_is_shown_also_with_that_of_a_moment(cli, project):
    await project.create("dev")
    moment = await next_millisecond()
    await project.execute("dev", "alter table item add column price int")
    command = ("branches", "schema-diff", "main", "dev", "--database", "shop", "--project-id", project.id)
    difference, equal = await asyncio.gather(cli.text(*command), cli.text(*command[:3], f"dev@{moment}", *command[4:]))
    assert ["+    name text,", "+    price integer"] == [
        line for line in difference.splitlines() if line.startswith("+    ")
    ]
    assert "price" not in equal


async def test_databases_roles_and_operations_are_made_and_listed(cli, project):
    role = await cli("roles", "create", "--name", "reader")
    assert role["role"]["password"] if "role" in role else role["password"]
    await cli("databases", "create", "--name", "stock", "--owner-name", "reader")
    roles, databases = await cli("roles", "list"), await cli("databases", "list")
    assert ["owner", "reader"] == [role["name"] for role in roles]
    assert [("shop", "owner"), ("stock", "reader")] == [(item["name"], item["owner_name"]) for item in databases]
    operations = await cli("operations", "list")
    assert {"finished"} == {operation["status"] for operation in operations}
    assert "apply_config" == operations[0]["action"]


async def test_a_snapshot_is_taken_listed_restored_and_finalized(cli, project):
    await project.insert("main", "before")
    before, uri = await project.branch("main"), await project.uri("main")
    snapshot = await cli("snapshots", "create", "--branch", "main", "--name", "release")
    await project.settled()
    await project.insert("main", "after")
    assert [snapshot] == await cli("snapshots", "list")
    restored = (await cli("snapshots", "restore", "release", "--target-branch", "main"))["restored_branch"]
    await project.settled()
    assert ["before"] == await project.items(restored["name"])
    assert ["after", "before"] == await project.items("main")
    await cli("snapshots", "finalize", restored["id"])
    await project.settled()
    assert before["id"] != (await project.branch("main"))["id"] == restored["id"]
    assert before["id"] == (await project.branch("main (old)"))["id"]
    assert (uri, ["before"]) == (await project.uri("main"), await project.items("main"))
    await cli("snapshots", "delete", "release")
    assert [] == await cli("snapshots", "list")
