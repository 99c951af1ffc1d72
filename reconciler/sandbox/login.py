"""What a client and PostgreSQL say to each other before the first query, where the compute's port has a part in it.

PostgreSQL listens on a Unix socket and knows nothing of TLS, so TLS ends here. A client that binds its login to the
channel (`channel_binding=require`, as in Neon's connection strings) logs in here, with the verifier that PostgreSQL
keeps, and is then logged in there with the key that it has proved to know. All others log in there by themselves.

Source: PostgreSQL's documentation, "Message Flow", "SASL Authentication", "Message Formats".
"""

import asyncio
import re
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from reconciler.sandbox import scram
from reconciler.sandbox.scram import ScramError
from reconciler.sandbox.tls import Identity

_TLS_REQUEST, _GSS_REQUEST, _CANCEL_REQUEST = 80877103, 80877104, 80877102
_LONGEST_STARTUP_BYTES = 10_000
_LONGEST_MESSAGE_BYTES = 65_536
_PAST = re.compile(r"neon_(timestamp|lsn):\S+")
_SASL, _SASL_CONTINUE, _SASL_FINAL = 10, 11, 12

FindVerifier = Callable[[str], Awaitable[str | None]]
"""Gives what PostgreSQL keeps of the password of a role; None where it keeps nothing."""


class LoginFailed(Exception):
    """The connection cannot go on; what the client had to know has been said to it."""


@dataclass(frozen=True)
class Startup:
    """The first packet of a client that is more than a request for encryption."""

    packet: bytes
    encrypted: bool

    @property
    def cancels(self) -> bool:
        """Whether it asks to cancel the query of another connection."""
        return int.from_bytes(self.packet[4:8]) == _CANCEL_REQUEST

    @property
    def role(self) -> str:
        """The role that wants to log in."""
        return self._parameters().get("user", "")

    @property
    def database(self) -> str:
        """The database that it wants; without a word about that, the one named after the role."""
        return self._parameters().get("database", "") or self.role

    @property
    def past(self) -> str | None:
        """The point in time that it wants to read at, such as `neon_timestamp:…` (docs: Time Travel); None for now."""
        found = _PAST.search(self._parameters().get("options", ""))
        return found[0] if found else None

    def reading_only(self) -> "Startup":
        """Give the packet without the point in time, which PostgreSQL does not know, to begin a read-only session."""
        parameters = self._parameters()
        parameters["options"] = _PAST.sub("", parameters.get("options", "")) + " -c default_transaction_read_only=on"
        content = "".join(f"{name}\0{value}\0" for name, value in parameters.items()).encode() + b"\0"
        return Startup((len(content) + 8).to_bytes(4) + self.packet[4:8] + content, self.encrypted)

    def _parameters(self) -> dict[str, str]:
        if self.cancels:
            return {}
        words = self.packet[8:].decode(errors="replace").rstrip("\0").split("\0")
        return dict(zip(words[::2], words[1::2], strict=False))


@dataclass(frozen=True)
class Stream:
    """One of the two connections."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def read(self) -> tuple[bytes, bytes]:
        """Read a message: its kind, and what it holds. Raises LoginFailed."""
        kind = await self.reader.readexactly(1)
        size = int.from_bytes(await self.reader.readexactly(4))
        if not 4 <= size <= _LONGEST_MESSAGE_BYTES:
            raise LoginFailed("a message is too long")
        return kind, await self.reader.readexactly(size - 4)

    async def write(self, kind: bytes, content: bytes) -> None:
        """Write a message."""
        self.writer.write(kind + (len(content) + 4).to_bytes(4) + content)
        await self.writer.drain()


async def greet(client: Stream, context: ssl.SSLContext) -> Startup:
    """Read a client's first packet, behind TLS where it asks for it. Raises LoginFailed, OSError or EOFError."""
    encrypted = False
    while True:
        size = await client.reader.readexactly(4)
        if not 8 <= int.from_bytes(size) <= _LONGEST_STARTUP_BYTES:
            raise LoginFailed("the first packet has an impossible length")
        packet = size + await client.reader.readexactly(int.from_bytes(size) - 4)
        code = int.from_bytes(packet[4:8])
        if code == _TLS_REQUEST and not encrypted:
            client.writer.write(b"S")
            await client.writer.start_tls(context)
            encrypted = True
        elif code in {_TLS_REQUEST, _GSS_REQUEST}:
            client.writer.write(b"N")
        else:
            return Startup(packet, encrypted)


async def greet_plainly(client: Stream) -> Startup:
    """Read a client's first packet where there is no encryption. Raises LoginFailed, OSError or EOFError."""
    size = await client.reader.readexactly(4)
    if not 8 <= int.from_bytes(size) <= _LONGEST_STARTUP_BYTES:
        raise LoginFailed("the first packet has an impossible length")
    return Startup(size + await client.reader.readexactly(int.from_bytes(size) - 4), encrypted=False)


async def log_in(startup: Startup, client: Stream, server: Stream, identity: Identity, find: FindVerifier) -> None:
    """Go on until nothing is left but to pass bytes on. Raises LoginFailed, OSError or EOFError."""
    server.writer.write(startup.packet)
    await server.writer.drain()
    if not startup.encrypted or startup.cancels:
        return
    kind, content = await server.read()
    while kind == b"v":  # it speaks an older version of the protocol, and says so
        await client.write(kind, content)
        kind, content = await server.read()
    if kind != b"R" or _code(content) != _SASL:
        await client.write(kind, content)
        return
    await client.write(b"R", _numbered(_SASL, f"{scram.PLUS}\0{scram.PLAIN}\0\0".encode()))
    kind, content = await client.read()
    mechanism, _, rest = content.partition(b"\0")
    if kind != b"p" or mechanism.decode() != scram.PLUS:
        await server.write(kind, content)
        return
    try:
        exchange = scram.ServerSide(scram.Verifier.parse(await find(startup.role)), identity.binding)
        key, answer = await _prove(client, exchange, rest[4:].decode())
    except (ScramError, UnicodeDecodeError):
        await refuse(client, "28P01", f'password authentication failed for user "{startup.role}"')
        raise LoginFailed(f'role "{startup.role}" did not prove to know its password') from None
    if await _log_in_behind(client, server, key):
        await client.write(b"R", _numbered(_SASL_FINAL, answer.encode()))


async def refuse(client: Stream, code: str, text: str) -> None:
    """Tell a client that it cannot log in, with PostgreSQL's code for the reason."""
    fields = {"S": "FATAL", "V": "FATAL", "C": code, "M": text}
    await client.write(b"E", b"".join(f"{name}{value}\0".encode() for name, value in fields.items()) + b"\0")


async def _prove(client: Stream, exchange: scram.ServerSide, client_first: str) -> tuple[bytes, str]:
    await client.write(b"R", _numbered(_SASL_CONTINUE, exchange.first(client_first).encode()))
    kind, content = await client.read()
    if kind != b"p":
        raise ScramError("the client did not go on")
    return exchange.final(content.decode())


async def _log_in_behind(client: Stream, server: Stream, key: bytes) -> bool:
    """Log in to PostgreSQL in the client's name; what it says against that is passed on, and False is given."""
    exchange = scram.ClientSide(key)
    first = exchange.first().encode()
    await server.write(b"p", scram.PLAIN.encode() + b"\0" + len(first).to_bytes(4) + first)
    for step in (_SASL_CONTINUE, _SASL_FINAL):
        kind, content = await server.read()
        if kind != b"R" or _code(content) != step:
            await client.write(kind, content)
            return False
        if step == _SASL_CONTINUE:
            await server.write(b"p", exchange.final(content[4:].decode()).encode())
    return True


def _code(content: bytes) -> int:
    return int.from_bytes(content[:4])


def _numbered(code: int, content: bytes) -> bytes:
    return code.to_bytes(4) + content
