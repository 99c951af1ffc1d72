"""Runs a sandbox as a process: in the foreground, in the background, or around a command.

Whatever signal ends it, nothing is left behind: the sandbox stops its servers and removes its directory, and after a
SIGKILL the cleanup process does.
"""

import argparse
import asyncio
import contextlib
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from reconciler.sandbox import pid_file
from reconciler.sandbox.pid_file import PidFileError
from reconciler.sandbox.postgres.installation import PostgresMissing
from reconciler.sandbox.server import Sandbox
from reconciler.sandbox.storage import StorageError
from reconciler.sandbox.workspace import WorkspaceError

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
NOT_FOUND, NOT_EXECUTABLE, SIGNALLED = 127, 126, 128
# What a command tries on a sandbox must leave no lease and no receipt on the team's Git remote.
_ALONE = {"RECONCILER_REMOTE": ""}
# What starting a sandbox may raise for reasons that the user can fix.
SANDBOX_ERRORS = (PostgresMissing, PidFileError, RuntimeError, StorageError, WorkspaceError, OSError)


class SandboxFailed(Exception):
    """The sandbox could not be started, stopped or used; the text is one sentence for the user."""


@dataclass(frozen=True)
class Options:
    """How to start a sandbox. Without a directory, in a temporary one; port 0 means any free port."""

    directory: Path | None = None
    port: int = 0
    empty: bool = False
    verbose: bool = False
    postgres: bool = True

    def arguments(self) -> list[str]:
        """Return the options as arguments of this module, for the background."""
        directory = ["--dir", str(self.directory.absolute())] if self.directory else []
        given = {"--empty": self.empty, "--verbose": self.verbose, "--without-postgres": not self.postgres}
        return [*directory, "--port", str(self.port), *(flag for flag, wanted in given.items() if wanted)]


def up(options: Options, *, background: bool = False) -> None:
    """Run a sandbox until a signal stops it; print its variables when it is ready. Raises SandboxFailed.

    In the background, it closes standard output and error once it is ready.
    """
    asyncio.run(_up(options, background=background))


def up_detached(options: Options) -> str:
    """Start a sandbox in its own process; return its variables as text when it is ready. Raises SandboxFailed."""
    process = subprocess.Popen(  # noqa: S603 - this program
        [sys.executable, "-m", "reconciler.sandbox.process", *options.arguments()],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        # both end when the sandbox is ready and closes them, or dies; its output before that is short
        variables, errors = _read(process.stdout), _read(process.stderr)
    except BaseException:
        process.terminate()
        process.wait()
        raise
    if variables:
        process.returncode = 0  # it runs on by itself: Python need not warn that it was left running
        return variables
    process.wait()
    raise SandboxFailed(errors.strip() or f"the sandbox ended with status {process.returncode}")


def down(directory: Path | None) -> int:
    """Stop the running sandbox, wait for its end, and return its process id. Raises SandboxFailed."""
    path = pid_file.path_of(directory)
    try:
        process = pid_file.running(path)
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, signal.SIGTERM)
        asyncio.run(pid_file.ended(path))
    except PidFileError as error:
        raise SandboxFailed(str(error)) from error
    return process


def execute(command: Sequence[str], options: Options) -> int:
    """Run a command against a fresh sandbox; return its status as a shell would. Raises SandboxFailed."""
    return asyncio.run(_execute(command, options))


def exports(environment: dict[str, str]) -> str:
    """Return variables as lines that a shell can evaluate."""
    return "".join(f"export {name}={shlex.quote(value)}\n" for name, value in environment.items())


def _read(stream: IO[str] | None) -> str:
    if stream is None:
        return ""
    with stream:
        return stream.read()


async def _up(options: Options, *, background: bool) -> None:
    async with _signals() as arrived:
        try:
            pid = pid_file.take(pid_file.path_of(options.directory))
        except PidFileError as error:
            raise SandboxFailed(str(error)) from error
        try:
            async with _sandbox(options, arrived) as sandbox:
                if sandbox is not None:
                    await _serve(sandbox, arrived, background=background)
        finally:
            pid.remove()


async def _serve(sandbox: Sandbox, arrived: "Signals", *, background: bool) -> None:
    printed = _print(exports(sandbox.environment))
    if background:
        if not printed:
            return  # the process that started it has ended
        _close_output()
    elif printed:
        sys.stderr.write(f"the sandbox is ready at {sandbox.url}; Ctrl-C stops it and removes everything\n")
    await arrived.get()


async def _execute(command: Sequence[str], options: Options) -> int:
    async with _signals() as arrived, _sandbox(options, arrived) as sandbox:
        if sandbox is None:
            return SIGNALLED + await arrived.get()
        try:
            process = await asyncio.create_subprocess_exec(*command, env=_ALONE | os.environ | sandbox.environment)
        except FileNotFoundError:
            sys.stderr.write(f"{command[0]}: command not found\n")
            return NOT_FOUND
        except OSError as error:
            sys.stderr.write(f"{command[0]}: {error.strerror}\n")
            return NOT_EXECUTABLE
        forwarding = asyncio.create_task(_forward(arrived, process))
        status = await process.wait()
        forwarding.cancel()
        await asyncio.gather(forwarding, return_exceptions=True)
        return status if status >= 0 else SIGNALLED - status


Signals = asyncio.Queue[signal.Signals]


@contextlib.asynccontextmanager
async def _signals() -> AsyncIterator[Signals]:
    """Collect the signals that end a process, instead of ending."""
    arrived: Signals = asyncio.Queue()
    loop = asyncio.get_running_loop()
    for number in ENDING:
        loop.add_signal_handler(number, arrived.put_nowait, number)
    try:
        yield arrived
    finally:
        for number in ENDING:
            loop.remove_signal_handler(number)


@contextlib.asynccontextmanager
async def _sandbox(options: Options, arrived: Signals) -> AsyncIterator[Sandbox | None]:
    """Yield a started sandbox and stop it at the end; None if a signal (left in `arrived`) came during the start."""
    sandbox = Sandbox(
        options.directory,
        port=options.port,
        empty=options.empty,
        verbose=options.verbose,
        postgres=options.postgres,
    )
    starting = asyncio.create_task(sandbox.start())
    signalled = asyncio.create_task(arrived.get())
    try:
        await asyncio.wait({starting, signalled}, return_when=asyncio.FIRST_COMPLETED)
        if signalled.done():
            arrived.put_nowait(signalled.result())
            starting.cancel()
            await asyncio.gather(starting, return_exceptions=True)
            yield None
            return
        signalled.cancel()
        await _started(starting)
        yield sandbox
    finally:
        await sandbox.stop()


async def _started(starting: "asyncio.Task[None]") -> None:
    try:
        await starting
    except SANDBOX_ERRORS as error:
        raise SandboxFailed(f"the sandbox did not start: {error}") from error


async def _forward(arrived: Signals, process: asyncio.subprocess.Process) -> None:
    while True:
        number = await arrived.get()
        if number is signal.SIGINT and _in_foreground():
            continue  # a Ctrl-C reaches the command anyway; a second one would abort many programs
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(number)


def _in_foreground() -> bool:
    try:
        return os.tcgetpgrp(sys.stdin.fileno()) == os.getpgrp()
    except (OSError, ValueError):
        return False


def _print(text: str) -> bool:
    """Print to standard output; return whether it was still open."""
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        _close(sys.stdout.fileno())
        return False
    return True


def _close_output() -> None:
    for descriptor in (sys.stdout.fileno(), sys.stderr.fileno()):
        _close(descriptor)


def _close(descriptor: int) -> None:
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, descriptor)
    os.close(nowhere)


def _main() -> int:
    """Run the background half of `up_detached`."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--dir", type=Path)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--empty", action="store_true")
    parser.add_argument("--verbose", action="store_true")
    parser.add_argument("--without-postgres", action="store_false", dest="postgres")
    arguments = parser.parse_args()
    options = Options(arguments.dir, arguments.port, arguments.empty, arguments.verbose, arguments.postgres)
    try:
        up(options, background=True)
    except SandboxFailed as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(_main())
