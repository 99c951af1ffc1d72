"""Where a local database is reached, and how PostgreSQL's programs are run there: on this machine or in a container.

No password is ever an argument, which everybody on the machine could read: it is in the environment of the child, and
`docker exec -e NAME` takes it from the environment of the client. Of the user's `PG*` variables, PGPASSWORD alone is
handed on, and to a plain server PGPASSFILE, where its address has no password.

What is run bears a name of its own (`application_name`): ending the client of a container does not end what runs inside
(neither Docker nor Podman hands a signal on without a terminal), and ending psql does not end a query that waits for a
lock. So the connections are ended by that name, and what has lost its connection ends.
"""

import os
import secrets
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, Protocol, Self

from reconciler.core.redaction import CREDENTIALS, EVERYWHERE
from reconciler.core.secret import Secret
from reconciler.errors import InputError, SnapshotFailed
from reconciler.providers.postgres.addresses import hosts, is_local, settings_of
from reconciler.providers.postgres.engines import engine_of

_TERMINATION_SECONDS = 10.0
# In a container the image's own variables say who may do what (those of the official image).
_INSIDE = (
    'export PGUSER="${PGUSER:-${POSTGRES_USER:-postgres}}"; '
    'export PGDATABASE="${PGDATABASE:-${POSTGRES_DB:-$PGUSER}}"; '
    'if [ -z "${PGPASSWORD+x}" ] && [ -n "${POSTGRES_PASSWORD+x}" ]; then export PGPASSWORD="$POSTGRES_PASSWORD"; fi; '
)
_RUN = _INSIDE + 'exec "$@"'
# The archive is unlinked before it is used, so that nothing stays behind whatever happens; each of the parallel jobs
# opens it again through the descriptor.
_RUN_ARCHIVE = (
    _INSIDE + 'archive=$(mktemp) && cat > "$archive" && exec 4< "$archive" && rm -f "$archive" && '
    'exec "$@" /proc/self/fd/4'
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
        if process.poll() is None:
            _end(place, process, variables)
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                stream.close()


def failure(place: Place, what: str, said: IO[bytes]) -> SnapshotFailed:
    """Return the error that tells what a program said last on its stderr."""
    said.seek(0)
    text = EVERYWHERE(said.read()[-4000:].decode(errors="replace"))
    lines = [line for line in text.splitlines() if line.strip()]
    message = "; ".join(lines[:3]) if lines else "it said nothing"
    return SnapshotFailed(f"{what} failed at {place.name}: {message}")


def _end(place: Place, process: "subprocess.Popen[bytes]", variables: Mapping[str, str]) -> None:
    """End a program: its connections first, or the server would go on with what it was asked until it notices."""
    query = (
        "select pg_terminate_backend(pid) from pg_stat_activity "
        "where application_name = current_setting('application_name') and pid <> pg_backend_pid()"
    )
    with suppress(OSError, subprocess.TimeoutExpired):
        subprocess.run(  # noqa: S603  as above
            place.command("psql", "-XqAt", "--no-password", "-c", query),
            env=dict(variables),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            start_new_session=True,
            timeout=_TERMINATION_SECONDS,
        )
    process.terminate()
    try:
        process.wait(_TERMINATION_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


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
