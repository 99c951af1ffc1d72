"""The description, and a sandbox in this process with its exchanges."""

import json
import os
from pathlib import Path

import pytest

from reconciler.sandbox.exchange_log import VARIABLE as EXCHANGE_LOG
from reconciler.sandbox.server import Sandbox
from tests.conformance import description, plugin
from tests.sandbox.neon_client import NeonClient, ProjectClient


@pytest.fixture(scope="session")
def anyio_backend():
    return "asyncio"


@pytest.fixture(scope="session")
def described():
    """Neon's API description."""
    path = description.path_of_description()
    if path is None:
        say = pytest.fail if plugin.is_ci() else pytest.skip
        say(f"{description.VARIABLE} must give the path of Neon's API description")
    return description.read(path)


@pytest.fixture(scope="session")
async def recorded(described, anyio_backend):
    """An empty sandbox, which logs its exchanges like every sandbox."""
    sandbox = Sandbox(empty=True)
    await sandbox.start()
    yield sandbox
    await sandbox.stop()
    assert [] == sandbox.failures


@pytest.fixture(scope="session")
async def exchanges(recorded):
    """The exchanges when a project with two branches is made and changed."""
    before = len(_lines())
    async with NeonClient(recorded.environment) as neon:
        await _story(neon)
    return [json.loads(line) for line in _lines()[before:]]


def _lines():
    return Path(os.environ[EXCHANGE_LOG]).read_text().splitlines()


async def _story(neon):
    made = await neon.post("/projects", json={"project": {"name": "shop"}})
    project = ProjectClient(neon, made.json()["project"]["id"])
    await project.settled()
    await project.create("copy", annotation_value={"purpose": "test"})
    await project.patch("copy", name="renamed", protected=True)
    await neon.get(f"{project.path}/branches", params={"limit": 5, "sort_order": "asc"})
    await neon.get(f"{project.path}/branches/br-absent")
    await neon.get(f"{project.path}/endpoints")
