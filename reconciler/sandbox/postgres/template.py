"""The template: a cluster as `initdb` makes it, from which all others are copied.

It is the first base backup of every cluster. Most of its files belong to the two template databases. Nobody may connect
to these, so their files never change, and all clusters share them by hard links.
"""

import secrets
from dataclasses import dataclass, field
from pathlib import Path

from reconciler.sandbox.postgres.base_backups import BaseBackup
from reconciler.sandbox.postgres.files import SEGMENT_BYTES, UNCHANGING, ClusterFiles, log_end
from reconciler.sandbox.postgres.installation import Installation, ProgramFailed
from reconciler.sandbox.storage import StorageError

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
_ACCESS = "local all all scram-sha-256\n"
_CLOSE_TEMPLATE = b"update pg_database set datallowconn = false where datname = 'template1';\n"


@dataclass
class Template:
    """The template in `directory`; its servers put their sockets into `sockets`. `make` first."""

    installation: Installation
    files: ClusterFiles
    directory: Path
    sockets: Path
    password: str = field(default_factory=lambda: secrets.token_hex(16), repr=False)
    version: int = 0
    backup: BaseBackup = field(init=False)

    def __post_init__(self) -> None:
        """Reserve the place of the backup."""
        self.backup = BaseBackup(self.directory / "base")

    @property
    def _shared(self) -> Path:
        return self.directory / "shared"

    async def make(self) -> None:
        """Run `initdb` and configure the cluster. Raises StorageError."""
        for path in (self.directory, self._shared, self.sockets):
            path.mkdir(exist_ok=True)
            path.chmod(0o700)
            self.installation.hand_over(path)
        try:
            await self._initialise()
            self._configure()
            await self._close_template_database()
            self._share()
        except (ProgramFailed, PermissionError) as error:
            raise StorageError(f"the sandbox could not make a database in {self.directory}: {error}") from error

    def copy(self, backup: BaseBackup, target: Path) -> None:
        """Copy a backup to a new cluster, and link the shared files. Raises StorageError."""
        try:
            self.files.copy_resting(backup.directory, target)
            for name in UNCHANGING:
                self.files.link_all(self._shared / name, target / "base" / name)
        except OSError as error:
            raise StorageError(f"the files of a branch cannot be copied: {error}") from error

    async def copy_log(self, target: Path) -> None:
        """Return a cluster the log as `initdb` wrote it."""
        await self.installation.run("cp", "-R", str(self._shared / "pg_wal"), str(target))

    async def _initialise(self) -> None:
        password = self.directory / "password"
        password.write_text(self.password)
        password.chmod(0o600)
        self.installation.hand_over(password)
        await self.installation.run(
            self.installation.program("initdb"),
            f"--pgdata={self.backup.directory}",
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

    def _configure(self) -> None:
        base = self.backup.directory
        self.version = int((base / "PG_VERSION").read_text())
        (base / "pg_hba.conf").write_text(_ACCESS)
        with (base / "postgresql.conf").open("a") as configuration:
            configuration.write(_CONFIGURATION + f"unix_socket_directories = '{self.sockets}'\n")
            if self.version >= 18:
                configuration.write("io_method = sync\n")  # no processes that only read ahead

    async def _close_template_database(self) -> None:
        program, base = self.installation.program("postgres"), str(self.backup.directory)
        await self.installation.run(program, "--single", "-D", base, "postgres", given=_CLOSE_TEMPLATE)

    def _share(self) -> None:
        base = self.backup.directory
        for name in UNCHANGING:
            (base / "base" / name).rename(self._shared / name)
        self.backup = BaseBackup(base, end=log_end(base))  # every point is at or after its end
        (base / "pg_wal").rename(self._shared / "pg_wal")
