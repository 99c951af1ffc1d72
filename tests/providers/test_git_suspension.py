"""Suspensions in Git: one ref for everybody, set and removed by compare-and-swap, and never taken for absent."""

from datetime import timedelta

import pytest

from reconciler.core.records.suspension import Suspension
from reconciler.core.values.instant import Instant
from reconciler.errors import GitError, PushRejected, RemoteUnreachable, Suspended
from reconciler.providers.git.repository import Repository
from reconciler.providers.git.suspension import SuspensionRef, SuspensionWatch
from tests.support.remotes import BareRemote, clone, git

REF = "refs/reconciler/suspension/production"
BEGIN = Instant.parse_strict("2026-11-21T09:55:00Z")
pytestmark = pytest.mark.anyio


def later(hours):
    return BEGIN.before(-timedelta(hours=hours))


FIRST = Suspension("production", "ada on desk", BEGIN, later(2), "migration 0042")
SECOND = Suspension("production", "grace on ship", BEGIN, later(3), "a moth")


class Clock:
    def __init__(self):
        self.moment = BEGIN

    def now(self):
        return self.moment


@pytest.fixture
def remote(tmp_path):
    return BareRemote(tmp_path)


def at(directory):
    return Repository.containing(directory, {})


@pytest.fixture
def desk(remote, tmp_path):
    return clone(remote, tmp_path / "desk")


@pytest.fixture
def other(remote, tmp_path):
    return clone(remote, tmp_path / "other")


def ref(directory):
    return SuspensionRef(at(directory), "production")


def watch(directory, clock=None, leased=True):
    said = []
    return SuspensionWatch(at(directory), "production", clock or Clock(), said.append, leased=leased), said


def cut_off(directory):
    git(directory, "remote", "set-url", "origin", str(directory / "nowhere"))


def write(directory, message, where=REF):
    tree = git(directory, "hash-object", "-t", "tree", "-w", "/dev/null")
    git(directory, "update-ref", where, git(directory, "commit-tree", tree, "-m", message))


def test_every_clone_reads_a_suspension(desk, other, remote):
    assert ref(other).look() is None
    ref(desk).set(FIRST, "")
    found = ref(other).look()
    assert (found.id, found.readable) == (remote.ref(REF), FIRST)
    cut_off(other)
    assert ref(other).copy() == found
    ref(desk).remove(found.id)
    assert (ref(desk).look(), ref(desk).copy(), remote.ref(REF)) == (None, None, "")


def test_the_slower_of_two_changes_nothing(desk, other, remote):
    ref(desk).set(FIRST, "")
    with pytest.raises(PushRejected):
        ref(other).set(SECOND, "")
    with pytest.raises(PushRejected):
        ref(other).remove("0" * 40)
    assert ref(other).look().readable == FIRST
    ref(other).set(SECOND, remote.ref(REF))
    assert ref(desk).look().readable == SECOND


def test_without_a_remote_the_local_ref_counts(tmp_path):
    git(tmp_path, "init", "--quiet", "--initial-branch=main")
    assert not ref(tmp_path).is_shared
    assert ref(tmp_path).look() is None
    ref(tmp_path).set(FIRST, "")
    with pytest.raises(PushRejected):
        ref(tmp_path).set(SECOND, "")
    found = ref(tmp_path).look()
    assert found.readable == FIRST
    ref(tmp_path).set(SECOND, found.id)
    with pytest.raises(PushRejected):
        ref(tmp_path).remove(found.id)
    ref(tmp_path).remove(ref(tmp_path).look().id)
    assert ref(tmp_path).look() is None


async def test_a_suspension_stops_until_it_expires(desk):
    clock = Clock()
    watching, said = watch(desk, clock)
    await watching.confirm()
    ref(desk).set(FIRST, "")
    with pytest.raises(Suspended) as stopped:
        await watching.confirm()
    assert (stopped.value.message, stopped.value.hint) == (FIRST.message, FIRST.hint)
    clock.moment = FIRST.until
    await watching.confirm()
    await watching.confirm()
    assert said == [f"{FIRST.message}. It is over, and ignored"]


@pytest.mark.parametrize("leased", [True, False])
async def test_an_unreadable_suspension_stops(desk, remote, leased):
    write(remote.path, "from a later version")
    with pytest.raises(GitError, match="by whom and until when can't be read") as stopped:
        await watch(desk, leased=leased)[0].confirm()
    assert "reconciler resume production removes it" in stopped.value.hint
    ref(desk).remove(ref(desk).look().id)
    assert remote.ref(REF) == ""


async def test_a_ref_without_commit_stops(desk, remote):
    git(remote.path, "update-ref", REF, git(remote.path, "hash-object", "-w", "--stdin", given=b"x"))
    with pytest.raises(GitError, match="can't be read"):
        await watch(desk)[0].confirm()


async def test_a_lease_allows_outages_after_one_read(desk):
    watching, said = watch(desk)
    await watching.confirm()
    cut_off(desk)
    await watching.confirm()
    assert len(said) == 1
    assert "could not be read, and no copy is kept here" in said[0]
    begun_later, _ = watch(desk)
    with pytest.raises(RemoteUnreachable):
        await begun_later.confirm()


async def test_without_a_lease_the_copy_counts(desk, other):
    ref(desk).set(FIRST, "")
    for directory in (desk, other):
        cut_off(directory)
    watching, said = watch(other, leased=False)
    await watching.confirm()
    await watching.confirm()
    assert len(said) == 1
    assert "whether production is suspended could not be read, and no copy is kept here" in said[0]
    watching, said = watch(desk, leased=False)
    with pytest.raises(Suspended):
        await watching.confirm()
    assert "the copy that is kept here counts" in said[0]
