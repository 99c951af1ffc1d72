"""`reconciler snapshot create`: dump a local database."""

import click

from reconciler.cli.console.messages import say
from reconciler.cli.snapshot.place import Where, create, place_options, summary
from reconciler.providers.postgres.dumps import prepared


@click.command(name="create")
@place_options
def command(where: Where) -> int:
    """Dump a local database, with a manifest of what is in it at that very moment.

    Prints the path of the dump.

    Exit status: 0 taken, 1 error.
    """
    place = prepared(where.place())
    path, manifest = create(where, place)
    click.echo(path)
    say(f"took a snapshot of {manifest.origin.database} at {place.name}: {summary(manifest)}")
    return 0
