"""`reconciler plan`: what would be done, and why."""

import click

from reconciler.cli.console.exit_status import ExitStatus
from reconciler.cli.repository import environments
from reconciler.cli.repository import suspension as suspending
from reconciler.cli.wiring import look
from reconciler.core.model.observed import Observed
from reconciler.core.plan.plan import Plan, plan
from reconciler.render.plan import as_json, as_markdown, as_text


@click.command(name="plan")
@click.argument("environment", required=False)
@click.option("--format", "form", type=click.Choice(["text", "json", "markdown"]), default="text", show_default=True)
def command(environment: str | None, form: str) -> int:
    """Show what would be done, and why.

    Reads Neon, Cloudflare and wrangler.jsonc, and changes nothing. ENVIRONMENT is the name of a file in
    desired-state/ (production), or a path to one; it may be left out where there is only one.
    A suspended environment is planned all the same.

    Exit status: 0 in sync, 2 changes pending, 3 refused, 1 error.
    """
    file = environments.find(environment)
    desired, observed = look(environment)
    found = suspending.shown_in(plan(desired, observed), suspending.look(file))
    click.echo(rendered(found, observed, form))
    return status_of(found)


def rendered(found: Plan, observed: Observed, form: str) -> str:
    """Render a plan in the form that was asked for."""
    if form == "json":
        return as_json(found)
    return as_markdown(found, observed) if form == "markdown" else as_text(found, observed)


def status_of(found: Plan) -> ExitStatus:
    """Return the exit status of a plan: what could not be read is an error, not a refusal."""
    if found.unreadable:
        return ExitStatus.ERROR
    if found.refusals:
        return ExitStatus.REFUSED
    return ExitStatus.DONE if found.in_sync else ExitStatus.PENDING
