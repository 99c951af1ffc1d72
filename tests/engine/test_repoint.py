"""A repoint on real PostgreSQL and with a Worker that really runs: which rows its visitors see meanwhile."""

import asyncio
import json
from contextlib import suppress

import httpx
import pytest

from reconciler.cli.repository.environments import EnvironmentFile
from reconciler.cli.wiring import connected
from reconciler.core.plan.plan import plan
from reconciler.engine.loop import Apply
from reconciler.engine.observe import observe
from reconciler.sandbox import timestamps
from reconciler.sandbox.cloudflare.api import EXAMPLE_CONFIG_ID, EXAMPLE_CONFIG_NAME, EXAMPLE_SCRIPT_NAME
from tests.sandbox import example_shop
from tests.support.database import text

pytestmark = [pytest.mark.anyio]

workerd, shop = example_shop.workerd, example_shop.shop

_WRANGLER = """{ "name": "%s", "main": "src/index.js", "hyperdrive": [{ "binding": "HYPERDRIVE", "id": "%s" }] }"""


class Environment:
    """The example's environment, whose file asks for a repoint."""

    def __init__(self, shop, root):
        self.shop, self.root = shop, root
        self.file = root / "desired-state" / "production.jsonc"
        self.file.parent.mkdir()
        (root / "wrangler.jsonc").write_text(_WRANGLER % (EXAMPLE_SCRIPT_NAME, EXAMPLE_CONFIG_ID))

    def ask(self, to):
        hyperdrive = {"name": EXAMPLE_CONFIG_NAME, "database": "tech961", "role": "app", "strategy": "repoint"}
        gate = {"name": "listings", "query": 'select count(*) = 5 from "Listing"'}
        wanted = {
            "primary": {"project": "aged-wildflower-123456", "branch": "main", "restore": to and {"to": to}},
            "hyperdrive": {**hyperdrive, "caching": {"max_age": 1, "stale_while_revalidate": 1}},
            "worker": {"config": "wrangler.jsonc", "binding": "HYPERDRIVE"},
            "verify": {"sql": [gate], "http": [{"name": "health", "url": f"{self.shop.worker}/health"}]},
        }
        self.file.write_text(json.dumps(wanted))

    async def use(self, do):
        desired = EnvironmentFile(self.file, self.root).read()
        async with connected(desired, self.root, self.shop.sandbox.environment) as ports:
            return await do(desired, ports)

    async def planned(self):
        async def look(desired, ports):
            return plan(desired, await observe(desired, ports))

        return await self.use(look)

    async def apply(self):
        return await self.use(lambda desired, ports: Apply(desired, ports, lambda _event: None).run())


async def rows(shop):
    return len((await shop.get()).json())


async def visit(shop, seen):
    """Note how many rows the database has whenever that changes, by a query that no cache answers."""
    while True:
        with suppress(httpx.HTTPError):
            answer = await shop.get("/health")
            if answer.is_success and seen[-1:] != [answer.json()["listings"]]:
                seen.append(answer.json()["listings"])


async def test_visitors_move_to_the_restored_rows_once(shop, tmp_path):
    await shop.switch(hyperdrive_pool_survives_change=True, hyperdrive_query_cache=True)
    environment = Environment(shop, tmp_path)
    environment.ask(None)
    assert (await environment.apply()).converged
    good = timestamps.now()
    await shop.execute('delete from "Listing" where id > 1')
    environment.ask(text(good))
    while (await environment.planned()).refusals:  # noqa: ASYNC110  for two seconds it is too recent, by the clock
        await asyncio.sleep(0.1)
    seen = []
    visitor = asyncio.create_task(visit(shop, seen))
    try:
        assert await rows(shop) >= 1  # an answer is in the cache
        assert (await environment.apply()).converged
        assert await rows(shop) == 5, "the cache answers from the old branch"
        assert seen == [1, 5]
        environment.ask(None)
        assert (await environment.apply()).converged
        assert await rows(shop) == 1
        assert seen == [1, 5, 1]
    finally:
        visitor.cancel()
    assert [each["name"] for each in await shop.call("GET", "/hyperdrive/configs")] == [EXAMPLE_CONFIG_NAME]
    assert len((await shop.call("GET", shop.script + "/deployments"))["deployments"]) == 1
