"""`reconciler rollback`: propose a return to the timeline that was live before."""

import asyncio
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace

import click

from reconciler.cli.console.exit_status import ExitStatus
from reconciler.cli.console.messages import say
from reconciler.cli.proposal import text as proposal_text
from reconciler.cli.proposal.base import Base, Examined, examine
from reconciler.cli.proposal.publish import Change, propose
from reconciler.cli.proposal.report import nothing_to_do, preview, refused, report
from reconciler.cli.repository import environments
from reconciler.cli.restore import one_line, timeline_named
from reconciler.core.file.edit import desired_timeline, restore_text, with_restore, with_restore_text
from reconciler.core.lineage.infer import timeline_before
from reconciler.core.model.desired import Restore
from reconciler.core.model.refusal import Refusal
from reconciler.core.plan.proposal import NotAppliedYet
from reconciler.core.rules.restore.guards import TimelineNotHeld
from reconciler.core.values.timeline import Timeline
from reconciler.errors import InputError


@dataclass(frozen=True, slots=True)
class _Undo:
    """The file's new text, the commit's subject, and the commit that is reverted, if it is one."""

    text: str
    subject: str
    commit: str = ""


@dataclass(frozen=True, slots=True)
class _Revision:
    """A commit that changed the file: the file before (None: it was not there) and after."""

    commit: str
    subject: str
    before: str | None
    after: str | None

    @property
    def changed_timeline(self) -> bool:
        """Whether it changed the timeline."""
        return _asked(self.before) != _asked(self.after)


@click.command(name="rollback")
@click.argument("environment", required=False)
@click.option("--to-timeline", "name", metavar="NAME", help="A held timeline to return to: origin, or r-….")
@click.option("--reason", default="", help="The reason, for reviewers and for the history.")
@click.option("--pr", "review", is_flag=True, help="Open a pull request on GitHub (needs GITHUB_TOKEN).")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
def command(environment: str | None, name: str | None, reason: str, *, review: bool, form: str) -> int:
    """Propose to undo the last restore that was applied: the revert of its commit, on a new branch.

    The timeline that was live before is held, and comes back exactly as it was left; the one left is held in turn.
    A rollback is undone in the same way.
    Your work tree is not touched.

    Exit status: 0 proposed, or live already, 3 refused, 1 error.
    """
    file, wanted = environments.find(environment), timeline_named(name)
    return asyncio.run(_propose(file, wanted, one_line(reason), review=review, form=form))


async def _propose(
    file: environments.EnvironmentFile, wanted: Timeline | None, reason: str, *, review: bool, form: str
) -> int:
    base = Base.of(file, os.environ)
    now = _applied(base, await examine(base, base.text, os.environ))
    if now.plan.live is None or now.plan.live != now.desired.timeline:
        return refused(now, form) or ExitStatus.ERROR
    if wanted == now.plan.live:
        nothing_to_do(base, now, form, f"{base.environment}: {wanted} is live already")
        return ExitStatus.DONE
    undo = _to(base, wanted) if wanted else _last(base, now.plan.live)
    examined = _held_only(await examine(base, undo.text, os.environ))
    if wanted is None and (replaced := _replaced_instead(examined)) is not None:
        say(f"{examined.desired.timeline}, asked for before, is not held; live before was {replaced}")
        undo = _to(base, replaced)
        examined = _held_only(await examine(base, undo.text, os.environ))
    if (status := refused(examined, form)) is not None:
        return status
    change = _change(base, undo, examined, reason)
    preview(change, examined)
    report(await propose(change, review=review), examined, form)
    return ExitStatus.DONE


def _change(base: Base, undo: _Undo, examined: Examined, reason: str) -> Change:
    reverts = proposal_text.reverts(undo.commit) if undo.commit else ""
    return Change(
        base=base,
        branch=f"rollback/{base.environment}/{examined.desired.timeline}",
        text=undo.text,
        message=proposal_text.message(undo.subject, base, examined, reverts, reason),
        body=proposal_text.body(base, examined, reason, notes=(reverts,) if reverts else ()),
        apart="merge or close what is on it",
    )


def _applied(base: Base, examined: Examined) -> Examined:
    """Refuse to undo a restore that is not applied yet."""
    live, asked = examined.plan.live, examined.desired.timeline
    if live is None or live == asked:
        return examined
    commit = next((each.commit for each in _revisions(base) if each.changed_timeline), base.commit)
    return _refusing(examined, NotAppliedYet(asked, live, base.environment, commit))


def _held_only(examined: Examined) -> Examined:
    """Refuse a timeline that is not held: making it again would be a restore, with other data."""
    timeline, lineage = examined.desired.timeline, examined.plan.lineage
    if lineage is None or proposal_text.is_held(examined, timeline):
        return examined
    if any(isinstance(each, TimelineNotHeld) for each in examined.plan.refusals):
        return examined
    held = tuple(str(each.timeline) for each in lineage.held)
    return _refusing(examined, TimelineNotHeld(timeline, str(lineage.live.timeline), held))


def _replaced_instead(examined: Examined) -> Timeline | None:
    """Return what the live timeline replaced, if the one that the file asked for before is not held.

    That was merged and never applied, or its hold is over; a rollback restores what users had.
    """
    lineage = examined.plan.lineage
    if lineage is None or not any(isinstance(each, TimelineNotHeld) for each in examined.plan.refusals):
        return None
    replaced = timeline_before(lineage, lineage.live.timeline)
    return None if replaced in (lineage.live.timeline, examined.desired.timeline) else replaced


def _refusing(examined: Examined, refusal: Refusal) -> Examined:
    return replace(examined, plan=replace(examined.plan, waves=(), refusals=(*examined.plan.refusals, refusal)))


def _last(base: Base, live: Timeline) -> _Undo:
    """Revert the newest commit that changed the timeline, character by character."""
    name = base.environment
    for revision in _revisions(base):
        if not revision.changed_timeline:
            continue
        if revision.before is None or _asked(revision.before) is None:
            break
        text = with_restore_text(base.text, restore_text(revision.before))
        return _Undo(text, proposal_text.revert_subject(revision.subject), revision.commit)
    hint = f"reconciler rollback {name} --to-timeline NAME goes to one that is held: reconciler status {name}"
    raise InputError(f"{name} has been on {live} as far back as {base.where} goes: nothing to roll back", hint=hint)


def _to(base: Base, timeline: Timeline) -> _Undo:
    """Ask for an older timeline as the file once did, reason included, or else by its name."""
    subject = f"Roll {base.environment} back to {timeline}"
    for revision in _revisions(base):
        if revision.after is not None and _asked(revision.after) == timeline:
            return _Undo(with_restore_text(base.text, restore_text(revision.after)), subject)
    restore = None if timeline.to is None else Restore(timeline.to, timeline.id)
    return _Undo(with_restore(base.text, restore), subject)


def _revisions(base: Base) -> Iterator[_Revision]:
    """Yield the commits that changed the file, newest first."""
    repository = base.repository
    for each in repository.changes(base.commit, base.path):
        parent = repository.resolve(f"{each.id}^")
        before = base.decoded(parent) if parent else None
        yield _Revision(each.id, each.subject, before, base.decoded(each.id))


def _asked(text: str | None) -> Timeline | None:
    return None if text is None else desired_timeline(text)
