"""Messages of PostgreSQL's wire protocol.

Source: PostgreSQL's documentation, "Message Flow" and "Message Formats".
"""

import asyncio
from dataclasses import dataclass

LONGEST_MESSAGE_BYTES = 65_536
"""The longest message accepted where the sandbox itself reads the content."""
TLS_REQUEST, GSS_REQUEST, CANCEL_REQUEST = 80877103, 80877104, 80877102
_LONGEST_FIRST_PACKET_BYTES = 10_000


class ProtocolError(ConnectionError):
    """The other side does not speak PostgreSQL's protocol."""


@dataclass(frozen=True)
class Message:
    """One message: the letter that names its kind, and the content after its length."""

    kind: bytes
    content: bytes

    @property
    def encoded(self) -> bytes:
        """The message as it is sent."""
        return self.kind + (len(self.content) + 4).to_bytes(4) + self.content


async def read_message(reader: asyncio.StreamReader, longest: int | None = None) -> Message:
    """Read one message after the first packet. Raises ProtocolError, OSError and EOFError."""
    kind = await reader.readexactly(1)
    size = int.from_bytes(await reader.readexactly(4))
    if size < 4 or (longest is not None and size > longest):
        raise ProtocolError(f"a message of {size} bytes is not accepted")
    return Message(kind, await reader.readexactly(size - 4))


async def read_first_packet(reader: asyncio.StreamReader) -> bytes:
    """Read a client's first packet, which has no letter. Raises ProtocolError, OSError and EOFError."""
    head = await reader.readexactly(4)
    size = int.from_bytes(head)
    if not 8 <= size <= _LONGEST_FIRST_PACKET_BYTES:
        raise ProtocolError(f"a first packet of {size} bytes is not PostgreSQL's protocol")
    return head + await reader.readexactly(size - 4)


def request_code(packet: bytes) -> int:
    """Return the number in a first packet that says what it requests: a protocol version, TLS, or a cancellation."""
    return int.from_bytes(packet[4:8])


def error(severity: str, code: str, text: str) -> Message:
    """Return an error message with a SQLSTATE code. After severity FATAL a server closes the connection."""
    fields = {"S": severity, "V": severity, "C": code, "M": text}
    return Message(b"E", b"".join(f"{name}{value}\0".encode() for name, value in fields.items()) + b"\0")
