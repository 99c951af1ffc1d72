"""Whatever ends an apply, and whenever: it leaves a receipt and no lease, and says how to go on."""

import signal
from datetime import timedelta

import click
import pytest

from reconciler.cli.options.duration import Duration
from reconciler.core.records.receipt import Result
from tests.cli.test_apply_in_git import LEASE, asking, leave_lease
from tests.support.database import DAMAGED
from tests.support.receipts import receipts
from tests.support.waiting import eventually

CREATE = "POST /projects/[^/]+/branches"
LONG = 60_000


@pytest.fixture
def desk(production, tmp_path):
    return asking(production, tmp_path)


def until(condition, running, what):
    """Wait for a condition, or for an end that comes too early and is said then."""
    eventually(lambda: condition() or running.ended, what)
    assert not running.ended, running.wait().stderr


def ended_in_order(desk, said):
    assert said.status == 130
    assert "run the same command again" in said.stderr
    assert desk.remote.ref(LEASE) == ""


def test_a_signal_leaves_a_receipt_and_no_lease(desk, command, production):
    """By SIGHUP, which a terminal sends that is closed."""
    production.sandbox.latency({CREATE: LONG})
    running = command.start(desk, "apply")
    until(production.sandbox.writes, running, "the first write")
    running.send(signal.SIGHUP)
    said = running.wait()
    ended_in_order(desk, said)
    assert "interrupted (under way: " in said.stderr
    assert "origin was live at the last look" in said.stderr
    [(_, receipt)] = receipts(desk.remote.path)
    assert receipt.result is Result.INTERRUPTED


def test_a_signal_during_the_wait_changes_nothing(desk, command, production):
    leave_lease(desk, seconds=600.0)
    theirs = desk.remote.ref(LEASE)
    running = command.start(desk, "apply")
    until(lambda: "at work on production" in running.said_so_far(), running, "the wait for the lease")
    running.send(signal.SIGINT)
    said = running.wait()
    assert (said.status, desk.remote.ref(LEASE)) == (130, theirs)
    assert "run the same command again" in said.stderr
    assert production.sandbox.writes() == []
    assert receipts(desk.remote.path) == []


def test_only_a_third_signal_ends_at_once(desk, command, tmp_path):
    gate, there = tmp_path / "gate", tmp_path / "there"
    desk.before_push(f'case "$(cat)" in *refs/notes/*) touch {there}; until [ -e {gate} ]; do sleep 0.05; done;; esac')

    def interrupted_twice():
        running = command.start(desk, "apply", "--expect", "0123456789abcdef")
        until(there.exists, running, "the push of the receipt")
        running.send(signal.SIGINT)
        running.send(signal.SIGTERM)
        until(lambda: "still ending" in running.said_so_far(), running, "the answer to the second signal")
        return running

    running = interrupted_twice()
    gate.touch()
    ended_in_order(desk, running.wait())
    assert len(receipts(desk.remote.path)) == 1

    for each in (gate, there):
        each.unlink()
    running = interrupted_twice()
    running.send(signal.SIGINT)
    assert running.wait().status == 130
    assert not gate.exists(), "it was still waited for"
    gate.touch()


def test_a_deadline_ends_an_apply_in_order(desk, command, production):
    production.sandbox.latency({CREATE: LONG})
    said = command(desk, "apply", "--deadline", "3s")
    assert said.status == 1
    assert "not done after 3.0 s, the deadline of this apply (under way: " in said.stderr
    assert "live now: origin" in said.stderr
    assert "--deadline" in said.stderr
    assert desk.remote.ref(LEASE) == ""
    [(_, receipt)] = receipts(desk.remote.path)
    assert (receipt.result, receipt.after) == (Result.FAILED, "origin")
    assert production.rows() == DAMAGED


@pytest.mark.parametrize("text", ["0s", "30", "5 m", "1d", "-1s", "1234567s"])
def test_a_deadline_must_be_a_duration(text):
    with pytest.raises(click.BadParameter, match="is not a duration: write 90s, 30m or 2h"):
        Duration().convert(text, None, None)


def test_a_deadline_is_seconds_minutes_or_hours():
    found = [Duration().convert(text, None, None) for text in ("90s", "30m", "2h")]
    assert found == [timedelta(seconds=90), timedelta(minutes=30), timedelta(hours=2)]
    assert Duration().convert(found[0], None, None) == found[0]
