"""Waiting for a condition, never for a time."""

import time


def eventually(condition, what, seconds=30.0, pause=0.01):
    """Return the first true value of `condition`; fail, naming `what`, when none comes in time."""
    deadline = time.monotonic() + seconds
    while True:
        if value := condition():
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {seconds:.0f} s in vain for {what}")
        time.sleep(pause)
