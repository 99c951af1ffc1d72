"""`reconciler doctor`: would a restore work today, and what is in its way."""

import asyncio

import click

from reconciler.cli import environments
from reconciler.cli.doctor.reading import read_set_up
from reconciler.cli.doctor.text import rendered
from reconciler.cli.plan_command import Status
from reconciler.core.health.diagnosis import diagnose


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
    return Status.DONE if found.is_good else Status.ERROR
