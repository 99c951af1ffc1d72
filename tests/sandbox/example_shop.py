"""The example of the sandbox, called over HTTP: its Worker, and the API that deploys it."""

import json
import os
import time
from pathlib import Path

import httpx
import psycopg
import pytest

from reconciler.sandbox.cloudflare.api import EXAMPLE_CONFIG_ID, EXAMPLE_SCRIPT_NAME
from reconciler.sandbox.server import CLOUDFLARE_PREFIX, Sandbox
from reconciler.sandbox.workers import binary
from tests.sandbox.processes import processes_of
from tests.support.memory import memory

OVERRIDES = "Cloudflare-Workers-Version-Overrides"
MODULE = "application/javascript+module"


@pytest.fixture(scope="session")
def workerd():
    """The workerd program; in CI it is required."""
    wrangler = os.environ.get("RECONCILER_TEST_WRANGLER")
    beside = Path(wrangler).parent / "workerd" if wrangler else None
    if "RECONCILER_WORKERD" not in os.environ and beside and beside.exists():
        os.environ["RECONCILER_WORKERD"] = str(beside)
    program = binary.locate()
    if program is None:
        complaint = "no Worker has been run, because there is no workerd: " + binary.HOW_TO_GET_IT
        if os.environ.get("CI") == "true":
            pytest.fail(complaint)
        pytest.skip(complaint)
    return program


class Shop:
    """The example and the sandbox that it runs in."""

    def __init__(self, sandbox, worker, http):
        self.sandbox, self.worker, self.http = sandbox, worker, http
        environment = sandbox.environment
        self.api = f"{environment['CLOUDFLARE_API_BASE_URL']}/accounts/{environment['CLOUDFLARE_ACCOUNT_ID']}"
        self.authorization = {"Authorization": f"Bearer {environment['CLOUDFLARE_API_TOKEN']}"}
        self.script = f"/workers/scripts/{EXAMPLE_SCRIPT_NAME}"
        self.config = f"/hyperdrive/configs/{EXAMPLE_CONFIG_ID}"

    async def call(self, method, path, **arguments):
        answer = await self.http.request(method, self.api + path, headers=self.authorization, **arguments)
        assert answer.is_success, answer.text
        return answer.json()["result"]

    async def get(self, path="/", version=None, **headers):
        if version:
            headers[OVERRIDES] = f'other="x", {EXAMPLE_SCRIPT_NAME}="{version}"'
        return await self.http.get(self.worker + path, headers=headers)

    async def version(self, **headers):
        return (await self.get("/health", **headers)).json()["version"]

    async def live(self):
        return (await self.call("GET", self.script + "/deployments"))["deployments"][0]["versions"][0]["version_id"]

    async def upload(self, *bindings, modules=None, **metadata):
        usual = {"main_module": "index.js", "compatibility_date": "2025-09-01", "keep_bindings": ["secret_text"]}
        metadata = {**usual, "bindings": bindings, **metadata}
        files = {name: (name, content, kind) for name, (content, kind) in (modules or example()).items()}
        files["metadata"] = (None, json.dumps(metadata))
        return (await self.call("POST", self.script + "/versions", files=files))["id"]

    async def deploy(self, *split):
        versions = [{"version_id": version, "percentage": share} for version, share in split]
        body = {"strategy": "percentage", "versions": versions}
        await self.call("POST", self.script + "/deployments", json=body)

    async def switch(self, **settings):
        answer = await self.http.post(self.sandbox.url + "/sandbox/switches", json={"cloudflare": settings})
        assert answer.is_success, answer.text

    async def control(self, path):
        return (await self.http.get(f"{self.sandbox.url}/sandbox/{path}")).json()

    @property
    def origin(self):
        """The origin of the example's Hyperdrive config."""
        return self.sandbox._apis[CLOUDFLARE_PREFIX].state.configs[EXAMPLE_CONFIG_ID].origin

    async def connect(self, port=None):
        """Connect to the database as the config's role, at another port if one is given."""
        return await psycopg.AsyncConnection.connect(
            host="127.0.0.1",
            port=port or self.origin["port"],
            user=self.origin["user"],
            password=self.origin["password"],
            dbname=self.origin["database"],
            autocommit=True,
        )

    async def execute(self, statement):
        async with await self.connect() as connection:
            await connection.execute(statement)

    async def listings(self):
        return (await self.get("/health")).json()["listings"]

    def runtimes(self):
        """Return the process ids of the workerds that run."""
        return [int(file.read_text()) for file in self.sandbox._directory.glob("workers/*/workerd.pid")]

    async def branch(self):
        """Make a branch of the present state; return the host and port of its compute."""
        environment = self.sandbox.environment
        headers = {"Authorization": f"Bearer {environment['NEON_API_KEY']}"}
        path = environment["NEON_API_HOST"] + "/projects/aged-wildflower-123456/branches"
        body = {"endpoints": [{"type": "read_write"}]}
        answer = await self.http.post(path, json=body, headers=headers)
        assert answer.is_success, answer.text
        host, _, port = answer.json()["endpoints"][0]["host"].partition(":")
        return host, int(port)


def example():
    directory = Path(binary.__file__).parents[1] / "example"
    return {path.name: (path.read_bytes(), MODULE) for path in directory.glob("*.js")}


def left_in(place, name):
    return [path for path in place.iterdir() if path.name == name]


@pytest.fixture
async def shop(workerd):
    directory = Path(f"{memory() or '/tmp'}/reconciler-workers-{os.getpid()}-{time.monotonic_ns()}")
    sandbox = Sandbox(directory)
    await sandbox.start()
    try:
        async with httpx.AsyncClient(trust_env=False, timeout=20) as http:
            yield Shop(sandbox, await sandbox.worker_url(EXAMPLE_SCRIPT_NAME), http)
    finally:
        await sandbox.stop()
    assert ([], [], []) == (processes_of(directory), left_in(directory.parent, directory.name), sandbox.failures)
