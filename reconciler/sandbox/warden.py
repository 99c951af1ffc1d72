"""Cleans up after a sandbox that could not: run as a script, beside every sandbox, in a session of its own.

It reads its standard input, which ends when the sandbox does, however that happens. Then it ends the PostgreSQL servers
and Workers that have left their process id in one of the directories in its arguments, and removes the directories.
After a sandbox that stopped in good order it finds nothing. Standard library only: it must start in an instant.
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
    """End the server that has left this file, which it removes as the last thing it does."""
    try:
        server = int(file.read_text().split("\n", 1)[0])
        os.kill(server, signal.SIGQUIT)
        deadline = time.monotonic() + PATIENCE_SECONDS
        while file.exists() and time.monotonic() < deadline:
            time.sleep(0.01)  # nothing tells a process that one which is not its child has ended
        if file.exists():
            os.kill(server, signal.SIGKILL)
    except (OSError, ValueError):
        return  # it has ended meanwhile


def _kill(file: Path) -> None:
    """Kill the process that has left this file: a Worker keeps nothing."""
    try:
        os.kill(int(file.read_text()), signal.SIGKILL)
    except (OSError, ValueError):
        return  # it has ended meanwhile


def _remove(directory: Path) -> None:
    """Remove a directory, again while a program that the sandbox had started still writes into it."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    shutil.rmtree(directory, ignore_errors=True)
    while directory.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
        shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    main()
