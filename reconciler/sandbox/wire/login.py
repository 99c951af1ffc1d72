"""The exchange between a client and PostgreSQL before the first query, as far as a compute's port takes part in it.

PostgreSQL listens on a Unix socket without TLS, so TLS ends here. A client that binds its login to the TLS channel
(`channel_binding=require`, as in Neon's connection strings) logs in here, against the verifier that PostgreSQL stores.
The proof reveals the client's key, and with that key this module logs in to PostgreSQL on the client's behalf. All
other clients log in to PostgreSQL directly.

Source: PostgreSQL's documentation, "Message Flow", "SASL Authentication", "Message Formats".
"""

import re
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from reconciler.sandbox.wire import scram
from reconciler.sandbox.wire.messages import (
    CANCEL_REQUEST,
    GSS_REQUEST,
    TLS_REQUEST,
    error,
    read_first_packet,
    request_code,
)
from reconciler.sandbox.wire.scram import ScramError
from reconciler.sandbox.wire.streams import Stream
from reconciler.sandbox.wire.tls import Identity

OK, SASL, SASL_CONTINUE, SASL_FINAL = 0, 10, 11, 12
"""The authentication requests of a server."""
_PAST = re.compile(r"neon_(timestamp|lsn):\S+")

FindVerifier = Callable[[str], Awaitable[str | None]]
"""Returns the stored password verifier of a role; None if it has none."""


class LoginFailed(Exception):
    """The login failed, and the client has been sent the reason."""


@dataclass(frozen=True)
class Startup:
    """A client's first packet that is not a request for encryption."""

    packet: bytes
    encrypted: bool

    @property
    def cancels(self) -> bool:
        """Whether it asks to cancel the query of another connection."""
        return request_code(self.packet) == CANCEL_REQUEST

    @property
    def role(self) -> str:
        """The role that logs in."""
        return self._parameters().get("user", "")

    @property
    def database(self) -> str:
        """The database; without one, the database named after the role."""
        return self._parameters().get("database", "") or self.role

    @property
    def past(self) -> str | None:
        """The point in time to read at, such as `neon_timestamp:…` (docs: Time Travel); None for the present."""
        found = _PAST.search(self._parameters().get("options", ""))
        return found[0] if found else None

    def reading_only(self) -> "Startup":
        """Return the packet for a read-only session, without the point in time, which PostgreSQL does not know."""
        parameters = self._parameters()
        parameters["options"] = _PAST.sub("", parameters.get("options", "")) + " -c default_transaction_read_only=on"
        content = "".join(f"{name}\0{value}\0" for name, value in parameters.items()).encode() + b"\0"
        return Startup((len(content) + 8).to_bytes(4) + self.packet[4:8] + content, self.encrypted)

    def _parameters(self) -> dict[str, str]:
        if self.cancels:
            return {}
        words = self.packet[8:].decode(errors="replace").rstrip("\0").split("\0")
        return dict(zip(words[::2], words[1::2], strict=False))


async def greet(client: Stream, context: ssl.SSLContext | None) -> Startup:
    """Read a client's startup packet; with a context, over TLS if the client asks for it.

    Raises ProtocolError, OSError and EOFError.
    """
    encrypted = False
    while True:
        packet = await read_first_packet(client.reader)
        if request_code(packet) == TLS_REQUEST and context is not None and not encrypted:
            client.writer.write(b"S")
            await client.writer.start_tls(context)
            encrypted = True
        elif request_code(packet) in {TLS_REQUEST, GSS_REQUEST}:
            client.writer.write(b"N")
        else:
            return Startup(packet, encrypted)


async def log_in(startup: Startup, client: Stream, server: Stream, identity: Identity, find: FindVerifier) -> None:
    """Handle the login up to the point from which bytes are only passed on.

    Raises LoginFailed, OSError and EOFError.
    """
    await server.send(startup.packet)
    if not startup.encrypted or startup.cancels:
        return
    answer = await server.read()
    while answer.kind == b"v":  # the server speaks an older version of the protocol
        await client.send(answer.encoded)
        answer = await server.read()
    if answer.kind != b"R" or _code(answer.content) != SASL:
        await client.send(answer.encoded)
        return
    await client.write(b"R", authentication(SASL, f"{scram.PLUS}\0{scram.PLAIN}\0\0".encode()))
    choice = await client.read()
    mechanism, _, rest = choice.content.partition(b"\0")
    if choice.kind != b"p" or mechanism.decode() != scram.PLUS:
        await server.send(choice.encoded)
        return
    try:
        exchange = scram.ServerSide(scram.Verifier.parse(await find(startup.role)), identity.binding)
        key, final = await prove(client, exchange, rest[4:].decode())
    except (ScramError, UnicodeDecodeError):
        await refuse_password(client, startup.role)
        raise LoginFailed(f'role "{startup.role}" did not prove its password') from None
    if await _log_in_for(client, server, key):
        await client.write(b"R", authentication(SASL_FINAL, final.encode()))


async def prove(client: Stream, exchange: scram.ServerSide, client_first: str) -> tuple[bytes, str]:
    """Ask a client for its proof; return its key and the server's final message. Raises ScramError."""
    await client.write(b"R", authentication(SASL_CONTINUE, exchange.first(client_first).encode()))
    answer = await client.read()
    if answer.kind != b"p":
        raise ScramError("the client broke off the exchange")
    return exchange.final(answer.content.decode())


def authentication(code: int, content: bytes = b"") -> bytes:
    """Return the content of an authentication request."""
    return code.to_bytes(4) + content


async def refuse(client: Stream, code: str, text: str) -> None:
    """Refuse a login, with PostgreSQL's SQLSTATE code for the reason."""
    await client.send(error("FATAL", code, text).encoded)


async def refuse_password(client: Stream, role: str) -> None:
    """Refuse a login because of a wrong password."""
    await refuse(client, "28P01", f'password authentication failed for user "{role}"')


async def _log_in_for(client: Stream, server: Stream, key: bytes) -> bool:
    """Log in to PostgreSQL with the client's key; return False if PostgreSQL refuses, and pass its refusal on."""
    exchange = scram.ClientSide(key)
    first = exchange.first().encode()
    await server.write(b"p", scram.PLAIN.encode() + b"\0" + len(first).to_bytes(4) + first)
    for step in (SASL_CONTINUE, SASL_FINAL):
        answer = await server.read()
        if answer.kind != b"R" or _code(answer.content) != step:
            await client.send(answer.encoded)
            return False
        if step == SASL_CONTINUE:
            await server.write(b"p", exchange.final(answer.content[4:].decode()).encode())
    return True


def _code(content: bytes) -> int:
    return int.from_bytes(content[:4])
