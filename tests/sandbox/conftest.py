"""One sandbox for the tests of this directory, in this process; every test makes a project of its own in it."""

import tempfile
from pathlib import Path

import pytest

from reconciler.sandbox.server import Sandbox
from tests.sandbox.neon_client import NeonClient, ProjectClient
from tests.support.memory import memory


@pytest.fixture(scope="session")
def anyio_backend():
    return "asyncio"


@pytest.fixture(scope="session")
def place():
    with tempfile.TemporaryDirectory(dir=memory(), prefix="reconciler-tests-") as directory:
        place = Path(directory)
        place.chmod(0o711)
        yield place
        assert [] == list(place.iterdir())


@pytest.fixture(scope="session")
async def shared_sandbox(place):
    sandbox = Sandbox(place / "sandbox")
    await sandbox.start()
    yield sandbox
    await sandbox.stop()


@pytest.fixture
async def sandbox(shared_sandbox):
    """The sandbox, as it was, with no fault in force; no test may meet a defect."""
    yield shared_sandbox
    async with NeonClient(shared_sandbox.environment) as client:
        for path in ("faults", "latency", "requests"):
            await client.delete(f"{shared_sandbox.url}/sandbox/{path}")
    failures = list(shared_sandbox.failures)
    shared_sandbox.failures.clear()
    assert failures == []


@pytest.fixture
async def neon(sandbox):
    async with NeonClient(sandbox.environment) as client:
        yield client


@pytest.fixture
async def switch(neon, sandbox):
    """Set switches of the Neon half, which are as before at the end."""
    path = f"{sandbox.url}/sandbox/switches"
    before = (await neon.get(path)).json()["neon"]

    async def switch(**values):
        assert 200 == (await neon.post(path, json={"neon": values})).status_code

    yield switch
    await switch(**before)


@pytest.fixture
async def project(neon, sandbox):
    """A new project with the database `shop` of the role `owner`, and the table `item` in it."""
    created = await neon.post(
        "/projects", json={"project": {"branch": {"role_name": "owner", "database_name": "shop"}}}
    )
    project = ProjectClient(neon, created.json()["project"]["id"])
    await project.settled()
    await project.execute("main", "create table item (name text)")
    yield project
    await neon.delete(f"{sandbox.url}/sandbox/faults")
    await project.settled()
    await neon.delete(project.path)
