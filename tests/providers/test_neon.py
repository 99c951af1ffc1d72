"""What Neon does that only the provider can mend."""

import pytest

from reconciler.core.model.observed import Annotation
from reconciler.core.values.instant import Instant
from reconciler.core.values.secret import Secret
from reconciler.core.values.timeline import Timeline
from reconciler.errors import AnswerLost, ProviderError
from reconciler.providers import neon
from reconciler.providers.clock import SystemClock
from reconciler.providers.http.client import Api
from reconciler.providers.neon import client
from tests.support import database
from tests.support.shops import PRIMARY


@pytest.fixture
async def neon_api(sandbox):
    key = Secret(sandbox.environment["NEON_API_KEY"])
    api = Api(neon.POLICY, sandbox.environment["NEON_API_HOST"], key)
    yield neon.NeonApi(api, SystemClock())
    await api.close()


@pytest.mark.anyio
async def test_a_busy_create_looks_before_retrying(production, neon_api):
    """The candidate's name is free again then, and so a second branch of the same timeline would be made."""
    origin = production.branch(PRIMARY)
    branch = await _create(production, neon_api, origin)
    production.change_branch(origin, name="main.held.by.another.run")
    production.change_branch(production.branch(branch), name=PRIMARY)
    before = set(production.branches())
    production.sandbox.fault("status:423", "POST", "/branches$")
    with pytest.raises(AnswerLost, match="has a branch of"):
        await _create(production, neon_api, origin)
    assert set(production.branches()) == before


@pytest.mark.anyio
async def test_a_taken_branch_name_is_an_answer_lost(production, neon_api):
    origin = production.branch(PRIMARY)
    await _create(production, neon_api, origin)
    with pytest.raises(AnswerLost):
        await _create(production, neon_api, origin)


@pytest.mark.anyio
async def test_every_branch_is_found_across_pages(production, neon_api, monkeypatch):
    for number in range(4):
        body = {"branch": {"name": f"feature-{number}"}}
        production.sandbox.neon("POST", f"/projects/{production.project}/branches", json=body)
    monkeypatch.setattr(client, "PAGE", 2)
    found = await neon_api.branches(production.project)
    assert sorted(each.name for each in found) == sorted(production.branches())
    assert [each.name for each in found if each.endpoint is not None] == [PRIMARY]


@pytest.mark.anyio
async def test_a_missing_role_is_neons_error(production, neon_api):
    branch = production.branch(PRIMARY)["id"]
    with pytest.raises(ProviderError, match="ghost"):
        await neon_api.origin(production.project, branch, "tech961", "ghost")


async def _create(production, neon_api, origin):
    at = Instant.parse_strict(database.text(production.shop.good))
    name = f"main.candidate.{Timeline(at)}"
    await neon_api.create_branch(production.project, name, origin["id"], at, Annotation("production", Timeline(at)))
    return name
