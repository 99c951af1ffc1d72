"""Cleans up after a sandbox that could not do so itself. Runs as a script beside every sandbox, in its own session.

It reads its standard input, which ends when the sandbox ends, for whatever reason. Then it ends the PostgreSQL servers
and Workers that left their process id in the directories given as arguments, and removes the directories. After an
orderly stop it finds nothing. It uses the standard library only, to start at once.
"""

import os
import shutil
import signal
import sys
import time
from pathlib import Path

PATIENCE_SECONDS = 5.0


def main() -> None:
    """Wait for the end of the sandbox, and clean up."""
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    sys.stdin.buffer.read()
    directories = [Path(argument) for argument in sys.argv[1:]]
    for file in (file for directory in directories for file in directory.glob("**/workerd.pid")):
        _kill(file)
    files = [file for directory in directories for file in directory.glob("**/postmaster.pid")]
    for file in files:
        _end(file)
    for directory in directories:
        _remove(directory)


def _end(file: Path) -> None:
    """End the server of a process id file. Removing that file is the last thing the server does."""
    try:
        server = int(file.read_text().split("\n", 1)[0])
        os.kill(server, signal.SIGQUIT)
        deadline = time.monotonic() + PATIENCE_SECONDS
        while file.exists() and time.monotonic() < deadline:
            time.sleep(0.01)  # the system reports the end of child processes only, and the server is no child
        if file.exists():
            os.kill(server, signal.SIGKILL)
    except (OSError, ValueError):
        return  # it has ended already


def _kill(file: Path) -> None:
    """Kill the process of a process id file: a Worker has nothing to save."""
    try:
        os.kill(int(file.read_text()), signal.SIGKILL)
    except (OSError, ValueError):
        return  # it has ended already


def _remove(directory: Path) -> None:
    """Remove a directory; try again while a program started by the sandbox still writes into it."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    shutil.rmtree(directory, ignore_errors=True)
    while directory.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
        shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    main()
