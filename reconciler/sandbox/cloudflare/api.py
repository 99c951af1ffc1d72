"""Cloudflare's API as the server mounts it, and the example."""

import functools
import hashlib
import uuid
from collections.abc import Awaitable, Callable
from importlib.resources import files

from aiohttp import web

from reconciler.sandbox.cloudflare import account, hyperdrive, scripts, versions
from reconciler.sandbox.cloudflare.answers import guarded, not_found
from reconciler.sandbox.cloudflare.state import HyperdriveConfig, Module, Script, State, Version, new_id, now

PREFIX = "/client/v4"
EXAMPLE_CONFIG_ID = "7f3c9a52e1d04b6f8a2c5e9d1b3f7a60"
EXAMPLE_CONFIG_NAME = "tech961"
EXAMPLE_SCRIPT_NAME = "tech961-api"
_EXAMPLE_MODULES = ("index.js", "postgres.js", "page.js")
_JAVASCRIPT = "application/javascript+module"

Answerer = Callable[[web.Request], Awaitable[web.Response]]


class Cloudflare:
    """One account. Handlers read its state from `request["state"]`, which a middleware must set."""

    def __init__(self, account_id: str, token: str) -> None:
        self.state = State(account_id, token)
        self.changed: Callable[[], None] = lambda: None
        """Called after every request that can change the account."""

    def routes(self) -> list[web.RouteDef]:
        """Return every route below `/client/v4`; the last one refuses all other paths."""
        tables = (account.ROUTES, hyperdrive.ROUTES, scripts.ROUTES, versions.ROUTES)
        routes = [
            web.route(method, PREFIX + path, self._watched(method, guarded(handler)))
            for table in tables
            for method, path, handler in table
        ]
        return [*routes, web.route("*", PREFIX + "/{rest:.*}", guarded(not_found))]

    def _watched(self, method: str, handler: Answerer) -> Answerer:
        @functools.wraps(handler)
        async def answer(request: web.Request) -> web.Response:
            try:
                return await handler(request)
            finally:
                self.changed()

        return handler if method == "GET" else answer

    async def close(self) -> None:
        """Let go of everything held: nothing, since each connection test closes its own connection."""

    def seed_example(self, host: str, port: int, database: str, user: str, password: str) -> None:
        """Make the example: a Hyperdrive config for this database, and a live Worker bound to it."""
        moment = now()
        self.state.configs[EXAMPLE_CONFIG_ID] = HyperdriveConfig(
            id=EXAMPLE_CONFIG_ID,
            name=EXAMPLE_CONFIG_NAME,
            origin={
                "scheme": "postgres",
                "database": database,
                "user": user,
                "password": password,
                "host": host,
                "port": port,
            },
            caching={"disabled": False},
            mtls={},
            origin_connection_limit=60,
            created_on=moment,
            modified_on=moment,
        )
        script = Script(EXAMPLE_SCRIPT_NAME, new_id(), moment, moment)
        script.versions.append(_example_version())
        script.workers_dev["enabled"] = True
        scripts.deploy_upload(script)
        self.state.scripts[script.name] = script


def _example_version() -> Version:
    directory = files("reconciler.sandbox").joinpath("example")
    modules = tuple(Module(name, _JAVASCRIPT, directory.joinpath(name).read_bytes()) for name in _EXAMPLE_MODULES)
    return Version(
        id=str(uuid.uuid4()),
        number=1,
        created_on=now(),
        source="wrangler",
        annotations={"workers/message": "the example", "workers/triggered_by": "upload"},
        bindings=[
            {"type": "hyperdrive", "name": "HYPERDRIVE", "id": EXAMPLE_CONFIG_ID},
            {"type": "version_metadata", "name": "VERSION"},
            {"type": "secret_text", "name": "PARTNER_API_KEY", "text": "a secret of the sandbox"},
        ],
        main_module=_EXAMPLE_MODULES[0],
        modules=modules,
        compatibility_date="2025-09-01",
        compatibility_flags=["nodejs_compat"],
        etag=hashlib.sha256(b"".join(module.content for module in modules)).hexdigest(),
    )
