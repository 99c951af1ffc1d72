"""One running PostgreSQL server, as a child process of the sandbox.

`postgres` is started directly rather than by pg_ctl, so its process id and its end are known. The server reports on
standard error that it is ready, so nothing is polled.
"""

import asyncio
import contextlib
import os
import signal
import subprocess
from collections import deque
from pathlib import Path

from reconciler.sandbox.postgres.installation import Installation, environment
from reconciler.sandbox.storage import StorageError

_READY = b"database system is ready to accept connections"
_LAST_LINES = 40


class ServerProcess:
    """A running server. Make one with `start`."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._lines: deque[bytes] = deque(maxlen=_LAST_LINES)
        self._ready = asyncio.Event()
        self._reader = asyncio.create_task(self._read())

    @classmethod
    async def start(cls, installation: Installation, directory: Path, settings: dict[str, str]) -> "ServerProcess":
        """Start a server on a data directory and wait until it takes connections. Raises StorageError."""
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        process = await asyncio.create_subprocess_exec(
            installation.program("postgres"),
            "-D",
            str(directory),
            *options,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            cwd="/",
            umask=0o077,
            start_new_session=True,  # a Ctrl-C at the terminal is for the sandbox, which stops its servers
            env=environment(),
            **installation.identity(),
        )
        server = cls(process)
        try:
            await server.until_ready()
        except BaseException:
            await server.stop(signal.SIGQUIT)
            raise
        return server

    @property
    def running(self) -> bool:
        """Whether the process still exists."""
        return self._process.returncode is None and not self._reader.done()

    async def until_ready(self) -> None:
        """Wait until the server takes connections for reading and writing. Raises StorageError when it ends first."""
        ready = asyncio.create_task(self._ready.wait())
        try:
            await asyncio.wait({ready, self._reader}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            ready.cancel()
        if not self._ready.is_set():
            raise StorageError(f"PostgreSQL did not start: {self.last_words()}")

    def last_words(self) -> str:
        """Return the errors among the last lines of output, or all of these lines if there is no error."""
        lines = [line.decode(errors="replace").strip() for line in self._lines]
        errors = [line for line in lines if any(word in line for word in ("FATAL:", "PANIC:", "ERROR:"))]
        return " | ".join(errors or lines)

    async def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """Stop the server and wait for its end: SIGINT saves everything first, SIGQUIT nothing."""
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._process.pid, how)  # asyncio's own method could reap a server that has just ended
        await self._process.wait()
        await self._reader

    async def _read(self) -> None:
        stream = self._process.stderr
        if stream is None:
            return
        while line := await stream.readline():
            self._lines.append(line)
            if _READY in line:
                self._ready.set()
