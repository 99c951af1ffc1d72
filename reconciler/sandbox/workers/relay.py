"""The port behind a Hyperdrive binding: one for each config, so that its origin can change while Workers run.

The Worker's driver logs in to the database through this port. Two surprises of the real Hyperdrive are switches
(Hyperdrive documentation, Rotate credentials and Query caching): connections to the former origin can outlive a change
of the config until its restart, and queries can be answered from a cache.
"""

import asyncio
import ipaddress
from datetime import datetime

from reconciler.sandbox.cloudflare.state import HyperdriveConfig, Json, State
from reconciler.sandbox.wire.login import greet
from reconciler.sandbox.wire.messages import error
from reconciler.sandbox.wire.streams import Stream, pass_both_ways
from reconciler.sandbox.workers.caching_session import CachingSession
from reconciler.sandbox.workers.configuration import Login
from reconciler.sandbox.workers.query_cache import QueryCache

ADDRESS = "127.0.0.1"
_NO_ORIGIN = {"scheme": "postgres", "user": "none", "password": "none", "database": "none"}
_FAILED = "58000"
"""The SQLSTATE of queries without a database; from field reports about deleted configs."""


class Relay:
    """The port of one config. Call `refresh` after every change of the account."""

    def __init__(self, config_id: str, state: State) -> None:
        self._config_id = config_id
        self._state = state
        self._origin: Json | None = None
        self._restarted: datetime | None = None
        self._cache = QueryCache()
        self._connections: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self._opening = asyncio.Lock()
        self.refresh()

    async def open(self) -> Login:
        """Open the port, once; return what a Worker needs to log in."""
        async with self._opening:
            if self._server is None:
                self._server = await asyncio.start_server(self._accept, ADDRESS, 0)
        return Login(int(self._server.sockets[0].getsockname()[1]), *self.credentials)

    async def close(self) -> None:
        """Close the port and cut its connections."""
        if self._server:
            self._server.close()
        self._cut()
        await asyncio.gather(*self._connections, return_exceptions=True)

    @property
    def credentials(self) -> tuple[str, str, str, str]:
        """Scheme, user, password and database of the origin in force."""
        scheme, user, password, database = (
            str((self._origin or _NO_ORIGIN)[name]) for name in ("scheme", "user", "password", "database")
        )
        return scheme, user, password, database

    def refresh(self) -> None:
        """Adopt the present config; a restart also cuts the connections."""
        config = self._config
        if config is None:
            return
        restarted = config.restarted_on != self._restarted
        self._restarted = config.restarted_on
        if self._origin is None or restarted or not self._state.switches.hyperdrive_pool_survives_change:
            self._origin = config.origin
        if restarted:
            self._cut()

    @property
    def _config(self) -> HyperdriveConfig | None:
        return self._state.configs.get(self._config_id)

    def _cut(self) -> None:
        for connection in self._connections:
            connection.cancel()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None, "asyncio calls this in a task"
        self._connections.add(task)
        try:
            await self._serve(Stream(reader, writer))
        except (OSError, EOFError, asyncio.CancelledError):
            writer.transport.abort()  # the Worker sees a closed connection
        finally:
            self._connections.discard(task)
            writer.close()

    async def _serve(self, client: Stream) -> None:
        startup = await greet(client, None)
        self.refresh()
        config, origin = self._config, self._origin
        if config is None or origin is None:
            await client.send(error("FATAL", _FAILED, "Hyperdrive config not found").encoded)
            return
        try:
            server = await _connect(origin)
        except OSError as failure:
            text = f"Server connection attempt failed: {_reason(failure)}"
            await client.send(error("FATAL", _FAILED, text).encoded)
            return
        try:
            await server.send(startup.packet)
            if self._state.switches.hyperdrive_query_cache and not config.caching.get("disabled"):
                seconds = config.caching.get("max_age", 60) + config.caching.get("stale_while_revalidate", 15)
                await CachingSession(self._cache, seconds, client, server).run()
            else:
                await pass_both_ways(client, server)
        finally:
            server.writer.close()


async def _connect(origin: Json) -> Stream:
    """Connect to an origin on loopback; Workers reach no other. Names below `localhost` are loopback."""
    host = str(origin.get("host", ""))
    if host == "localhost" or host.endswith(".localhost"):
        host = ADDRESS
    try:
        loopback = ipaddress.ip_address(host).is_loopback
    except ValueError:
        loopback = False
    if not loopback or "port" not in origin:
        raise OSError(f"the sandbox's Workers reach databases on loopback only, not {host}")
    return Stream(*await asyncio.open_connection(host, int(origin["port"])))


def _reason(error: OSError) -> str:
    return "connection_refused" if isinstance(error, ConnectionRefusedError) else str(error)
