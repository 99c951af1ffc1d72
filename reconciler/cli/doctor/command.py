"""`reconciler doctor`: would a restore work today, and what is in its way."""

import asyncio

import click

from reconciler.cli.console.exit_status import ExitStatus
from reconciler.cli.doctor.reading import read_set_up
from reconciler.cli.repository import environments
from reconciler.core.health.diagnosis import diagnose
from reconciler.render.doctor import rendered


@click.command(name="doctor")
@click.argument("environment", required=False)
@click.option("--format", "form", type=click.Choice(["text", "json", "markdown"]), default="text", show_default=True)
def command(environment: str | None, form: str) -> int:
    """Check a set-up before the first use, and in an incident.

    Asks for everything that a restore needs, side by side and within half a minute: keys, project, history window,
    primary, room for branches and Hyperdrive configs, the login, bindings, tools, the Git remote. One line each, the
    worst first, with what to do. Nothing is written anywhere; a compute that sleeps is woken by the login.

    Exit status: 0 a restore would work today, 1 it would fail.
    """
    file = environments.find(environment)
    found = diagnose(asyncio.run(read_set_up(file, file.read())))
    click.echo(rendered(found, form))
    return ExitStatus.DONE if found.is_good else ExitStatus.ERROR
