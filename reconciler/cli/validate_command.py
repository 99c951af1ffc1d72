"""`reconciler validate`: check desired-state files, without asking anybody."""

import click

from reconciler.cli import environments
from reconciler.core.desired_file import DesiredStateError


@click.command(name="validate")
@click.argument("environment", nargs=-1)
def command(environment: tuple[str, ...]) -> int:
    """Check desired-state files, without asking anybody: all of them, or those that are named.

    Every mistake is reported at once, with file, line and column. Exit status: 0 right, 1 mistakes.
    """
    files = [environments.find(name) for name in environment] if environment else environments.find_all()
    status = 0
    for file in files:
        try:
            desired = file.read()
        except DesiredStateError as error:
            click.echo(error.report, err=True)
            status = 1
        else:
            click.echo(f"{desired.environment}: right, asks for {desired.timeline}")
    return status
