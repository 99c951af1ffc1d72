"""The lease: one run at a time has an environment, wherever the runs are, and a dead one does not keep it.

Time is a clock that the tests set; pushes are real. What runs beside the test is waited for by what it does.
"""

import asyncio
import json
import signal
import subprocess
import sys
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.values.instant import Instant
from reconciler.errors import GitError, LeaseHeld, LeaseLost, RemoteRefused, RemoteUnreachable
from reconciler.providers.git.lease import GitLease
from reconciler.providers.git.lease_record import LeaseState, Record
from reconciler.providers.git.repository import Repository
from tests.support.remotes import BareRemote, HttpRemote, git, git_environment
from tests.support.waiting import eventually

REF = "refs/reconciler/lease/production"
BEGIN = Instant.parse_strict("2026-11-21T09:55:00Z")
pytestmark = pytest.mark.anyio


class HandClock:
    """A clock that stands still but for `pass_by`. Who sleeps is woken when the time has come."""

    def __init__(self, moment=BEGIN):
        self._moment, self._elapsed = moment, 0.0
        self._sleepers = []
        self.asleep = asyncio.Event()

    def now(self):
        return self._moment

    def elapsed(self):
        return self._elapsed

    async def sleep(self, seconds):
        woken = asyncio.Event()
        self._sleepers.append((self._elapsed + seconds, woken))
        self.asleep.set()
        await woken.wait()

    def pass_by(self, seconds, *, moment=None, elapsed=None):
        """Let time go by; `moment` or `elapsed` only where the two clocks disagree."""
        self._moment = self._moment.before(-timedelta(seconds=seconds if moment is None else moment))
        self._elapsed += seconds if elapsed is None else elapsed
        self.asleep.clear()
        for due, woken in self._sleepers:
            if due <= self._elapsed:
                woken.set()
        self._sleepers = [(due, woken) for due, woken in self._sleepers if due > self._elapsed]


class QuickClock(HandClock):
    """A clock on which sleeping takes no time: it goes on at once by as much as was slept."""

    def __init__(self, moment=BEGIN):
        super().__init__(moment)
        self.slept = 0

    async def sleep(self, seconds):
        self.slept += 1
        self.pass_by(seconds)
        await asyncio.sleep(0)


@pytest.fixture
def remote(tmp_path):
    return BareRemote(tmp_path)


@pytest.fixture
def http(tmp_path):
    made = HttpRemote(tmp_path)
    yield made
    made.close()


@pytest.fixture
def machine(tmp_path):
    """A repository of its own on each machine: `machine(remote)`."""
    made = []

    def make(remote):
        made.append(tmp_path / f"machine{len(made)}")
        git(tmp_path, "init", "--quiet", str(made[-1]))
        address = getattr(remote, "url_with_credentials", remote.url)
        git(made[-1], "remote", "add", "origin", address)
        return Repository.containing(made[-1], git_environment(identity=False))

    return make


def left_behind(repository, remote, *, expires_in=60.0, seconds=60.0, line=None):
    """Put a lease on the remote whose owner does nothing more; `expires_in` is counted from BEGIN. Returns its id."""
    state = LeaseState(
        "production", "ada on laptop", BEGIN, BEGIN.before(-timedelta(seconds=expires_in)), "https://run/1"
    )
    text = Record(state, "nonce", 1, seconds).line if line is None else line
    tree = git(repository.root, "hash-object", "-t", "tree", "-w", "--stdin", given=b"")
    commit = git(repository.root, "commit-tree", tree, "-m", text)
    git(repository.root, "push", "--quiet", "origin", f"{commit}:{REF}")
    return commit


def record(remote):
    return json.loads(git(remote.path, "log", "-1", "--format=%B", REF))


async def changed(remote, before):
    """Wait until the ref on the remote is something else than before."""
    await asyncio.to_thread(eventually, lambda: remote.ref(REF) != before, f"a change of {REF}")


# Taking and giving back.


async def test_a_lease_names_its_owner_and_ends(remote, machine):
    repository = machine(remote)
    async with GitLease(repository, "production", "ada on laptop", HandClock(), run="https://run/1") as lease:
        await lease.confirm()
        state = GitLease.look(machine(remote), "production")
        expected = ("production", "ada on laptop", BEGIN, "2026-11-21T09:56:00.000Z", "https://run/1")
        assert expected == (state.environment, state.owner, state.taken_at, state.expires_at.text, state.run)
        assert git(remote.path, "ls-tree", "-r", REF) == git(remote.path, "log", "--format=%P", REF) == ""
    assert (None, "") == (GitLease.look(repository, "production"), remote.ref(REF))


async def test_it_is_kept_over_http_and_given_back(http, machine):
    async with GitLease(machine(http), "production", "ada", HandClock()):
        assert GitLease.look(machine(http), "production").owner == "ada"
        assert record(http)["owner"] == "ada"
    assert http.ref(REF) == ""


async def test_environments_do_not_wait_for_each_other(remote, machine):
    async with (
        GitLease(machine(remote), "production", "ada", HandClock()),
        GitLease(machine(remote), "staging", "bob", HandClock(), patience=0),
    ):
        assert GitLease.look(machine(remote), "staging").owner == "bob"


async def test_one_of_many_has_the_lease(remote, machine):
    inside, order = [], []

    async def work(owner, repository):
        async with GitLease(repository, "production", owner, QuickClock(), seconds=3600, patience=10**6) as lease:
            inside.append(owner)
            assert [owner] == inside
            await lease.confirm()
            assert [owner] == inside
            order.append(inside.pop())

    repositories = [machine(remote) for _ in range(3)]
    await asyncio.gather(*(work(f"run{number}", each) for number, each in enumerate(repositories)))
    assert {"run0", "run1", "run2"} == set(order)


async def test_two_runs_of_one_owner_are_two(remote, machine):
    repository = machine(remote)
    async with GitLease(repository, "production", "ada", HandClock()):
        with pytest.raises(LeaseHeld):
            async with GitLease(repository, "production", "ada", HandClock(), patience=0):
                pass
        assert remote.ref(REF)


async def test_a_failure_inside_gives_it_back(remote, machine):
    with pytest.raises(ZeroDivisionError):
        async with GitLease(machine(remote), "production", "ada", HandClock()):
            _ = 1 / 0
    assert remote.ref(REF) == ""


async def test_a_cancelled_run_gives_it_back(remote, machine):
    taken = asyncio.Event()

    async def run():
        async with GitLease(machine(remote), "production", "ada", HandClock()):
            taken.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(run())
    await taken.wait()
    task.cancel()
    await asyncio.sleep(0)
    task.cancel()  # once more, while it gives it back
    with pytest.raises(asyncio.CancelledError):
        await task
    assert remote.ref(REF) == ""


async def test_a_run_cancelled_while_taking_leaves_nothing(http, machine):
    repository = machine(http)
    http.holds = "/git-receive-pack"
    http.gate.clear()

    async def run():
        async with GitLease(repository, "production", "ada", HandClock()):
            raise AssertionError("it was cancelled before")

    task = asyncio.create_task(run())
    await asyncio.to_thread(eventually, lambda: http.waiting, "its push")
    task.cancel()
    await asyncio.sleep(0)
    http.gate.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert http.ref(REF) == ""


def test_a_terminated_process_gives_it_back(remote, machine):
    root = machine(remote).root
    code = f"""
import asyncio, signal
from pathlib import Path
from reconciler.providers.clock import SystemClock
from reconciler.providers.git.repository import Repository
from reconciler.providers.git.lease import GitLease

async def run():
    task = asyncio.current_task()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    async with GitLease(Repository.containing(Path({str(root)!r})), "production", "ada", SystemClock()):
        print("taken", flush=True)
        await asyncio.Event().wait()

try:
    asyncio.run(run())
except asyncio.CancelledError:
    print("ended")
"""
    with subprocess.Popen([sys.executable, "-c", code], env=git_environment(), stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"taken\n"
        assert remote.ref(REF)
        process.send_signal(signal.SIGTERM)
        assert process.communicate()[0] == b"ended\n"
    assert remote.ref(REF) == ""


# Somebody else's.


async def test_a_held_lease_names_its_owner(remote, machine):
    repository, told = machine(remote), []
    async with GitLease(repository, "production", "ada on laptop", HandClock(), run="https://run/1"):
        with pytest.raises(LeaseHeld) as caught:
            async with GitLease(
                machine(remote),
                "production",
                "bob",
                QuickClock(),
                patience=40,
                waiting=lambda state, seconds: told.append((state.owner, seconds)),
            ):
                pass
    assert [("ada on laptop", 40)] == told
    for part in ("ada on laptop", "production", "since 2026-11-21T09:55:00.000Z", "until 2026-11-21T09:56:00.000Z"):
        assert part in caught.value.message
    assert "https://run/1" in caught.value.message
    assert "60 s" in caught.value.hint


async def test_an_unrenewed_lease_is_taken_over(remote, machine):
    repository, clock = machine(remote), QuickClock()
    left_behind(repository, remote, expires_in=10**6)
    async with GitLease(repository, "production", "bob", clock):
        assert record(remote)["owner"] == "bob"
    assert clock.elapsed() >= 60


async def test_a_long_expired_lease_is_taken_over(remote, machine):
    repository, clock = machine(remote), QuickClock(BEGIN.before(-timedelta(seconds=361)))
    left_behind(repository, remote)
    async with GitLease(repository, "production", "bob", clock, patience=0):
        assert (0, "bob") == (clock.slept, record(remote)["owner"])


async def test_clock_differences_are_allowed_for(remote, machine):
    repository = machine(remote)
    before = left_behind(repository, remote)
    with pytest.raises(LeaseHeld):
        async with GitLease(
            repository, "production", "bob", QuickClock(BEGIN.before(-timedelta(seconds=359))), patience=0
        ):
            pass
    assert before == remote.ref(REF)


async def test_a_renewed_lease_is_never_dead(remote, machine):
    repository, owner = machine(remote), machine(remote)
    left_behind(owner, remote, seconds=20)
    renewals = iter(range(100))

    class RenewingClock(QuickClock):
        """At every sleep of the one that waits, somebody renews."""

        async def sleep(self, seconds):
            left_behind_again(owner, remote, next(renewals))
            await super().sleep(seconds)

    with pytest.raises(LeaseHeld):
        async with GitLease(repository, "production", "bob", RenewingClock(), patience=50):
            pass


def left_behind_again(repository, remote, number):
    git(repository.root, "push", "--quiet", "origin", f":{REF}")
    line = Record(LeaseState("production", "ada", BEGIN, BEGIN, ""), "nonce", number + 2, 20.0).line
    left_behind(repository, remote, line=line)


@pytest.mark.parametrize("line", ["rubbish", '{"version":2}'])
async def test_an_unreadable_lease_counts_as_held(remote, machine, line):
    repository, clock = machine(remote), QuickClock(BEGIN.before(-timedelta(days=1)))
    left_behind(repository, remote, line=line)
    assert "cannot be read" in GitLease.look(repository, "production").owner
    with pytest.raises(LeaseHeld, match="cannot be read"):
        async with GitLease(repository, "production", "bob", clock, patience=299):
            pass
    async with GitLease(repository, "production", "bob", clock, patience=301):
        assert record(remote)["owner"] == "bob"


async def test_a_ref_without_commit_counts_as_held(remote, machine):
    repository = machine(remote)
    blob = git(remote.path, "hash-object", "-w", "--stdin", given=b"what is this?")
    git(remote.path, "update-ref", REF, blob)
    assert "cannot be read" in GitLease.look(repository, "production").owner


# Keeping it.


async def test_it_is_renewed_after_a_third(remote, machine):
    clock = HandClock()
    async with GitLease(machine(remote), "production", "ada", clock) as lease:
        before = remote.ref(REF)
        await clock.asleep.wait()
        clock.pass_by(20)
        await changed(remote, before)
        assert ("2026-11-21T09:56:20.000Z", "2026-11-21T09:55:00.000Z") == (
            record(remote)["expires_at"],
            record(remote)["taken_at"],
        )
        await lease.confirm()
    assert remote.ref(REF) == ""


@pytest.mark.parametrize("clocks", [{"moment": 0}, {"elapsed": 0}, {}])
async def test_a_run_that_slept_notices_its_loss(remote, machine, clocks):
    """By whichever clock went on: a machine that sleeps stops the one, and the other may be set back."""
    repository, clock = machine(remote), HandClock()
    async with GitLease(repository, "production", "ada", clock) as lease:
        git(repository.root, "push", "--quiet", "origin", f":{REF}")
        theirs = left_behind(machine(remote), remote)
        clock.pass_by(3600, **clocks)
        for _ in range(2):
            with pytest.raises(LeaseLost, match="ada on laptop took it at 2026-11-21T09:55:00"):
                await lease.confirm()
    assert theirs == remote.ref(REF)


async def test_a_run_that_slept_unreplaced_continues(remote, machine):
    clock = HandClock()
    async with GitLease(machine(remote), "production", "ada", clock) as lease:
        clock.pass_by(3600)
        await lease.confirm()
        assert record(remote)["expires_at"] == "2026-11-21T10:56:00.000Z"


async def test_a_lease_that_somebody_deleted_is_lost(remote, machine):
    repository, clock = machine(remote), HandClock()
    async with GitLease(repository, "production", "ada", clock) as lease:
        git(remote.path, "update-ref", "-d", REF)
        clock.pass_by(21)
        with pytest.raises(LeaseLost, match="was deleted"):
            await lease.confirm()
    assert remote.ref(REF) == ""


async def test_it_holds_only_briefly_without_the_remote(remote, machine):
    clock = HandClock()
    async with GitLease(machine(remote), "production", "ada", clock) as lease:
        remote.path.rename(remote.path.with_name("down.git"))
        clock.pass_by(39)
        await lease.confirm()
        clock.pass_by(2)
        with pytest.raises(LeaseLost, match="could not be renewed for 41 s"):
            await lease.confirm()
        remote.path.with_name("down.git").rename(remote.path)
        await lease.confirm()
    assert remote.ref(REF) == ""


async def test_lost_answers_do_not_matter(http, machine):
    clock = HandClock()
    http.drop_answers = 1
    async with GitLease(machine(http), "production", "ada", clock) as lease:
        assert (0, "ada") == (http.drop_answers, record(http)["owner"])
        http.drop_answers = 1
        clock.pass_by(21)
        await lease.confirm()
        assert (0, 2) == (http.drop_answers, record(http)["renewal"])
        http.drop_answers = 1
    assert (0, "") == (http.drop_answers, http.ref(REF))


# Remotes that do not play along.


async def test_a_forbidden_ref_names_the_way_out(remote, machine):
    remote.refuse_pushes("GH013: Repository rule violations", "refs/reconciler/*")
    with pytest.raises(RemoteRefused, match="GH013") as caught:
        async with GitLease(machine(remote), "production", "ada", HandClock()):
            pass
    assert REF in caught.value.message
    assert "reconciler apply production --without-lease" in caught.value.hint


async def test_a_remote_outage_names_the_way_out(remote, machine):
    repository = machine(remote)
    remote.path.rename(remote.path.with_name("down.git"))
    with pytest.raises(RemoteUnreachable) as caught:
        async with GitLease(repository, "production", "ada", HandClock()):
            pass
    assert "--without-lease" in caught.value.hint


async def test_without_a_remote_there_is_no_lease(remote, machine):
    root = machine(remote).root
    repository = Repository.containing(root, git_environment(RECONCILER_REMOTE=""))
    assert GitLease.look(repository, "production") is None
    with pytest.raises(GitError, match="has no remote"):
        async with GitLease(repository, "production", "ada", HandClock()):
            pass


# What stands in it.


@given(st.text(), st.text(), st.integers(0, 10**9), st.integers(0, 2**40))
def test_a_record_is_read_as_written(owner, run, renewal, at):
    state = LeaseState("production", owner, Instant(at), Instant(at + 1), run)
    line = Record(state, "nonce", renewal, 60.0).line
    read = Record.parse(line, "production", "id")
    assert line.isascii()
    assert (Instant(at), Instant(at + 1), renewal, True) == (
        read.state.taken_at,
        read.state.expires_at,
        read.renewal,
        read.readable,
    )
    assert read.state.owner.isprintable()
    assert read.state.owner == "".join(filter(str.isprintable, owner))[:300]


@given(st.text() | st.from_regex(r'\{"version":1,"seconds":(NaN|1e999|"x"|true),"renewal":[^,]*\}'))
def test_what_is_no_record_is_somebody_s(text):
    assert not Record.parse(text, "production", "id").readable
