"""Runs that are killed at any moment, and two runs at once: the next run goes on from what is there."""

import signal

import pytest

from tests.support.database import DAMAGED, GOOD
from tests.support.sandbox_process import exactly
from tests.support.shops import PRIMARY
from tests.support.waiting import eventually

_WRITES = 8


@pytest.fixture
def gated(production, web):
    """A production that is asked for a restore, with gates."""
    production.verify(sql=[("select true", True)], http=[web.url])
    production.ask(production.shop.good)
    production.sandbox.forget_requests()
    return production


def finish(production, command):
    said = command(production, "apply")
    assert said.status == 0, said.stderr
    production.check_live(GOOD)
    assert production.timeline_branches(production.timeline()) == [PRIMARY]
    assert len(production.branches()) == len(production.own_configs()) == 2


def wait_for_answers(production, running, number):
    def answered():
        assert not running.ended, running.wait().stderr
        return len([each for each in production.sandbox.writes() if each.status is not None]) >= number

    eventually(answered, f"the answer of write {number}")


def kill(running):
    assert running.kill().status == -signal.SIGKILL


@pytest.mark.thorough
def test_a_run_killed_after_every_write_is_finished(gated, command):
    """Each of eight runs is killed when one more write has been answered, before it can look what came of it."""
    slow_look = {f"GET {exactly(f'/api/v2/projects/{gated.project}/branches')}": 300}
    states = []
    for number in range(1, _WRITES + 1):
        gated.sandbox.latency({**slow_look, "OPERATION create_branch": 500})
        running = command.start(gated, "apply")
        wait_for_answers(gated, running, number)
        kill(running)
        assert len(gated.sandbox.writes()) == number, "a write was repeated, or another came before the kill"
        states.append(gated.branches())
    assert states[0][f"main.candidate.{gated.timeline()}"]["current_state"] == "init"
    assert [PRIMARY in state for state in states] == [True, True, True, True, True, False, True, True]
    gated.sandbox.calm()
    finish(gated, command)
    assert len(gated.sandbox.writes()) == _WRITES


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("method", "path", "nth"),
    [
        ("POST", "/branches$", 1),
        ("POST", "/hyperdrive/configs$", 1),
        ("POST", "/deployments$", 2),
        ("PATCH", "/branches/", 1),
    ],
    ids=["branch", "config", "switch", "rename"],
)
def test_a_write_served_after_its_sender_died_changes_nothing(gated, command, method, path, nth):
    """The write is on its way while the next run looks, and lands in the middle of it."""

    def unanswered():
        assert not running.ended, running.wait().stderr
        return [each for each in gated.sandbox.writes() if each.status is None]

    gated.sandbox.fault("delay:900", method, path, nth=nth)
    running = command.start(gated, "apply")
    eventually(unanswered, "the write on its way")
    kill(running)
    finish(gated, command)
    eventually(lambda: all(each.status is not None for each in gated.sandbox.writes()), "the late write")
    gated.check_live(GOOD)
    gated.check_in_sync()


@pytest.mark.thorough
@pytest.mark.parametrize("write", ["restore", "undo"])
def test_two_runs_at_once_make_one_of_each(production, command, write):
    production.ask(production.shop.good)
    if write == "undo":
        production.apply()
        production.ask(None)
    both = [command.start(production, "apply") for _ in range(2)]
    for said in [running.wait() for running in both]:
        assert said.status == 0, said.stderr
    production.check_live(GOOD if write == "restore" else DAMAGED)
    assert len(production.branches()) == len(production.own_configs()) == 2
    production.check_in_sync()
