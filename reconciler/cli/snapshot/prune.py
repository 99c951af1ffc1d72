"""`reconciler snapshot prune`: old snapshots go."""

from datetime import timedelta
from pathlib import Path

import click

from reconciler.cli.console.messages import say
from reconciler.cli.options.duration import Duration
from reconciler.cli.snapshot.place import Where, directory_option, megabytes
from reconciler.core.snapshot.names import Taken, to_prune
from reconciler.errors import ReconcilerError
from reconciler.providers.postgres.snapshot_shelf import now

_ABANDONED = timedelta(hours=1)


@click.command(name="prune")
@directory_option
@click.option("--keep", type=click.IntRange(min=1), default=10, show_default=True, help="How many of each database.")
@click.option("--older-than", type=Duration(days=True), default="30d", show_default=True, help="Younger ones stay.")
@click.option("--dry-run", is_flag=True, help="Only say which would go.")
def command(directory: Path | None, keep: int, older_than: timedelta, *, dry_run: bool) -> int:
    """Remove snapshots that are neither among the newest of their database nor young.

    The last one that is whole always stays, and so does what has no manifest. What a dump that was killed has left goes
    an hour later.

    Exit status: 0, 1 error.
    """
    shelf = Where(None, None, None, None, None, directory).shelf
    there = {each.path.name: each for each in shelf.all()}

    def is_good(taken: Taken) -> bool:
        try:
            there[taken.name].check()
        except (ReconcilerError, OSError):
            return False
        return True

    known = [each.taken for each in there.values() if each.taken is not None]
    going = to_prune(known, keep, now() - older_than, is_good)
    for each in going:
        size = there[each.name].path.stat().st_size
        if not dry_run:
            shelf.remove(there[each.name])
        click.echo(f"{'would remove' if dry_run else 'removed'} {each.name}, {megabytes(size)}")
    for path in shelf.abandoned(now() - _ABANDONED):
        if not dry_run:
            path.unlink(missing_ok=True)
        click.echo(f"{'would remove' if dry_run else 'removed'} {path.name}, left by a dump that was killed")
    say(f"{len(there) - (0 if dry_run else len(going))} of {len(there)} snapshots are there")
    return 0
