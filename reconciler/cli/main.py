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
    "import": ("reconciler.cli.importing.command", "Write the file for an existing project and Worker."),
    "validate": ("reconciler.cli.validate", "Check desired-state files; no provider is asked."),
    "plan": ("reconciler.cli.plan", "Show what would be done, and why."),
    "apply": ("reconciler.cli.apply.command", "Apply the file: take the steps that plan shows."),
    "suspend": ("reconciler.cli.suspend", "Stop every apply to an environment for a while."),
    "resume": ("reconciler.cli.resume", "End a suspension."),
    "restore": ("reconciler.cli.restore", "Propose to go back to a moment, as a branch or a pull request."),
    "rollback": ("reconciler.cli.rollback", "Propose to undo the last restore, in the same way."),
    "adopt": ("reconciler.cli.adopt", "Record which timeline is live after a restore by hand."),
    "doctor": ("reconciler.cli.doctor.command", "Check whether a restore would work today, and what would stop it."),
    "status": ("reconciler.cli.status", "Show what is live, held and deployed."),
    "ci": ("reconciler.cli.ci", "What the workflows of GitHub Actions run: plan, apply, drift."),
    "history": ("reconciler.cli.history", "Show who asked for what, the outcome, and how to undo it."),
    "drill": (
        "reconciler.cli.drill.command",
        "Destroy something on purpose on a separate branch, and prove its restore.",
    ),
    "outside": ("reconciler.cli.outside", "List what a restore does not rewind, and how far back it can be recovered."),
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
    """Run a command. Errors are sentences on stderr, never tracebacks."""
    with output.guarded():
        status = _run()
    # Garbage collection at exit took a sixth of the time of a quick command.
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
        # The reader of our output is gone (`| head`): this is not an error.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = _ERROR
    except Exception as error:  # noqa: BLE001  the last resort: a sentence, not a traceback
        click.echo(f"error: unexpected {type(error).__name__}: {error}", err=True)
        click.echo("hint: this is a bug in reconciler; RECONCILER_TRACEBACK=1 shows where", err=True)
        if os.environ.get("RECONCILER_TRACEBACK"):
            import traceback

            traceback.print_exc()  # printed here, not raised, so that it is redacted too
        status = _ERROR
    return status if isinstance(status, int) else 0


def _interrupted() -> int:
    click.echo("\ninterrupted. Nothing is lost: run the same command again to continue", err=True)
    return _INTERRUPTED
