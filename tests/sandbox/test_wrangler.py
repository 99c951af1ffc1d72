"""The real wrangler works against the sandbox unmodified: the newest for Node 20, and the newest.

`RECONCILER_TEST_WRANGLER` and `RECONCILER_TEST_WRANGLER_LATEST` say how they are started. What wrangler says is not
believed: what it has done is read from the API.
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
    "npm_config_registry": "http://127.0.0.1:9",  # after an error wrangler looks for a newer one: nobody answers here
}
ABSENT = "0123456789abcdef0123456789abcdef"


class Wrangler:
    """A wrangler in the directory of a Worker."""

    def __init__(self, command, directory, environment):
        self.command = command
        self.directory = directory
        self.environment = environment
        self.name = f"shop-{uuid.uuid4().hex[:8]}"

    def write(self, config):
        """Write the Worker: one Hyperdrive binding, at the top and in the environment `staging`."""
        bound = [{"binding": "HYPERDRIVE", "id": config}]
        project = {"name": self.name, "main": "index.js", "compatibility_date": "2025-09-01", "hyperdrive": bound}
        text = json.dumps(project | {"env": {"staging": {"hyperdrive": bound}}})
        (self.directory / "wrangler.jsonc").write_text(text)
        (self.directory / "index.js").write_text("export default { async fetch() { return new Response('ok') } }\n")

    async def __call__(self, *arguments):
        """Run a command that succeeds; give what it says."""
        status, said, complaint = await self._run(*arguments)
        assert status == 0, said + complaint
        return said

    async def json(self, *arguments):
        return json.loads(await self(*arguments, "--json"))

    async def refused(self, *arguments):
        """Run a command that Cloudflare refuses; give the code of the refusal."""
        status, said, complaint = await self._run(*arguments)
        assert status == 1, said
        (code,) = re.findall(r"\[code: (\d+)\]", said + complaint)
        return int(code)

    async def _run(self, *arguments):
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(
            *self.command, *arguments,
            cwd=self.directory, env=self.environment, stdin=asyncio.subprocess.DEVNULL, stdout=pipe, stderr=pipe,
        )  # fmt: skip
        try:
            said, complaint = await process.communicate()
        except BaseException:
            process.kill()
            await process.wait()
            raise
        return process.returncode, said.decode(), complaint.decode()


@pytest.fixture(params=VARIABLES)
def wrangler(request, sandbox, tmp_path, tmp_path_factory):
    command = os.environ.get(request.param)
    if not command:
        say = pytest.fail if os.environ.get("CI") == "true" else pytest.skip
        say(f"{request.param} must say how wrangler is started")
    home, directory = tmp_path / "home", tmp_path / "worker"
    home.mkdir()
    directory.mkdir()
    environment = {"PATH": os.environ["PATH"], "HOME": str(home), **QUIET, **sandbox.environment}
    # From version 22 on Node keeps what it has compiled, which takes a quarter of a command's time.
    environment["NODE_COMPILE_CACHE"] = str(tmp_path_factory.getbasetemp() / "compiled")
    return Wrangler(shlex.split(command), directory, environment)


@pytest.fixture
async def cloudflare(sandbox):
    """Ask the API for the `result` of a path of the account."""
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
    """What the API says of a Worker. Lists are newest first, as the API's are."""

    def __init__(self, get, name):
        self._get = get
        self._path = f"/workers/scripts/{name}"

    async def versions(self):
        return [each["id"] for each in (await self._get(f"{self._path}/versions"))["items"]]

    async def version(self, version):
        return await self._get(f"{self._path}/versions/{version}")

    async def deployments(self):
        return (await self._get(f"{self._path}/deployments"))["deployments"]

    async def shares(self):
        """Give the version ids with their percentages, of every deployment."""
        return [{each["version_id"]: each["percentage"] for each in it["versions"]} for it in await self.deployments()]


@pytest.fixture
async def config(cloudflare):
    """The id of the Hyperdrive config of the sandbox's example."""
    return (await cloudflare("/hyperdrive/configs"))[0]["id"]


@pytest.fixture
def worker(wrangler, cloudflare, config):
    wrangler.write(config)
    return Worker(cloudflare, wrangler.name)


async def test_workers_are_deployed_listed_split_and_rolled_back(wrangler, cloudflare, worker, config):
    staging = Worker(cloudflare, f"{wrangler.name}-staging")
    assert (404, 10090) == await cloudflare(f"/workers/services/{wrangler.name}")
    await gather(
        wrangler("deploy", "--env=", "--tag", "t1", "--message", "one"), wrangler("deploy", "--env", "staging")
    )
    (first,) = await worker.versions()
    (staged,) = await staging.versions()
    assert [{first: 100}] == await worker.shares()
    assert [{staged: 100}] == await staging.shares()
    for found in (await worker.version(first), await staging.version(staged)):
        assert [{"name": "HYPERDRIVE", "type": "hyperdrive", "id": config}] == found["resources"]["bindings"]
    assert {"workers/tag": "t1", "workers/message": "one", "workers/triggered_by": "upload"} == (
        await worker.version(first)
    )["annotations"]

    await wrangler("deploy", "--env=")
    second, *older = await worker.versions()
    assert [first] == older
    assert [{second: 100}, {first: 100}] == await worker.shares()

    await wrangler("versions", "upload", "--env=", "--tag", "t3")
    third, *older = await worker.versions()
    assert [second, first] == older
    assert [{second: 100}, {first: 100}] == await worker.shares()

    await wrangler("versions", "deploy", f"{second}@0%", f"{third}@100%", "-y", "--env=", "--message", "split")
    assert [{second: 0, third: 100}, {second: 100}, {first: 100}] == await worker.shares()
    await _check_lists(wrangler, worker, third)

    await wrangler("rollback", first, "-y", "--env=", "-m", "back")
    assert {first: 100} == (await worker.shares())[0]
    back = (await worker.deployments())[0]
    assert {"workers/message": "back", "workers/triggered_by": "deployment"} == back["annotations"]
    assert [staged] == await staging.versions()


async def _check_lists(wrangler, worker, version):
    """What wrangler lists is what the API lists, oldest first."""
    versions, viewed, deployments, status = await gather(
        wrangler.json("versions", "list", "--env="),
        wrangler.json("versions", "view", version, "--env="),
        wrangler.json("deployments", "list", "--env="),
        wrangler.json("deployments", "status", "--env="),
    )
    newest_first = await worker.deployments()
    assert (await worker.versions())[::-1] == [each["id"] for each in versions]
    assert await worker.version(version) == viewed
    assert newest_first[::-1] == deployments
    assert newest_first[0] == status


async def test_configs_are_created_listed_changed_and_deleted(wrangler, cloudflare, project):
    await project.create("copy")
    main, copy = await project.uri("main"), await project.uri("copy")
    await wrangler("hyperdrive", "create", wrangler.name, f"--connection-string={main}", "--max-age=30")
    (made,) = [each for each in await cloudflare("/hyperdrive/configs") if each["name"] == wrangler.name]
    config = made["id"]
    assert {"disabled": False, "max_age": 30} == made["caching"]
    assert _origin(main) == made["origin"]

    got, listed, refused = await gather(
        wrangler("hyperdrive", "get", config),
        wrangler("hyperdrive", "list"),
        wrangler.refused("hyperdrive", "create", wrangler.name, f"--connection-string={main}"),
    )
    assert made == json.loads(got)
    assert config in listed
    assert 2017 == refused

    await wrangler("hyperdrive", "update", config, f"--connection-string={copy}")
    changed = await cloudflare(f"/hyperdrive/configs/{config}")
    assert _origin(copy) == changed["origin"] != made["origin"]
    assert made["caching"] == changed["caching"]

    await wrangler("hyperdrive", "delete", config)
    assert (404, 2006) == await cloudflare(f"/hyperdrive/configs/{config}")
    assert 2006 == await wrangler.refused("hyperdrive", "get", config)


def _origin(uri):
    url = httpx.URL(uri)
    where = {"host": url.host, "port": url.port, "database": url.path.strip("/"), "user": url.username}
    return where | {"scheme": "postgresql"}


async def test_what_is_not_there_is_refused_by_its_code(wrangler, cloudflare, worker):
    wrangler.write(ABSENT)
    refused = await gather(
        wrangler.refused("deploy", "--env="),
        wrangler.refused("versions", "view", str(uuid.uuid4()), "--env="),
    )
    assert [10157, 10007] == refused
    assert (404, 10090) == await cloudflare(f"/workers/services/{wrangler.name}")
