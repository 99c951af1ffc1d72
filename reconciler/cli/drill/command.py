"""`reconciler drill`: destroy something on purpose, on a branch of its own, and measure and prove its restore."""

import asyncio
import tempfile
from collections.abc import Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from reconciler.cli.console.interrupts import ending_in_order
from reconciler.cli.console.messages import say
from reconciler.cli.drill import files as drill_files
from reconciler.cli.drill import trend as drill_trend
from reconciler.cli.drill.promise import promise
from reconciler.cli.drill.round import DrillOptions
from reconciler.cli.drill.run import DrillRequest, drill
from reconciler.cli.drill.site import DrillRefused
from reconciler.cli.drill.sweep import Sweeper
from reconciler.cli.repository import environments
from reconciler.cli.repository.environments import EnvironmentFile
from reconciler.cli.wiring import connected
from reconciler.core.drill.results import Drill
from reconciler.core.model.destruction import ALL, DestructionSpec
from reconciler.errors import InputError
from reconciler.render import drill as drill_output

_OF_SANDBOX = "docs/postmortems/sandbox"
_SANDBOX_ENVIRONMENT = "production"
_PROVED, _NOT_PROVED, _TOO_LONG, _REFUSED, _INTERRUPTED = 0, 1, 2, 3, 130


@click.command(name="drill")
@click.argument("environment", required=False)
@click.option("--destroy", "destroy", multiple=True, metavar="NAME", help="What to destroy; may be repeated.")
@click.option("--all", "every", is_flag=True, help="Destroy everything in turn.")
@click.option("--detect", is_flag=True, help="Check whether the file's SQL gates notice the damage, and how soon.")
@click.option("--keep", is_flag=True, help="Keep what was made, to inspect it; --clean deletes it.")
@click.option("--clean", is_flag=True, help="Only delete what killed drills have left behind.")
@click.option("--sandbox", is_flag=True, help="Drill on a local sandbox with its example project.")
@click.option("--trend", is_flag=True, help="Only show how long the restores of past drills took.")
@click.option("--format", "form", type=click.Choice(drill_trend.FORMS), default="text", show_default=True)
@click.option(
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    help="The directory of reports; drill.reports of the file if left out, and on a sandbox docs/postmortems/sandbox.",
)
@click.option("--rate", type=click.IntRange(1, 200), default=20, show_default=True, help="Requests a second.")
@click.option(
    "--without-traffic", is_flag=True, help="Send no requests to the Worker, if workers.dev can't be reached."
)
@click.option("--leave-damage", is_flag=True, hidden=True)
def command(  # noqa: PLR0913  one parameter for each option
    environment: str | None,
    destroy: tuple[str, ...],
    *,
    every: bool,
    detect: bool,
    keep: bool,
    clean: bool,
    sandbox: bool,
    trend: bool,
    form: str,
    output: Path | None,
    rate: int,
    without_traffic: bool,
    leave_damage: bool,
) -> int:
    """Rehearse a restore: destroy something on purpose, restore it, and prove that everything is back.

    It happens on a new branch of the primary, with its own Hyperdrive config and Workers,
    through the steps of a real restore, commit and plan included. The primary is only read. NAME is drop-table,
    truncate, delete-half, corrupt-column, drop-role or migration:FILE; a table can be named, as in truncate:Click.
    The report, the line of the history and the picture of the trend are written to the directory of reports.

    Exit status: 0 proved and within the promised time, 1 not proved or an error, 2 proved and too slow, 3 refused.
    """
    if form == "svg" and not trend:
        raise InputError("only the trend has --format svg", hint="reconciler drill --trend --format svg")
    options = DrillOptions(rate, detect=detect, keep=keep, visited=not without_traffic, leave_damage=leave_damage)
    destructions = tuple(DestructionSpec.parse(each) for each in destroy)
    if sandbox:
        directory = output or Path.cwd() / _OF_SANDBOX
        if trend:
            return _trend(directory, _SANDBOX_ENVIRONMENT, form)
        return _run(_on_sandbox(destructions, options, form, directory, every=every))
    file = environments.find(environment)
    directory = output or file.root / file.read().drill.reports
    if trend:
        return _trend(directory, file.name, form)
    if clean:
        return _run(_clean(file))
    return _run(_drill(_request(file, destructions, options, directory, every=every), form))


def _trend(directory: Path, environment: str, form: str) -> int:
    click.echo(drill_trend.trend(directory, environment, form))
    return _PROVED


def _run(work: Coroutine[Any, Any, int]) -> int:
    """Run it to its end, also after an interrupt."""
    try:
        return asyncio.run(work)
    except asyncio.CancelledError:
        say("interrupted; reconciler drill --clean deletes what is left of it")
        return _INTERRUPTED


def _request(
    file: EnvironmentFile,
    destructions: tuple[DestructionSpec, ...],
    options: DrillOptions,
    directory: Path,
    *,
    every: bool,
) -> DrillRequest:
    """Choose what to destroy: by the options, else by the file, else the first of all."""
    settings = file.read().drill
    asked = (
        destructions or (ALL if every else tuple(DestructionSpec.parse(each) for each in settings.destroy)) or ALL[:1]
    )
    return DrillRequest(file, asked, options, promise(settings, file.root), directory, say)


async def _drill(request: DrillRequest, form: str) -> int:
    with ending_in_order(say):
        try:
            return _ended(request, await drill(request), form)
        except DrillRefused as refused:
            return _refused(refused)


async def _on_sandbox(
    destructions: tuple[DestructionSpec, ...], options: DrillOptions, form: str, reports: Path, *, every: bool
) -> int:
    from reconciler.cli.drill.sandbox import staged

    with ending_in_order(say), tempfile.TemporaryDirectory(prefix="reconciler-drill-") as directory:
        async with staged(Path(directory), say) as stage:
            # The example's /ping names the database that answers, whatever it holds.
            visited = replace(options, path="/ping", visited=options.visited and stage.visited)
            request = _request(stage.file, destructions, visited, reports, every=every)
            try:
                return _ended(request, await drill(request, stage.environment, stage.address), form)
            except DrillRefused as refused:
                return _refused(refused)


async def _clean(file: EnvironmentFile) -> int:
    production = file.read()
    with ending_in_order(say):
        async with connected(production, file.root) as ports:
            swept = await Sweeper(production, ports, say).everything()
    if not swept.gone and not swept.left:
        say("there is nothing to delete")
    return _NOT_PROVED if swept.left else _PROVED


def _ended(request: DrillRequest, found: Drill, form: str) -> int:
    """Print the result before files are written, so that a failed write can't hide it."""
    if form != "markdown":
        click.echo(drill_output.as_json(found) if form == "json" else drill_output.as_text(found))
    path = drill_files.keep(found, request.reports)
    if form == "markdown":
        click.echo(path.read_text(encoding="utf-8"), nl=False)
    say(f"the report is {path}")
    return status_of(found)


def status_of(found: Drill) -> int:
    """Return the exit status: a failed proof is worse than a slow restore."""
    if not found.proved:
        return _NOT_PROVED
    return _PROVED if found.kept else _TOO_LONG


def _refused(error: DrillRefused) -> int:
    say(error.report)
    return _REFUSED
