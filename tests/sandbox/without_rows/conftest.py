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
    """Branches take 200 ms to create, so that a test meets the locked project."""
    await control.post("/latency", json={"OPERATION create_branch": 200})


@pytest.fixture
async def project(neon, control):
    async with new_project(neon) as project:
        yield project
        await control.delete("/faults")
