"""A base spares a fork the log before it, and changes nothing about what the fork holds."""

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


@pytest.fixture(scope="module")
async def shared_storage(place):
    """A storage where two megabytes of log are worth a base."""
    directory = place / "bases"
    directory.mkdir()
    directory.chmod(0o711)
    installation = find_installation(directory)
    storage = PostgresStorage(installation, directory / "clusters", directory / "sockets", log_bytes=TWO_MEGABYTES)
    await storage.prepare()
    yield storage
    await storage.close()
    shutil.rmtree(directory)


@pytest.fixture
async def storage(shared_storage):
    """The storage. At the end of a test it has no cluster, and so no base."""
    yield shared_storage
    for cluster in list(shared_storage._clusters):
        await shared_storage.drop(cluster)
    assert ["base", "shared"] == names_in(shared_storage._directory)


@pytest.fixture
async def cluster(storage):
    cluster = await storage.create()
    await run(storage, cluster, "create table item (n serial)")
    return cluster


def names_in(directory):
    return sorted(path.name for path in directory.iterdir())


def names_of_bases(storage):
    return [name for name in names_in(storage._directory) if name.startswith("base-")]


async def run(storage, cluster, statement):
    async with await storage.connect(cluster) as connection:
        answer = await connection.execute(statement)
        return await answer.fetchall() if answer.description else []


async def write(storage, cluster):
    """Write more log than is worth a base, all of it in one transaction."""
    await run(storage, cluster, f"drop table if exists bulk; create table bulk as {FILLING}")


@asynccontextmanager
async def rows_added_meanwhile(storage, cluster):
    """Add rows, one in a transaction, from before the beginning of the block until after its end."""
    begun, enough = asyncio.Event(), asyncio.Event()

    async def add():
        async with await storage.connect(cluster) as connection:
            while not enough.is_set():
                await connection.execute("insert into item default values")
                begun.set()

    adding = asyncio.create_task(add())
    await begun.wait()
    yield
    enough.set()
    await adding


async def commits(storage, cluster):
    """Give the number of every row with the time of its commit."""
    return await run(storage, cluster, "select n, pg_xact_commit_timestamp(xmin) from item order by 2")


async def numbers(storage, mark):
    """Give the rows of a fork at the mark, and what it tells of itself; it does not stay."""
    fork = await storage.fork(mark)
    found = {n for (n,) in await run(storage, fork.cluster, "select n from item")}
    await storage.drop(fork.cluster)
    return found, fork.resolved, fork.lsn


async def with_a_base_and_without(storage, mark):
    """Compare forks from the newest base before the mark and from the first one of all; give what both hold."""
    newest = await numbers(storage, mark)
    source = storage._clusters[mark.cluster]
    kept, source.backups = source.backups, source.backups[:1]
    assert newest == await numbers(storage, mark)
    source.backups = kept
    return newest[0]


def test_a_base_serves_points_that_are_not_before_its_end():
    base = BaseBackup(Path("/base"), end=0x2000, ended=NOON)
    late = Mark("1", "mark", None, "0/9000")
    served = {
        "the end of the history": late,
        "the end of the history, at its own end": Mark("1", "mark", None, "0/2000"),
        "its own moment": Mark("1", "mark", NOON, "0/9000"),
        "its own position": Mark("1", "mark", None, "0/9000", "0/2000"),
    }
    not_served = {
        "a mark in the middle of the backup": Mark("1", "mark", None, "0/1FFF"),
        "a moment before": Mark("1", "mark", NOON - MICROSECOND, "0/9000"),
        "a position before": Mark("1", "mark", None, "0/9000", "0/1FFF"),
    }
    assert list(served) == [name for name, mark in (served | not_served).items() if base.serves(mark)]


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
    ids=[
        "log of half its size",
        "less",
        "log of less than the least",
        "of the least",
        "room for two",
        "less room than that",
    ],
)
def test_a_base_is_outdated_by_much_log_where_there_is_room(end, least, room, outdated):
    base = BaseBackup(Path("/base"), end=1000, size=600)
    assert outdated == base.is_outdated(end, least, room)


async def test_what_a_running_server_has_for_itself_or_removes_meanwhile_is_not_copied(storage, place):
    source, files = place / "source", storage._files
    for name in ("base/1", "base/5", "global", "pg_wal", "pg_subtrans"):
        (source / name).mkdir(parents=True)
    for name in (
        "base/1/1259",
        "base/5/1259",
        "global/pg_control",
        "pg_wal/0001",
        "pg_subtrans/0000",
        "postmaster.pid",
    ):
        (source / name).write_text(name)
    (source / "base/5/removed").symlink_to("nowhere")  # it is listed, and cannot be found when it is opened
    size = files.copy_running(source, place / "copy")
    copied = {str(path.relative_to(place / "copy")) for path in (place / "copy").rglob("*") if path.is_file()}
    with pytest.raises(FileNotFoundError):
        files.copy_resting(source, place / "whole")
    for name in ("source", "copy", "whole"):
        shutil.rmtree(place / name)
    assert {"base/5/1259", "global/pg_control"} == copied
    assert len("base/5/1259" + "global/pg_control") == size


async def test_moments_before_during_and_after_a_base_are_exact(storage, cluster):
    await run(storage, cluster, "insert into item default values")
    await write(storage, cluster)
    async with rows_added_meanwhile(storage, cluster):
        await storage.mark(cluster, None)
    await run(storage, cluster, "insert into item default values")
    all_commits = await commits(storage, cluster)
    moments = [moment for _, moment in all_commits]
    (_, base) = storage.backups(cluster)
    after = next(place for place, moment in enumerate(moments) if moment > base.ended)
    asked = [base.ended - MICROSECOND, base.ended]
    asked += [moments[0], moments[1] - MICROSECOND, *moments[after - 1 : after + 1], moments[-1] - MICROSECOND]
    for moment in asked:
        mark = await storage.mark(cluster, moment)
        expected = {number for number, committed in all_commits if committed <= moment}
        assert expected == await with_a_base_and_without(storage, mark), moment
        assert base.serves(mark) == (moment >= base.ended)


async def test_positions_before_during_and_after_a_base_are_exact(storage, cluster):
    await write(storage, cluster)
    async with rows_added_meanwhile(storage, cluster):
        await storage.mark(cluster, None)
    (_, base) = storage.backups(cluster)
    for distance in (-300, -1, 0, 1, 3000):
        found = base.end + distance
        mark = await storage.mark(cluster, f"{found >> 32:X}/{found & 0xFFFFFFFF:X}")
        await with_a_base_and_without(storage, mark)
        assert base.serves(mark) == (distance >= 0)


async def test_with_nothing_after_a_base_the_last_commit_is_the_one_before_it(storage, cluster):
    await write(storage, cluster)
    await run(storage, cluster, "insert into item default values")
    ((_, last),) = await commits(storage, cluster)
    for _ in range(2):
        fork = await storage.fork(await storage.mark(cluster, None))
        assert last == fork.resolved
        cluster = fork.cluster
    assert 2 == len(storage.backups(cluster))


async def test_of_a_server_without_a_commit_since_its_start_the_last_commit_is_the_one_before(storage, cluster):
    await run(storage, cluster, "insert into item default values")
    await storage.stop(cluster)
    await run(storage, cluster, f"begin; create table bulk as {FILLING}; rollback")
    fork = await storage.fork(await storage.mark(cluster, None))
    ((_, last),) = await commits(storage, fork.cluster)
    assert (2, last) == (len(storage.backups(fork.cluster)), fork.resolved)


async def test_a_forks_forks_use_the_bases_before_it_and_outlive_all_others(storage, cluster):
    await write(storage, cluster)
    child = (await storage.fork(await storage.mark(cluster, None))).cluster
    await write(storage, cluster)
    await storage.mark(cluster, None)
    first, second, third = storage.backups(cluster)
    assert (first, second) == storage.backups(child)
    await storage.drop(cluster)
    assert (True, False) == (second.directory.exists(), third.directory.exists())
    await run(storage, child, "insert into item default values")
    grandchild = (await storage.fork(await storage.mark(child, None))).cluster
    await storage.drop(child)
    assert [(1,)] == await run(storage, grandchild, "select n from item")
    assert (first, second) == storage.backups(grandchild)
    await storage.drop(grandchild)
    assert not second.directory.exists()


async def test_a_base_is_taken_when_a_connection_ends_after_much_was_written(storage, cluster):
    storage.connection_ended(cluster)
    await storage.stop(cluster)
    assert 1 == len(storage.backups(cluster))
    await write(storage, cluster)
    storage.connection_ended(cluster)
    await storage.stop(cluster)  # it waits for what has been begun
    assert 2 == len(storage.backups(cluster))


async def test_the_end_of_a_clients_connection_is_such_an_end(project, sandbox, monkeypatch):
    storage = sandbox._apis[NEON_PREFIX]._control.storage
    monkeypatch.setattr(storage, "_log_bytes", TWO_MEGABYTES)
    await project.execute("main", f"create table bulk as {FILLING}")

    async def is_taken():
        return [] != names_of_bases(storage)

    async with asyncio.timeout(20):
        await project.until(is_taken)


async def test_the_oldest_bases_give_way_and_points_before_them_are_reached_still(storage, cluster):
    marks = []
    for count in range(1, KEPT + 2):
        await run(storage, cluster, "insert into item default values")
        marks.append((count, await storage.mark(cluster, None)))
        await write(storage, cluster)
        await storage.mark(cluster, None)
    kept = storage.backups(cluster)
    assert KEPT + 1 == len(kept)
    assert [base.directory.name for base in kept[1:]] == names_of_bases(storage)
    assert not any(base.serves(marks[0][1]) for base in kept[1:])
    count, mark = marks[1]
    assert not any(base.serves(mark) for base in kept[1:])
    assert set(range(1, count + 1)) == (await numbers(storage, mark))[0]


async def test_a_base_that_cannot_be_taken_leaves_nothing_and_forks_are_made_without_it(storage, cluster):
    await run(storage, cluster, "insert into item default values")
    await write(storage, cluster)
    (storage._clusters[cluster].directory / "circle").symlink_to("circle")
    mark = await storage.mark(cluster, None)
    assert (1, []) == (len(storage.backups(cluster)), names_of_bases(storage))
    assert {1} == (await numbers(storage, mark))[0]


async def test_a_cluster_can_be_dropped_while_a_base_of_it_is_taken(storage, cluster):
    await write(storage, cluster)
    storage.connection_ended(cluster)
    await asyncio.sleep(0)
    await storage.drop(cluster)
    assert [] == names_of_bases(storage)


async def test_a_server_that_is_killed_while_a_base_is_taken_leaves_none_that_is_used(storage, cluster):
    await run(storage, cluster, "insert into item default values")
    await write(storage, cluster)
    storage.connection_ended(cluster)
    taking = storage._clusters[cluster].backup_task
    async with await storage.connect(cluster) as connection:
        find = "select pg_terminate_backend(pid) from pg_stat_activity where query like 'select pg_backup_start%'"
        while not taking.done() and not (await (await connection.execute(find)).fetchall()):
            pass
    await taking
    used = [base.directory.name for base in storage.backups(cluster)[1:]]
    assert used == names_of_bases(storage)
    assert {1} == (await numbers(storage, await storage.mark(cluster, None)))[0]
