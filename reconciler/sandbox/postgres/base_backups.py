"""Base backups: copies of a cluster from which its log is replayed, so that a fork need not replay all of it.

The first one is the template. Another is taken of a running cluster, by PostgreSQL's low-level backup API, when so much
log has gathered since the newest that replaying it would take long. It is consistent from the `end` of the backup on,
so it can serve every point from there on.

Source of the rules: PostgreSQL's documentation, "Making a Base Backup Using the Low Level API". PostgreSQL writes whole
pages to the log while a backup is taken, even with `full_page_writes` off.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import psycopg

from reconciler.sandbox import timestamps
from reconciler.sandbox.postgres.files import ClusterFiles, in_thread
from reconciler.sandbox.storage import Mark, position

LOG_BYTES = 64 * 1024 * 1024
"""The least log between two backups, in bytes. It is replayed in less than half a second."""
KEPT = 4
"""How many backups of a cluster are kept besides the first. Points before them are replayed from the beginning."""

_LONG_AGO = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class BaseBackup:
    """A copy of a cluster, without its log.

    It is consistent from `end` on, a position in the log in bytes; no commit before that is later than `ended` (UTC).
    `last_commit` is the time of the last commit before the part that is replayed. `size` is in bytes.
    """

    directory: Path
    end: int = 0
    ended: datetime = _LONG_AGO
    last_commit: datetime | None = None
    size: int = 0

    def serves(self, mark: Mark) -> bool:
        """Whether replaying the log on this backup can reach the mark."""
        points = [mark.lsn] if mark.position is None else [mark.lsn, mark.position]
        return all(self.end <= position(point) for point in points) and (
            mark.moment is None or self.ended <= mark.moment
        )

    def is_outdated(self, log_end: int, least: int, room: int) -> bool:
        """Whether a newer backup is due, by the end of the log and the free space, both in bytes.

        It is due after `least` bytes of log and half of this backup's size, if there is room for it and for a fork.
        """
        log = log_end - self.end
        return log >= max(least, self.size // 2) and room >= 2 * (self.size + log)


async def take(
    connection: psycopg.AsyncConnection[tuple[object, ...]],
    files: ClusterFiles,
    source: Path,
    target: Path,
    last_commit: datetime | None,
) -> BaseBackup:
    """Copy the running cluster in `source` to `target`, over a superuser's connection to it.

    `last_commit` is the last commit before the server started. Raises psycopg.Error and OSError.
    """
    await connection.execute("select pg_backup_start('base', fast => true)")
    # a later commit is in the log that is replayed; a server knows of no commit from before its start
    last = await _first(connection, "select timestamp from pg_last_committed_xact()")
    size = await in_thread(files.copy_running, source, target)
    stop = "select lsn::text, labelfile from pg_backup_stop(wait_for_archive => false)"
    end, label = await _first(connection, stop)
    (ended,) = await _first(connection, "select clock_timestamp()")
    files.write(target / "backup_label", str(label))
    return BaseBackup(
        target,
        position(str(end)),
        timestamps.as_moment(ended),
        timestamps.as_moment(last[0]) if last and last[0] is not None else last_commit,
        size,
    )


async def _first(connection: psycopg.AsyncConnection[tuple[object, ...]], query: str) -> tuple[object, ...]:
    answer = await connection.execute(query.encode())
    return await answer.fetchone() or ()
