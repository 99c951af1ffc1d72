"""The entry point. Commands are imported when they run, so that `--help` answers at once."""

import gc
import os
import sys

import click

from reconciler import __version__
from reconciler.cli.command_table import CommandTable
from reconciler.cli.console import output
from reconciler.errors import ReconcilerError

_ERROR = 1
_INTERRUPTED = 130

# name -> (module, one line of help)
COMMANDS = {
    "import": ("reconciler.cli.importing.command", "Write the file of a project and a Worker that are there already."),
    "validate": ("reconciler.cli.validate", "Check desired-state files, without asking anybody."),
    "plan": ("reconciler.cli.plan", "Show what would be done, and why."),
    "apply": ("reconciler.cli.apply.command", "Make reality what the file asks for."),
    "suspend": ("reconciler.cli.suspend", "Stop all applying to an environment for a while."),
    "resume": ("reconciler.cli.resume", "End a suspension."),
    "restore": ("reconciler.cli.restore", "Propose to go back to a moment, as a branch or a pull request."),
    "rollback": ("reconciler.cli.rollback", "Propose to undo the last restore, in the same way."),
    "adopt": ("reconciler.cli.adopt", "Record which timeline a primary carries that was restored by hand."),
    "doctor": ("reconciler.cli.doctor.command", "Check a set-up: would a restore work today, and what is in its way."),
    "status": ("reconciler.cli.status", "Show what is live, held and deployed."),
    "ci": ("reconciler.cli.ci", "What the workflows of GitHub Actions run: plan, apply, drift."),
    "history": ("reconciler.cli.history", "Show who asked for what, what came of it, and how to undo it."),
    "drill": (
        "reconciler.cli.drill.command",
        "Destroy something on purpose on a branch of its own, and prove its restore.",
    ),
    "outside": ("reconciler.cli.outside", "List what lives outside the database, and how far back it reaches."),
    "snapshot": ("reconciler.cli.snapshot.command", "Dump and restore local development databases."),
    "schema": ("reconciler.cli.schema", "Print the JSON Schema of desired-state files."),
    "sandbox": ("reconciler.cli.sandbox", "Run a local Neon and Cloudflare on real PostgreSQL."),
    "demo": ("reconciler.cli.demo.command", "Damage a sandbox's data, restore it, undo it, and prove it."),
}


@click.group(
    cls=CommandTable, table=COMMANDS, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.version_option(__version__, message="reconciler %(version)s")
def group() -> None:
    """Restore Neon Postgres behind Cloudflare Hyperdrive by changing one timestamp in Git.

    A file in desired-state/ says which history of the data is live. `plan` shows the way there, `apply` takes it,
    and git revert is the undo.

    Exit status: 0 done or in sync, 1 error, 2 changes pending (plan), 3 refused.
    """


def main() -> None:
    """Run a command. No traceback ever reaches a person: errors are sentences, on stderr."""
    with output.guarded():
        status = _run()
    # What ends needs no search for garbage: that took a sixth of the time of a quick command.
    gc.freeze()
    sys.exit(status)


def _run() -> int:
    try:
        status = group.main(prog_name="reconciler", standalone_mode=False)
    except click.exceptions.Abort:
        status = _interrupted()
    except KeyboardInterrupt:
        status = _interrupted()
    except click.ClickException as error:
        error.show()
        status = _ERROR
    except ReconcilerError as error:
        click.echo(error.report, err=True)
        status = _ERROR
    except BrokenPipeError:
        # Whoever read our output has left: nothing can be said, and nothing is wrong.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = _ERROR
    except Exception as error:  # noqa: BLE001  the last resort: a person reads a sentence, not a traceback
        click.echo(f"error: unexpected {type(error).__name__}: {error}", err=True)
        click.echo("hint: this is a bug in reconciler; RECONCILER_TRACEBACK=1 shows where", err=True)
        if os.environ.get("RECONCILER_TRACEBACK"):
            import traceback

            traceback.print_exc()  # here, and not by raising: what it says passes the one way out too
        status = _ERROR
    return status if isinstance(status, int) else 0


def _interrupted() -> int:
    click.echo("\ninterrupted. Nothing is lost: run the same command again, and it goes on from here", err=True)
    return _INTERRUPTED
