"""Computes: the ports at which clients reach the data, and the waking and suspending of the clusters behind them.

Every compute has its own port on 127.0.0.1, from its creation to its deletion. A connection wakes the cluster if it is
suspended, and then bytes are passed both ways. So a port is as stable as a host name at Neon: it stays when the cluster
is suspended or replaced by an in-place restore. TLS ends here (`wire.login`).
"""

import asyncio
import time
from dataclasses import dataclass, field
from typing import Protocol

from reconciler.sandbox.storage import Storage, StorageError
from reconciler.sandbox.wire.login import LoginFailed, Startup, greet, log_in, refuse
from reconciler.sandbox.wire.streams import Stream, pass_both_ways
from reconciler.sandbox.wire.tls import make_identity

ADDRESS = "127.0.0.1"


class Directory(Protocol):
    """The control plane, as the computes see it."""

    async def settled(self, compute: str) -> None:
        """Wait while an operation works on the compute or its branch."""

    def cluster(self, compute: str) -> str | None:
        """Return the cluster behind a compute; None if connections are refused."""

    async def past(self, compute: str, point: str) -> str:
        """Make a cluster of a compute's branch at a point in time. Raises StorageError."""

    def woken(self, compute: str) -> None:
        """Note that a compute has been woken."""

    def suspended(self, compute: str) -> None:
        """Note that a compute has been suspended."""


@dataclass
class _Compute:
    id: str
    server: asyncio.Server
    port: int
    idle_after: float
    cluster: str | None = None
    last_used: float = 0.0
    waiting: set[asyncio.Task[None]] = field(default_factory=set)
    connected: set[asyncio.Task[None]] = field(default_factory=set)
    alarm: asyncio.TimerHandle | None = None
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    def note_use(self) -> None:
        self.last_used = time.monotonic()


class Computes:
    """All computes of the sandbox, by id. The control plane sets `directory` before it opens the first one."""

    directory: Directory

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._identity = make_identity()
        self._computes: dict[str, _Compute] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def open(self, compute: str, idle_after: float, port: int = 0) -> int:
        """Open a port (0: any) for a compute and return its number. It suspends after so many unused seconds."""
        server = await asyncio.start_server(lambda r, w: self._accept(compute, r, w), ADDRESS, port)
        port = int(server.sockets[0].getsockname()[1])
        self._computes[compute] = _Compute(compute, server, port, idle_after)
        return port

    def idle_after(self, compute: str, seconds: float) -> None:
        """Change after how many unused seconds a compute suspends."""
        self._computes[compute].idle_after = seconds
        self._set_alarm(self._computes[compute])

    async def start(self, compute: str) -> str:
        """Wake a compute if it is idle; return the socket of its PostgreSQL. Raises StorageError."""
        await self.directory.settled(compute)
        return await self.wake(compute)

    async def wake(self, compute: str) -> str:
        """Wake a compute without waiting for operations, from within an operation."""
        found = self._computes.get(compute)
        if found is None:
            raise StorageError(f"the compute {compute} is gone")
        async with found.lock:
            cluster = self.directory.cluster(compute)
            if cluster is None:
                raise StorageError(f"the compute {compute} takes no connections")
            socket = await self._storage.start(cluster)
            if found.cluster != cluster:
                found.cluster = cluster
                self.directory.woken(compute)
            self._set_alarm(found)
        return socket

    async def suspend(self, compute: str) -> None:
        """Cut the connections of a compute, and stop its cluster unless another compute uses it."""
        found = self._computes.get(compute)
        if found is None:
            return
        async with found.lock:
            cluster, found.cluster = found.cluster, None
            await self._cut(found, found.connected)
            if cluster is None:
                return
            if not any(other.cluster == cluster for other in self._computes.values()):
                await self._storage.stop(cluster)
            self.directory.suspended(compute)

    async def shut(self, compute: str) -> None:
        """Suspend a compute and close its port."""
        await self.suspend(compute)
        found = self._computes.pop(compute, None)
        if found:
            found.server.close()
            await self._cut(found, found.waiting)

    async def keep(self, computes: dict[str, tuple[int, float]]) -> None:
        """Have exactly these computes, all suspended: (port, unused seconds until it suspends) by id."""
        for compute in list(self._computes):
            await self.suspend(compute)
            if compute not in computes or computes[compute][0] != self._computes[compute].port:
                await self.shut(compute)
        for compute, (port, seconds) in computes.items():
            if compute not in self._computes:
                await self.open(compute, seconds, port)
            self._computes[compute].idle_after = seconds
            self.directory.suspended(compute)

    async def close(self) -> None:
        """Close every port and connection; the clusters stay as they are."""
        computes = list(self._computes.values())
        self._computes.clear()
        for compute in computes:
            compute.server.close()
            await self._cut(compute, compute.connected | compute.waiting)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _cut(self, compute: _Compute, connections: set[asyncio.Task[None]]) -> None:
        if compute.alarm:
            compute.alarm.cancel()
        for connection in connections:
            connection.cancel()
        await asyncio.gather(*connections, return_exceptions=True)

    async def _accept(self, compute: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        found, task = self._computes.get(compute), asyncio.current_task()
        if found is None or task is None:
            writer.transport.abort()
            return
        found.waiting.add(task)
        client = Stream(reader, writer)
        try:
            startup = await greet(client, self._identity.context)
            if startup.past is not None:
                await self._serve_past(found, startup.past, startup.reading_only(), client)
                return
            socket = await self.start(compute)
            found.waiting.discard(task)
            found.connected.add(task)
            await self._serve(found, found.cluster or "", socket, startup, client)
        except LoginFailed:
            pass  # the client has been sent the reason; the connection is closed below
        except (OSError, EOFError, StorageError, asyncio.CancelledError):
            writer.transport.abort()  # the client sees a closed connection, as it does when a compute goes away
        finally:
            found.waiting.discard(task)
            found.connected.discard(task)
            writer.close()

    async def _serve_past(self, compute: _Compute, point: str, startup: Startup, client: Stream) -> None:
        """Let a client read at a point in time, from a cluster that lives as long as the connection."""
        try:
            cluster = await self.directory.past(compute.id, point)
        except StorageError as error:
            await refuse(client, "08004", str(error))
            return
        try:
            await self._serve(compute, cluster, await self._storage.start(cluster), startup, client)
        finally:
            await self._storage.drop(cluster)

    async def _serve(self, compute: _Compute, cluster: str, socket: str, startup: Startup, client: Stream) -> None:
        async def find(role: str) -> str | None:
            return await self._storage.verifier(cluster, role)

        server = Stream(*await asyncio.open_unix_connection(socket))
        try:
            await log_in(startup, client, server, self._identity, find)
            await pass_both_ways(client, server, compute.note_use)
        finally:
            server.writer.close()
            self._storage.connection_ended(cluster)

    def _set_alarm(self, compute: _Compute) -> None:
        if compute.alarm:
            compute.alarm.cancel()
        compute.note_use()
        if compute.idle_after > 0 and compute.cluster is not None:
            compute.alarm = asyncio.get_running_loop().call_later(compute.idle_after, self._suspend_if_unused, compute)

    def _suspend_if_unused(self, compute: _Compute) -> None:
        """Suspend the compute if it was not used since the alarm was set, else set the alarm for later."""
        left = compute.last_used + compute.idle_after - time.monotonic()
        if left > 0:
            compute.alarm = asyncio.get_running_loop().call_later(left, self._suspend_if_unused, compute)
            return
        task = asyncio.get_running_loop().create_task(self.suspend(compute.id))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
