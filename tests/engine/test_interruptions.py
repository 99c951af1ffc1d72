"""A run may end at any moment, by any signal, and two may run at once: the next run goes on from what is there."""

import signal

import pytest

from tests.support.database import DAMAGED, GOOD
from tests.support.sandbox_process import exactly
from tests.support.shops import PRIMARY
from tests.support.waiting import eventually

_WRITES = 8


@pytest.mark.thorough
def test_a_run_that_is_killed_after_every_single_write_still_gets_there(production, command, web):
    """Nine runs: each is killed when one more write has been answered, before it can look what came of it."""
    _ask_with_gates(production, web)
    states = []
    for number in range(1, _WRITES + 1):
        production.sandbox.latency({**_slow_look(production), "OPERATION create_branch": 500})
        running = command.start(production, "apply")
        _wait_for_answers(production, running, number)
        assert running.kill().status == -signal.SIGKILL
        assert len(production.sandbox.writes()) == number, "a write was repeated, or another came before the kill"
        states.append(production.branches())
    assert states[0][f"main.candidate.{production.timeline()}"]["current_state"] == "init"
    assert [PRIMARY in state for state in states] == [True, True, True, True, True, False, True, True]
    production.sandbox.calm()
    _finish(production, command)
    assert len(production.sandbox.writes()) == _WRITES


@pytest.mark.thorough
def test_in_place_what_was_unprotected_overwritten_or_not_restarted_when_a_run_died_is_finished_by_the_next(
    make_production, command
):
    """Killed right after the primary was unprotected, after it was restored, and before its pool is restarted."""
    production = make_production(protected=True)
    production.desired["primary"]["method"] = "in-place"
    production.ask(production.shop.good)
    production.sandbox.forget_requests()
    protected = []
    for number in (2, 3, 4):
        production.sandbox.latency(_slow_look(production))
        running = command.start(production, "apply")
        _wait_for_answers(production, running, number)
        assert running.kill().status == -signal.SIGKILL
        eventually(production.is_idle, "the end of what Neon was doing")
        assert len(production.sandbox.writes()) == number
        protected.append(production.branch(PRIMARY)["protected"])
    assert protected == [False, False, True]
    production.sandbox.calm()
    said = command(production, "apply")
    assert said.status == 0, said.stderr
    production.check_live(GOOD)
    held = f"main.held.origin.before.{production.timeline()}.in-place"
    assert {PRIMARY, held} == set(production.branches())
    assert production.branch(PRIMARY)["protected"]
    assert production.config(production.name)["restarted_on"]
    assert production.rows_on_held(held) == DAMAGED
    production.check_in_sync()


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
def test_a_write_that_is_served_only_after_its_sender_was_killed_changes_nothing(
    production, command, web, method, path, nth
):
    """The write is on its way while the next run looks, and lands in the middle of it."""
    _ask_with_gates(production, web)
    production.sandbox.fault("delay:900", method, path, nth=nth)
    running = command.start(production, "apply")
    eventually(lambda: _unanswered_write(production, running), "the write on its way")
    assert running.kill().status == -signal.SIGKILL
    _finish(production, command)
    eventually(lambda: all(each.status is not None for each in production.sandbox.writes()), "the late write")
    production.check_live(GOOD)
    production.check_in_sync()


@pytest.mark.parametrize("number", [pytest.param(signal.SIGTERM, marks=pytest.mark.thorough), signal.SIGINT])
def test_a_signal_ends_the_run_at_once_with_a_sentence_and_the_next_run_goes_on(production, command, number):
    production.ask(production.shop.good)
    production.sandbox.latency({"OPERATION create_branch": 3000})
    running = command.start(production, "apply")
    _wait_for_answers(production, running, 1)
    running.send(number)
    said = running.wait()
    assert not production.is_idle(), "the run went on until Neon had finished"
    assert said.status == 130
    assert "run the same command again" in said.stderr
    assert "Error" not in said.stderr
    assert said.stdout == ""
    production.sandbox.calm()
    _finish(production, command)


@pytest.mark.thorough
@pytest.mark.parametrize("write", ["restore", "undo"])
def test_two_runs_at_once_both_end_and_make_one_of_each(production, command, write):
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


def _ask_with_gates(production, web):
    production.verify(sql=[("select true", True)], http=[web.url])
    production.ask(production.shop.good)
    production.sandbox.forget_requests()


def _slow_look(production):
    """Make every look take so long that there is time to end a run before its next write."""
    return {f"GET {exactly(f'/api/v2/projects/{production.project}/branches')}": 300}


def _wait_for_answers(production, running, number):
    def answered():
        assert not running.ended, running.wait().stderr
        return len([each for each in production.sandbox.writes() if each.status is not None]) >= number

    eventually(answered, f"the answer of write {number}")


def _unanswered_write(production, running):
    assert not running.ended, running.wait().stderr
    return [each for each in production.sandbox.writes() if each.status is None and each.method != "GET"]


def _finish(production, command):
    said = command(production, "apply")
    assert said.status == 0, said.stderr
    production.check_live(GOOD)
    assert production.timeline_branches(production.timeline()) == [PRIMARY]
    assert len(production.branches()) == len(production.own_configs()) == 2
