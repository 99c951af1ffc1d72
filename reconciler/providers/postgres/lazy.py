"""The ports `Gates` and `Fences`. PostgreSQL's client is imported on first use: it takes a fifth of a start.

A gate that could not run has not passed.
"""

from functools import cached_property
from typing import TYPE_CHECKING

from reconciler.core.model.desired import HttpGate, SqlGate
from reconciler.core.model.observed import Table
from reconciler.ports import Origin
from reconciler.providers.http import gates as http_gates

if TYPE_CHECKING:
    from reconciler.providers.postgres.gates import SqlGates

_STATEMENT_SECONDS = 30.0


class LazyGates:
    """SQL gates with the credentials that Hyperdrive will hold, and HTTP gates. A query has `statement_seconds`."""

    def __init__(self, statement_seconds: float = _STATEMENT_SECONDS) -> None:
        self._statement_seconds = statement_seconds

    @cached_property
    def _sql(self) -> "SqlGates":
        from reconciler.providers.postgres.gates import SqlGates  # noqa: PLC0415  see above

        return SqlGates(self._statement_seconds)

    async def login(self, origin: Origin) -> None:
        """Log in, and wake a suspended compute."""
        await self._sql.login(origin)

    async def sql(self, origin: Origin, gate: SqlGate) -> None:
        """Run a query in a read-only transaction and compare the one value that must come back."""
        await self._sql.sql(origin, gate)

    async def tables(self, origin: Origin) -> frozenset[Table]:
        """List every relation that can be queried, except PostgreSQL's own."""
        return await self._sql.tables(origin)

    async def http(self, gate: HttpGate, versions: dict[str, str], *, staged: bool = True) -> None:
        """Send requests until the gate passes or its patience ends."""
        await http_gates.check(gate, versions, staged=staged)


class LazyFences:
    """Fences in PostgreSQL (`postgres.fences`)."""

    async def close(self, owner: Origin, user: Origin) -> None:
        """Make new sessions read-only, and end older ones. Can be repeated."""
        from reconciler.providers.postgres import fences  # noqa: PLC0415  see above

        await fences.close(owner, user)

    async def open(self, owner: Origin, user: Origin) -> None:
        """Make new sessions writable again, and end older read-only ones. Can be repeated."""
        from reconciler.providers.postgres import fences  # noqa: PLC0415  see above

        await fences.reopen(owner, user)
