"""An in-process server with only Cloudflare's routes, and a client for it."""

from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx
from aiohttp import web

from reconciler.sandbox.cloudflare import Cloudflare, Switches

ACCOUNT = "0123456789abcdef0123456789abcdef"
CONFIGS = f"/accounts/{ACCOUNT}/hyperdrive/configs"
WORKERS = f"/accounts/{ACCOUNT}/workers"


@dataclass
class Api:
    """The client, and what stands behind it."""

    http: httpx.AsyncClient
    cloudflare: Cloudflare

    @property
    def switches(self) -> Switches:
        return self.cloudflare.state.switches

    async def call(self, method, path, **arguments):
        """Send a request that must succeed; give its result."""
        answer = await self.http.request(method, path, **arguments)
        body = answer.json()
        assert body["success"], body
        assert answer.status_code == 200
        return body["result"]

    async def refused(self, method, path, **arguments):
        """Send a request that must be refused; give status, code and message."""
        answer = await self.http.request(method, path, **arguments)
        body = answer.json()
        assert not body["success"], body
        assert body["result"] is None
        (error,) = body["errors"]
        return answer.status_code, error["code"], error["message"]


@asynccontextmanager
async def serving():
    """Serve Cloudflare alone, on a free port."""
    cloudflare = Cloudflare(ACCOUNT, "token")

    @web.middleware
    async def give_state(request, handler):
        request["state"] = cloudflare.state
        return await handler(request)

    app = web.Application(middlewares=[give_state])
    app.add_routes(cloudflare.routes())
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    headers = {"Authorization": "Bearer token"}
    client = httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}/client/v4", headers=headers, trust_env=False)
    try:
        async with client:
            yield Api(client, cloudflare)
    finally:
        await runner.cleanup()
        await cloudflare.close()
