"""A session with a database through psql, which is wherever pg_dump is: in a container too.

Every answer is JSON, so that no name or value can be taken for something else; a line of its own ends it.
"""

import json
import secrets
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
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
    """One connection. What is sent is answered in order."""

    place: Place
    process: subprocess.Popen[bytes]
    said: IO[bytes]
    mark: str

    def send(self, *statements: str) -> None:
        """Send statements, without waiting for their answers."""
        assert self.process.stdin is not None
        text = "".join(f"{statement}\n;\n" for statement in statements) + f"\\echo {self.mark}\n"
        try:
            self.process.stdin.write(text.encode())
            self.process.stdin.flush()
        except BrokenPipeError:
            raise self._failed() from None

    def receive(self) -> list[Any]:
        """Return the answers to what was sent, one for each row. Raises SnapshotFailed with what the server said."""
        assert self.process.stdout is not None
        answers = []
        while (line := self.process.stdout.readline().decode().rstrip("\n")) != self.mark:
            if not line and self.process.stdout.peek(1) == b"":  # type: ignore[attr-defined]  # a BufferedReader
                raise self._failed()
            if line:
                answers.append(json.loads(line))
        return answers

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
    with tempfile.TemporaryFile() as said:
        command = place.command("psql", "-XqAt", "--no-password", "-v", "ON_ERROR_STOP=1")
        with running(place, command, subprocess.PIPE, subprocess.PIPE, said) as process:
            connected = Session(place, process, said, f"end-{secrets.token_hex(8)}")
            connected.ask(SETTINGS)
            yield connected
            assert process.stdin is not None
            process.stdin.close()
            process.wait()


def identifier(name: str) -> str:
    """Return a name as SQL has it."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """Return a text as SQL has it."""
    return "e'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
