"""Gates: SQL with the credentials that Hyperdrive will hold, and requests through a staged version of a Worker.

A gate that could not run has not passed.
"""

import asyncio
import math
from collections.abc import Sequence
from typing import Any

import httpx
import psycopg
import stamina
from psycopg import sql

from reconciler.core.desired import VERSION_PLACEHOLDER, HttpGate, SqlGate
from reconciler.errors import GateFailed
from reconciler.ports import Origin

# A compute that sleeps takes 2 to 5 s to wake after a restore, and Cloudflare gives up after 15 s.
_CONNECT_SECONDS = 15
_WAKING_SECONDS = 30.0
_STATEMENT_MILLISECONDS = 30_000
_REQUEST_SECONDS = 10.0
_REQUEST_TRIES = 5
_LONGEST_QUOTE = 200


class RealGates:
    """The port `Gates`."""

    async def login(self, origin: Origin) -> None:
        """Log in and ask for nothing. Only this is tried again, while the compute wakes."""
        try:
            await self._log_in(origin)
        except psycopg.Error as error:
            raise GateFailed(
                f'gate "login" failed: role {origin.role} cannot log in to database {origin.database} at '
                f"{origin.host}:{origin.port} ({_first_line(error)})",
                gate="login",
                hint="nothing points to this branch yet; was the role or the database younger than the moment?",
            ) from None

    @stamina.retry(on=psycopg.OperationalError, timeout=_WAKING_SECONDS, attempts=10, wait_initial=0.2, wait_max=5.0)
    async def _log_in(self, origin: Origin) -> None:
        async with await _connect(origin) as connection:
            await connection.execute("select 1")

    async def sql(self, origin: Origin, gate: SqlGate) -> None:
        """Run a query in a read-only transaction and compare the one value that must come back."""
        try:
            rows = await asyncio.wait_for(self._rows(origin, gate), _STATEMENT_MILLISECONDS / 1000 + _CONNECT_SECONDS)
        except (psycopg.Error, TimeoutError) as error:
            raise GateFailed(
                f'gate "{gate.name}" could not run: {_first_line(error)}',
                gate=gate.name,
                hint=f"its query is: {gate.query}",
            ) from None
        _compare(gate, rows)

    async def _rows(self, origin: Origin, gate: SqlGate) -> Sequence[tuple[Any, ...]]:
        async with await _connect(origin) as connection:
            await connection.set_read_only(True)
            timeout = sql.SQL("set statement_timeout = {}").format(sql.Literal(_STATEMENT_MILLISECONDS))
            await connection.execute(timeout)
            # The query is the user's own, from the reviewed file, and runs as the user's own role. Prepared, as only
            # then PostgreSQL takes a single statement, and no "set transaction read write" or COMMIT before a write.
            cursor = await connection.execute(gate.query.encode(), prepare=True)
            return [] if cursor.description is None else await cursor.fetchmany(2)

    async def http(self, gate: HttpGate, versions: dict[str, str]) -> None:
        """Ask through the staged versions, several times, as an override may lag behind the deployment."""
        override = ", ".join(f'{script}="{version}"' for script, version in sorted(versions.items()))
        headers = {"Cloudflare-Workers-Version-Overrides": override, "Cache-Control": "no-cache"}
        try:
            await self._ask(gate, headers, tuple(versions.values()))
        except (GateFailed, httpx.HTTPError, httpx.InvalidURL) as error:
            raise GateFailed(
                f'gate "{gate.name}" failed {_REQUEST_TRIES} times: {_first_line(error)}',
                gate=gate.name,
                hint="users were not switched: the version stays at 0 %, for you to look at",
            ) from None

    @stamina.retry(on=(GateFailed, httpx.HTTPError), attempts=_REQUEST_TRIES, wait_initial=0.3, wait_max=3.0)
    async def _ask(self, gate: HttpGate, headers: dict[str, str], versions: tuple[str, ...]) -> None:
        async with httpx.AsyncClient(timeout=_REQUEST_SECONDS, follow_redirects=False) as client:
            response = await client.get(gate.url, headers=headers)
        if response.status_code != gate.status:
            raise GateFailed(f"{gate.url} answered {response.status_code}, not {gate.status}")
        wanted = {gate.contains.replace(VERSION_PLACEHOLDER, version) for version in versions}
        if not any(text in response.text for text in wanted):
            shown = " or ".join(f'"{text}"' for text in sorted(wanted))
            raise GateFailed(f"the answer of {gate.url} does not contain {shown}")


async def _connect(origin: Origin) -> psycopg.AsyncConnection[tuple[Any, ...]]:
    return await psycopg.AsyncConnection.connect(
        host=origin.host,
        port=origin.port,
        dbname=origin.database,
        user=origin.role,
        password=origin.password.reveal(),
        sslmode="require",
        connect_timeout=_CONNECT_SECONDS,
        application_name="reconciler",
    )


def _compare(gate: SqlGate, rows: Sequence[tuple[Any, ...]]) -> None:
    if len(rows) != 1 or len(rows[0]) != 1:
        shape = f"{len(rows)} rows" if len(rows) != 1 else f"{len(rows[0])} columns"
        shape = "more than one row" if len(rows) > 1 else shape
        message = f'gate "{gate.name}" is inconclusive: it answered {shape}, not one row with one value'
        raise GateFailed(message, gate=gate.name)
    found = rows[0][0]
    if not _equal(found, gate.expect):
        shown = f"{found!r}"[:_LONGEST_QUOTE]
        raise GateFailed(f'gate "{gate.name}" failed: it answered {shown}, not {gate.expect!r}', gate=gate.name)


def _equal(found: Any, expected: Any) -> bool:
    """Compare without Python's idea that true is 1; numbers of any kind compare by value, all else as text."""
    if isinstance(found, bool) or isinstance(expected, bool):
        return found is expected
    if isinstance(expected, int | float):
        try:
            return math.isclose(float(found), expected, rel_tol=1e-12)
        except (TypeError, ValueError):
            return False
    return found is not None and str(found) == expected


def _first_line(error: BaseException) -> str:
    text = error.diag.message_primary if isinstance(error, psycopg.Error) else None
    return (text or str(error) or type(error).__name__).strip().splitlines()[0][:_LONGEST_QUOTE]
