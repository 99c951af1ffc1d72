"""`reconciler snapshot restore`: a snapshot takes the place of a database."""

import secrets
import shlex
from pathlib import Path

import click

from reconciler.cli.console.messages import say, warn
from reconciler.cli.snapshot import place as shared
from reconciler.cli.snapshot.place import Where, place_options
from reconciler.core.snapshot.manifest import Manifest
from reconciler.core.snapshot.names import kept_name, scratch_name
from reconciler.errors import InputError, SnapshotFailed
from reconciler.providers.postgres import dumps
from reconciler.providers.postgres.place import Place
from reconciler.providers.postgres.snapshot_shelf import Kept, now


@click.command(name="restore")
@click.argument("snapshot", required=False)
@click.option("--in-place", is_flag=True, help="Into the database itself, after taking a snapshot of it.")
@place_options
def command(where: Where, snapshot: str | None, *, in_place: bool) -> int:
    """Put a snapshot (the newest of the database, if none is named) in the place of a database.

    It goes into a fresh database and is compared with its manifest; only then do the two swap names, and the old one
    is kept as DATABASE_before_TIME. With --in-place what is in the database is dropped and put back in one transaction.

    Exit status: 0 restored, 1 error: what was live before still is.
    """
    return restore(where, where.place(), snapshot, in_place=in_place)


def restore(where: Where, place: Place, snapshot: str | None, *, in_place: bool) -> int:
    """Restore it. Raises InputError and SnapshotFailed."""
    kept = shared.chosen(where, snapshot, where.database or shared.database_of(place))
    manifest = kept.check()
    place = dumps.prepared(place, manifest.pg_dump)
    database = shared.database_of(place) or manifest.origin.database
    place = place.at(database)
    _check_versions(place, manifest)
    shared.tell_missing(place, manifest)
    if in_place:
        _in_place(where, place, kept, manifest)
    else:
        _beside(place, database, kept, manifest)
    return 0


def the_way_back(where: Where, snapshot: Path) -> str:
    """Return the command that restores a snapshot to where it was taken, as it can be pasted into a shell."""
    given = (("--container", where.container), ("--database", where.database), ("--role", where.role))
    options = [each for name, value in (*given, ("--host-is", where.host_is)) if value for each in (name, value)]
    return shlex.join(["reconciler", "snapshot", "restore", str(snapshot), *options])


def _check_versions(place: Place, manifest: Manifest) -> None:
    server, source = dumps.server_version(place), manifest.origin.server // 10000
    if server < source:
        raise InputError(
            f"the server at {place.name} is PostgreSQL {server}, and the snapshot is of PostgreSQL {source}",
            hint=f"restore it into PostgreSQL {source} or newer",
        )
    major = dumps.version(place, "pg_restore")
    if major < manifest.pg_dump:
        raise InputError(
            f"pg_restore is {major} at {place.name}, and the snapshot was made by pg_dump {manifest.pg_dump}",
            hint=f"use an image of PostgreSQL {manifest.pg_dump} or newer",
        )


def _beside(place: Place, database: str, kept: Kept, manifest: Manifest) -> None:
    at = now()
    scratch, old = scratch_name(database, at, secrets.token_hex(3)), kept_name(database, at)
    with (
        shared.shown_progress("restoring") as progress,
        dumps.restored_beside(place, scratch, kept.path, manifest, progress) as differing,
    ):
        if differing:
            raise SnapshotFailed(
                f"what was restored is not what {kept.path.name} was taken of: {'; '.join(differing[:5])}",
                hint=f"{database} is as it was; another snapshot may be good: reconciler snapshot verify NAME",
            )
        if dumps.exists(place, database):
            dumps.swap(place, scratch, database, old)
            click.echo(f"{database} is {kept.path.name}: {shared.summary(manifest)}. What it was is kept as {old}")
        else:
            dumps.rename(place, scratch, database)
            click.echo(f"{database} is {kept.path.name}: {shared.summary(manifest)}. There was none of that name")


def _in_place(where: Where, place: Place, kept: Kept, manifest: Manifest) -> None:
    before, _ = shared.create(where, place)
    say(f"what is there now is in {before}")
    way_back = f"{the_way_back(where, before)} puts back what was there"
    with shared.shown_progress("restoring") as progress:
        differing = dumps.put_in_place(place, kept.path, manifest, progress)
    for each in differing:
        warn(each)
    if differing:
        raise SnapshotFailed(
            f"{kept.path.name} was put into the database, which differs from it in {len(differing)} things",
            hint=f"what the snapshot has not, --in-place leaves there: restore without it; {way_back}",
        )
    click.echo(f"{shared.database_of(place)} holds {kept.path.name}: {shared.summary(manifest)}. {way_back}")
