"""`reconciler adopt`: record which timeline is live after a restore by hand."""

import asyncio
import os
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager, nullcontext

import click

from reconciler.cli.console.exit_status import ExitStatus
from reconciler.cli.console.messages import warn
from reconciler.cli.repository import environments
from reconciler.cli.repository.shared import actor_here, shared_repository
from reconciler.cli.restore import timeline_named
from reconciler.cli.wiring import connected
from reconciler.core.file.edit import desired_timeline, with_restore
from reconciler.core.importing.adoption import Adoption, adoption
from reconciler.core.model.desired import Desired
from reconciler.core.model.observed import Branch, Observed, known, named
from reconciler.core.model.refusal import Refusal
from reconciler.core.plan.plan import Plan, plan
from reconciler.core.values.timeline import ORIGIN, Timeline
from reconciler.engine.observe import observe
from reconciler.errors import InputError
from reconciler.ports import Clock, Lease, Ports
from reconciler.providers.git.lease import GitLease, LeaseState
from reconciler.providers.git.suspension import SuspensionWatch
from reconciler.render.plan import as_text
from reconciler.render.plan_description import headline


@click.command(name="adopt")
@click.argument("environment", required=False)
@click.option("--timeline", "name", metavar="NAME", help="The live timeline: r-…; the file's own, if left out.")
@click.option("--as-origin", is_flag=True, help="origin is live: ignore what was restored by hand.")
@click.option("--from", "source", metavar="NAME", help="The timeline that an LSN belongs to, if unclear.")
@click.option("--held", default="", metavar="BRANCH", help="The branch that keeps the data from before, if unclear.")
@click.option("--yes", is_flag=True, help="Record it. Without --yes, it is only shown.")
def command(
    environment: str | None, name: str | None, source: str | None, held: str, *, as_origin: bool, yes: bool
) -> int:
    """Record which timeline is live after a restore by hand.

    The timeline's name gives the moment: r-20261121T095500000Z is 2026-11-21T09:55:00Z, lsn-0-1A2B3C8
    is the LSN 0/1A2B3C8, and -ID may follow. The branch that keeps the data from before gets a name that says
    so, and the file asks for the timeline. No data and no traffic change. Commit the file
    afterwards.

    Exit status: 0 done, or nothing to do, 2 only shown, 3 refused, 1 error.
    """
    if as_origin and name:
        raise InputError("--timeline and --as-origin exclude each other", hint="give one of them")
    file = environments.find(environment)
    desired, text = file.read(), file.path.read_bytes().decode()
    timeline = ORIGIN if as_origin else timeline_named(name) or desired.timeline
    return asyncio.run(_Adopting(file, desired, text).run(timeline, held, timeline_named(source), yes=yes))


class _Adopting:
    def __init__(self, file: environments.EnvironmentFile, desired: Desired, text: str) -> None:
        self._file, self._desired, self._text = file, desired, text
        self._repository = shared_repository(file, os.environ)

    async def run(self, timeline: Timeline, held: str, source: Timeline | None, *, yes: bool) -> int:
        async with connected(self._desired, self._file.root) as ports, self._leased(ports.clock, yes=yes) as lease:
            observed = await observe(self._desired, ports)
            now = plan(self._desired, observed)
            if now.unreadable:
                click.echo(as_text(now, observed))
                return ExitStatus.ERROR
            for line in _seen(self._desired, observed, now):
                click.echo(line)
            found = adoption(self._desired, observed, timeline, held, source)
            if isinstance(found, Refusal):
                click.echo(f"refused    {found.rule}: {found.message}\n           hint: {found.hint}")
                return ExitStatus.REFUSED
            is_asked = desired_timeline(self._text) == timeline
            if found.rename is None and is_asked:
                click.echo(f"{self._desired.environment}: {timeline} is recorded as live already; nothing to adopt")
                return ExitStatus.DONE
            for line in _recorded(self._file, found, is_asked=is_asked):
                click.echo(line)
            if not yes:
                click.echo("nothing was changed: give --yes to do it")
                return ExitStatus.PENDING
            await self._record(ports, observed, found, lease)
            return ExitStatus.DONE

    async def _record(self, ports: Ports, observed: Observed, found: Adoption, lease: Lease | None) -> None:
        """Rename first: a file that asks for a timeline without its name would have it restored once more."""
        if self._repository is not None:
            leased = lease is not None
            watch = SuspensionWatch(self._repository, self._desired.environment, ports.clock, warn, leased=leased)
            await watch.confirm()
        if lease is not None:
            await lease.confirm()
        if found.rename is not None:
            branches = known(observed.branches)
            branch = named(branches, found.rename.branch)
            assert branch is not None  # it was found among them
            await ports.neon.rename_branch(self._desired.primary.project, branch.id, found.rename.to)
        if desired_timeline(self._text) != found.asked.timeline:
            self._write(with_restore(self._text, found.asked.primary.restore))
        after = await observe(found.asked, ports)
        click.echo(headline(plan(found.asked, after)))

    def _write(self, text: str) -> None:
        """Replace the file's text, whole or not at all. Raises InputError."""
        path, beside = self._file.path, self._file.path.with_suffix(".adopting")
        try:
            beside.write_bytes(text.encode())
            beside.replace(path)
        except OSError as error:
            hint = "the branch has its name already: run it again once the file can be written"
            raise InputError(f"{path}: can't be written: {error.strerror}", hint=hint) from error

    def _leased(self, clock: Clock, *, yes: bool) -> AbstractAsyncContextManager[Lease | None]:
        repository = self._repository
        if not yes or repository is None or repository.remote is None:
            return nullcontext()
        return GitLease(repository, self._desired.environment, actor_here(), clock, run="", waiting=_waiting)


def _seen(desired: Desired, observed: Observed, now: Plan) -> Iterator[str]:
    """Show everything that the answer depends on."""
    yield headline(now)
    branches = known(observed.branches)
    for each in sorted(branches, key=lambda branch: branch.created_at):
        yield f"branch     {_described(each, desired)}"
    yield from (f"drift      {each}" for each in now.drift)


def _described(branch: Branch, desired: Desired) -> str:
    facts = [f'"{branch.name}" ({branch.id})', f"created {branch.created_at}"]
    facts += [f"from {branch.parent_id}"] if branch.parent_id else ["a root"]
    facts += [f"reset or restored {branch.last_reset_at}"] if branch.last_reset_at else []
    facts += [f"annotated as {branch.mark.timeline}"] if branch.mark else []
    facts += ["the primary"] if branch.name == desired.primary.branch else []
    return ", ".join(facts)


def _recorded(file: environments.EnvironmentFile, found: Adoption, *, is_asked: bool) -> Iterator[str]:
    """Say what will be changed, and how to undo that."""
    timeline, shown = found.asked.timeline, f"{environments.DIRECTORY}/{file.path.name}"
    if found.rename is not None:
        yield f'rename     "{found.rename.branch}" to "{found.rename.to}": {found.rename.reason}'
    if not is_asked:
        restore = found.asked.primary.restore
        source = f' (its "from": {restore.source})' if restore is not None and restore.source is not None else ""
        yield f"file       {shown} asks for {timeline}{source}: commit it"
    if found.rename is not None:
        back = f'neon branches rename "{found.rename.to}" "{found.rename.branch}"'
        yield f"take back  {back}" + ("" if is_asked else f", and git checkout {shown}")
    else:
        yield f"take back  git checkout {shown}"


def _waiting(state: LeaseState, seconds: float) -> None:
    warn(f"{state.owner} has been at work since {state.taken_at}; waiting, for {seconds:.0f} s at most")
