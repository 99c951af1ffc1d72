"""Where a local database is reached, and how PostgreSQL's programs are run there: on this machine or in a container.

No password is ever an argument, which everybody on the machine could read: it is in the environment of the child, and
`docker exec -e NAME` takes it from the environment of the client. Of the user's `PG*` variables, PGPASSWORD alone is
handed on, and to a plain server PGPASSFILE, where its address has no password.

What is run bears a name of its own (PGAPPNAME): ending the client of a container does not end what runs inside (neither
Docker nor Podman hands a signal on without a terminal), and ending psql does not end a query that waits for a lock. So
both are ended by that name: what runs inside, connected or not yet, and then the connections that it had.
"""

import os
import secrets
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, Protocol, Self

from reconciler.core.values.redaction import CREDENTIALS, EVERYWHERE
from reconciler.core.values.secret import Secret
from reconciler.errors import InputError, SnapshotFailed
from reconciler.providers.postgres.addresses import hosts, is_local, settings_of
from reconciler.providers.postgres.engines import engine_of

_TERMINATION_SECONDS = 10.0
_LONGEST_SECONDS = 30.0
_LOOKS_SECONDS = 1.0
# In a container the image's own variables hold user and password (those of the official image). None of them may point
# to a server other than the container's own, as the variables of an application's container do.
_INSIDE = (
    'case "${PGHOST:-}" in *,* | 127.*[!0-9.]*) unset PGHOST ;; /* | @* | localhost | 127.* | ::1) ;; '
    "*) unset PGHOST ;; esac; unset PGHOSTADDR PGSERVICE PGSERVICEFILE; "
    'export PGUSER="${PGUSER:-${POSTGRES_USER:-postgres}}"; '
    'export PGDATABASE="${PGDATABASE:-${POSTGRES_DB:-$PGUSER}}"; '
    'if [ -z "${PGPASSWORD+x}" ] && [ -n "${POSTGRES_PASSWORD+x}" ]; then export PGPASSWORD="$POSTGRES_PASSWORD"; fi; '
)
_RUN = _INSIDE + 'exec "$@"'
_NO_ROOM = "the snapshot could not be put into the temporary directory of the container"
# The archive is unlinked before it is filled, so that nothing stays behind whatever happens; each of the parallel jobs
# opens it again through the descriptor.
_RUN_ARCHIVE = (
    _INSIDE + 'archive=$(mktemp) && exec 4<> "$archive" && rm -f "$archive" && cat >&4 || '
    f'{{ echo "{_NO_ROOM}" >&2; exit 1; }}; exec "$@" /proc/self/fd/4'
)
# What bears a name has it in its environment, and so has all that it starts.
_KILL = (
    'for each in /proc/[0-9]*; do if tr "\\0" "\\n" < "$each/environ" | grep -Fqx "PGAPPNAME=$1"; '
    'then kill -KILL "${each#/proc/}" && echo killed; fi; done 2> /dev/null'
)


class Place(Protocol):
    """Somewhere that PostgreSQL's programs are run, for one database."""

    @property
    def name(self) -> str:
        """What people call it."""
        ...

    def command(self, program: str, *arguments: str, archive: Path | None = None) -> list[str]:
        """Return the command line that runs a program there.

        `archive` is its last argument; where it is not readable there, it is what its input is to be.
        """
        ...

    def variables(self) -> Mapping[str, str]:
        """Return the whole environment of that command line."""
        ...

    def at(self, database: str) -> Self:
        """Return the same place for another database."""
        ...

    def end(self, process: subprocess.Popen[bytes], name: str) -> None:
        """End what a command line has started, which bears that name. Raises SnapshotFailed where it may go on."""
        ...


@dataclass(frozen=True, slots=True)
class Plain:
    """A server that is reached through the network or a socket, with programs of this machine (in `programs`)."""

    settings: Mapping[str, str] = field(repr=False)
    token: str
    programs: Path = Path()

    @classmethod
    def of(cls, url: str, host_is: str | None) -> Self:
        """Read an address of libpq. Raises InputError where it is none, or its host is elsewhere and not named."""
        settings = settings_of(url)
        if "PGPASSWORD" not in settings and "PGPASSFILE" not in settings:
            settings = {**settings, **_given("PGPASSWORD", "PGPASSFILE")}
        if password := settings.get("PGPASSWORD"):
            Secret(password)  # from now on nothing that is said holds it
        for host in hosts(settings):
            if not is_local(host) and host != host_is:
                hint = f"if you mean it: --host-is {host}"
                raise InputError(f"{host} is not this machine, and snapshots are for local databases", hint=hint)
        return cls(settings, _token())

    @property
    def name(self) -> str:
        """The host and port."""
        return f"{', '.join(hosts(self.settings))}:{self.settings.get('PGPORT', '5432')}"

    def command(self, program: str, *arguments: str, archive: Path | None = None) -> list[str]:
        """Run it from the directory of programs."""
        return [str(self.programs / program), *arguments, *([str(archive)] if archive else [])]

    def variables(self) -> Mapping[str, str]:
        """The settings of the address, in libpq's variables."""
        return {**_inherited(), **self.settings, "PGAPPNAME": self.token}

    def at(self, database: str) -> Self:
        """Return the same server for another database."""
        return replace(self, settings={**self.settings, "PGDATABASE": database})

    def end(self, process: subprocess.Popen[bytes], name: str) -> None:  # noqa: ARG002  it has a group of its own
        """Kill it, with the parallel jobs that it has started."""
        if process.poll() is None:
            with suppress(ProcessLookupError, PermissionError):  # it has ended just now
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@dataclass(frozen=True, slots=True)
class Container:
    """A container of Docker or Podman (`engine`), in which the server and its programs are."""

    engine: str
    container: str
    settings: Mapping[str, str] = field(repr=False)
    token: str

    @classmethod
    def find(cls, container: str, database: str | None, role: str | None, host_is: str | None) -> Self:
        """Ask Docker, then Podman, for a container that runs. Raises InputError with what they said."""
        engine = engine_of(container, host_is)
        settings = {"PGDATABASE": database or "", "PGUSER": role or "", **_given("PGPASSWORD")}
        if password := settings.get("PGPASSWORD"):
            Secret(password)
        return cls(engine, container, {key: value for key, value in settings.items() if value}, _token())

    @property
    def name(self) -> str:
        """The container, and whose it is."""
        return f"{self.engine} container {self.container}"

    def command(self, program: str, *arguments: str, archive: Path | None = None) -> list[str]:
        """Run it inside, as the image's user."""
        given = [part for name in (*self.settings, "PGAPPNAME", "LC_ALL") for part in ("-e", name)]
        script = _RUN_ARCHIVE if archive else _RUN
        return [self.engine, "exec", "-i", *given, self.container, "sh", "-c", script, "sh", program, *arguments]

    def variables(self) -> Mapping[str, str]:
        """What `-e NAME` takes its values from."""
        return {**_inherited(), **self.settings, "PGAPPNAME": self.token}

    def at(self, database: str) -> Self:
        """Return the same container for another database."""
        return replace(self, settings={**self.settings, "PGDATABASE": database})

    def end(self, process: subprocess.Popen[bytes], name: str) -> None:
        """Kill it inside, until its client has ended by that, and there is nothing more to kill.

        The client is left alone, as what it has asked for may only be about to start: it ends when that has ended.
        """
        until = time.monotonic() + _LONGEST_SECONDS
        while time.monotonic() < until:
            killed = self._kill(name)
            with suppress(subprocess.TimeoutExpired):
                process.wait(_LOOKS_SECONDS)
                if not killed:
                    return
        process.kill()
        process.wait()
        hint = f"{self.engine} restart {self.container} ends it"
        raise SnapshotFailed(f"what was run in {self.name} could not be ended, and may go on", hint=hint)

    def _kill(self, name: str) -> bool:
        with suppress(OSError, subprocess.TimeoutExpired):
            command = [self.engine, "exec", self.container, "sh", "-c", _KILL, "sh", name]
            answer = _run_aside(command, _inherited())
            return bool(answer.stdout)
        return False


@contextmanager
def running(
    place: Place, command: list[str], stdin: IO[bytes] | int, stdout: IO[bytes] | int, stderr: IO[bytes]
) -> Iterator[subprocess.Popen[bytes]]:
    """Start a command line of a place, in a session of its own; at the end it runs no longer, here or inside."""
    # A name for this one alone: what else of ours is connected goes on, and may have to tidy up.
    variables = {**place.variables(), "PGAPPNAME": f"{place.variables()['PGAPPNAME']}-{secrets.token_hex(3)}"}
    try:
        process = subprocess.Popen(  # noqa: S603  no shell, and the arguments are ours
            command, stdin=stdin, stdout=stdout, stderr=stderr, env=variables, start_new_session=True
        )
    except OSError as error:
        raise SnapshotFailed(f"{command[0]} could not be started: {error.strerror}") from error
    try:
        yield process
    finally:
        # A client that was killed says nothing about what runs inside.
        if process.poll() is None or process.returncode < 0:
            _end(place, process, variables)
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                with suppress(BrokenPipeError):  # it stopped reading
                    stream.close()


def failure(place: Place, what: str, said: IO[bytes]) -> SnapshotFailed:
    """Return an error with the last line of a program's stderr."""
    said.seek(0)
    text = EVERYWHERE(said.read()[-4000:].decode(errors="replace"))
    lines = [line for line in text.splitlines() if line.strip()]
    message = "; ".join(lines[:3]) if lines else "it said nothing"
    hint = ""
    if _NO_ROOM in text:
        hint = "make room in /tmp of the container, or restore through a port of it: --database-url"
    return SnapshotFailed(f"{what} failed at {place.name}: {message}", hint=hint)


def _end(place: Place, process: subprocess.Popen[bytes], variables: Mapping[str, str]) -> None:
    """End a program, then its connections, or the server would go on with what it was asked until it notices."""
    query = (
        "select pg_terminate_backend(pid, 5000) from pg_stat_activity "
        "where application_name = current_setting('application_name') and pid <> pg_backend_pid()"
    )
    try:
        place.end(process, variables["PGAPPNAME"])
    finally:
        with suppress(OSError, subprocess.TimeoutExpired):
            _run_aside(place.command("psql", "-XqAt", "--no-password", "-c", query), variables)


def _run_aside(command: list[str], variables: Mapping[str, str]) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(  # noqa: S603  no shell, and the arguments are ours
        command,
        env=dict(variables),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        start_new_session=True,
        timeout=_TERMINATION_SECONDS,
    )


def _given(*names: str) -> Mapping[str, str]:
    """What the user has exported of these variables, and of no other that PostgreSQL's programs read."""
    return {name: os.environ[name] for name in names if os.environ.get(name)}


def _inherited() -> dict[str, str]:
    left_out = frozenset(CREDENTIALS)
    kept = {
        key: value for key, value in os.environ.items() if not key.startswith(("PG", "LC_")) and key not in left_out
    }
    return {**kept, "LC_ALL": "C", "PGCONNECT_TIMEOUT": "10"}


def _token() -> str:
    return f"reconciler-snapshot-{secrets.token_hex(4)}"
