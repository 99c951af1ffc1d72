"""Gates: SQL with the credentials that Hyperdrive will hold (postgres.gates), and requests to the Workers (http_gates).

A gate that could not run has not passed.
"""

from functools import cached_property
from typing import TYPE_CHECKING

from reconciler.core.model.desired import HttpGate, SqlGate
from reconciler.core.model.observed import Table
from reconciler.ports import Origin
from reconciler.providers import http_gates

if TYPE_CHECKING:
    from reconciler.providers.postgres.gates import SqlGates

_STATEMENT_SECONDS = 30.0


class RealGates:
    """The port `Gates`. A query may take `statement_seconds`."""

    def __init__(self, statement_seconds: float = _STATEMENT_SECONDS) -> None:
        self._statement_seconds = statement_seconds

    @cached_property
    def _sql(self) -> "SqlGates":
        from reconciler.providers.postgres.gates import SqlGates  # noqa: PLC0415  a fifth of a start, and few runs need it

        return SqlGates(self._statement_seconds)

    async def login(self, origin: Origin) -> None:
        """Log in, waking the compute if it sleeps."""
        await self._sql.login(origin)

    async def sql(self, origin: Origin, gate: SqlGate) -> None:
        """Run a query in a read-only transaction and compare the one value that must come back."""
        await self._sql.sql(origin, gate)

    async def tables(self, origin: Origin) -> frozenset[Table]:
        """List everything that may be asked as a table, but for PostgreSQL's own."""
        return await self._sql.tables(origin)

    async def http(self, gate: HttpGate, versions: dict[str, str], *, staged: bool = True) -> None:
        """Ask until the answer is right, for as long as the gate says at most."""
        await http_gates.check(gate, versions, staged=staged)
