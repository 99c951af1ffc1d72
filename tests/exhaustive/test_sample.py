"""A sample of the exhaustive run, which as a whole is a command of its own: `python -m tests.exhaustive`."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.exhaustive.campaign import is_told, sample


def test_a_sample_of_all_trials_violates_nothing():
    """In a process of its own, as it lives on a time of its own; through httpx's own transport."""
    command = [sys.executable, "-m", "tests.exhaustive", "--processes", "1", "--whole", "--whole-httpx"]
    command += ["--scenario", "first restore, rebind", "--every", "40"]
    root = Path(__file__).parents[2]
    said = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stdout + said.stderr
    assert " 0 violations" in said.stdout


def test_a_sample_has_every_fault_of_every_scenario():
    trials = [(scenario, fault, number) for scenario in "ab" for fault in "cdef" for number in range(1, 6)]
    kept = sample(trials, 4)
    assert {each[:2] for each in trials} == {each[:2] for each in kept}
    assert {("a", number) for number in range(1, 6)} == {(each[0], each[2]) for each in kept if each[0] == "a"}
    assert kept == sample(list(reversed(trials)), 4)


def test_a_sample_of_one_in_one_is_everything():
    assert [("a", "b", 1), ("a", "b", 2)] == sample([("a", "b", 2), ("a", "b", 1)], 1)


@pytest.mark.parametrize(("trials", "at_once", "most"), [(17_575, 40, 20), (16, 40, 1), (41, 40, 2), (20, 1, 20)])
def test_how_far_the_trials_are_is_said_twenty_times_at_most_and_at_the_end(trials, at_once, most):
    reached = [min(start + at_once, trials) for start in range(0, trials, at_once)]
    told = [now for before, now in zip([0, *reached], reached, strict=False) if is_told(before, now, trials)]
    assert (most, trials) == (len(told), told[-1])
