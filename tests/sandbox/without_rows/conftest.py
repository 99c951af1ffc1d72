"""The same fixtures, with a sandbox without PostgreSQL: quick, for all that needs no rows."""

import pytest

from reconciler.sandbox.server import Sandbox
from tests.sandbox.neon_client import new_project


@pytest.fixture(scope="session")
async def shared_sandbox():
    sandbox = Sandbox(postgres=False)
    await sandbox.start()
    yield sandbox
    await sandbox.stop()


@pytest.fixture
async def slow(sandbox, control):
    """Operations take 50 ms, so that a test can meet them."""
    await control.post("/latency", json={"OPERATION .": 50})


@pytest.fixture
async def project(neon, control):
    async with new_project(neon) as project:
        yield project
        await control.delete("/faults")
