"""An in-process server with only Cloudflare's routes, and a client for it."""

from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx
from aiohttp import web

from reconciler.sandbox.cloudflare import Cloudflare

ACCOUNT = "0123456789abcdef0123456789abcdef"
CONFIGS = f"/accounts/{ACCOUNT}/hyperdrive/configs"
WORKERS = f"/accounts/{ACCOUNT}/workers"


@dataclass
class Api:
    """The client, and the state of the account."""

    http: httpx.AsyncClient
    cloudflare: Cloudflare

    @property
    def state(self):
        return self.cloudflare.state

    @property
    def switches(self):
        return self.cloudflare.state.switches

    async def call(self, method, path, **arguments):
        """Send a request that must succeed; return its result."""
        answer = await self.http.request(method, path, **arguments)
        assert (200, True) == (answer.status_code, answer.json()["success"]), answer.text
        return answer.json()["result"]

    async def refused(self, method, path, **arguments):
        """Send a request that must be refused; return status and code."""
        return refusal(await self.http.request(method, path, **arguments))

    async def refused_with(self, method, path, **arguments):
        """Send a request that must be refused; return the message."""
        answer = await self.http.request(method, path, **arguments)
        refusal(answer)
        return answer.json()["errors"][0]["message"]


def refusal(answer):
    """Return status and code of a refusal."""
    body = answer.json()
    assert (False, None) == (body["success"], body["result"]), body
    (error,) = body["errors"]
    return answer.status_code, error["code"]


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
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    address = f"http://127.0.0.1:{runner.addresses[0][1]}/client/v4"
    headers = {"Authorization": "Bearer token"}
    try:
        async with httpx.AsyncClient(base_url=address, headers=headers, trust_env=False) as client:
            yield Api(client, cloudflare)
    finally:
        await runner.cleanup()
