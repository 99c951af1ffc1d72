"""The interface between Neon's control plane and the storage of its data.

A *cluster* has the databases and roles of one branch, with their whole history since the project was created. With
PostgreSQL each is a PostgreSQL cluster (`postgres`); without, it has no rows (`without_postgres`).
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol


class StorageError(Exception):
    """A request to the storage failed; the text is one sentence."""


class BeyondTheEnd(StorageError):
    """The requested position is after the end of the history."""


class NoData(StorageError):
    """Rows are needed, and the storage has none."""


Point = datetime | str | None
"""A point in a history: a moment, a position in the log (`X/Y`, hexadecimal), or its end."""


def position(lsn: str) -> int:
    """Return a position in the log in bytes."""
    high, low = lsn.split("/")
    return (int(high, 16) << 32) + int(low, 16)


@dataclass(frozen=True)
class Mark:
    """A fixed point in the history of a cluster, to fork from.

    `moment` is the requested moment; None for the end of the history when the mark was made, which is the restore point
    `name`. `lsn` is a position in the write-ahead log at or after the moment. `position` is the requested position, if
    one was requested.
    """

    cluster: str
    name: str
    moment: datetime | None
    lsn: str
    position: str | None = None


@dataclass(frozen=True)
class Fork:
    """A new cluster. `resolved` is the time of its last commit, `lsn` the position in the source after that commit."""

    cluster: str
    resolved: datetime | None
    lsn: str


@dataclass(frozen=True)
class Inventory:
    """The roles of a cluster (name -> can log in) and its databases (name -> owner), without PostgreSQL's own."""

    roles: dict[str, bool] = field(default_factory=dict)
    databases: dict[str, str] = field(default_factory=dict)


class Storage(Protocol):
    """Clusters and their history. Every method can raise StorageError."""

    @property
    def version(self) -> int:
        """The major version of PostgreSQL."""

    async def create(self) -> str:
        """Make an empty cluster, running and return its id."""

    async def mark(self, cluster: str, point: Point) -> Mark:
        """Fix a past moment, a position (may raise BeyondTheEnd), or the end of the history as of now."""

    async def fork(self, mark: Mark) -> Fork:
        """Make a running cluster with everything committed at or before the mark, and nothing else."""

    async def start(self, cluster: str) -> str:
        """Start the cluster if it does not run; return the path of the socket where PostgreSQL listens."""

    async def stop(self, cluster: str) -> None:
        """Stop the cluster if it runs; its connections are cut."""

    def connection_ended(self, cluster: str) -> None:
        """Note that a connection to the cluster has ended, which is a good time to prepare for forks."""

    async def drop(self, cluster: str) -> None:
        """Remove the cluster. Forks of it do not depend on it."""

    async def inventory(self, cluster: str) -> Inventory:
        """List roles and databases; starts the cluster."""

    async def create_role(self, cluster: str, name: str, password: str | None) -> None:
        """Make a role (password None: one that cannot log in); starts the cluster."""

    async def set_passwords(self, cluster: str, passwords: dict[str, str]) -> None:
        """Set the passwords of roles, all or none; starts the cluster."""

    async def drop_role(self, cluster: str, name: str) -> None:
        """Remove a role that owns no database, with its other objects; starts the cluster."""

    async def create_database(self, cluster: str, name: str, owner: str) -> None:
        """Make a database; starts the cluster."""

    async def alter_database(self, cluster: str, name: str, new_name: str, owner: str) -> None:
        """Rename a database and give it an owner; its connections are cut; starts the cluster."""

    async def drop_database(self, cluster: str, name: str) -> None:
        """Remove a database; its connections are cut; starts the cluster."""

    async def verifier(self, cluster: str, role: str) -> str | None:
        """Return the stored password verifier of a role; starts the cluster."""

    async def empty(self, cluster: str) -> None:
        """Remove all rows from all databases, and restart all sequences; starts the cluster."""

    async def schema(self, cluster: str, database: str) -> str:
        """Return the schema of a database as SQL; starts the cluster."""

    async def close(self) -> None:
        """Stop every cluster and wait for the end of its processes."""
