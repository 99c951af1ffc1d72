"""SQL gates: queries with the credentials that Hyperdrive will hold. One that could not run has not passed."""

import asyncio
import math
from collections.abc import Sequence
from typing import Any

import psycopg
import stamina
from psycopg import sql

from reconciler.core.model.desired import SqlGate
from reconciler.core.model.observed import Table
from reconciler.core.values.redaction import EVERYWHERE
from reconciler.errors import GateFailed
from reconciler.ports import Origin

# A compute that sleeps takes 2 to 5 s to wake after a restore, and Cloudflare gives up after 15 s.
_CONNECT_SECONDS = 15
WAKING_SECONDS = 30.0
_LONGEST_QUOTE = 200
# How PostgreSQL, and Neon's proxy before it, reject a role for good.
_FINAL = (
    "authentication failed",
    "does not exist",
    "is not permitted to log in",
    "permission denied",
    "no pg_hba.conf",
)
_TABLES = """
select namespace.nspname, class.relname
from pg_catalog.pg_class as class join pg_catalog.pg_namespace as namespace on namespace.oid = class.relnamespace
where class.relkind in ('r', 'p', 'f', 'v', 'm')
    and namespace.nspname not like 'pg\\_%' and namespace.nspname <> 'information_schema'
"""


def may_pass(error: BaseException) -> bool:
    """Whether a later login may succeed, as while a compute wakes. A rejected role is final."""
    text = str(error)
    return isinstance(error, psycopg.OperationalError) and not any(said in text for said in _FINAL)


class SqlGates:
    """The part of the port `Gates` that logs in to a branch. A query may take `statement_seconds`."""

    def __init__(self, statement_seconds: float) -> None:
        self._statement_seconds = statement_seconds

    async def login(self, origin: Origin) -> None:
        """Log in and run no query. Only logins are retried, while the compute wakes."""
        try:
            await self._log_in(origin)
        except psycopg.Error as error:
            raise GateFailed(
                f'gate "login" failed: role {origin.role} cannot log in to database {origin.database} at '
                f"{origin.host}:{origin.port} ({first_line(error)})",
                gate="login",
                hint="nothing points to this branch yet; was the role or the database younger than the moment?",
            ) from None

    @stamina.retry(on=may_pass, timeout=WAKING_SECONDS, attempts=10, wait_initial=0.2, wait_max=5.0)
    async def _log_in(self, origin: Origin) -> None:
        async with await connect(origin) as connection:
            await connection.execute("select 1")

    async def sql(self, origin: Origin, gate: SqlGate) -> None:
        """Run a query in a read-only transaction and compare the one value that must come back."""
        try:
            rows = await self._rows(origin, gate.query, most=2)
        except (psycopg.Error, TimeoutError) as error:
            raise GateFailed(
                f'gate "{gate.name}" could not run: {first_line(error)}',
                gate=gate.name,
                hint=f"its query is: {gate.query}",
            ) from None
        _compare(gate, rows)

    async def _rows(self, origin: Origin, query: str, most: int) -> Sequence[tuple[Any, ...]]:
        # The server's own timeout comes first; the other is for a server that no longer answers.
        async with (
            asyncio.timeout(self._statement_seconds + _CONNECT_SECONDS),
            await connect(origin) as connection,
        ):
            await connection.set_read_only(True)
            milliseconds = sql.Literal(round(self._statement_seconds * 1000))
            await connection.execute(sql.SQL("set statement_timeout = {}").format(milliseconds))
            # The query is the user's own, from the reviewed file, and runs as the user's own role. Prepared, as only
            # then PostgreSQL takes a single statement, and no "set transaction read write" or COMMIT before a write.
            cursor = await connection.execute(query.encode(), prepare=True)
            if cursor.description is None:
                return []
            return await (cursor.fetchall() if most < 0 else cursor.fetchmany(most))

    async def tables(self, origin: Origin) -> frozenset[Table]:
        """List every relation that can be queried, except PostgreSQL's own."""
        try:
            rows = await self._rows(origin, _TABLES, most=-1)
        except (psycopg.Error, TimeoutError) as error:
            raise GateFailed(f'gate "tables" could not run: {first_line(error)}', gate="tables") from None
        return frozenset(Table(schema, name) for schema, name in rows)


async def connect(origin: Origin) -> psycopg.AsyncConnection[tuple[Any, ...]]:
    """Log in, encrypted. Raises psycopg.Error."""
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
        except (TypeError, ValueError, OverflowError):
            return False
    return found is not None and str(found) == expected


def first_line(error: BaseException) -> str:
    """Return what went wrong, in one line without secrets."""
    text = error.diag.message_primary if isinstance(error, psycopg.Error) else None
    said = (text or str(error)).strip() or type(error).__name__
    # Redact before cutting: the rest of a cut secret would not be found.
    return EVERYWHERE(said).splitlines()[0][:_LONGEST_QUOTE]
