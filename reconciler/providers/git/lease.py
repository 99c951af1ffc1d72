"""The right to change an environment, as a ref on the remote: one run has it at a time, wherever the runs are.

`refs/reconciler/lease/<environment>` names a commit that says who has it and until when. It is only ever set by
compare-and-swap (`git push --force-with-lease=<ref>:<expected>`), so of two that reach for it one gets it.

It is renewed after a third of its duration. A run takes over another's lease only when that one is provably
dead: its expiry is past by more than two machines' clocks may differ, or it stood still for its whole duration by our
own clock that never goes back. An owner that cannot renew stops a third before its end (`confirm`). What lies between
a `confirm` and the call that follows it cannot be guarded: Neon and Cloudflare know nothing of leases.

GitHub takes refs of any name below refs/; a rule of the repository or another server may forbid it, which the error
then says.
"""

import asyncio
import secrets
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, ParamSpec, Self, TypeVar

from reconciler.core.values.duration import for_people
from reconciler.errors import GitError, LeaseHeld, LeaseLost, PushRejected
from reconciler.ports import Clock
from reconciler.providers.git.lease_record import LeaseState, Record
from reconciler.providers.git.lease_ref import Found, LeaseRef
from reconciler.providers.git.repository import Repository

__all__ = ["GitLease", "LeaseState", "to_the_end"]

# How far the clocks of two machines may be apart.
ALLOWANCE = timedelta(minutes=5)
PATIENCE_SECONDS = 600.0
_LOOK_EVERY_SECONDS = 5.0
_SHORTEST_PAUSE_SECONDS = 0.05
_P = ParamSpec("_P")
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class _Watch:
    """Since when a lease has been seen unchanged, by our clock that never goes back."""

    id: str
    since: float


class GitLease:
    """A lease of one environment: `async with GitLease(...) as lease`. Implements the port `Lease`.

    `owner` and `run` show others who has it and where its log is. `seconds` is how long it lasts without renewal,
    `patience` for how many seconds to wait for another run's; `waiting` is called once for each owner that is
    waited for, with the seconds that this will take at most.
    """

    def __init__(  # noqa: PLR0913  who wants what of whom; the rest has defaults
        self,
        repository: Repository,
        environment: str,
        owner: str,
        clock: Clock,
        *,
        run: str = "",
        seconds: float = 60.0,
        patience: float = PATIENCE_SECONDS,
        waiting: Callable[[LeaseState, float], None] | None = None,
    ) -> None:
        self._ref = LeaseRef(repository.patient(seconds / 3), environment)
        now = clock.now()
        self._record = Record(LeaseState(environment, owner, now, now, run), secrets.token_hex(8), 0, seconds)
        self._clock = clock
        self._patience = patience
        self._waiting = waiting
        # Commits of ours that may stand on the remote: one that surely does, or more while answers are missing.
        self._ours: tuple[str, ...] = ()
        self._renewed = clock.elapsed(), now
        self._lost: LeaseLost | None = None
        self._turn = asyncio.Lock()
        self._renewing: asyncio.Task[None] | None = None

    @classmethod
    def look(cls, repository: Repository, environment: str) -> LeaseState | None:
        """Read who has the lease; None where it is free, or where there is no remote. Raises GitError."""
        if repository.remote is None:
            return None
        found = LeaseRef(repository, environment).look()
        return found.record.state if found else None

    async def __aenter__(self) -> Self:
        """Take the lease. Raises LeaseHeld when another run keeps it for too long, GitError when it can't be set."""
        try:
            await self._take()
        except GitError as error:
            await to_the_end(self._give_back())
            raise self._explained(error) from error
        except BaseException:
            await to_the_end(self._give_back())
            raise
        self._renewing = asyncio.create_task(self._keep_renewing())
        return self

    async def __aexit__(self, *reason: object) -> None:
        """Give it back, also when cancelled. Where that fails it expires by itself."""
        await to_the_end(self._finish())

    async def confirm(self) -> None:
        """Return if no other run can have the lease. Raises LeaseLost.

        Renews it at once where a third of its duration has gone by: a process that slept finds out here.
        """
        if self._lost is None and self._age() > self._third:
            async with self._turn:
                await self._renew_in_time()
        if self._lost is not None:
            raise self._lost

    @property
    def _third(self) -> float:
        return self._record.seconds / 3

    def _age(self) -> float:
        """Return the seconds since the last renewal began, by the clock that counted more.

        A machine that slept may have stopped the one that never goes back; the other one may have been set back.
        """
        elapsed, moment = self._renewed
        return max(self._clock.elapsed() - elapsed, (self._clock.now() - moment).total_seconds())

    async def _take(self) -> None:
        begun = self._clock.elapsed()
        watch = _Watch("", begun)
        reported: set[str] = set()
        while True:
            found = await _in_thread(self._ref.look)
            if found is not None and found.id != watch.id:
                watch = _Watch(found.id, self._clock.elapsed())
            if found is None or self._is_dead(found, watch):
                with suppress(PushRejected):  # another run came first: see which
                    return await self._put(found.id if found else "")
            else:
                await self._wait(found, watch, begun, reported)

    def _is_dead(self, found: Found, watch: _Watch) -> bool:
        expired = self._clock.now() - found.record.state.expires_at > ALLOWANCE
        still = self._clock.elapsed() - watch.since >= found.record.seconds
        return still or (expired and found.record.readable)

    async def _wait(self, found: Found, watch: _Watch, begun: float, reported: set[str]) -> None:
        left = self._patience - (self._clock.elapsed() - begun)
        if left <= 0:
            raise _held(found.record, self._patience)
        if self._waiting is not None and found.record.nonce not in reported:
            self._waiting(found.record.state, left)
        reported.add(found.record.nonce)
        until_dead = found.record.seconds - (self._clock.elapsed() - watch.since)
        await self._clock.sleep(max(_SHORTEST_PAUSE_SECONDS, min(_LOOK_EVERY_SECONDS, left, until_dead)))

    async def _put(self, expected: str) -> None:
        """Set the ref to a new record of ours if it is `expected`. Raises PushRejected, GitError."""
        began = self._clock.elapsed(), self._clock.now()
        record = self._record.renewed(began[1])
        commit = await _in_thread(self._ref.write, record)
        self._ours = (*self._ours, commit)
        await _in_thread(self._ref.set, commit, expected)
        self._ours, self._record, self._renewed = (commit,), record, began

    async def _keep_renewing(self) -> None:
        while self._lost is None:
            await self._clock.sleep(max(self._third / 4, self._third - self._age()))
            async with self._turn:
                with suppress(GitError, LeaseLost):  # tried again soon; `confirm` says what it means
                    if self._age() >= self._third:
                        await self._renew()

    async def _renew_in_time(self) -> None:
        if self._lost is not None or self._age() <= self._third:
            return  # while we waited for our turn
        try:
            await self._renew()
        except GitError as error:
            if self._age() < 2 * self._third:
                return
            raise LeaseLost(
                f"the lease on {self._record.state.environment} could not be renewed for {self._age():.0f} s, and "
                f"another run may take it after {self._record.seconds:.0f} s: {error.message}",
                hint="run it again when the remote can be reached: it goes on from what it finds",
            ) from error

    async def _renew(self) -> None:
        while True:
            present = self._ours[0] if len(self._ours) == 1 else await _in_thread(self._ref.id)
            if present not in self._ours:
                self._lost = await self._loss()
                raise self._lost
            with suppress(PushRejected):  # taken, or an earlier push of ours arrived late
                return await self._put(present)

    async def _loss(self) -> LeaseLost:
        why = "another run has it"
        with suppress(GitError):
            found = await _in_thread(self._ref.look)
            by = found.record.state if found else None
            why = f"{by.owner} took it at {by.taken_at}{_where(by)}" if by else f"{self._ref.name} was deleted"
        return LeaseLost(
            f"the lease on {self._record.state.environment} was lost: {why}",
            hint="nothing more is done here; wait for the other run, then look at status",
        )

    async def _finish(self) -> None:
        if self._renewing is not None:
            self._renewing.cancel()
            await asyncio.wait([self._renewing])
        await self._give_back()

    async def _give_back(self) -> None:
        if self._ours and self._lost is None:
            with suppress(GitError):
                await _in_thread(self._ref.remove, self._ours)

    def _explained(self, error: GitError) -> GitError:
        environment = self._record.state.environment
        return type(error)(
            f"no lease on {environment} can be had, which keeps two runs apart: {error.message}",
            hint=f"fix that (the remote must take pushes to {self._ref.name}); or, if no other run can be at work, "
            f"reconciler apply {environment} --without-lease",
        )


def _held(record: Record, patience: float) -> LeaseHeld:
    state = record.state
    if record.readable:
        what = (
            f"{state.owner} has been at work on {state.environment} since {state.taken_at}, "
            f"and has a lease until {state.expires_at}{_where(state)}"
        )
    else:
        what = f"{state.owner} is at work on {state.environment}"
    return LeaseHeld(
        f"{what}; waited {for_people(timedelta(seconds=patience))} for it",
        hint="try again when that run has ended; a run that died is taken over once it has not renewed "
        f"for {record.seconds:.0f} s",
    )


def _where(state: LeaseState) -> str:
    return f" ({state.run})" if state.run else ""


async def _in_thread(function: Callable[_P, _T], *arguments: _P.args, **options: _P.kwargs) -> _T:
    """Run it in a thread; when cancelled, wait for its end first: what it was doing on the remote must be known."""
    return await to_the_end(asyncio.to_thread(function, *arguments, **options))


async def to_the_end(work: Coroutine[Any, Any, _T]) -> _T:
    """Await it whole; a cancellation that comes in between is raised afterwards."""
    task = asyncio.ensure_future(work)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        raise cancelled from task.exception()
    return task.result()
