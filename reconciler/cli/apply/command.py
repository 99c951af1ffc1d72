"""`reconciler apply`: make what is live match the file."""

import asyncio
import json
from datetime import timedelta

import click

from reconciler.cli.apply.run import DEADLINE, Applied, Applying, live_now
from reconciler.cli.console.exit_status import ExitStatus
from reconciler.cli.console.interrupts import ending_in_order
from reconciler.cli.console.messages import say, warn
from reconciler.cli.console.progress import Progress
from reconciler.cli.options.duration import Duration
from reconciler.cli.plan import rendered, status_of
from reconciler.cli.repository import environments
from reconciler.cli.repository.shared import Superseded
from reconciler.core.model.desired import Desired
from reconciler.core.records.suspension import Suspension
from reconciler.engine.events import Outcome, PlanChanged
from reconciler.errors import ReconcilerError, Suspended
from reconciler.render.plan import facts
from reconciler.render.plan_description import headline
from reconciler.render.wording import counted


@click.command(name="apply")
@click.argument("environment", required=False)
@click.option("--expect", metavar="DIGEST", help="Refuse unless the plan has this digest: the one that was reviewed.")
@click.option(
    "--without-lease",
    is_flag=True,
    help="Do not take the lease on the Git remote, such as while it is down. Make sure that no other apply runs.",
)
@click.option(
    "--deadline",
    type=Duration(),
    default=DEADLINE,
    metavar="DURATION",
    help="End in order after so long, such as 90s, 30m or 2h, counted from when the lease is there.  [default: 30m]",
)
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
def command(environment: str | None, expect: str | None, deadline: timedelta, form: str, *, without_lease: bool) -> int:
    """Make what is live match the file: look, take the next safe step, look again.

    To continue a run that was interrupted or killed, run it again. Progress is on stderr.

    In a Git repository with a remote, a lease there keeps two runs apart, a checkout that is older than what the
    default branch asks for is refused, and a receipt is attached to the commit that asked
    (`reconciler history` shows them). While the environment is suspended (`reconciler suspend`), apply refuses.

    Exit status: 0 converged, 3 refused, 1 error.
    """
    file = environments.find(environment)
    desired = file.read()
    try:
        with Progress() as progress:
            applying = Applying(file, desired, progress, warn, deadline=deadline)
            applied = asyncio.run(_run(applying, expect, lease=not without_lease))
    except asyncio.CancelledError:
        raise click.Abort from None
    except Superseded as superseded:
        say(superseded.report)
        return ExitStatus.REFUSED
    error = applied.end.error
    if isinstance(error, PlanChanged):
        say(error.report)
        click.echo(rendered(error.fresh, error.observed, form))
        return ExitStatus.REFUSED
    if isinstance(error, Suspended):
        click.echo(_as_json(applied) if form == "json" else _stopped_as_text(desired, applied))
        return ExitStatus.REFUSED
    if error is not None:
        say(error.report)
        say(live_now(desired, applied))
        return ExitStatus.ERROR
    assert applied.outcome is not None  # without an error there is one
    click.echo(_as_json(applied) if form == "json" else _as_text(desired, applied.outcome))
    return status_of(applied.outcome.final)


async def _run(applying: Applying, expect: str | None, *, lease: bool) -> Applied:
    """Apply; after a signal, end in order."""
    with ending_in_order(warn):
        return await applying.run(expect, lease=lease)


def _as_json(applied: Applied) -> str:
    """Say for programs how it ended; where a suspension stopped it, the steps are those taken before."""
    outcome, written, error = applied.outcome, applied.receipt, applied.end.error
    found = facts(applied.final)
    taken: list[dict[str, object]] = []
    if outcome is not None:
        taken = [
            {"step": done.step.wire_name, "target": done.step.target, "reason": done.step.reason}
            | {"seconds": round(done.seconds, 3)}
            for done in outcome.taken
        ]
    elif written is not None:
        taken = [
            {"step": done.step, "target": done.target, "reason": done.reason, "seconds": done.seconds}
            for done in written.steps
        ]
    return json.dumps(
        {
            "environment": found["environment"],
            "converged": outcome is not None and outcome.converged,
            "digest": outcome.planned.digest if outcome else written.digest if written else "",
            "live_timeline": found["live_timeline"],
            "desired_timeline": found["desired_timeline"],
            "steps": taken,
            "seconds": round(applied.end.seconds, 3),
            "refusals": found["refusals"] if error is None else [_stop(error)],
            "warnings": list(outcome.planned.warnings) if outcome else found["warnings"],
        },
        indent=2,
        ensure_ascii=False,
    )


def _stop(error: ReconcilerError) -> dict[str, str]:
    return {"rule": Suspension.rule, "message": error.message, "hint": error.hint}


def _stopped_as_text(desired: Desired, applied: Applied) -> str:
    error, taken = applied.end.error, applied.receipt.steps if applied.receipt else ()
    assert error is not None
    lines = [f"{desired.environment}: refused ({Suspension.rule})"]
    lines += [f"  {Suspension.rule}: {error.message}", f"      hint: {error.hint}"]
    lines += [f"{counted(len(taken))} taken before it was seen" if taken else "nothing was done"]
    return "\n".join([*lines, live_now(desired, applied)])


def _as_text(desired: Desired, outcome: Outcome) -> str:
    count, final = len(outcome.taken), outcome.final
    if not outcome.converged:
        lines = [headline(final)]
        lines += [f"  {each.rule}: {each.message}\n      hint: {each.hint}" for each in final.refusals]
        return "\n".join([*lines, f"{counted(count)} taken; {final.live or 'an unknown timeline'} is live"])
    if not count:
        return f"{desired.environment}: in sync, {final.live} is live; nothing was done"
    lines = [f"{desired.environment}: {final.live} is live ({counted(count)}, {outcome.seconds:.1f} s)"]
    for each in final.lineage.held if final.lineage else ():
        lines.append(f'  held: {each.timeline}, on branch "{each.branch.name}"')
    for path in dict.fromkeys(done.step.writes_file for done in outcome.taken if done.step.writes_file):
        lines.append(f"  changed: {path} names what is deployed now; commit it")
    return "\n".join(lines)
