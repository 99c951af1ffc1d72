"""Running `reconciler sandbox` as a process, in a place where nothing may be left."""

import os
import re
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path

from tests.support.memory import memory
from tests.support.plain_words import PROGRAM, run_program

_SECONDS = 30


@contextmanager
def temporary_place():
    """A directory for temporary files that every user may enter; at the end nothing is left in it."""
    directory = Path(f"{memory() or '/tmp'}/reconciler-test-{os.getpid()}-{time.monotonic_ns()}")
    directory.mkdir()
    directory.chmod(0o777)
    yield directory
    wait_until(lambda: not processes_of(directory))
    assert ([], []) == (processes_of(directory), sorted(path.name for path in directory.iterdir()))
    directory.rmdir()


def wait_until(holds):
    """Wait until a condition on processes or files holds, for some seconds."""
    deadline = time.monotonic() + _SECONDS
    while not holds() and time.monotonic() < deadline:
        time.sleep(0.02)


def processes_of(directory):
    """Return the command lines of the processes that name a directory."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if str(directory) in command and int(path.parent.name) != os.getpid():
            found.append(command)
    return found


def run(place, *arguments):
    return run_program("sandbox", *arguments, env=os.environ | {"TMPDIR": str(place)}, timeout=30)


def begin(place, *arguments, stdout=subprocess.PIPE):
    command, environment = [*PROGRAM, "sandbox", *arguments], os.environ | {"TMPDIR": str(place)}
    return subprocess.Popen(command, env=environment, stdout=stdout, stderr=subprocess.PIPE, text=True)


def variables(lines):
    return dict(re.fullmatch(r"export (\w+)=(.*)", line).groups() for line in lines)


def printed_variables(process):
    """Return the variables that a sandbox prints when it is ready."""
    return variables(process.stdout.readline().strip() for _ in range(5))
