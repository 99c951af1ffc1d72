"""The real storage: every cluster is a PostgreSQL server of its own, and its history is its write-ahead log.

- The first **base**, a cold copy of the cluster as `initdb` left it, is the beginning of every history. Most of its
  files belong to the two template databases; nobody may connect to these, so they never change, and all clusters share
  them by hard links. Where much log gathers, newer bases are taken of the running cluster (`bases.py`): between its
  connections, and before a fork of its present state, which waits for that.
- No segment of the log is ever removed (`wal_keep_size`) or overwritten (`wal_recycle`): `pg_wal` is the archive.
- A **fork** is a copy of the newest base that ends before the mark, with the log of its source up to the mark, which
  PostgreSQL replays up to the recovery target and then leaves on a new timeline. Finished segments are hard links, as
  they never change, and the bases before the mark are the fork's too. So a fork holds all that it needs, and its source
  may be removed.
- A **mark** is a restore point, which is no commit and so does not become "the last commit" of a fork. Recovery to a
  time ends in an error unless a later transaction is in the log; where none is, the restore point is the target.

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

from reconciler.sandbox import bases, timestamps
from reconciler.sandbox.bases import Base
from reconciler.sandbox.cluster_contents import ClusterContents
from reconciler.sandbox.cluster_files import SEGMENT_BYTES, UNCHANGING, ClusterFiles, in_thread, log_end
from reconciler.sandbox.postgres_binaries import Installation, ProgramFailed
from reconciler.sandbox.postgres_process import PostgresProcess
from reconciler.sandbox.storage import BeyondTheEnd, Fork, Mark, Point, StorageError, position

SUPERUSER = "cloud_admin"

_CONFIGURATION = """
listen_addresses = ''
unix_socket_permissions = 0777
password_encryption = 'scram-sha-256'
max_connections = 60
shared_buffers = 8MB
dynamic_shared_memory_type = mmap
huge_pages = off
autovacuum = off
max_logical_replication_workers = 0
fsync = off
full_page_writes = off
wal_level = replica
track_commit_timestamp = on
max_wal_senders = 0
wal_keep_size = 2000000000
wal_recycle = off
wal_init_zero = off
hot_standby = off
lc_messages = 'C'
timezone = 'UTC'
log_timezone = 'UTC'
"""
_NOTHING_LATER = "recovery ended before configured recovery target was reached"
_ACCESS = "local all all scram-sha-256\n"


@dataclass
class Cluster:
    """A cluster on disk.

    `stopped` is its last restore point, where it does not run and was stopped in good order; `last_commit` is the time
    of the last commit before the newest restore point, as far as it is known. `bases` are ordered by their ends.
    """

    id: str
    directory: Path
    number: int
    timeline: int
    bases: tuple[Base, ...]
    process: PostgresProcess | None = None
    stopped: Mark | None = None
    last_commit: datetime | None = None
    taking: asyncio.Task[None] | None = None
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class PostgresStorage(ClusterContents):
    """Clusters in one directory. `prepare` first; `close` at the end leaves no process.

    `log_bytes` is how much log lies between two bases at least.
    """

    def __init__(
        self, installation: Installation, directory: Path, sockets: Path, log_bytes: int = bases.LOG_BYTES
    ) -> None:
        self._installation = installation
        self._directory = directory
        self._sockets = sockets
        self._files = ClusterFiles(installation)
        self._log_bytes = log_bytes
        self._base = Base(directory / "base")
        self._shared = directory / "shared"
        self._password = secrets.token_hex(16)
        self._clusters: dict[str, Cluster] = {}
        self._numbers = itertools.count(1)
        self.version = 0

    async def prepare(self) -> None:
        """Make the base. Raises StorageError."""
        for path in (self._directory, self._shared, self._sockets):
            path.mkdir(exist_ok=True)
            path.chmod(0o700)
            self._installation.hand_over(path)
        try:
            await self._make_base()
        except (ProgramFailed, PermissionError) as error:
            raise StorageError(f"the sandbox could not make a database in {self._directory}: {error}") from error

    async def _make_base(self) -> None:
        base = self._base.directory
        password = base.with_name("password")
        password.write_text(self._password)
        password.chmod(0o600)
        self._installation.hand_over(password)
        await self._installation.run(
            self._installation.program("initdb"),
            f"--pgdata={base}",
            f"--username={SUPERUSER}",
            f"--pwfile={password}",
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            "--locale=C",
            f"--wal-segsize={SEGMENT_BYTES // 1024 // 1024}",
            "--no-sync",
            "--no-instructions",
        )
        password.unlink()
        self.version = int((base / "PG_VERSION").read_text())
        (base / "pg_hba.conf").write_text(_ACCESS)
        with (base / "postgresql.conf").open("a") as configuration:
            configuration.write(_CONFIGURATION + f"unix_socket_directories = '{self._sockets}'\n")
            if self.version >= 18:
                configuration.write("io_method = sync\n")  # no processes that only read ahead
        await self._installation.run(
            self._installation.program("postgres"),
            "--single",
            "-D",
            str(base),
            "postgres",
            given=b"update pg_database set datallowconn = false where datname = 'template1';\n",
        )
        for name in UNCHANGING:
            (base / "base" / name).rename(self._shared / name)
        self._base = replace(self._base, end=log_end(base))  # it serves everything: no point is before it
        (base / "pg_wal").rename(self._shared / "pg_wal")

    async def create(self) -> str:
        """Make an empty cluster, running, and give its id."""
        cluster = await self._copy_base((self._base,), timeline=1)
        await self._installation.run("cp", "-R", str(self._shared / "pg_wal"), str(cluster.directory))
        await self.start(cluster.id)
        return cluster.id

    async def mark(self, cluster: str, point: Point) -> Mark:
        """Fix a moment that has passed, a position in the log, or (None) the end of the history as of now."""
        source = self._cluster(cluster)
        if point is None:  # what is copied now is not replayed by every fork of what will be so in a moment
            await self._newer_base(source)
        async with source.lock:
            if source.stopped is None or _runs(source):
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
        """Make a running cluster with everything that was committed at or before the mark, and nothing else."""
        if (exact := _recovery_target(mark)) is not None:
            try:
                return await self._fork(mark, exact)
            except StorageError as error:
                if _NOTHING_LATER not in str(error):
                    raise
        return await self._fork(mark, {"recovery_target_name": mark.name})

    async def _fork(self, mark: Mark, target: dict[str, str]) -> Fork:
        source = self._cluster(mark.cluster)
        serving = (self._base, *(base for base in source.bases[1:] if base.serves(mark)))
        cluster = await self._copy_base(serving, timeline=source.timeline + 1)
        try:
            await in_thread(self._files.give_log, source.directory, cluster.directory, position(mark.lsn))
            self._files.write(cluster.directory / "recovery.signal")
            recovery = target | {
                "restore_command": "false",  # everything is in pg_wal already
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
        """Start the cluster if it does not run; give the path of its socket."""
        found = self._cluster(cluster)
        async with found.lock:
            await self._start(found)
        return str(self._sockets / f".s.PGSQL.{found.number}")

    async def stop(self, cluster: str) -> None:
        """Stop the cluster if it runs, behind a last restore point; its connections are cut."""
        found = self._cluster(cluster)
        await _taken(found)
        async with found.lock:
            if not _runs(found) or found.process is None:
                return
            await self._cut_connections(found)
            end = await self._restore_point(found)
            await found.process.stop(signal.SIGINT)
            found.process, found.stopped = None, end

    def rested(self, cluster: str) -> None:
        """Hear that a connection to the cluster has ended: if much was written, a base of it is taken now."""
        if found := self._clusters.get(cluster):
            self._begin_base(found)

    def bases(self, cluster: str) -> tuple[Base, ...]:
        """Give the bases of a cluster, oldest first."""
        return self._cluster(cluster).bases

    async def drop(self, cluster: str) -> None:
        """Remove the cluster. Forks of it do not depend on it."""
        found = self._clusters.pop(cluster, None)
        if found is None:
            return
        async with found.lock:
            if found.process:
                await found.process.stop(signal.SIGQUIT)
        await asyncio.to_thread(shutil.rmtree, found.directory, ignore_errors=True)
        await _taken(found)
        await self._remove_bases(found.bases)

    async def close(self) -> None:
        """Stop every cluster, without saving anything, and wait for the end of its processes."""
        clusters = list(self._clusters.values())
        self._clusters.clear()
        await asyncio.gather(*(cluster.process.stop(signal.SIGQUIT) for cluster in clusters if cluster.process))
        await asyncio.gather(*map(_taken, clusters))

    async def schema(self, cluster: str, database: str) -> str:
        """Give the statements that make the schema of a database; starts the cluster."""
        await self.start(cluster)
        found = self._cluster(cluster)
        try:
            output = await self._installation.run(
                self._installation.program("pg_dump"),
                "--schema-only",
                f"--host={self._sockets}",
                f"--port={found.number}",
                f"--username={SUPERUSER}",
                variables={"PGPASSWORD": self._password, "PGDATABASE": database},
            )
        except (ProgramFailed, OSError) as error:
            raise StorageError(f"the schema of {database} cannot be read: {error}") from error
        # newer versions put a random word around everything, for psql, by which no two dumps are equal
        return re.sub(r"^\\(un)?restrict .*\n\n?", "", output.decode(), flags=re.MULTILINE)

    async def connect(self, cluster: str, database: str = "postgres") -> psycopg.AsyncConnection[tuple[object, ...]]:
        """Connect as the superuser; starts the cluster. The connection commits every statement."""
        await self.start(cluster)
        return await self._connect(self._cluster(cluster), database)

    def _cluster(self, cluster: str) -> Cluster:
        try:
            return self._clusters[cluster]
        except KeyError:
            raise StorageError(f"the cluster {cluster} is gone") from None

    async def _copy_base(self, serving: tuple[Base, ...], timeline: int) -> Cluster:
        """Make the directory of a cluster, from the newest of the bases, which it keeps all."""
        number = next(self._numbers)
        cluster = Cluster(str(number), self._directory / str(number), number, timeline, serving)
        self._clusters[cluster.id] = cluster
        try:
            await in_thread(self._copy_files, serving[-1], cluster)
        except BaseException:
            await self.drop(cluster.id)
            raise
        return cluster

    def _copy_files(self, base: Base, cluster: Cluster) -> None:
        try:
            self._files.copy_resting(base.directory, cluster.directory)
            for name in UNCHANGING:
                self._files.link_all(self._shared / name, cluster.directory / "base" / name)
        except OSError as error:
            raise StorageError(f"the files of a branch cannot be copied: {error}") from error

    async def _newer_base(self, cluster: Cluster) -> None:
        """Take a base where one is due, and wait for it, or for the one that is being taken."""
        self._begin_base(cluster)
        await _taken(cluster)

    def _begin_base(self, cluster: Cluster) -> None:
        if cluster.taking or not _runs(cluster):
            return
        end, room = log_end(cluster.directory), shutil.disk_usage(self._directory).free
        if cluster.bases[-1].is_outdated(end, self._log_bytes, room):
            cluster.taking = asyncio.create_task(self._take_base(cluster))

    async def _take_base(self, cluster: Cluster) -> None:
        """Take a base. It only saves time: where it cannot be taken, nothing is lost and nothing is left."""
        directory = self._directory / f"base-{next(self._numbers)}"
        try:
            async with await self._connect(cluster) as connection:
                base = await bases.take(connection, self._files, cluster.directory, directory, cluster.last_commit)
            first, *newer = cluster.bases
            cluster.bases = (first, *newer[1 - bases.KEPT :], base)
            await self._remove_bases(newer[: 1 - bases.KEPT])
        except (psycopg.Error, StorageError, OSError):
            await asyncio.to_thread(shutil.rmtree, directory, ignore_errors=True)
        finally:
            cluster.taking = None

    async def _remove_bases(self, released: Iterable[Base]) -> None:
        """Remove the bases that no cluster needs any more."""
        needed = {self._base, *(base for cluster in self._clusters.values() for base in cluster.bases)}
        for base in set(released) - needed:
            await asyncio.to_thread(shutil.rmtree, base.directory, ignore_errors=True)

    async def _start(self, cluster: Cluster, settings: dict[str, str] | None = None) -> None:
        if not _runs(cluster):
            server = {"port": str(cluster.number)} | (settings or {})
            cluster.process = await PostgresProcess.start(self._installation, cluster.directory, server)
            cluster.stopped = None

    async def _connect(
        self, cluster: Cluster, database: str = "postgres"
    ) -> psycopg.AsyncConnection[tuple[object, ...]]:
        try:
            return await psycopg.AsyncConnection.connect(
                host=str(self._sockets),
                port=cluster.number,
                user=SUPERUSER,
                password=self._password,
                dbname=database,
                autocommit=True,
            )
        except psycopg.OperationalError as error:
            raise StorageError(f"the database {database} cannot be reached: {error}") from error

    async def _restore_point(self, cluster: Cluster) -> Mark:
        """Write a restore point and flush it. It is after every commit that was answered before."""
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
            raise StorageError("PostgreSQL does not say what it recovered")
        return (None if row[0] is None else timestamps.as_moment(row[0])), str(row[1])


def _recovery_target(mark: Mark) -> dict[str, str] | None:
    """Give the settings that stop recovery exactly at what was asked for; None where that is the mark itself."""
    if mark.position is not None:
        # a position is where the next record begins, so that record is not wanted
        return {"recovery_target_lsn": mark.position, "recovery_target_inclusive": "off"}
    if mark.moment is not None:
        return {"recovery_target_time": mark.moment.strftime("%Y-%m-%d %H:%M:%S.%f+00")}
    return None


async def _taken(cluster: Cluster) -> None:
    """Wait for the end of the base that is being taken."""
    if cluster.taking:
        await asyncio.wait({cluster.taking})


def _runs(cluster: Cluster) -> bool:
    return cluster.process is not None and cluster.process.running
