"""`reconciler snapshot verify`: does a snapshot bring back what it was taken of."""

import secrets

import click

from reconciler.cli.snapshot.place import Where, chosen, place_options, shown_progress, summary, tell_missing
from reconciler.core.snapshot.names import scratch_name
from reconciler.providers.postgres.dumps import prepared, restored_beside
from reconciler.providers.postgres.snapshot_shelf import now


@click.command(name="verify")
@click.argument("snapshot", required=False)
@place_options
def command(where: Where, snapshot: str | None) -> int:
    """Restore a snapshot (the newest, if none is named) into a scratch database, compare it, and drop it.

    Exit status: 0 it brings back what it was taken of, 1 it does not, or error.
    """
    kept = chosen(where, snapshot, None)
    manifest = kept.check()
    place = prepared(where.place(), manifest.pg_dump)
    tell_missing(place, manifest)
    scratch = scratch_name(manifest.origin.database, now(), secrets.token_hex(3))
    with (
        shown_progress("restoring") as progress,
        restored_beside(place, scratch, kept.path, manifest, progress) as differing,
    ):
        pass
    for each in differing:
        click.echo(f"{kept.path.name}: {each}")
    if not differing:
        click.echo(f"{kept.path.name} brings back what it was taken of: {summary(manifest)}")
    return 1 if differing else 0
