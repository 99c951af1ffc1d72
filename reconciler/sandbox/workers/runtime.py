"""One running workerd, as a child process of the sandbox.

workerd reports its port on a descriptor when it is ready, so nothing is polled. Before it runs, its process id is
written beside its configuration, where the sandbox's cleanup process finds it.
"""

import asyncio
import contextlib
import json
import os
import shutil
import signal
import subprocess
from collections import deque
from collections.abc import Callable
from pathlib import Path

from reconciler.sandbox.workers.binary import Workerd
from reconciler.sandbox.workers.configuration import FILE_NAME, SOCKET_NAME, Configuration

PROCESS_ID_FILE = "workerd.pid"
_START_SECONDS = 20.0
_DRAIN_SECONDS = 5.0
_LAST_LINES = 20
_LONGEST_LINE = 1024 * 1024
_ADDRESSES = "stack: "  # of workerd's own code, after an exception that a Worker did not catch
_LAUNCH = 'echo $$ > "$1" && shift && exec "$@"'


class NotStarted(Exception):
    """workerd could not start or did not accept a version; the text is its output."""


class Runtime:
    """A workerd that serves one version at `port` on 127.0.0.1. Make one with `start`."""

    def __init__(self, process: asyncio.subprocess.Process, directory: Path, say: Callable[[str], None]) -> None:
        self.port = 0
        self._process = process
        self._directory = directory
        self._say = say
        self._lines: deque[str] = deque(maxlen=_LAST_LINES)
        self._reader = asyncio.create_task(self._read())

    @classmethod
    async def start(
        cls, workerd: Workerd, directory: Path, configuration: Configuration, say: Callable[[str], None]
    ) -> "Runtime":
        """Start workerd and wait until it is ready; `say` gets every line that the Worker prints. Raises NotStarted."""
        _write(directory, configuration)
        reading, writing = os.pipe()
        try:
            process = await _spawn(workerd, directory, writing)
        except OSError as error:
            os.close(reading)
            raise NotStarted(f"workerd could not be started: {error.strerror}") from error
        finally:
            os.close(writing)
        runtime = cls(process, directory, say)
        try:
            runtime.port = await _announced_port(reading)
        except BaseException:
            await runtime.kill()
            raise
        if not runtime.port:
            await runtime.kill()
            raise NotStarted(" | ".join(runtime._lines) or "workerd ended without output")
        return runtime

    @property
    def process_id(self) -> int:
        """The process."""
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether the process still exists."""
        return self._process.returncode is None and not self._reader.done()

    async def stop(self) -> None:
        """Stop in good order: work after the last answer may take some seconds."""
        self._send(signal.SIGTERM)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_DRAIN_SECONDS):
                await self._process.wait()
        await self.kill()

    async def kill(self) -> None:
        """Stop at once."""
        self._send(signal.SIGKILL)
        await self.ended()
        await asyncio.to_thread(shutil.rmtree, self._directory, ignore_errors=True)

    async def ended(self) -> None:
        """Wait for the end of the process."""
        await self._process.wait()
        await asyncio.wait({self._reader})

    def _send(self, number: signal.Signals) -> None:
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._process.pid, number)

    async def _read(self) -> None:
        stream = self._process.stdout
        while stream and not stream.at_eof():
            try:
                line = (await stream.readline()).decode(errors="replace").rstrip()
            except ValueError:
                line = f"(a line of more than {_LONGEST_LINE} bytes)"
            if line and not line.startswith(_ADDRESSES):
                self._lines.append(line)
                self._say(line)


def _write(directory: Path, configuration: Configuration) -> None:
    directory.mkdir(mode=0o700, parents=True)
    for name, content in configuration.files.items():
        (directory / name).write_bytes(content)


async def _spawn(workerd: Workerd, directory: Path, control: int) -> asyncio.subprocess.Process:
    options = ["--experimental", f"--control-fd={control}"]
    return await asyncio.create_subprocess_exec(
        "/bin/sh",
        "-c",
        _LAUNCH,
        "sh",
        directory / PROCESS_ID_FILE,
        workerd.program,
        "serve",
        *options,
        directory / FILE_NAME,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        cwd="/",
        limit=_LONGEST_LINE,
        pass_fds=[control],
        start_new_session=True,  # a Ctrl-C at the terminal is for the sandbox, which stops its Workers
        env={"PATH": os.environ.get("PATH", os.defpath), "TZ": "UTC"},
    )


async def _announced_port(descriptor: int) -> int:
    """Wait for workerd to report its port and return it; 0 if it ended instead. Raises NotStarted."""
    reader = asyncio.StreamReader()
    protocol = asyncio.StreamReaderProtocol(reader)
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(lambda: protocol, os.fdopen(descriptor, "rb"))
    try:
        async with asyncio.timeout(_START_SECONDS):
            while line := await reader.readline():
                said = json.loads(line)
                if said.get("event") == "listen" and said.get("socket") == SOCKET_NAME:
                    return int(said["port"])
    except TimeoutError:
        raise NotStarted(f"workerd did not serve within {_START_SECONDS:g} s") from None
    finally:
        transport.close()
    return 0
