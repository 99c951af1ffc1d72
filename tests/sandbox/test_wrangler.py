"""The real wrangler works against the sandbox unmodified: the newest for Node 20, and the newest.

`RECONCILER_TEST_WRANGLER` and `RECONCILER_TEST_WRANGLER_LATEST` are the commands that start them. The tests read from
the API what wrangler has done, rather than believe its output.
"""

import asyncio
import json
import os
import re
import shlex
import uuid
from asyncio import gather

import httpx
import pytest

pytestmark = pytest.mark.anyio

VARIABLES = ("RECONCILER_TEST_WRANGLER", "RECONCILER_TEST_WRANGLER_LATEST")
QUIET = {
    "CI": "1",
    "WRANGLER_SEND_METRICS": "false",
    "WRANGLER_HIDE_BANNER": "true",
    "npm_config_registry": "http://127.0.0.1:9",  # after an error wrangler looks for a newer version: none is found
}
ABSENT = "0123456789abcdef0123456789abcdef"


class Wrangler:
    """A wrangler in the directory of a Worker."""

    def __init__(self, command, directory, environment):
        self.command, self.directory, self.environment = command, directory, environment
        self.name = f"shop-{uuid.uuid4().hex[:8]}"

    def write(self, config):
        """Write the Worker, with a Hyperdrive binding at the top and in the environment `staging`."""
        bound = {"hyperdrive": [{"binding": "HYPERDRIVE", "id": config}]}
        project = {"name": self.name, "main": "index.js", "compatibility_date": "2025-09-01", **bound}
        (self.directory / "wrangler.jsonc").write_text(json.dumps(project | {"env": {"staging": bound}}))
        (self.directory / "index.js").write_text("export default { async fetch() { return new Response('ok') } }\n")

    async def __call__(self, *arguments):
        """Run a command that must succeed; return its output."""
        status, output = await self._run(*arguments)
        assert status == 0, output
        return output

    async def json(self, *arguments):
        return json.loads(await self(*arguments, "--env=", "--json"))

    async def refused(self, *arguments):
        """Run a command that Cloudflare must refuse; return the code of the refusal."""
        status, output = await self._run(*arguments)
        assert status == 1, output
        (code,) = re.findall(r"\[code: (\d+)\]", output)
        return int(code)

    async def _run(self, *arguments):
        options = {"cwd": self.directory, "env": self.environment, "stdin": asyncio.subprocess.DEVNULL}
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(*self.command, *arguments, **options, stdout=pipe, stderr=pipe)
        try:
            output, errors = await process.communicate()
        except BaseException:
            process.kill()
            await process.wait()
            raise
        return process.returncode, output.decode() + ("" if process.returncode == 0 else errors.decode())


@pytest.fixture(params=VARIABLES)
def wrangler(request, sandbox, tmp_path, tmp_path_factory):
    command = os.environ.get(request.param)
    if not command:
        say = pytest.fail if os.environ.get("CI") == "true" else pytest.skip
        say(f"{request.param} must be the command that starts wrangler")
    home, directory = tmp_path / "home", tmp_path / "worker"
    home.mkdir()
    directory.mkdir()
    environment = {"PATH": os.environ["PATH"], "HOME": str(home), **QUIET, **sandbox.environment}
    # From version 22 on Node can keep compiled code, which saves a quarter of a command's time.
    environment["NODE_COMPILE_CACHE"] = str(tmp_path_factory.getbasetemp() / "compiled")
    return Wrangler(shlex.split(command), directory, environment)


@pytest.fixture
async def cloudflare(sandbox):
    """Read the `result` of a path of the account from the API."""
    environment = sandbox.environment
    address = f"{environment['CLOUDFLARE_API_BASE_URL']}/accounts/{environment['CLOUDFLARE_ACCOUNT_ID']}"
    headers = {"Authorization": f"Bearer {environment['CLOUDFLARE_API_TOKEN']}"}
    async with httpx.AsyncClient(base_url=address, headers=headers, trust_env=False) as client:

        async def get(path):
            answer = await client.get(path)
            body = answer.json()
            return body["result"] if body["success"] else (answer.status_code, body["errors"][0]["code"])

        yield get


class Worker:
    """A Worker in the API. Lists are newest first."""

    def __init__(self, get, name):
        self._get, self._path = get, f"/workers/scripts/{name}"

    async def versions(self):
        return [each["id"] for each in (await self._get(f"{self._path}/versions"))["items"]]

    async def version(self, version):
        return await self._get(f"{self._path}/versions/{version}")

    async def deployments(self):
        return (await self._get(f"{self._path}/deployments"))["deployments"]

    async def shares(self):
        """Return the version ids with their percentages, of every deployment."""
        return [{each["version_id"]: each["percentage"] for each in it["versions"]} for it in await self.deployments()]


@pytest.fixture
async def config(cloudflare):
    """The id of the Hyperdrive config of the sandbox's example."""
    return (await cloudflare("/hyperdrive/configs"))[0]["id"]


@pytest.fixture
def worker(wrangler, cloudflare, config):
    wrangler.write(config)
    return Worker(cloudflare, wrangler.name)


async def test_workers_are_deployed_split_and_rolled_back(wrangler, cloudflare, worker, config):
    staging = Worker(cloudflare, f"{wrangler.name}-staging")
    assert (404, 10090) == await cloudflare(f"/workers/services/{wrangler.name}")
    first_deploy = wrangler("deploy", "--env=", "--tag", "t1", "--message", "one")
    await gather(first_deploy, wrangler("deploy", "--env", "staging"))
    (first,), (staged,) = await worker.versions(), await staging.versions()
    assert ([{first: 100}], [{staged: 100}]) == (await worker.shares(), await staging.shares())
    version = await worker.version(first)
    for found in (version, await staging.version(staged)):
        assert [{"name": "HYPERDRIVE", "type": "hyperdrive", "id": config}] == found["resources"]["bindings"]
    annotations = {"workers/tag": "t1", "workers/message": "one", "workers/triggered_by": "upload"}
    assert annotations == version["annotations"]

    await wrangler("deploy", "--env=")
    second, *older = await worker.versions()
    assert ([first], [{second: 100}, {first: 100}]) == (older, await worker.shares())

    await wrangler("versions", "upload", "--env=", "--tag", "t3")
    third, *older = await worker.versions()
    assert ([second, first], [{second: 100}, {first: 100}]) == (older, await worker.shares())

    await wrangler("versions", "deploy", f"{second}@0%", f"{third}@100%", "-y", "--env=", "--message", "split")
    assert [{second: 0, third: 100}, {second: 100}, {first: 100}] == await worker.shares()
    versions, viewed, deployments, status = await gather(
        wrangler.json("versions", "list"),
        wrangler.json("versions", "view", third),
        wrangler.json("deployments", "list"),
        wrangler.json("deployments", "status"),
    )
    newest_first = await worker.deployments()
    assert (await worker.versions())[::-1] == [each["id"] for each in versions]
    assert (await worker.version(third), newest_first[::-1], newest_first[0]) == (viewed, deployments, status)

    await wrangler("rollback", first, "-y", "--env=", "-m", "back")
    back = {"workers/message": "back", "workers/triggered_by": "deployment"}
    assert ({first: 100}, back) == ((await worker.shares())[0], (await worker.deployments())[0]["annotations"])
    assert [staged] == await staging.versions()


async def test_configs_are_created_listed_changed_and_deleted(wrangler, cloudflare, project):
    await project.create("copy")
    main, copy = await project.uri("main"), await project.uri("copy")
    await wrangler("hyperdrive", "create", wrangler.name, f"--connection-string={main}", "--max-age=30")
    (made,) = [each for each in await cloudflare("/hyperdrive/configs") if each["name"] == wrangler.name]
    config = made["id"]
    assert ({"disabled": False, "max_age": 30}, origin_of(main)) == (made["caching"], made["origin"])

    got, listed, refused = await gather(
        wrangler("hyperdrive", "get", config),
        wrangler("hyperdrive", "list"),
        wrangler.refused("hyperdrive", "create", wrangler.name, f"--connection-string={main}"),
    )
    assert (made, True, 2017) == (json.loads(got), config in listed, refused)

    await wrangler("hyperdrive", "update", config, f"--connection-string={copy}")
    changed = await cloudflare(f"/hyperdrive/configs/{config}")
    assert origin_of(copy) == changed["origin"] != made["origin"]
    assert made["caching"] == changed["caching"]

    await wrangler("hyperdrive", "delete", config)
    assert (404, 2006) == await cloudflare(f"/hyperdrive/configs/{config}")
    assert 2006 == await wrangler.refused("hyperdrive", "get", config)


def origin_of(uri):
    url = httpx.URL(uri)
    where = {"host": url.host, "port": url.port, "database": url.path.strip("/"), "user": url.username}
    return where | {"scheme": "postgresql"}


async def test_what_is_absent_is_refused_by_its_code(wrangler, cloudflare, worker):
    wrangler.write(ABSENT)
    assert [10157, 10007] == await gather(
        wrangler.refused("deploy", "--env="),
        wrangler.refused("versions", "view", str(uuid.uuid4()), "--env="),
    )
    assert (404, 10090) == await cloudflare(f"/workers/services/{wrangler.name}")
