"""`reconciler snapshot`: dumps of a local development database, each proved by its manifest."""

import click

from reconciler.cli.command_table import CommandTable

COMMANDS = {
    "create": ("reconciler.cli.snapshot.create", "Dump a local database, with a manifest of what is in it."),
    "list": ("reconciler.cli.snapshot.list", "Show the snapshots that there are."),
    "verify": ("reconciler.cli.snapshot.verify", "Restore a snapshot into a scratch database, and compare."),
    "restore": ("reconciler.cli.snapshot.restore", "Put a snapshot in the place of a database, which is kept."),
    "prune": ("reconciler.cli.snapshot.prune", "Remove old snapshots, never the last good one."),
    "before": ("reconciler.cli.snapshot.before", "Take a snapshot, then run a command."),
    "guard": ("reconciler.cli.snapshot.guard", "Keep dumps out of Git."),
}


@click.group(name="snapshot", cls=CommandTable, table=COMMANDS)
def command() -> None:
    """Keep and restore local development databases, in a container or on a plain server.

    Where the database is: --container NAME (Docker or Podman), --database-url or DATABASE_URL. Only this machine,
    unless the host is named by --host-is. A password is never an argument of any program.
    """
