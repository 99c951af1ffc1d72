"""Bases: copies of a cluster from which its history is replayed, so that a fork need not replay all of it.

The first base is the cluster as `initdb` left it. Another is taken of a running cluster, by PostgreSQL's low-level
backup API, when so much log has gathered since the newest one that replaying it would take long. It is whole from the
`end` of the backup on, and so it serves a point that is not before that.

Source of the rules: PostgreSQL's documentation, "Making a Base Backup Using the Low Level API". It writes whole pages
to the log while a backup is taken, even where `full_page_writes` is off.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import psycopg

from reconciler.sandbox import timestamps
from reconciler.sandbox.cluster_files import ClusterFiles, in_thread
from reconciler.sandbox.storage import Mark, position

LOG_BYTES = 64 * 1024 * 1024
"""So much log at least lies between two bases. It is replayed in less than half a second."""
KEPT = 4
"""So many bases of a cluster are kept besides the first. Points before them are replayed from the beginning."""

_LONG_AGO = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Base:
    """A copy of a cluster, without its log.

    `end` is the position in the log, in bytes, from which on it is whole; no commit before that is later than `ended`.
    `last_commit` is the time of the last commit that may lie before what is replayed; `size` is in bytes.
    """

    directory: Path
    end: int = 0
    ended: datetime = _LONG_AGO
    last_commit: datetime | None = None
    size: int = 0

    def serves(self, mark: Mark) -> bool:
        """Tell whether what is so at the mark can be reached by replaying the log on this base."""
        points = [mark.lsn] if mark.position is None else [mark.lsn, mark.position]
        return all(self.end <= position(point) for point in points) and (
            mark.moment is None or self.ended <= mark.moment
        )

    def is_outdated(self, log_end: int, least: int, room: int) -> bool:
        """Tell whether a newer one should be taken, by where the log ends and how many bytes there is room for.

        It should where `least` bytes of log lie after this one, and half its size; but not where it, and a fork from
        it, would fill the place.
        """
        log = log_end - self.end
        return log >= max(least, self.size // 2) and room >= 2 * (self.size + log)


async def take(
    connection: psycopg.AsyncConnection[tuple[object, ...]],
    files: ClusterFiles,
    source: Path,
    target: Path,
    last_commit: datetime | None,
) -> Base:
    """Copy the running cluster in `source` to `target`, over a superuser's connection to it.

    `last_commit` is the last commit before the cluster was started. Raises psycopg.Error and OSError.
    """
    await connection.execute("select pg_backup_start('base', fast => true)")
    # a commit after this one is in the log that is replayed; a server knows of none from before its start
    last = await _first(connection, "select timestamp from pg_last_committed_xact()")
    size = await in_thread(files.copy_running, source, target)
    stop = "select lsn::text, labelfile from pg_backup_stop(wait_for_archive => false)"
    end, label = await _first(connection, stop)
    (ended,) = await _first(connection, "select clock_timestamp()")
    files.write(target / "backup_label", str(label))
    return Base(
        target,
        position(str(end)),
        timestamps.as_moment(ended),
        timestamps.as_moment(last[0]) if last and last[0] is not None else last_commit,
        size,
    )


async def _first(connection: psycopg.AsyncConnection[tuple[object, ...]], query: str) -> tuple[object, ...]:
    answer = await connection.execute(query.encode())
    return await answer.fetchone() or ()
