"""One sandbox for the tests of this directory, in this process; every test makes a project of its own in it."""

import tempfile
from pathlib import Path

import httpx
import pytest

from reconciler.sandbox.server import Sandbox
from tests.sandbox.neon_client import NeonClient, new_project
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
async def control(shared_sandbox):
    """A client of the sandbox's own API."""
    async with httpx.AsyncClient(base_url=f"{shared_sandbox.url}/sandbox", trust_env=False) as client:
        yield client


@pytest.fixture
async def sandbox(shared_sandbox, control):
    """The sandbox, as it was, with no fault in force; no test may meet a defect."""
    switches = (await control.get("/switches")).json()
    yield shared_sandbox
    for path in ("/faults", "/latency", "/requests"):
        await control.delete(path)
    await control.post("/switches", json=switches)
    failures = list(shared_sandbox.failures)
    shared_sandbox.failures.clear()
    assert failures == []


@pytest.fixture
async def neon(sandbox):
    async with NeonClient(sandbox.environment) as client:
        yield client


@pytest.fixture
def switch(sandbox, control):
    """Set switches of Neon for one test."""

    async def switch(**values):
        assert 200 == (await control.post("/switches", json={"neon": values})).status_code

    return switch


@pytest.fixture
def fault(sandbox, control):
    """Set a fault for one test."""

    async def fault(action, method="*", path="/api/v2", **counts):
        wanted = {"method": method, "path": path, "action": action} | counts
        answer = await control.post("/faults", json=[wanted])
        assert 200 == answer.status_code, answer.text

    return fault


@pytest.fixture
async def project(neon, control):
    """A new project with the table `item`."""
    async with new_project(neon) as project:
        await project.execute("main", "create table item (name text)")
        yield project
        await control.delete("/faults")
