"""A sample of the exhaustive run, which as a whole is a command of its own: `python -m tests.exhaustive`."""

import os
import subprocess
import sys
from pathlib import Path

_SEED, _TRIALS = "961", "16"


def test_a_sample_of_all_trials_violates_nothing():
    """In a process of its own, as it lives on a time of its own; through httpx's own transport."""
    command = [sys.executable, "-m", "tests.exhaustive", "--processes", "1", "--whole", "--whole-httpx"]
    command += ["--scenario", "first restore, rebind", "--sample", _TRIALS, "--seed", os.environ.get("SEED", _SEED)]
    root = Path(__file__).parents[2]
    said = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stdout + said.stderr
    assert " 0 violations" in said.stdout
