"""What the control plane asks of the place where the data lies.

A *cluster* holds the databases and roles of one branch, with its whole history since the project was created. The real
storage (`clusters.py`) keeps one PostgreSQL cluster for each; the control plane knows nothing of that.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol


class StorageError(Exception):
    """The storage could not do what it was asked; the text is one sentence."""


class BeyondTheEnd(StorageError):
    """A position was asked for that the history has not reached."""


class NoData(StorageError):
    """Rows or a schema were asked of a storage that keeps none."""


Point = datetime | str | None
"""A point in a history: a moment, a position in the log (`X/Y`, hexadecimal), or its end."""


def position(lsn: str) -> int:
    """Give a position in the log as a number of bytes."""
    high, low = lsn.split("/")
    return (int(high, 16) << 32) + int(low, 16)


@dataclass(frozen=True)
class Mark:
    """A moment in the history of a cluster, fixed so that it can be forked from.

    `moment` is the instant asked for; None stands for the end of the history when the mark was made, which `name`
    names. `lsn` is a position in the write-ahead log, at or after the moment. `position` is the one asked for,
    where a position was asked for.
    """

    cluster: str
    name: str
    moment: datetime | None
    lsn: str
    position: str | None = None


@dataclass(frozen=True)
class Fork:
    """A new cluster: `resolved` is the time of the last commit in it, `lsn` the position in its source after that."""

    cluster: str
    resolved: datetime | None
    lsn: str


@dataclass(frozen=True)
class Inventory:
    """The roles that people made in a cluster (name -> may log in), and the databases (name -> owner)."""

    roles: dict[str, bool] = field(default_factory=dict)
    databases: dict[str, str] = field(default_factory=dict)


class Storage(Protocol):
    """Clusters and their history. Every method raises StorageError where it cannot."""

    @property
    def version(self) -> int:
        """The major version of PostgreSQL."""

    async def create(self) -> str:
        """Make an empty cluster, running, and give its id."""

    async def mark(self, cluster: str, point: Point) -> Mark:
        """Fix a moment that has passed, a position (BeyondTheEnd), or the end of the history as of now."""

    async def fork(self, mark: Mark) -> Fork:
        """Make a running cluster with everything that was committed at or before the mark, and nothing else."""

    async def start(self, cluster: str) -> str:
        """Start the cluster if it does not run; give the path of the socket where PostgreSQL listens."""

    async def stop(self, cluster: str) -> None:
        """Stop the cluster if it runs; its connections are cut."""

    def connection_ended(self, cluster: str) -> None:
        """Hear that a connection to the cluster has ended, which is a time to prepare for forks of it."""

    async def drop(self, cluster: str) -> None:
        """Remove the cluster. Forks of it do not depend on it."""

    async def inventory(self, cluster: str) -> Inventory:
        """List roles and databases; starts the cluster."""

    async def create_role(self, cluster: str, name: str, password: str | None) -> None:
        """Make a role (None: one that may not log in); starts the cluster."""

    async def set_passwords(self, cluster: str, passwords: dict[str, str]) -> None:
        """Set the passwords of roles, all or none; starts the cluster."""

    async def drop_role(self, cluster: str, name: str) -> None:
        """Remove a role that owns no database, with what it owns in them; starts the cluster."""

    async def create_database(self, cluster: str, name: str, owner: str) -> None:
        """Make a database; starts the cluster."""

    async def alter_database(self, cluster: str, name: str, new_name: str, owner: str) -> None:
        """Rename a database and give it an owner; its connections are cut; starts the cluster."""

    async def drop_database(self, cluster: str, name: str) -> None:
        """Remove a database; its connections are cut; starts the cluster."""

    async def verifier(self, cluster: str, role: str) -> str | None:
        """Give what is kept of the password of a role; starts the cluster."""

    async def empty(self, cluster: str) -> None:
        """Remove all rows from all databases, and begin all sequences anew; starts the cluster."""

    async def schema(self, cluster: str, database: str) -> str:
        """Give the statements that make the schema of a database; starts the cluster."""

    async def close(self) -> None:
        """Stop every cluster and wait for the end of its processes."""
