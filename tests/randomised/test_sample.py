"""A sample of the randomised run, which as a whole is a command of its own: `python -m tests.randomised`."""

import subprocess
import sys
from pathlib import Path

import pytest

from reconciler.engine import loop
from tests.exhaustive.mutations import MUTATIONS, Mutation, mutated

_ROOT = Path(__file__).parents[2]


def randomised(*arguments, root=_ROOT):
    """In a process of its own, as it lives on a time of its own."""
    command = [sys.executable, "-m", "tests.randomised", *arguments]
    return subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)


def test_a_sample_of_schedules_violates_nothing():
    said = randomised("--processes", "1", "--examples", "4", "--steps", "6")
    assert said.returncode == 0, said.stdout + said.stderr


@pytest.fixture
def broken(tmp_path):
    """A copy of the code in which a branch is promoted without its gates."""
    return mutated(next(each for each in MUTATIONS if each.name == "promote before gates"), tmp_path)


@pytest.mark.thorough
def test_a_schedule_that_violates_something_is_printed_as_a_script_that_does_so_again(broken, tmp_path):
    said = randomised("--processes", "1", "--examples", "30", "--steps", "6", "--smaller", "2", root=broken)
    assert said.returncode == 1, said.stdout + said.stderr
    _, _, rest = said.stdout.partition("violated:\n")
    violations, _, script = rest.partition("\n\n")
    assert "whose SQL gate was never asked" in violations
    file = tmp_path / "schedule.py"
    file.write_text(script)
    again = randomised("--replay", str(file), root=broken)
    assert again.returncode == 1, again.stdout + again.stderr
    assert again.stdout.partition("violated:\n")[2].split() == violations.split()
    assert randomised("--replay", str(file)).returncode == 0, "it violates something without the mutation too"


@pytest.fixture
def endless(tmp_path):
    """A copy of the code in which a run waits for ever, in one instant."""
    old = "        planned, observed = await self._begin(expect)\n"
    forever = "        while True:\n            await asyncio.sleep(0)\n"
    return mutated(Mutation("endless", loop, old, forever + old, "", ""), tmp_path)


def test_a_schedule_that_does_not_end_is_ended_and_printed_with_what_it_waits_for(endless):
    said = randomised("--processes", "1", "--examples", "1", "--steps", "1", "--smaller", "1", root=endless)
    assert said.returncode == 1, said.stdout + said.stderr
    violations, _, script = said.stdout.partition("violated:\n")[2].partition("\n\n")
    assert "it does not end: Runner._run:" in violations
    assert "Apply._run:" in violations
    assert "    Settle(),\n]" in script
