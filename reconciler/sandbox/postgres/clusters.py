"""The storage with rows: every cluster is a PostgreSQL server, and its history is its write-ahead log.

- All clusters are copies of a **base backup**: the template, or a newer backup of a running cluster where much log has
  gathered (`base_backups.py`). A newer one is taken when a client's connection ends, and before a fork of the present
  state, which waits for it.
- No segment of the log is ever removed (`wal_keep_size`) or overwritten (`wal_recycle`): `pg_wal` is the archive.
- A **fork** is a copy of the newest backup that ends before the mark, with the source's log up to the mark. PostgreSQL
  replays that log up to the recovery target and then starts a new timeline. Finished segments are hard links, as they
  never change, and the backups before the mark are the fork's too. So a fork does not depend on its source.
- A **mark** is a restore point, which is no commit, so it does not become the last commit of a fork. Recovery to a time
  fails unless the log has a later transaction; if it has none, the restore point is the target.

Source of the rules: PostgreSQL's documentation, "Continuous Archiving and Point-in-Time Recovery", "Recovery Target".
"""

import asyncio
import itertools
import re
import secrets
import shutil
import signal
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

import psycopg

from reconciler.sandbox import timestamps
from reconciler.sandbox.postgres import base_backups
from reconciler.sandbox.postgres.base_backups import BaseBackup
from reconciler.sandbox.postgres.contents import ClusterContents
from reconciler.sandbox.postgres.files import ClusterFiles, in_thread, log_end
from reconciler.sandbox.postgres.installation import Installation, ProgramFailed
from reconciler.sandbox.postgres.server_process import ServerProcess
from reconciler.sandbox.postgres.template import SUPERUSER, Template
from reconciler.sandbox.storage import BeyondTheEnd, Fork, Mark, Point, StorageError, position

_NOTHING_LATER = "recovery ended before configured recovery target was reached"


@dataclass
class Cluster:
    """A cluster on disk.

    `stopped` is its last restore point if it was stopped in good order and does not run. `last_commit` is the time of
    the last commit before the newest restore point, if known. `backups` are ordered by their ends.
    """

    id: str
    directory: Path
    number: int
    timeline: int
    backups: tuple[BaseBackup, ...]
    process: ServerProcess | None = None
    stopped: Mark | None = None
    last_commit: datetime | None = None
    backup_task: asyncio.Task[None] | None = None
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def running(self) -> bool:
        """Whether its server runs."""
        return self.process is not None and self.process.running

    async def backup_finished(self) -> None:
        """Wait for the backup that is being taken, if any."""
        if self.backup_task:
            await asyncio.wait({self.backup_task})


class PostgresStorage(ClusterContents):
    """Clusters in one directory. Call `prepare` first; `close` leaves no process.

    `log_bytes` is the least log between two base backups, in bytes.
    """

    def __init__(
        self, installation: Installation, directory: Path, sockets: Path, log_bytes: int = base_backups.LOG_BYTES
    ) -> None:
        self._installation = installation
        self._directory = directory
        self._sockets = sockets
        self._files = ClusterFiles(installation)
        self._template = Template(installation, self._files, directory, sockets)
        self._log_bytes = log_bytes
        self._clusters: dict[str, Cluster] = {}
        self._numbers = itertools.count(1)

    @property
    def version(self) -> int:
        """The major version of PostgreSQL; 0 before `prepare`."""
        return self._template.version

    async def prepare(self) -> None:
        """Make the template. Raises StorageError."""
        await self._template.make()

    async def create(self) -> str:
        """Make an empty cluster, running, and return its id."""
        cluster = await self._copy_backup((self._template.backup,), timeline=1)
        await self._template.copy_log(cluster.directory)
        await self.start(cluster.id)
        return cluster.id

    async def mark(self, cluster: str, point: Point) -> Mark:
        """Fix a past moment, a position in the log, or (None) the end of the history as of now."""
        source = self._cluster(cluster)
        if point is None:  # a backup taken now spares later forks the log before it
            self._begin_backup(source)
            await source.backup_finished()
        async with source.lock:
            if source.stopped is None or source.running:
                await self._start(source)
                end = await self._restore_point(source)
            else:
                end = source.stopped
        if isinstance(point, str):
            if position(point) > position(end.lsn):
                raise BeyondTheEnd(f"after the end of the history, {end.lsn}")
            return end if position(point) == position(end.lsn) else replace(end, position=point)
        if point is None or (source.last_commit is not None and source.last_commit <= point):
            return end
        return replace(end, moment=point)

    async def fork(self, mark: Mark) -> Fork:
        """Make a running cluster with everything committed at or before the mark, and nothing else."""
        if (exact := _recovery_target(mark)) is not None:
            try:
                return await self._fork(mark, exact)
            except StorageError as error:
                if _NOTHING_LATER not in str(error):
                    raise
        return await self._fork(mark, {"recovery_target_name": mark.name})

    async def _fork(self, mark: Mark, target: dict[str, str]) -> Fork:
        source = self._cluster(mark.cluster)
        serving = (self._template.backup, *(backup for backup in source.backups[1:] if backup.serves(mark)))
        cluster = await self._copy_backup(serving, timeline=source.timeline + 1)
        try:
            await in_thread(self._files.give_log, source.directory, cluster.directory, position(mark.lsn))
            self._files.write(cluster.directory / "recovery.signal")
            recovery = target | {
                "restore_command": "false",  # the whole log is in pg_wal
                "recovery_target_timeline": str(source.timeline),
                "recovery_target_action": "promote",
            }
            async with cluster.lock:
                await self._start(cluster, recovery)
            resolved, lsn = await self._replayed(cluster)
            resolved = resolved or serving[-1].last_commit
        except BaseException:
            await self.drop(cluster.id)
            raise
        cluster.last_commit = resolved
        return Fork(cluster.id, resolved, lsn)

    async def start(self, cluster: str) -> str:
        """Start the cluster if it does not run; return the path of its socket."""
        found = self._cluster(cluster)
        async with found.lock:
            await self._start(found)
        return str(self._sockets / f".s.PGSQL.{found.number}")

    async def stop(self, cluster: str) -> None:
        """Write a last restore point and stop the cluster if it runs; its connections are cut."""
        found = self._cluster(cluster)
        await found.backup_finished()
        async with found.lock:
            if not found.running or found.process is None:
                return
            await self._cut_connections(found)
            end = await self._restore_point(found)
            await found.process.stop(signal.SIGINT)
            found.process, found.stopped = None, end

    def connection_ended(self, cluster: str) -> None:
        """Begin a base backup if one is due, now that a connection to the cluster has ended."""
        if found := self._clusters.get(cluster):
            self._begin_backup(found)

    def backups(self, cluster: str) -> tuple[BaseBackup, ...]:
        """Return the base backups of a cluster, oldest first."""
        return self._cluster(cluster).backups

    async def drop(self, cluster: str) -> None:
        """Remove the cluster. Forks of it do not depend on it."""
        found = self._clusters.pop(cluster, None)
        if found is None:
            return
        async with found.lock:
            if found.process:
                await found.process.stop(signal.SIGQUIT)
        await asyncio.to_thread(shutil.rmtree, found.directory, ignore_errors=True)
        await found.backup_finished()
        await self._remove_backups(found.backups)

    async def close(self) -> None:
        """Stop every cluster without saving anything, and wait for the end of its processes."""
        clusters = list(self._clusters.values())
        self._clusters.clear()
        await asyncio.gather(*(cluster.process.stop(signal.SIGQUIT) for cluster in clusters if cluster.process))
        await asyncio.gather(*(cluster.backup_finished() for cluster in clusters))

    async def schema(self, cluster: str, database: str) -> str:
        """Return the schema of a database as SQL; starts the cluster."""
        await self.start(cluster)
        found = self._cluster(cluster)
        try:
            output = await self._installation.run(
                self._installation.program("pg_dump"),
                "--schema-only",
                f"--host={self._sockets}",
                f"--port={found.number}",
                f"--username={SUPERUSER}",
                variables={"PGPASSWORD": self._template.password, "PGDATABASE": database},
            )
        except (ProgramFailed, OSError) as error:
            raise StorageError(f"the schema of {database} cannot be read: {error}") from error
        # newer versions enclose the dump in two psql commands with a random word, which would make any two dumps differ
        return re.sub(r"^\\(un)?restrict .*\n\n?", "", output.decode(), flags=re.MULTILINE)

    async def connect(self, cluster: str, database: str = "postgres") -> psycopg.AsyncConnection[tuple[object, ...]]:
        """Connect as the superuser, in autocommit mode; starts the cluster."""
        await self.start(cluster)
        return await self._connect(self._cluster(cluster), database)

    def _cluster(self, cluster: str) -> Cluster:
        try:
            return self._clusters[cluster]
        except KeyError:
            raise StorageError(f"the cluster {cluster} is gone") from None

    async def _copy_backup(self, serving: tuple[BaseBackup, ...], timeline: int) -> Cluster:
        """Make the directory of a cluster from the newest of the backups; the cluster keeps all of them."""
        number = next(self._numbers)
        cluster = Cluster(str(number), self._directory / str(number), number, timeline, serving)
        self._clusters[cluster.id] = cluster
        try:
            await in_thread(self._template.copy, serving[-1], cluster.directory)
        except BaseException:
            await self.drop(cluster.id)
            raise
        return cluster

    def _begin_backup(self, cluster: Cluster) -> None:
        if cluster.backup_task or not cluster.running:
            return
        end, room = log_end(cluster.directory), shutil.disk_usage(self._directory).free
        if cluster.backups[-1].is_outdated(end, self._log_bytes, room):
            cluster.backup_task = asyncio.create_task(self._take_backup(cluster))

    async def _take_backup(self, cluster: Cluster) -> None:
        """Take a base backup. It only saves time: if it fails, nothing is lost and nothing is left behind."""
        directory = self._directory / f"base-{next(self._numbers)}"
        try:
            async with await self._connect(cluster) as connection:
                backup = await base_backups.take(
                    connection, self._files, cluster.directory, directory, cluster.last_commit
                )
            first, *newer = cluster.backups
            cluster.backups = (first, *newer[1 - base_backups.KEPT :], backup)
            await self._remove_backups(newer[: 1 - base_backups.KEPT])
        except (psycopg.Error, StorageError, OSError):
            await asyncio.to_thread(shutil.rmtree, directory, ignore_errors=True)
        finally:
            cluster.backup_task = None

    async def _remove_backups(self, released: Iterable[BaseBackup]) -> None:
        """Remove the backups that no cluster needs."""
        needed = {self._template.backup, *(backup for each in self._clusters.values() for backup in each.backups)}
        for backup in set(released) - needed:
            await asyncio.to_thread(shutil.rmtree, backup.directory, ignore_errors=True)

    async def _start(self, cluster: Cluster, settings: dict[str, str] | None = None) -> None:
        if not cluster.running:
            server = {"port": str(cluster.number)} | (settings or {})
            cluster.process = await ServerProcess.start(self._installation, cluster.directory, server)
            cluster.stopped = None

    async def _connect(
        self, cluster: Cluster, database: str = "postgres"
    ) -> psycopg.AsyncConnection[tuple[object, ...]]:
        try:
            return await psycopg.AsyncConnection.connect(
                host=str(self._sockets),
                port=cluster.number,
                user=SUPERUSER,
                password=self._template.password,
                dbname=database,
                autocommit=True,
            )
        except psycopg.OperationalError as error:
            raise StorageError(f"the database {database} cannot be reached: {error}") from error

    async def _restore_point(self, cluster: Cluster) -> Mark:
        """Write a restore point and flush it. Every commit that was confirmed before lies before it."""
        name = f"mark-{secrets.token_hex(8)}"
        async with await self._connect(cluster) as connection:
            point = "select pg_create_restore_point(%s)::text"
            row = await (await connection.execute(point, (name,))).fetchone()
            last = await (await connection.execute("select timestamp from pg_last_committed_xact()")).fetchone()
            await connection.execute("checkpoint")  # nothing else flushes a record that is no commit, in all versions
        if row is None:
            raise StorageError("PostgreSQL made no restore point")
        if last is not None and last[0] is not None:  # it knows of none between its start and the first commit
            cluster.last_commit = timestamps.as_moment(last[0])
        return Mark(cluster.id, name, None, str(row[0]))

    async def _cut_connections(self, cluster: Cluster) -> None:
        async with await self._connect(cluster) as connection:
            await connection.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity"
                " where backend_type = 'client backend' and pid <> pg_backend_pid()"
            )

    async def _replayed(self, cluster: Cluster) -> tuple[datetime | None, str]:
        async with await self._connect(cluster) as connection:
            answer = await connection.execute(
                "select coalesce(timestamp, pg_last_xact_replay_timestamp()), pg_last_wal_replay_lsn()::text"
                " from pg_last_committed_xact()"
            )
            row = await answer.fetchone()
        if row is None:
            raise StorageError("PostgreSQL does not report what it recovered")
        return (None if row[0] is None else timestamps.as_moment(row[0])), str(row[1])


def _recovery_target(mark: Mark) -> dict[str, str] | None:
    """Return the settings that stop recovery exactly at the requested point; None if that is the mark itself."""
    if mark.position is not None:
        # the next record begins at the position, so recovery must stop before it
        return {"recovery_target_lsn": mark.position, "recovery_target_inclusive": "off"}
    if mark.moment is not None:
        return {"recovery_target_time": mark.moment.strftime("%Y-%m-%d %H:%M:%S.%f+00")}
    return None
