"""A base backup spares a fork the log before it, and changes nothing about what the fork has."""

import asyncio
import shutil
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from reconciler.sandbox.postgres.base_backups import KEPT, BaseBackup
from reconciler.sandbox.postgres.clusters import PostgresStorage
from reconciler.sandbox.postgres.installation import find_installation
from reconciler.sandbox.server import NEON_PREFIX
from reconciler.sandbox.storage import Mark

pytestmark = pytest.mark.anyio

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
TWO_MEGABYTES = 2 * 1024 * 1024
FILLING = "select n, repeat(md5(n::text), 6) as text from generate_series(1, 50000) n"
INSERT = "insert into item default values"


@pytest.fixture(scope="module")
async def shared_storage(place):
    """A storage that takes a backup after two megabytes of log."""
    directory = place / "backups"
    directory.mkdir()
    directory.chmod(0o711)
    programs = find_installation(directory)
    storage = PostgresStorage(programs, directory / "clusters", directory / "sockets", log_bytes=TWO_MEGABYTES)
    await storage.prepare()
    yield storage
    await storage.close()
    shutil.rmtree(directory)


@pytest.fixture
async def storage(shared_storage):
    """The storage. At the end of a test it has no cluster, and so no backup."""
    yield shared_storage
    for cluster in list(shared_storage._clusters):
        await shared_storage.drop(cluster)
    assert ["base", "shared"] == sorted(path.name for path in shared_storage._directory.iterdir())


@pytest.fixture
async def cluster(storage):
    cluster = await storage.create()
    await run(storage, cluster, "create table item (n serial)")
    return cluster


def on_disk(storage):
    return sorted(path.name for path in storage._directory.glob("base-*"))


async def run(storage, cluster, statement):
    async with await storage.connect(cluster) as connection:
        answer = await connection.execute(statement)
        return await answer.fetchall() if answer.description else []


async def write(storage, cluster):
    """Write more log than is worth a backup, in one transaction."""
    await run(storage, cluster, f"drop table if exists bulk; create table bulk as {FILLING}")


async def fork(storage, cluster):
    return await storage.fork(await storage.mark(cluster, None))


@asynccontextmanager
async def rows_added_meanwhile(storage, cluster):
    """Add rows, one in a transaction, from before the start of the block until after its end."""
    begun, enough = asyncio.Event(), asyncio.Event()

    async def add():
        async with await storage.connect(cluster) as connection:
            while not enough.is_set():
                await connection.execute(INSERT)
                begun.set()

    adding = asyncio.create_task(add())
    await begun.wait()
    yield
    enough.set()
    await adding


async def commits(storage, cluster):
    """Return the number of every row with the time of its commit."""
    return await run(storage, cluster, "select n, pg_xact_commit_timestamp(xmin) from item order by 2")


async def numbers(storage, mark):
    """Return the rows of a fork at the mark, and what it reports of itself; the fork is dropped."""
    made = await storage.fork(mark)
    found = {n for (n,) in await run(storage, made.cluster, "select n from item")}
    await storage.drop(made.cluster)
    return found, made.resolved, made.lsn


async def with_and_without_backup(storage, mark):
    """Return the rows of a fork at the mark, which are the same from the newest and from the first backup."""
    newest = await numbers(storage, mark)
    source = storage._clusters[mark.cluster]
    kept, source.backups = source.backups, source.backups[:1]
    assert newest == await numbers(storage, mark)
    source.backups = kept
    return newest[0]


@pytest.mark.parametrize(
    ("moment", "lsn", "position", "serves"),
    [
        (None, "0/9000", None, True),
        (None, "0/2000", None, True),
        (None, "0/1FFF", None, False),
        (NOON, "0/9000", None, True),
        (NOON - MICROSECOND, "0/9000", None, False),
        (None, "0/9000", "0/2000", True),
        (None, "0/9000", "0/1FFF", False),
    ],
)
def test_a_backup_serves_points_from_its_end_on(moment, lsn, position, serves):
    backup = BaseBackup(Path("/base"), end=0x2000, ended=NOON)
    assert serves == backup.serves(Mark("1", "mark", moment, lsn, position))


@pytest.mark.parametrize(
    ("end", "least", "room", "outdated"),
    [
        (1300, 100, 10_000, True),
        (1299, 100, 10_000, False),
        (1499, 500, 10_000, False),
        (1500, 500, 10_000, True),
        (1300, 100, 1800, True),
        (1300, 100, 1799, False),
    ],
)
def test_much_log_outdates_a_backup_if_there_is_room(end, least, room, outdated):
    assert outdated == BaseBackup(Path("/base"), end=1000, size=600).is_outdated(end, least, room)


async def test_a_running_servers_own_and_vanishing_files_are_not_copied(tmp_path, shared_storage):
    source, files = tmp_path / "source", shared_storage._files
    copied = ["base/5/1259", "global/pg_control"]
    for name in (*copied, "base/1/1259", "pg_wal/0001", "pg_subtrans/0000", "postmaster.pid"):
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_text(name)
    (source / "base/5/removed").symlink_to("nowhere")  # listed, and absent when it is opened
    assert len("".join(copied)) == files.copy_running(source, tmp_path / "copy")
    found = [path for path in (tmp_path / "copy").rglob("*") if path.is_file()]
    assert copied == sorted(str(path.relative_to(tmp_path / "copy")) for path in found)
    with pytest.raises(FileNotFoundError):
        files.copy_resting(source, tmp_path / "whole")


async def test_moments_around_a_backup_are_exact(storage, cluster):
    await run(storage, cluster, INSERT)
    await write(storage, cluster)
    async with rows_added_meanwhile(storage, cluster):
        await storage.mark(cluster, None)
    await run(storage, cluster, INSERT)
    all_commits = await commits(storage, cluster)
    moments = [moment for _, moment in all_commits]
    (_, backup) = storage.backups(cluster)
    after = next(place for place, moment in enumerate(moments) if moment > backup.ended)
    for moment in (
        backup.ended - MICROSECOND,
        backup.ended,
        moments[0],
        moments[1] - MICROSECOND,
        *moments[after - 1 : after + 1],
        moments[-1] - MICROSECOND,
    ):
        mark = await storage.mark(cluster, moment)
        expected = {number for number, committed in all_commits if committed <= moment}
        assert expected == await with_and_without_backup(storage, mark), moment
        assert (moment >= backup.ended) == backup.serves(mark)


async def test_positions_around_a_backup_are_exact(storage, cluster):
    await write(storage, cluster)
    async with rows_added_meanwhile(storage, cluster):
        await storage.mark(cluster, None)
    (_, backup) = storage.backups(cluster)
    for distance in (-300, -1, 0, 1, 3000):
        found = backup.end + distance
        mark = await storage.mark(cluster, f"{found >> 32:X}/{found & 0xFFFFFFFF:X}")
        await with_and_without_backup(storage, mark)
        assert (distance >= 0) == backup.serves(mark)


async def test_the_last_commit_may_be_before_the_backup(storage, cluster):
    await write(storage, cluster)
    await run(storage, cluster, INSERT)
    ((_, last),) = await commits(storage, cluster)
    for _ in range(2):
        made = await fork(storage, cluster)
        assert last == made.resolved
        cluster = made.cluster
    assert 2 == len(storage.backups(cluster))


async def test_the_last_commit_may_be_before_the_servers_start(storage, cluster):
    await run(storage, cluster, INSERT)
    await storage.stop(cluster)
    await run(storage, cluster, f"begin; create table bulk as {FILLING}; rollback")
    made = await fork(storage, cluster)
    ((_, last),) = await commits(storage, made.cluster)
    assert (2, last) == (len(storage.backups(made.cluster)), made.resolved)


async def test_forks_of_a_fork_use_its_backups_and_outlive_it(storage, cluster):
    await write(storage, cluster)
    child = (await fork(storage, cluster)).cluster
    await write(storage, cluster)
    await storage.mark(cluster, None)
    first, second, third = storage.backups(cluster)
    assert (first, second) == storage.backups(child)
    await storage.drop(cluster)
    assert (True, False) == (second.directory.exists(), third.directory.exists())
    await run(storage, child, INSERT)
    grandchild = (await fork(storage, child)).cluster
    await storage.drop(child)
    assert [(1,)] == await run(storage, grandchild, "select n from item")
    assert (first, second) == storage.backups(grandchild)
    await storage.drop(grandchild)
    assert not second.directory.exists()


async def test_a_backup_is_taken_when_a_connection_ends(storage, cluster):
    for expected in (1, 2):
        storage.connection_ended(cluster)
        await storage.stop(cluster)  # it waits for a backup that has begun
        assert expected == len(storage.backups(cluster))
        await write(storage, cluster)


async def test_a_computes_connection_is_such_a_connection(project, sandbox, monkeypatch):
    storage = sandbox._apis[NEON_PREFIX]._control.storage
    monkeypatch.setattr(storage, "_log_bytes", TWO_MEGABYTES)
    await project.execute("main", f"create table bulk as {FILLING}")

    async def is_taken():
        return [] != on_disk(storage)

    async with asyncio.timeout(20):
        await project.until(is_taken)


async def test_old_backups_are_removed_and_old_points_stay(storage, cluster):
    marks = []
    for _ in range(KEPT + 1):
        await run(storage, cluster, INSERT)
        marks.append(await storage.mark(cluster, None))
        await write(storage, cluster)
        await storage.mark(cluster, None)
    kept = storage.backups(cluster)
    assert (KEPT + 1, on_disk(storage)) == (len(kept), [backup.directory.name for backup in kept[1:]])
    assert not any(backup.serves(mark) for backup in kept[1:] for mark in marks[:2])
    assert {1, 2} == (await numbers(storage, marks[1]))[0]


async def test_a_failed_backup_leaves_nothing(storage, cluster):
    await run(storage, cluster, INSERT)
    await write(storage, cluster)
    (storage._clusters[cluster].directory / "circle").symlink_to("circle")
    mark = await storage.mark(cluster, None)
    assert (1, []) == (len(storage.backups(cluster)), on_disk(storage))
    assert {1} == (await numbers(storage, mark))[0]


async def test_a_cluster_can_be_dropped_during_a_backup(storage, cluster):
    await write(storage, cluster)
    storage.connection_ended(cluster)
    await asyncio.sleep(0)
    await storage.drop(cluster)
    assert [] == on_disk(storage)


async def test_a_backup_of_a_killed_server_is_not_used(storage, cluster):
    await run(storage, cluster, INSERT)
    await write(storage, cluster)
    storage.connection_ended(cluster)
    task = storage._clusters[cluster].backup_task
    async with await storage.connect(cluster) as connection:
        kill = "select pg_terminate_backend(pid) from pg_stat_activity where query like 'select pg_backup_start%'"
        while not task.done() and not (await (await connection.execute(kill)).fetchall()):
            pass
    await task
    assert on_disk(storage) == [backup.directory.name for backup in storage.backups(cluster)[1:]]
    assert {1} == (await numbers(storage, await storage.mark(cluster, None)))[0]
