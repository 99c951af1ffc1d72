"""`reconciler apply`: make reality what the file asks for."""

import asyncio
import json
import signal

import click

from reconciler.cli import environments, plan_text
from reconciler.cli.plan_command import Status, rendered, status_of
from reconciler.cli.progress import Progress
from reconciler.cli.status_command import seen_workers, served
from reconciler.cli.wiring import connected
from reconciler.cli.wording import target
from reconciler.core.desired import Desired
from reconciler.core.plan import plan
from reconciler.engine.apply import Apply, Outcome, PlanChanged
from reconciler.engine.observe import observe
from reconciler.errors import InputError, ReconcilerError


@click.command(name="apply")
@click.argument("environment", required=False)
@click.option("--expect", metavar="DIGEST", help="Refuse unless the plan has this digest: the one that was reviewed.")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
def command(environment: str | None, expect: str | None, form: str) -> int:
    """Make reality what the file asks for: look, take the next safe step, look again.

    A run that was interrupted or killed is continued by running it again. What goes on is said on stderr.

    Exit status: 0 converged, 3 refused, 1 error.
    """
    file = environments.find(environment)
    desired = file.read()
    try:
        with Progress() as progress:
            outcome = asyncio.run(_run(desired, file, expect, progress))
    except asyncio.CancelledError:
        raise click.Abort from None
    except PlanChanged as error:
        click.echo(error.report, err=True)
        click.echo(rendered(error.fresh, error.observed, form))
        return Status.REFUSED
    except InputError:
        raise  # nothing was sent to anybody
    except ReconcilerError as error:
        click.echo(error.report, err=True)
        click.echo(asyncio.run(_live_now(desired, file)), err=True)
        return Status.ERROR
    click.echo(_as_json(desired, outcome) if form == "json" else _as_text(desired, outcome))
    return status_of(outcome.final)


async def _run(desired: Desired, file: environments.EnvironmentFile, expect: str | None, progress: Progress) -> Outcome:
    """Apply; a SIGTERM ends it as Ctrl-C does, with nothing half-written."""
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    async with connected(desired, file.root, waiting=progress.waiting) as ports:
        return await Apply(desired, ports, progress.report).run(expect)


async def _live_now(desired: Desired, file: environments.EnvironmentFile) -> str:
    """Say what is live after a failure: the first thing that a person wants to know."""
    async with connected(desired, file.root) as ports:
        observed = await observe(desired, ports)
    now = plan(desired, observed)
    lines = [f"live now: {now.live or 'cannot be read'}"]
    lines += [f"  Worker {each.script}: {served(each, observed)}" for each in seen_workers(observed)]
    return "\n".join([*lines, f"next: mend the cause, then run reconciler apply {desired.environment} again"])


def _as_json(desired: Desired, outcome: Outcome) -> str:
    facts = plan_text.facts(outcome.final)
    return json.dumps(
        {
            "environment": desired.environment,
            "converged": outcome.converged,
            "digest": outcome.planned.digest,
            "live_timeline": facts["live_timeline"],
            "desired_timeline": facts["desired_timeline"],
            "steps": [
                {
                    "step": type(done.step).__name__,
                    "target": target(done.step),
                    "reason": done.step.reason,
                    "seconds": round(done.seconds, 3),
                }
                for done in outcome.taken
            ],
            "seconds": round(outcome.seconds, 3),
            "refusals": facts["refusals"],
            "warnings": list(outcome.planned.warnings),
        },
        indent=2,
        ensure_ascii=False,
    )


def _as_text(desired: Desired, outcome: Outcome) -> str:
    count, final = len(outcome.taken), outcome.final
    if not outcome.converged:
        lines = [plan_text.headline(final)]
        lines += [f"  {each.rule}: {each.message}\n      hint: {each.hint}" for each in final.refusals]
        return "\n".join([*lines, f"{count} steps were taken; {final.live or 'an unknown timeline'} is live"])
    if not count:
        return f"{desired.environment}: in sync, {final.live} is live; nothing was done"
    lines = [f"{desired.environment}: {final.live} is live ({count} steps, {outcome.seconds:.1f} s)"]
    for each in final.lineage.held if final.lineage else ():
        lines.append(f'  held: {each.timeline}, on branch "{each.branch.name}"')
    return "\n".join(lines)
