"""Dumps a database and restores it: pg_dump and pg_restore, and the databases that are made and swapped around them."""

import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from reconciler.core.snapshot.manifest import Contents, Manifest, Origin, differences
from reconciler.errors import SnapshotFailed
from reconciler.providers.postgres.contents import Survey, origin
from reconciler.providers.postgres.place import Place, Plain, failure, running
from reconciler.providers.postgres.programs import any_programs, major_of, programs
from reconciler.providers.postgres.session import Session, identifier, literal, session

_MAINTENANCE = ("postgres", "template1")
_LOOKS_SECONDS = 0.2
_SWAPS = 5
_SETS_TRANSACTION_TIMEOUT = 17
# What is in every new database, and pg_dump does not say that a database lacks it.
_IN_A_TEMPLATE = {"schema public": "drop schema public", "extension plpgsql": "drop extension plpgsql"}
# A level of gzip, which every pg_restore can read: half the work of pg_dump's own choice, for some more bytes.
_LEVEL = 1

# How far it is: bytes so far (of the file, or of the database that is restored), and seconds.
Progress = Callable[[int, float], None]


def prepared(place: Place, needed: int = 0) -> Place:
    """Return the place with programs that are as new as its server and as `needed`, the version that made a dump.

    Nor are they too new: pg_restore sets `transaction_timeout` since version 17, which an older server does not know.
    Raises InputError where this machine has none, SnapshotFailed where a container's are older, or without an answer.
    """
    if not isinstance(place, Plain):
        return place
    first = replace(place, programs=any_programs())
    if not first.programs.name:
        programs(1, "none is installed")  # says so
    with _administration(first) as connected:
        (number,) = connected.ask("select to_json(current_setting('server_version_num')::int)")
    server = number // 10000
    why = f"the server at {place.name} is PostgreSQL {server}"
    if needed > server:
        why += f" and the snapshot was made by pg_dump {needed}"
    at_most = None if server >= _SETS_TRANSACTION_TIMEOUT else _SETS_TRANSACTION_TIMEOUT - 1
    return replace(place, programs=programs(max(server, needed), why, at_most))


def version(place: Place, program: str) -> int:
    """Return the major version of a program there. Raises SnapshotFailed."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as said:
        with running(place, place.command(program, "--version"), subprocess.DEVNULL, out, said) as process:
            process.wait()
        if process.returncode:
            raise failure(place, program, said)
        out.seek(0)
        return major_of(out.read().decode(errors="replace"))


def take(place: Place, path: Path, progress: Progress) -> tuple[Origin, Contents, int]:
    """Dump a database into a new file, and say what was in it at that very moment. Raises SnapshotFailed.

    What is in it is counted while pg_dump runs, on another connection that sees the same snapshot of the data.
    """
    with session(place) as connected:
        (exported,) = _begin(connected)
        source = origin(connected)
        survey = Survey(connected)
        major = version(place, "pg_dump")
        if major < source.server // 10000:
            raise SnapshotFailed(
                f"pg_dump is {major} at {place.name}, older than its server, which is {source.server // 10000}",
                hint="pg_dump must be as new as the server: use the image of the server's own version",
            )
        arguments = ("--format=custom", f"--compress={_LEVEL}", "--no-password", f"--snapshot={exported}")
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file, tempfile.TemporaryFile() as said:
            # Its standard output is the file itself, so that it can go back and write where in it each table begins.
            with running(place, place.command("pg_dump", *arguments), subprocess.DEVNULL, file, said) as process:
                _watch(process, lambda: path.stat().st_size, progress)
            if process.returncode:
                connected.check()  # what ended the other connection has ended the snapshot that pg_dump was to see
                raise failure(place, "pg_dump", said)
            _brought_to_disk(file.fileno(), path)
        return source, survey.finish(), major


def contents(place: Place) -> Contents:
    """Say what is in a database. Raises SnapshotFailed."""
    with session(place) as connected:
        _begin(connected)
        return Survey(connected).finish()


def put_in_place(place: Place, path: Path, manifest: Manifest, progress: Progress) -> tuple[str, ...]:
    """Drop from a database what the dump has, and put that in, in one transaction. Returns what then differs."""
    _restore(place, path, manifest, ("--clean", "--if-exists", "--single-transaction"), progress)
    return differences(manifest.contents, contents(place))


@contextmanager
def restored_beside(
    place: Place, scratch: str, path: Path, manifest: Manifest, progress: Progress
) -> Iterator[tuple[str, ...]]:
    """Restore a dump into a fresh database and give what differs; the database is dropped at the end, if still there.

    Raises SnapshotFailed with what pg_restore said.
    """
    try:
        # Inside, as an interrupt may come when it is made and its making not yet answered.
        with _administration(place) as connected:
            connected.ask(_created(scratch, manifest.origin))
        surplus = [drop for what, drop in _IN_A_TEMPLATE.items() if what not in manifest.contents.objects]
        if surplus:
            with session(place.at(scratch)) as connected:
                connected.ask(*surplus)
        jobs = max(2, min(os.cpu_count() or 2, 8))
        _restore(place.at(scratch), path, manifest, (f"--jobs={jobs}",), progress)
        yield differences(manifest.contents, contents(place.at(scratch)))
    finally:
        _drop(place, scratch)


def missing_roles(place: Place, manifest: Manifest) -> tuple[str, ...]:
    """Return the roles that owned something and that the server does not have."""
    with _administration(place) as connected:
        there = set(connected.ask("select to_json(rolname) from pg_catalog.pg_roles"))
    return tuple(role for role in manifest.origin.roles if role not in there)


def server_version(place: Place) -> int:
    """Return the server's major version."""
    with _administration(place) as connected:
        (number,) = connected.ask("select to_json(current_setting('server_version_num')::int)")
    return int(number) // 10000


def exists(place: Place, database: str) -> bool:
    """Whether the server has a database of that name."""
    with _administration(place) as connected:
        return bool(connected.ask(f"select to_json(1) from pg_catalog.pg_database where datname = {literal(database)}"))


def swap(place: Place, scratch: str, database: str, kept: str) -> None:
    """Let a restored database have the name of the one in use, which is kept under another. Raises SnapshotFailed.

    Both names change in one transaction. The renaming locks the database first and waits then for whoever is in it, so
    those are ended after it was sent: who comes back meanwhile waits, and finds the restored one.
    """
    for attempt in range(_SWAPS):
        with _administration(place) as ending, _tried_again(attempt), _administration(place) as renaming:
            renaming.send(
                "begin",
                f"alter database {identifier(database)} rename to {identifier(kept)}",
                f"alter database {identifier(scratch)} rename to {identifier(database)}",
                *_carried_over(ending, database),
                "commit",
            )
            for _ in range(3):
                ending.ask(_ending(database), _ending(scratch), "select to_json(1) from pg_sleep(0.1)")
            renaming.receive()
            return


@contextmanager
def _tried_again(attempt: int) -> Iterator[None]:
    """Allow a retry: a session did not leave the database in time."""
    try:
        yield
    except SnapshotFailed:
        if attempt == _SWAPS - 1:
            raise


def rename(place: Place, scratch: str, database: str) -> None:
    """Give a restored database a name that is free."""
    with _administration(place) as connected:
        connected.ask(_ending(scratch), f"alter database {identifier(scratch)} rename to {identifier(database)}")


def _brought_to_disk(descriptor: int, path: Path) -> None:
    try:
        os.fsync(descriptor)
    except OSError as error:  # such as a full disk, which some file systems report only now
        raise SnapshotFailed(f"the dump could not be written to {path.parent}: {error.strerror}") from error


def _begin(connected: Session) -> list[str]:
    return connected.ask(
        "begin isolation level repeatable read read only", "select to_json(pg_catalog.pg_export_snapshot())"
    )


def _restore(place: Place, path: Path, manifest: Manifest, how: tuple[str, ...], progress: Progress) -> None:
    owners = ("--no-owner", "--no-privileges") if missing_roles(place, manifest) else ()
    database = place.variables()["PGDATABASE"]
    name = database.replace("\\", "\\\\").replace("'", "\\'")
    arguments = ("--exit-on-error", "--no-password", f"--dbname=dbname='{name}'", *how, *owners)
    command = place.command("pg_restore", *arguments, archive=path)
    size = f"select to_json(pg_catalog.pg_database_size({literal(database)}))"
    with path.open("rb") as archive, tempfile.TemporaryFile() as said, _administration(place) as looking:
        with running(place, command, archive, subprocess.DEVNULL, said) as process:
            _watch(process, lambda: int(looking.ask(size)[0]), progress)
        if process.returncode:
            raise failure(place, "pg_restore", said)


def _watch(process: "subprocess.Popen[bytes]", size: Callable[[], int], progress: Progress) -> None:
    begun = time.monotonic()
    while True:
        with suppress(subprocess.TimeoutExpired):
            process.wait(_LOOKS_SECONDS)
            return
        progress(size(), time.monotonic() - begun)


def _drop(place: Place, scratch: str) -> None:
    """Drop a scratch database, if it is still there. Whoever was restoring it may need a moment to be gone."""
    for attempt in range(_SWAPS):
        with _tried_again(attempt), _administration(place) as connected:
            connected.ask(_ending(scratch), f"drop database if exists {identifier(scratch)}")
            return


@contextmanager
def _administration(place: Place) -> Iterator[Session]:
    """Connect to a database that is always there, and is not the one that is renamed."""
    database = next(name for name in _MAINTENANCE if name != place.variables().get("PGDATABASE"))
    with session(place.at(database)) as connected:
        yield connected


def _created(scratch: str, source: Origin) -> str:
    locale = f"encoding {literal(source.encoding)} lc_collate {literal(source.locale)} lc_ctype {literal(source.ctype)}"
    if source.provider_locale is not None:
        provider = {"i": "icu", "b": "builtin"}[source.provider]
        locale += f" locale_provider {provider} {provider}_locale {literal(source.provider_locale)}"
    if source.rules is not None:
        locale += f" icu_rules {literal(source.rules)}"
    return f"create database {identifier(scratch)} template template0 {locale}"


def _ending(database: str) -> str:
    return (
        "select to_json(count(pg_catalog.pg_terminate_backend(pid))) from pg_catalog.pg_stat_activity "
        f"where datname = {literal(database)} and pid <> pg_catalog.pg_backend_pid()"
    )


def _carried_over(connected: Session, database: str) -> list[str]:
    """Return the statements that give the new database what no dump holds: the old one's owner, rights and settings.

    Asked before anything is renamed, and run after.
    """
    own = f"(select oid from pg_catalog.pg_database where datname = {literal(database)})"
    name = literal(identifier(database))
    return [
        *connected.ask(
            f"select to_json(format('alter database %s owner to %I', {name}, pg_catalog.pg_get_userbyid(datdba))) "
            f"from pg_catalog.pg_database where oid = {own}",
            f"select to_json(format('alter database %s connection limit %s is_template %s', {name}, datconnlimit, "
            "datistemplate::text)) from pg_catalog.pg_database "
            f"where oid = {own} and (datconnlimit <> -1 or datistemplate)",
            f"select to_json(format('comment on database %s is %L', {name}, description)) "
            f"from pg_catalog.pg_shdescription where objoid = {own} and classoid = 'pg_catalog.pg_database'::regclass",
            f"select to_json(format('revoke all on database %s from public', {name})) "
            f"from pg_catalog.pg_database where oid = {own} and datacl is not null",
            f"select to_json(format('grant %s on database %s to %s%s', privilege_type, {name}, "
            "case grantee when 0 then 'public' else quote_ident(pg_catalog.pg_get_userbyid(grantee)) end, "
            "case when is_grantable then ' with grant option' else '' end)) "
            f"from pg_catalog.pg_database, pg_catalog.aclexplode(datacl) where oid = {own}",
            # A list such as search_path is kept as it is written in SQL; everything else is one value. Each part of a
            # name is quoted, as it may be a word of SQL.
            "select to_json(format('alter %s set %s to %s', case setrole when 0 then format('database %s', "
            f"{name}) else format('role %I in database %s', pg_catalog.pg_get_userbyid(setrole), {name}) end, "
            "'\"' || replace(split_part(line, '=', 1), '.', '\".\"') || '\"', "
            "case when split_part(line, '=', 1) ~* '(search_path|_libraries|_tablespaces)$' "
            "then substr(line, strpos(line, '=') + 1) else quote_literal(substr(line, strpos(line, '=') + 1)) end)) "
            f"from pg_catalog.pg_db_role_setting, unnest(setconfig) line where setdatabase = {own}",
        )
    ]
