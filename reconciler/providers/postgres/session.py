"""A session with a database through psql, which is wherever pg_dump is: in a container too.

Every answer is JSON, so that no name or value can be taken for something else; a line of its own ends it.
"""

import json
import secrets
import subprocess
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from queue import SimpleQueue
from typing import IO, Any

from reconciler.providers.postgres.place import Place, failure, running

# How values become text must not depend on who looks: the checksums are of text. Names are always shown with a schema.
SETTINGS = """
set client_min_messages = error; set client_encoding = 'UTF8'; set search_path = ''; set row_security = off;
set datestyle = 'ISO, YMD'; set intervalstyle = 'postgres'; set timezone = 'UTC'; set extra_float_digits = 3;
set bytea_output = 'hex'; set lc_monetary = 'C'; set statement_timeout = 0; set lock_timeout = 0;
set idle_in_transaction_session_timeout = 0; set max_parallel_workers_per_gather = 0;
"""


@dataclass(frozen=True, slots=True)
class Session:
    """One connection. What is sent is answered in order.

    Statements are written and answers are read by threads of their own: psql takes no more of the ones while nobody
    takes the others, and there may be a statement for each of thousands of tables.
    """

    place: Place
    process: subprocess.Popen[bytes]
    said: IO[bytes]
    mark: str
    writing: ThreadPoolExecutor
    lines: SimpleQueue[bytes | None]

    def send(self, *statements: str) -> None:
        """Send statements, without waiting for their answers."""
        text = "".join(f"{statement}\n;\n" for statement in statements) + f"\\echo {self.mark}\n"
        assert self.process.stdin is not None
        self.writing.submit(_write, self.process.stdin, text)

    def receive(self) -> list[Any]:
        """Return the answers to what was sent, one for each row. Raises SnapshotFailed with what the server said."""
        answers: list[Any] = []
        while (line := self.lines.get()) is not None:
            text = line.decode().rstrip("\n")
            if text == self.mark:
                return answers
            if text:
                answers.append(json.loads(text))
        raise self._failed()

    def check(self) -> None:
        """Raise SnapshotFailed with what the server said, if the connection has ended."""
        if self.process.poll() is not None:
            raise self._failed()

    def ask(self, *statements: str) -> list[Any]:
        """Send statements and return their answers: each row must be one value of JSON, without line feeds."""
        self.send(*statements)
        return self.receive()

    def _failed(self) -> Exception:
        self.process.wait()
        return failure(self.place, "psql", self.said)


@contextmanager
def session(place: Place) -> Iterator[Session]:
    """Connect to a place's database."""
    command = place.command("psql", "-XqAt", "--no-password", "-v", "ON_ERROR_STOP=1")
    with (
        tempfile.TemporaryFile() as said,
        ThreadPoolExecutor(1) as writing,
        ThreadPoolExecutor(1) as reading,
        running(place, command, subprocess.PIPE, subprocess.PIPE, said) as process,
    ):
        assert process.stdin is not None
        assert process.stdout is not None
        lines: SimpleQueue[bytes | None] = SimpleQueue()
        reading.submit(_read, process.stdout, lines)
        connected = Session(place, process, said, f"end-{secrets.token_hex(8)}", writing, lines)
        connected.ask(SETTINGS)
        yield connected
        with suppress(BrokenPipeError):
            writing.submit(process.stdin.close).result()
        process.wait()


def _write(stream: IO[bytes], text: str) -> None:
    with suppress(BrokenPipeError):  # the reader of the answer reports why
        stream.write(text.encode())
        stream.flush()


def _read(stream: IO[bytes], lines: SimpleQueue[bytes | None]) -> None:
    for line in stream:
        lines.put(line)
    lines.put(None)


def identifier(name: str) -> str:
    """Return a name as SQL has it."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """Return a text as SQL has it."""
    return "e'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
