"""`reconciler snapshot before -- CMD…`: a snapshot, then a command that may do harm."""

import signal
import subprocess
import sys

import click

from reconciler.cli.console.messages import say
from reconciler.cli.snapshot.place import Where, create, place_options, summary
from reconciler.cli.snapshot.restore import restore, the_way_back
from reconciler.errors import InputError
from reconciler.providers.postgres.dumps import prepared


@click.command(name="before", context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.argument("words", nargs=-1, required=True, type=click.UNPROCESSED, metavar="-- CMD…")
@place_options
def command(where: Where, words: tuple[str, ...]) -> int:
    """Take a snapshot, then run a command, such as `-- npx prisma migrate reset`; where it fails, offer the way back.

    Without a snapshot the command is not run.

    Exit status: that of the command (128 and the signal's number, if a signal ended it), 1 if there is no snapshot.
    """
    place = prepared(where.place())
    path, manifest = create(where, place)
    say(f"snapshot {path}: {summary(manifest)}")
    status = _run(words)
    if status != 0:
        say(f"{words[0]} ended with status {status}")
        say(f"hint: the way back is {the_way_back(where, path)}")
        if sys.stdin.isatty() and click.confirm("Restore it now?", err=True):
            restore(where, place, str(path), in_place=False)
    return status


def _run(words: tuple[str, ...]) -> int:
    """Run it with our input and output. What a person's Ctrl-C is to it, is for it to say: we wait for its end."""
    try:
        process = subprocess.Popen(words)  # noqa: S603  what the person asked for
    except OSError as error:
        raise InputError(f"{words[0]} could not be run: {error.strerror}") from error
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        status = process.wait()
    except KeyboardInterrupt:  # SIGTERM and SIGHUP come to us alone
        process.terminate()
        status = process.wait()
    finally:
        signal.signal(signal.SIGINT, before)
    return status if status >= 0 else 128 - status
