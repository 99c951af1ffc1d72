"""`reconciler restore`: propose a restore to a moment or an LSN."""

import asyncio
import os
from dataclasses import replace

import click

from reconciler.cli.console.exit_status import ExitStatus
from reconciler.cli.options.moment import read_moment
from reconciler.cli.proposal import text as proposal_text
from reconciler.cli.proposal.base import Base, Examined, examine
from reconciler.cli.proposal.publish import Change, propose
from reconciler.cli.proposal.report import nothing_to_do, preview, refused, report
from reconciler.cli.repository import environments
from reconciler.core.file.edit import desired_timeline, with_restore
from reconciler.core.model.desired import Restore
from reconciler.core.plan.proposal import TimelineUsed
from reconciler.core.values.instant import Instant
from reconciler.core.values.lsn import Lsn
from reconciler.core.values.timeline import Point, Timeline
from reconciler.errors import InputError
from reconciler.providers.clock import SystemClock


@click.command(name="restore")
@click.argument("environment", required=False)
@click.option("--to", "moment", metavar="MOMENT", help="The last moment at which the data was good.")
@click.option("--to-lsn", "lsn", metavar="LSN", help="Instead of --to: an LSN of the timeline that --from names.")
@click.option("--id", "identity", default="", help="An incident's number: restores the same moment again.")
@click.option("--reason", default="", help="The reason, for reviewers and for the history.")
@click.option("--from", "source", metavar="TIMELINE", help="The timeline to restore from, if not the one live then.")
@click.option("--pr", "review", is_flag=True, help="Open a pull request on GitHub (needs GITHUB_TOKEN).")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
def command(  # noqa: PLR0913  one parameter for each option
    environment: str | None,
    moment: str | None,
    lsn: str | None,
    identity: str,
    reason: str,
    source: str | None,
    *,
    review: bool,
    form: str,
) -> int:
    """Propose a restore: a change of one line of the desired-state file, on a new branch.

    MOMENT is "2026-11-21T09:55:00Z", "2026-11-21 10:55 Europe/Berlin" or "1 hour 30 min ago"; the exact instant in
    UTC is shown. The change is made on the tip of the remote's default branch; your work tree is not touched, and
    nothing is restored before it is merged and applied. What the plan refuses is not committed.

    Exit status: 0 proposed, or live already, 3 refused, 1 error.
    """
    now = SystemClock().now()
    of = timeline_named(source)
    restore = Restore(_point(moment, lsn, of, now), identity, one_line(reason), of)
    return asyncio.run(_propose(environments.find(environment), restore, review=review, form=form))


def _point(moment: str | None, lsn: str | None, source: Timeline | None, now: Instant) -> Point:
    """Read the moment or LSN to restore to. Raises InputError."""
    if moment is not None and lsn is None:
        return read_moment(moment, now)
    if lsn is None or moment is not None:
        raise InputError("a restore goes back to a moment or to an LSN", hint='give one: --to "1 hour ago" or --to-lsn')
    if source is None:
        raise InputError(f"{lsn} belongs to one timeline, and none is named", hint="add --from, such as --from origin")
    try:
        return Lsn.parse_strict(lsn)
    except ValueError as error:
        raise InputError(f'"{lsn}" {error}') from error


async def _propose(file: environments.EnvironmentFile, restore: Restore, *, review: bool, form: str) -> int:
    base = Base.of(file, os.environ)
    text = with_restore(base.text, restore)
    examined = _once_only(await examine(base, text, os.environ))
    if (status := refused(examined, form)) is not None:
        return status
    if lines := _already(base, examined):
        nothing_to_do(base, examined, form, *lines)
        return ExitStatus.DONE
    change = Change(
        base=base,
        branch=f"restore/{base.environment}/{examined.desired.timeline}",
        text=text,
        message=proposal_text.message(proposal_text.restore_subject(examined), base, examined, restore.reason),
        body=proposal_text.body(base, examined, restore.reason),
        apart="give another --id",
    )
    preview(change, examined)
    report(await propose(change, review=review), examined, form)
    return ExitStatus.DONE


def _once_only(examined: Examined) -> Examined:
    """Refuse to restore to a timeline that is held: it would come back as it was left."""
    timeline, lineage = examined.desired.timeline, examined.plan.lineage
    held = lineage.timeline_branch(timeline) if lineage else None
    if held is None or held.held is None or examined.plan.live == timeline:
        return examined
    refusal = TimelineUsed(timeline, held.branch.name, examined.desired.environment)
    return replace(examined, plan=replace(examined.plan, waves=(), refusals=(*examined.plan.refusals, refusal)))


def _already(base: Base, examined: Examined) -> list[str]:
    """Say why there is nothing to propose; empty if there is."""
    name, timeline = base.environment, examined.desired.timeline
    asked = desired_timeline(base.text) == timeline
    again = "to restore to that moment once more, give another --id"
    if examined.plan.live == timeline:
        lines = [f"{name}: {timeline} is live already; {again}"]
        return lines if asked else [*lines, f"{base.path} on {base.where} asks for another timeline: see plan {name}"]
    if asked:
        live = f"{name}: {base.where} asks for {timeline} already, and {examined.plan.live} is still live"
        return [live, f"next: reconciler apply {name}"]
    return []


def one_line(reason: str) -> str:
    """Return a reason without line ends. Raises InputError if it is not UTF-8."""
    try:
        reason.encode()
    except UnicodeEncodeError as error:
        raise InputError("--reason is not UTF-8", hint="give it in UTF-8, whatever the terminal's encoding") from error
    return " ".join(reason.split())


def timeline_named(name: str | None) -> Timeline | None:
    """Read the name of a timeline that was given as an option. Raises InputError."""
    timeline = Timeline.parse(name) if name else None
    if name and timeline is None:
        hint = (
            'it is "origin", or like "r-20261121T095500000Z" or "lsn-0-1A2B3C8"; reconciler status shows those that '
            "there are"
        )
        raise InputError(f'"{name}" is not the name of a timeline', hint=hint)
    return timeline
