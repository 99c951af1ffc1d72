"""An apply in its repository: under a lease, so that it is the only one, and with a receipt of what came of it.

Shared by `apply` and `ci apply`. Outside a repository, or without a remote, there is no lease, as there is
no one to share it with.
"""

import asyncio
import itertools
import os
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from datetime import timedelta

from reconciler.cli.apply.receipt import Circumstances, End, receipt
from reconciler.cli.console.progress import Progress
from reconciler.cli.proposal.base import path_in_repository
from reconciler.cli.repository.environments import EnvironmentFile
from reconciler.cli.repository.shared import actor, actor_here, refuse_if_superseded, run_address, shared_repository
from reconciler.cli.wiring import connected
from reconciler.core.model.desired import Desired
from reconciler.core.plan.plan import Plan, plan
from reconciler.core.records.receipt import Receipt, Result, latest, parse
from reconciler.core.values.duration import for_people
from reconciler.engine.events import Outcome, PlanChanged
from reconciler.engine.loop import Apply
from reconciler.engine.observe import observe
from reconciler.errors import OutOfTime, ReconcilerError, Suspended
from reconciler.ports import Clock, Lease, Ports, SuspensionCheck
from reconciler.providers.git.lease import GitLease, LeaseState, to_the_end
from reconciler.providers.git.notes import Notes
from reconciler.providers.git.suspension import SuspensionWatch
from reconciler.render.status import seen_workers, served

# A restore takes a minute or two. The longest single waits are 15 minutes for a large branch and 5 for a compute; this
# has room for one of them and for retries, and ends before the hour that the workflow's job is given.
DEADLINE = timedelta(minutes=30)
# What is still to be done before the lease is given back.
Then = Callable[["Applied"], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Applied:
    """How it ended: an outcome, or the error with the last look; and the receipt, if there is a repository."""

    end: End
    outcome: Outcome | None
    receipt: Receipt | None

    @property
    def final(self) -> Plan:
        """The plan of the last look: what is live, and what is still missing."""
        assert self.end.final is not None  # only an interrupted run ends without a last look, and that one raises
        return self.end.final


class Applying:
    """One apply. `warn` is called with what else went wrong, such as a receipt that could not be pushed.

    `deadline` limits the work, counted from when the lease is held.
    """

    def __init__(
        self,
        file: EnvironmentFile,
        desired: Desired,
        progress: Progress,
        warn: Callable[[str], None],
        environment: Mapping[str, str] = os.environ,
        *,
        deadline: timedelta = DEADLINE,
    ) -> None:
        self._deadline = deadline
        self._file = file
        self._desired = desired
        self._progress = progress
        self._warn = warn
        self._environment = environment
        self._repository = shared_repository(file, environment)

    async def run(self, expect: str | None = None, *, lease: bool = True, then: Then | None = None) -> Applied:
        """Apply under the lease, plan included.

        Raises LeaseHeld, GitError (no lease), Superseded and InputError; nothing was done then.
        """
        connection = connected(self._desired, self._file.root, self._environment, self._progress.waiting)
        async with connection as ports, self._leased(ports.clock, wanted=lease) as held:
            if held is not None and self._repository is not None:
                # Only now: during a long wait for the lease, the default branch may have changed.
                refuse_if_superseded(self._file, self._repository)
            applied = await self._run(ports, held, expect)
            if then is not None:
                await then(applied)
            return applied

    def _leased(self, clock: Clock, *, wanted: bool) -> AbstractAsyncContextManager[Lease | None]:
        repository = self._repository
        if not wanted or repository is None or repository.remote is None:
            return nullcontext()
        owner = actor_here(self._environment)
        name = self._desired.environment
        return GitLease(repository, name, owner, clock, run=run_address(self._environment), waiting=self._waiting)

    def _suspension_check(self, clock: Clock, *, leased: bool) -> SuspensionCheck | None:
        if self._repository is None:
            return None
        return SuspensionWatch(self._repository, self._desired.environment, clock, self._warn, leased=leased)

    async def _run(self, ports: Ports, lease: Lease | None, expect: str | None) -> Applied:
        clock = ports.clock
        around, begun = self._circumstances(clock), clock.elapsed()
        suspension = self._suspension_check(clock, leased=lease is not None)
        apply = Apply(self._desired, ports, self._progress.report, lease, suspension)
        try:
            end, outcome = await self._end(ports, apply, expect)
        except asyncio.CancelledError:
            self._warn(_where_it_was(self._desired, apply))
            end = End(Result.INTERRUPTED, apply.observed, None, None, clock.elapsed() - begun)
            await self._attach(apply, around, end)
            raise
        return Applied(end, outcome, await self._attach(apply, around, end))

    async def _end(self, ports: Ports, apply: Apply, expect: str | None) -> tuple[End, Outcome | None]:
        """Apply to its end; after a failure, look what is live."""
        begun = ports.clock.elapsed()
        try:
            outcome = await self._in_time(apply, expect)
        except ReconcilerError as error:
            seconds = ports.clock.elapsed() - begun
            result = Result.REFUSED if isinstance(error, PlanChanged | Suspended) else Result.FAILED
            observed = await observe(self._desired, ports)
            return End(result, observed, plan(self._desired, observed), error, seconds), None
        seconds = ports.clock.elapsed() - begun
        return End(_result(outcome), outcome.observed, outcome.final, None, seconds), outcome

    async def _in_time(self, apply: Apply, expect: str | None) -> Outcome:
        """Apply, and stop when the deadline passes. Raises OutOfTime."""
        try:
            async with asyncio.timeout(self._deadline.total_seconds()) as limit:
                return await apply.run(expect)
        except TimeoutError as error:
            if not limit.expired():
                raise
            raise OutOfTime(
                f"not done after {for_people(self._deadline)}, the deadline of this apply{_at_work_on(apply)}",
                hint="what was under way may have happened: run it again, which looks first and continues from there; "
                "--deadline gives it longer",
            ) from error

    def _circumstances(self, clock: Clock) -> Circumstances:
        commit, changed = "", False
        if self._repository is not None and (commit := self._repository.head()):
            with self._warning("the receipt is put on the commit that is checked out"):
                path = path_in_repository(self._file, self._repository)
                changed = self._repository.differs_from_head(path)
                commit = self._repository.last_change(commit, path) or commit
        return Circumstances(commit, changed, actor(self._environment), run_address(self._environment), clock.now())

    async def _attach(self, apply: Apply, around: Circumstances, end: End) -> Receipt | None:
        """Attach the receipt, whole, also when cancelled; the lease is renewed meanwhile."""
        return await to_the_end(asyncio.to_thread(self._write_receipt, apply, around, end))

    def _write_receipt(self, apply: Apply, around: Circumstances, end: End) -> Receipt | None:
        """Attach the receipt to the commit that asked. A failure here is only a warning: the work is done."""
        if self._repository is None or not around.commit:
            return None
        notes = Notes(self._repository)
        with self._warning("the receipts of other runs could not be fetched"):
            notes.fetch()
        written = None
        with self._warning("the receipt could not be written"):
            last = latest(_receipts(notes), self._desired.environment)
            written = receipt(self._desired, apply, around, end, last.fingerprint if last else "")
            notes.add(around.commit, written.line)
        with self._warning("the receipt is kept here and could not be pushed (the next apply pushes it too)"):
            notes.push()
        return written

    @contextmanager
    def _warning(self, what: str) -> Iterator[None]:
        try:
            yield
        except ReconcilerError as error:
            self._warn(f"{what}: {error.message}")

    def _waiting(self, state: LeaseState, seconds: float) -> None:
        begun = f"{state.owner} has been at work on {state.environment} since {state.taken_at}"
        where = f" ({state.run})" if state.run else ""
        self._warn(f"{begun}{where}; waiting, for {seconds:.0f} s at most")


def _at_work_on(apply: Apply) -> str:
    return f" (under way: {', '.join(step.describe() for step in apply.under_way)})" if apply.under_way else ""


def _where_it_was(desired: Desired, apply: Apply) -> str:
    if apply.observed is None:
        return "interrupted before anything was looked at: nothing was changed"
    live = plan(desired, apply.observed).live or "an unknown timeline"
    return f"interrupted{_at_work_on(apply)}; {live} was live at the last look"


def live_now(desired: Desired, applied: Applied) -> str:
    """Say what is live and what to do next, after a failure."""
    lines = [f"live now: {applied.final.live or 'cannot be read'}"]
    if applied.end.observed is not None:
        seen = seen_workers(applied.end.observed)
        lines += [f"  Worker {each.script}: {served(each, applied.end.observed)}" for each in seen]
    first = "fix the cause"
    if isinstance(applied.end.error, Suspended):
        first = f"wait until it ends, or end it with reconciler resume {desired.environment}"
    return "\n".join([*lines, f"next: {first}, then run reconciler apply {desired.environment} again"])


def _result(outcome: Outcome) -> Result:
    if outcome.converged:
        return Result.CONVERGED
    return Result.FAILED if outcome.final.unreadable else Result.REFUSED


def _receipts(notes: Notes) -> Iterator[Receipt]:
    """Read every receipt; other notes are skipped."""
    for line in itertools.chain.from_iterable(notes.all().values()):
        with suppress(ValueError):
            yield parse(line)
