"""The two directions of a connection, and passing bytes between two connections."""

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass

from reconciler.sandbox.wire.messages import LONGEST_MESSAGE_BYTES, Message, read_message

_CHUNK_BYTES = 65_536


@dataclass(frozen=True)
class Stream:
    """One connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def read(self) -> Message:
        """Read a message. Raises ProtocolError, OSError and EOFError."""
        return await read_message(self.reader, LONGEST_MESSAGE_BYTES)

    async def write(self, kind: bytes, content: bytes) -> None:
        """Write a message."""
        await self.send(Message(kind, content).encoded)

    async def send(self, content: bytes) -> None:
        """Write bytes."""
        self.writer.write(content)
        await self.writer.drain()


async def pass_both_ways(client: Stream, server: Stream, on_bytes: Callable[[], None] = lambda: None) -> None:
    """Pass bytes on in both directions until one side ends. `on_bytes` is called for each chunk."""
    upward = asyncio.create_task(_pass_on(client.reader, server.writer, on_bytes))
    downward = asyncio.create_task(_pass_on(server.reader, client.writer, on_bytes))
    try:
        await asyncio.wait({upward, downward}, return_when=asyncio.FIRST_COMPLETED)
        if upward.done() and not upward.exception():
            await downward  # PostgreSQL closes its side after the client's last message
    finally:
        upward.cancel()
        downward.cancel()
        await asyncio.gather(upward, downward, return_exceptions=True)


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, on_bytes: Callable[[], None]) -> None:
    while chunk := await reader.read(_CHUNK_BYTES):
        on_bytes()
        writer.write(chunk)
        await writer.drain()
    if writer.can_write_eof():  # TLS has no half-closed connections
        with contextlib.suppress(OSError):
            writer.write_eof()
