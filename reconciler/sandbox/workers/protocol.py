"""PostgreSQL's messages, as far as a relay must tell them apart.

Source: PostgreSQL's documentation, "Message Formats".
"""

import asyncio
import struct
from dataclasses import dataclass

_ENCRYPTION_REQUESTS = (80877103, 80877104)  # SSLRequest, GSSENCRequest
_LONGEST_STARTUP = 10_000


@dataclass(frozen=True)
class Message:
    """One message: the letter that says what it is, and all of its bytes."""

    kind: bytes
    whole: bytes

    @property
    def content(self) -> bytes:
        """What follows letter and length."""
        return self.whole[5:]


async def read_startup(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
    """Read a client's first message and decline encryption. Raises asyncio.IncompleteReadError and ConnectionError."""
    while True:
        head = await reader.readexactly(8)
        length, code = struct.unpack("!ii", head)
        if not 8 <= length <= _LONGEST_STARTUP:
            raise ConnectionError("this is not PostgreSQL's protocol")
        message = head + await reader.readexactly(length - 8)
        if code not in _ENCRYPTION_REQUESTS:
            return message
        writer.write(b"N")


async def read_message(reader: asyncio.StreamReader) -> Message:
    """Read one message after the startup. Raises asyncio.IncompleteReadError at the end."""
    head = await reader.readexactly(5)
    (length,) = struct.unpack("!i", head[1:])
    return Message(head[:1], head + await reader.readexactly(length - 4))


def fatal(code: str, text: str) -> bytes:
    """Write the error after which a server closes the connection."""
    fields = {"S": "FATAL", "V": "FATAL", "C": code, "M": text}
    content = b"".join(name.encode() + value.encode() + b"\0" for name, value in fields.items()) + b"\0"
    return b"E" + struct.pack("!i", len(content) + 4) + content
