"""A server that speaks PostgreSQL's protocol as far as a login and the few statements that need no rows.

It replaces PostgreSQL's socket in a sandbox without PostgreSQL. It checks logins as PostgreSQL does (SCRAM-SHA-256; the
database must exist). It accepts transactions and settings, answers `select` of one literal, and lists no tables, as
there are none. It refuses everything else with `feature_not_supported`, so no query is answered with invented rows.

Source: PostgreSQL's documentation, "Message Flow", "Message Formats", "SASL Authentication".
"""

import asyncio
import re
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from reconciler.sandbox.wire import scram
from reconciler.sandbox.wire.login import (
    OK,
    SASL,
    SASL_FINAL,
    Startup,
    authentication,
    greet,
    prove,
    refuse,
    refuse_password,
)
from reconciler.sandbox.wire.messages import error
from reconciler.sandbox.wire.scram import ScramError
from reconciler.sandbox.wire.streams import Stream

_PARAMETERS = {
    "server_encoding": "UTF8",
    "client_encoding": "UTF8",
    "DateStyle": "ISO, MDY",
    "integer_datetimes": "on",
    "standard_conforming_strings": "on",
    "TimeZone": "UTC",
}
_BOOLEAN, _INTEGER = 16, 23
_LITERAL = re.compile(r"select\s+(?P<value>true|false|[0-9]{1,9})", re.IGNORECASE)
_COMMAND = re.compile(r"begin|start transaction|commit|rollback|set|reset|discard all|deallocate", re.IGNORECASE)
_LISTS_TABLES = re.compile(r"select\b.*\b(pg_class|pg_tables|information_schema\.tables)\b", re.IGNORECASE | re.DOTALL)
_REFUSAL = "this sandbox runs without PostgreSQL: it has no rows and answers no queries about them"


class Account(Protocol):
    """The roles and databases of one cluster."""

    def verifier(self, role: str) -> str | None:
        """Return the stored password verifier of a role; None if it has none."""

    def has_database(self, name: str) -> bool:
        """Whether there is a database of this name."""

    def note(self, role: str, text: str) -> None:
        """Note a statement that a role sent."""


class LoginServer:
    """Listens on one Unix socket. `version` is the major version of PostgreSQL that it reports."""

    def __init__(self, path: Path, account: Account, version: int) -> None:
        self.path = path
        self._account = account
        self._version = version
        self._connections: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def open(self) -> None:
        """Start to listen."""
        self._server = await asyncio.start_unix_server(self._accept, self.path)

    async def close(self) -> None:
        """Stop listening and cut the connections."""
        if self._server:
            self._server.close()
        for connection in self._connections:
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)
        self.path.unlink(missing_ok=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            await self._serve(Stream(reader, writer))
        except (ScramError, UnicodeDecodeError, OSError, EOFError, asyncio.CancelledError):
            pass  # the client has been sent the reason, or is gone
        finally:
            self._connections.discard(task)
            writer.close()

    async def _serve(self, client: Stream) -> None:
        startup = await greet(client, None)
        if startup.cancels or not await self._log_in(client, startup):
            return
        await client.write(b"R", authentication(OK))
        for name, value in {"server_version": f"{self._version}.0", **_PARAMETERS}.items():
            await client.write(b"S", f"{name}\0{value}\0".encode())
        await client.write(b"K", bytes(8))
        await client.write(b"Z", b"I")
        with suppress(EOFError):
            await _Session(client, self._account, startup.role).run()

    async def _log_in(self, client: Stream, startup: Startup) -> bool:
        await client.write(b"R", authentication(SASL, f"{scram.PLAIN}\0\0".encode()))
        _, _, first = (await client.read()).content.partition(b"\0")
        exchange = scram.ServerSide(scram.Verifier.parse(self._account.verifier(startup.role)), None)
        try:
            _, final = await prove(client, exchange, first[4:].decode())
        except ScramError:
            await refuse_password(client, startup.role)
            return False
        await client.write(b"R", authentication(SASL_FINAL, final.encode()))
        if not self._account.has_database(startup.database):
            await refuse(client, "3D000", f'database "{startup.database}" does not exist')
            return False
        return True


@dataclass
class _Session:
    """A client that has logged in. `status` is that of its transaction: I(dle), T (in one), E (in a failed one)."""

    client: Stream
    account: Account
    role: str
    status: bytes = b"I"
    prepared: dict[bytes, str] = field(default_factory=dict)
    portal: str = ""
    failed: bool = False

    async def run(self) -> None:
        """Answer messages until the client ends the session."""
        while True:
            message = await self.client.read()
            match message.kind:
                case b"X":
                    return
                case b"Q":
                    await self._query(message.content.rstrip(b"\0").decode())
                case b"S":
                    self.failed = False
                    await self.client.write(b"Z", self.status)
                case _ if not self.failed:
                    await self._extended(message.kind, message.content)
                case _:
                    pass  # after an error all messages up to the next Sync are skipped

    async def _query(self, text: str) -> None:
        self.account.note(self.role, text)
        await self._describe(text)
        await self._execute(text)
        self.failed = False
        await self.client.write(b"Z", self.status)

    async def _extended(self, kind: bytes, content: bytes) -> None:
        match kind:
            case b"P":
                name, query, _ = content.split(b"\0", 2)
                self.prepared[name] = query.decode()
                self.account.note(self.role, query.decode())
                await self._accept_statement(query.decode())
            case b"B":
                _, name, _ = content.split(b"\0", 2)
                self.portal = self.prepared.get(name, "")
                await self.client.write(b"2", b"")
            case b"D":
                text = self.portal if content[:1] == b"P" else self.prepared.get(content[1:].rstrip(b"\0"), "")
                if content[:1] == b"S":
                    await self.client.write(b"t", bytes(2))
                if not await self._describe(text):
                    await self.client.write(b"n", b"")
            case b"E":
                await self._execute(self.portal)
            case b"C":
                await self.client.write(b"3", b"")
            case _:
                pass

    async def _accept_statement(self, text: str) -> None:
        if _is_known(text):
            await self.client.write(b"1", b"")
        else:
            await self._refuse()

    async def _describe(self, text: str) -> bool:
        """Describe the rows of a statement; return False if it has none."""
        literal = _LITERAL.fullmatch(_bare(text))
        if literal is None and not _LISTS_TABLES.match(_bare(text)):
            return False
        kind, size = (_INTEGER, 4) if literal is not None and literal["value"].isdigit() else (_BOOLEAN, 1)
        column = b"?column?\0" + bytes(6) + kind.to_bytes(4) + size.to_bytes(2) + b"\xff\xff\xff\xff" + bytes(2)
        await self.client.write(b"T", (1).to_bytes(2) + column)
        return True

    async def _execute(self, text: str) -> None:
        bare = _bare(text)
        if not bare:
            await self.client.write(b"I", b"")
        elif literal := _LITERAL.fullmatch(bare):
            value = literal["value"].lower() if literal["value"].isdigit() else literal["value"][0].lower()
            await self.client.write(b"D", (1).to_bytes(2) + len(value).to_bytes(4) + value.encode())
            await self.client.write(b"C", b"SELECT 1\0")
        elif _LISTS_TABLES.match(bare):
            await self.client.write(b"C", b"SELECT 0\0")
        elif command := _COMMAND.match(bare):
            word = command[0].split()[0].upper()
            self._transact(word)
            await self.client.write(b"C", word.encode() + b"\0")
        else:
            await self._refuse()

    def _transact(self, word: str) -> None:
        if word in {"BEGIN", "START"}:
            self.status = b"T"
        elif word in {"COMMIT", "ROLLBACK"}:
            self.status = b"I"

    async def _refuse(self) -> None:
        self.failed = True
        if self.status == b"T":
            self.status = b"E"
        await self.client.send(error("ERROR", "0A000", _REFUSAL).encoded)


def _bare(text: str) -> str:
    return text.strip().removesuffix(";").strip()


def _is_known(text: str) -> bool:
    bare = _bare(text)
    return not bare or bool(_LITERAL.fullmatch(bare) or _COMMAND.match(bare) or _LISTS_TABLES.match(bare))
