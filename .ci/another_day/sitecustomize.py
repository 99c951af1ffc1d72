"""Make `time.sleep` work where libfaketime leaves the monotonic clock alone.

Python sleeps until a moment of the monotonic clock, and libfaketime 0.9.10 takes that moment for a shifted one.
"""

import select
import time


def _sleep(seconds: float) -> None:
    if seconds < 0:
        raise ValueError("sleep length must be non-negative")
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        select.select([], [], [], left)


time.sleep = _sleep
