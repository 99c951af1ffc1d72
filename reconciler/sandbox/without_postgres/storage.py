"""A storage without rows: it knows which cluster was forked from which, and its roles and databases.

It is for thousands of runs of the control plane. Its histories are invented and consistent: in every cluster a
transaction was committed at each whole second, and a position in the log is the number of microseconds since the epoch.
So a later moment has a later position, and a fork reports which second it holds. Roles can log in (`login_server`);
what needs rows is refused with `NoData`.
"""

import itertools
import pickle
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path

from reconciler.sandbox import timestamps
from reconciler.sandbox.storage import BeyondTheEnd, Fork, Inventory, Mark, NoData, Point, StorageError, position
from reconciler.sandbox.wire import scram
from reconciler.sandbox.without_postgres.login_server import LoginServer

_EMPTY_SCHEMA = "--\n-- PostgreSQL database dump\n--\n\n--\n-- PostgreSQL database dump complete\n--\n"


@dataclass(frozen=True)
class Catalog:
    """The roles (name -> password verifier, None: may not log in) and the databases (name -> owner)."""

    roles: dict[str, str | None] = field(default_factory=dict)
    databases: dict[str, str] = field(default_factory=dict)


@dataclass
class Cluster:
    """A cluster: when it began, what it was forked from (None: nothing), and its catalog after each change."""

    id: str
    began: datetime
    source: Mark | None
    catalogs: list[tuple[datetime, Catalog]]

    @property
    def catalog(self) -> Catalog:
        """The catalog as it is now."""
        return self.catalogs[-1][1]

    def catalog_at(self, moment: datetime) -> Catalog:
        """Return the catalog as of a moment; before the first one, the first."""
        known = [catalog for since, catalog in self.catalogs if since <= moment]
        return known[-1] if known else self.catalogs[0][1]


@dataclass(frozen=True)
class Statement:
    """A statement that a role sent to a cluster."""

    cluster: str
    role: str
    text: str


class StorageWithoutPostgres:
    """The protocol `Storage`. `sockets` is a directory for its sockets; `statements` are all statements received."""

    version = 18

    def __init__(self, sockets: Path) -> None:
        self._sockets = sockets
        self._servers: dict[str, LoginServer] = {}
        self._numbers = itertools.count(1)
        self.clusters: dict[str, Cluster] = {}
        self.statements: list[Statement] = []

    def snapshot(self) -> bytes:
        """Return its whole state."""
        return pickle.dumps(self.clusters)

    async def rewind(self, snapshot: bytes) -> None:
        """Return to a snapshot; connections are cut."""
        await self.close()
        self.clusters = pickle.loads(snapshot)  # noqa: S301 - made by this process
        self.statements.clear()

    # The protocol.

    async def create(self) -> str:
        """Make an empty cluster."""
        return self._add(None, Catalog()).id

    async def mark(self, cluster: str, point: Point) -> Mark:
        """Fix a point. Raises BeyondTheEnd for a position that is in the future."""
        found, now = self._cluster(cluster), timestamps.now()
        name = f"mark-{next(self._numbers)}"
        if isinstance(point, datetime):
            return Mark(found.id, name, point, lsn_at(point))
        if point is None:
            return Mark(found.id, name, None, lsn_at(now))
        if moment_of(point) > now:
            raise BeyondTheEnd(f"after the end of the history, {lsn_at(now)}")
        return Mark(found.id, name, None, point, point)

    async def fork(self, mark: Mark) -> Fork:
        """Make a cluster that starts at a mark of another."""
        source, moment = self._cluster(mark.cluster), mark.moment or moment_of(mark.lsn)
        made = self._add(mark, source.catalog_at(moment))
        return Fork(made.id, max(moment.replace(microsecond=0), source.began.replace(microsecond=0)), mark.lsn)

    async def start(self, cluster: str) -> str:
        """Listen for logins; return the path of the socket."""
        found = self._cluster(cluster)
        if cluster not in self._servers:
            server = LoginServer(self._sockets / cluster, self._account(found), self.version)
            await server.open()
            self._servers[cluster] = server
        return str(self._servers[cluster].path)

    async def stop(self, cluster: str) -> None:
        """Stop listening and cut the connections."""
        if server := self._servers.pop(cluster, None):
            await server.close()

    def connection_ended(self, cluster: str) -> None:
        """Do nothing: forks cost nothing."""

    async def drop(self, cluster: str) -> None:
        """Forget the cluster."""
        await self.stop(cluster)
        self.clusters.pop(cluster, None)

    async def inventory(self, cluster: str) -> Inventory:
        """List roles and databases."""
        catalog = self._cluster(cluster).catalog
        roles = {name: verifier is not None for name, verifier in catalog.roles.items()}
        return Inventory(roles, dict(catalog.databases))

    async def create_role(self, cluster: str, name: str, password: str | None) -> None:
        """Make a role."""
        self._set_roles(cluster, {name: None if password is None else scram.make_verifier(password)})

    async def set_passwords(self, cluster: str, passwords: dict[str, str]) -> None:
        """Set the passwords of roles."""
        known = self._cluster(cluster).catalog.roles
        if absent := sorted(set(passwords) - set(known)):
            raise StorageError(f'role "{absent[0]}" does not exist')
        self._set_roles(cluster, {name: scram.make_verifier(password) for name, password in passwords.items()})

    async def drop_role(self, cluster: str, name: str) -> None:
        """Remove a role."""
        catalog = self._cluster(cluster).catalog
        kept = {role: verifier for role, verifier in catalog.roles.items() if role != name}
        self._change(cluster, replace(catalog, roles=kept))

    async def create_database(self, cluster: str, name: str, owner: str) -> None:
        """Make a database."""
        catalog = self._cluster(cluster).catalog
        self._change(cluster, replace(catalog, databases={**catalog.databases, name: owner}))

    async def alter_database(self, cluster: str, name: str, new_name: str, owner: str) -> None:
        """Rename a database and give it an owner."""
        await self.drop_database(cluster, name)
        await self.create_database(cluster, new_name, owner)

    async def drop_database(self, cluster: str, name: str) -> None:
        """Remove a database."""
        catalog = self._cluster(cluster).catalog
        kept = {database: owner for database, owner in catalog.databases.items() if database != name}
        self._change(cluster, replace(catalog, databases=kept))

    async def verifier(self, cluster: str, role: str) -> str | None:
        """Return the stored password verifier of a role; None if it has none."""
        return self._cluster(cluster).catalog.roles.get(role)

    async def empty(self, cluster: str) -> None:
        """Refuse: the caller expects rows, and there are none."""
        raise NoData(f"this sandbox runs without PostgreSQL and has no rows: there are none to remove from {cluster}")

    async def schema(self, cluster: str, database: str) -> str:
        """Return the schema of a database, which has no tables."""
        if database not in self._cluster(cluster).catalog.databases:
            raise StorageError(f'database "{database}" does not exist')
        return _EMPTY_SCHEMA

    async def close(self) -> None:
        """Stop every cluster."""
        for cluster in list(self._servers):
            await self.stop(cluster)

    def _account(self, cluster: Cluster) -> "_Account":
        return _Account(cluster, self.statements)

    def _add(self, source: Mark | None, catalog: Catalog) -> Cluster:
        began = timestamps.now()
        cluster = Cluster(f"c{next(self._numbers)}", began, source, [(began, catalog)])
        self.clusters[cluster.id] = cluster
        return cluster

    def _cluster(self, cluster: str) -> Cluster:
        if cluster not in self.clusters:
            raise StorageError(f"the cluster {cluster} is gone")
        return self.clusters[cluster]

    def _set_roles(self, cluster: str, roles: dict[str, str | None]) -> None:
        catalog = self._cluster(cluster).catalog
        self._change(cluster, replace(catalog, roles={**catalog.roles, **roles}))

    def _change(self, cluster: str, catalog: Catalog) -> None:
        self._cluster(cluster).catalogs.append((timestamps.now(), catalog))


@dataclass(frozen=True)
class _Account:
    """One cluster, as the login server sees it."""

    cluster: Cluster
    statements: list[Statement]

    def verifier(self, role: str) -> str | None:
        """Return the stored password verifier of a role; None if it has none."""
        return self.cluster.catalog.roles.get(role)

    def has_database(self, name: str) -> bool:
        """Whether there is a database of this name."""
        return name in self.cluster.catalog.databases

    def note(self, role: str, text: str) -> None:
        """Note a statement that a role sent."""
        self.statements.append(Statement(self.cluster.id, role, text))


def lsn_at(moment: datetime) -> str:
    """Return the position of every log at a moment: microseconds since the epoch."""
    count = (moment - timestamps.at(0)) // timedelta(microseconds=1)
    return f"{count >> 32:X}/{count & 0xFFFFFFFF:X}"


def moment_of(lsn: str) -> datetime:
    """Return the moment of a position; the latest possible one for a position beyond it."""
    try:
        return timestamps.at(0) + timedelta(microseconds=position(lsn))
    except OverflowError:
        return datetime.max.replace(tzinfo=timestamps.at(0).tzinfo)
