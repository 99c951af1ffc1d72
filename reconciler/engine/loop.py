"""The loop: look, derive the next steps, take them, look again, until there are none.

Nothing is remembered between runs: to continue a run that was killed, run it again. A lost answer is no error but a
reason to look. A step counts as done when the rules, after a look, no longer ask for it. Before each wave, the run
checks that it still has the lease and that the environment is not suspended. A suspension stops it, but never prevents
the safety net, which makes users able to write again.
"""

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import TypeGuard

from reconciler.core.model.desired import Desired
from reconciler.core.model.observed import Observed, Operation, Unknown
from reconciler.core.model.refusal import Refusal
from reconciler.core.plan.plan import Plan, plan
from reconciler.core.plan.safety_net import safety_net
from reconciler.core.rules.context import concurrency
from reconciler.core.rules.context.planning import Blocked
from reconciler.core.rules.next_steps import next_steps
from reconciler.core.rules.restore.role_changes import Change, changes
from reconciler.core.steps import Step
from reconciler.core.values.instant import Instant
from reconciler.engine.effects import carry_out
from reconciler.engine.events import (
    LooksAgain,
    Outcome,
    PlanChanged,
    Report,
    SafetyNetFailed,
    StepDropped,
    StepFailed,
    StepFinished,
    StepStarted,
    StepUncertain,
)
from reconciler.engine.observe import observe
from reconciler.engine.recheck import recheck
from reconciler.errors import AnswerLost, GateFailed, NotConverged, ProviderError, ReconcilerError, WorldMoved
from reconciler.ports import Lease, Ports, SuspensionCheck

# An answered step may stay unseen for this long: Neon's reads lag behind its writes for up to half a minute.
_SETTLING_SECONDS = 60.0
# A refusal that a lagging list may cause is looked at again for this long, as in Neon's own tests.
_LAGGING_SECONDS = 30.0
_MOST_TRIES = 4
# The safety net has this long: two logins and one call to Neon take about two seconds.
_SAFETY_NET_SECONDS = 30.0


class Apply:
    """One run for one environment. You can read how far it came at any time, also after it has failed.

    `planned` is the plan that it began with, `observed` the last look, `under_way` the steps that were begun and not
    seen to be done, `failures` the last checks that failed and caused a rollback. `role_changes` has the roles and
    databases that come back or go, once both branches can be compared.
    """

    def __init__(
        self,
        desired: Desired,
        ports: Ports,
        report: Report,
        lease: Lease | None = None,
        suspension: SuspensionCheck | None = None,
    ) -> None:
        self._desired = desired
        self._ports = ports
        self._report = report
        self._lease = lease
        self._suspension = suspension
        self.planned: Plan | None = None
        self.observed: Observed | None = None
        self.taken: list[StepFinished] = []
        self.under_way: list[Step] = []
        self.failures: list[tuple[Step, GateFailed]] = []
        self.role_changes: tuple[Change, ...] = ()
        self._tries: dict[Step, int] = {}
        self._uncertain: set[Step] = set()
        self._doubts: set[str] = set()
        self._moved: set[Step] = set()
        self._expected = ""
        self._approved: list[Step] = []

    async def run(self, expect: str | None = None) -> Outcome:
        """Converge. `expect` is the digest of the plan that was approved. Raises ReconcilerError.

        However it ends, it tries to leave users a database that takes writes, and the primary protected if it was.
        """
        try:
            outcome = await self._run(expect)
        except (Exception, asyncio.CancelledError):  # whatever it is, a bug of our own too
            await self._apply_safety_net()
            raise
        if outcome.final.refusals:
            await self._apply_safety_net()
        return outcome

    async def _run(self, expect: str | None) -> Outcome:
        clock = self._ports.clock
        start = clock.elapsed()
        planned, observed = await self._begin(expect)
        while wave := self._wave(planned, observed):
            busy = concurrency.in_the_way(self._desired, observed, wave)
            observed = await (self._wait_for(wave, busy, observed) if busy else self._take(wave, observed))
            self.observed = observed
        final = plan(self._desired, observed)
        return Outcome(planned, tuple(self.taken), final, observed, clock.elapsed() - start)

    async def _begin(self, expect: str | None) -> tuple[Plan, Observed]:
        """Look and plan. Raises PlanChanged if that is not the approved plan."""
        observed = await self._look(frozenset())
        planned = plan(self._desired, observed)
        self.planned, self.observed = planned, observed
        if self._suspension is not None:
            # After the look, which shows the safety net the fence of an earlier run.
            await self._suspension.confirm()
        if expect is not None:
            self._approve(planned, observed, expect)
        return planned, observed

    def _wave(self, planned: Plan, observed: Observed) -> tuple[Step, ...]:
        """Return the steps to take now; of a plan that was refused, only those of the safety net."""
        steps = next_steps(self._desired, observed) if planned.steps else ()
        if isinstance(steps, Blocked):
            return ()
        is_safety_net = planned.refusals and all(step.is_safety_net for step in planned.steps)
        return tuple(step for step in steps if step.is_safety_net) if is_safety_net else steps

    async def _wait_for(self, wave: tuple[Step, ...], busy: tuple[Operation, ...], observed: Observed) -> Observed:
        """Wait a little for an operation at Neon that is not ours, and look again. The rules refuse if it lasts."""
        clock = self._ports.clock
        start = clock.elapsed()
        if not observed.waited:
            why = f"it waits for an operation at Neon that is not ours ({busy[0].action})"
            self._report(StepUncertain(wave[0], why))
        await clock.sleep(min(max(observed.waited.total_seconds() / 2, 0.2), 5.0))
        seen = await self._look(observed.passed)
        return replace(seen, waited=observed.waited + timedelta(seconds=clock.elapsed() - start))

    def _approve(self, planned: Plan, observed: Observed, expect: str) -> None:
        if planned.digest != expect:
            raise PlanChanged(expect, planned, observed)
        self._expected = expect
        self._approved = list(planned.steps)

    async def _take(self, wave: tuple[Step, ...], observed: Observed) -> Observed:
        """Take steps that do not depend on each other, and look until all are seen to be done."""
        self._check_approval(wave, observed)
        if self._lease is not None:
            await self._lease.confirm()
        if self._suspension is not None:
            await self._suspension.confirm()
        self.under_way = list(wave)
        for step in wave:
            self._count(step)
            self._report(StepStarted(step))
        began, start = self._ports.clock.now(), self._ports.clock.elapsed()
        results = await asyncio.gather(*(self._attempt(step, observed) for step in wave), return_exceptions=True)
        lost: dict[Step, str] = {}
        for step, result in zip(wave, results, strict=True):
            if isinstance(result, AnswerLost | WorldMoved) or self._may_be_too_new(result, step):
                lost[step] = result.message
            elif isinstance(result, GateFailed) and step.rolls_back:
                self._failed(step, result)
            elif isinstance(result, BaseException):
                raise result
        self._moved = {step for step, each in zip(wave, results, strict=True) if isinstance(each, WorldMoved)}
        passed = observed.passed - {step.key for step in wave}
        for step in wave:
            passed = step.still_passed(passed)
        passed |= {step.key for step in self.under_way if step.key and step not in lost}
        return await self._read_back(lost, passed, began, start)

    async def _attempt(self, step: Step, observed: Observed) -> None:
        """Take a step, unless this run has taken it and a lagging list hides that."""
        if step.is_taken_once and any(done.step == step for done in self.taken):
            raise WorldMoved("this run has uploaded it and seen it, but the list of versions lags behind")
        await recheck(step, self._desired, observed, self._ports)
        await carry_out(step, self._desired, observed, self._ports)

    async def _apply_safety_net(self) -> None:
        """Complete what this run leaves half done: otherwise users could not write until the next run.

        It starts from a fresh look in which nothing counts as verified. The next run fences again before a switch, so
        this is safe at any time, as long as the run has the lease.
        """
        if not self._needs_safety_net():
            return
        try:
            async with asyncio.timeout(_SAFETY_NET_SECONDS):
                if self._lease is not None:
                    await self._lease.confirm()
                observed = await self._look(frozenset())
                if isinstance(observed.branches, Unknown):
                    self._report(SafetyNetFailed(observed.branches.reason))
                for step in safety_net(self._desired, observed):
                    began, start = self._ports.clock.now(), self._ports.clock.elapsed()
                    self._report(StepStarted(step))
                    await carry_out(step, self._desired, observed, self._ports)
                    self._finished(StepFinished(step, began, self._ports.clock.elapsed() - start))
        except (ReconcilerError, TimeoutError) as error:
            self._report(SafetyNetFailed(str(error) or f"no answer within {_SAFETY_NET_SECONDS:.0f} s"))

    def _needs_safety_net(self) -> bool:
        """Whether this run has fenced or unprotected where users are, or found that an earlier one has."""
        if any(step.needs_safety_net for step in self._tries):
            return True
        return self.observed is not None and bool(safety_net(self._desired, self.observed))

    def _may_be_too_new(self, result: object, step: Step) -> TypeGuard[ProviderError]:
        """Whether a 404 may be about something so new that the provider does not know it yet: at most four times."""
        return isinstance(result, ProviderError) and result.status == 404 and self._tries[step] < _MOST_TRIES

    def _failed(self, step: Step, error: GateFailed) -> None:
        self.under_way.remove(step)
        self.failures.append((step, error))
        self._report(StepFailed(step, error.message))

    async def _look(self, passed: frozenset[str]) -> Observed:
        """Look, and look again for a while if a refusal may only be due to a lagging list."""
        clock, pause = self._ports.clock, 0.2
        start = clock.elapsed()
        failed = frozenset(step.key for step, _ in self.failures)
        known = self.observed.accounts if self.observed and isinstance(self.observed.accounts, tuple) else ()
        while True:
            observed = await observe(self._desired, self._ports, passed, failed, known)
            self.role_changes = changes(self._desired, observed) or self.role_changes
            doubt = _doubtful(next_steps(self._desired, observed))
            if doubt is None or clock.elapsed() - start > _LAGGING_SECONDS:
                return observed
            if doubt.message not in self._doubts:
                self._doubts.add(doubt.message)
                self._report(LooksAgain(doubt.message, _LAGGING_SECONDS))
            await clock.sleep(pause)
            pause = min(pause * 1.5, 5.0)

    async def _read_back(self, lost: dict[Step, str], passed: frozenset[str], began: Instant, start: float) -> Observed:
        """Look until the rules no longer ask for the steps under way, or it is time to try one again."""
        clock, pause, pending = self._ports.clock, 0.2, self.under_way
        answered, is_last = clock.elapsed(), False
        while True:
            observed = await self._look(passed)
            wanted = next_steps(self._desired, observed)
            if isinstance(wanted, Blocked):
                if not wanted.is_verdict and not all(step.is_seen_done(observed) for step in pending):
                    return observed
                wanted = ()
            for step in [each for each in pending if each not in wanted]:
                pending.remove(step)
                self._finished(StepFinished(step, began, clock.elapsed() - start))
            for step in pending:
                self._report_uncertain(step, lost.get(step, "its effect cannot be read back yet"))
            if not pending or is_last or clock.elapsed() - answered > _SETTLING_SECONDS:
                return observed
            is_last = all(step in lost for step in pending)
            await clock.sleep(self._patience(pending) if is_last else pause)
            pause = min(pause * 1.5, 5.0)

    def _finished(self, done: StepFinished) -> None:
        if done.step in self._moved:
            self._report(StepDropped(done.step))
            return
        self.taken.append(done)
        if done.step in self._approved:
            self._approved.remove(done.step)
        self._report(done)

    def _report_uncertain(self, step: Step, why: str) -> None:
        if step not in self._uncertain:
            self._uncertain.add(step)
            self._report(StepUncertain(step, why))

    def _patience(self, pending: list[Step]) -> float:
        """Return how long a lost write may take to show: longer with every try, and about 40 s in all."""
        return 0.5 * 4.0 ** (max(self._tries[step] for step in pending) - 1)

    def _count(self, step: Step) -> None:
        self._tries[step] = self._tries.get(step, 0) + 1
        if self._tries[step] > _MOST_TRIES:
            raise NotConverged(
                f"{step.wire_name} was tried {_MOST_TRIES} times, and its effect cannot be read back",
                hint="run the same command again when the provider has recovered: it looks first",
            )

    def _check_approval(self, wave: tuple[Step, ...], observed: Observed) -> None:
        """Take only what was approved, with the steps that complete it, and a rollback.

        A new password is no other plan: Hyperdrive logs in to the same branch as the same role, over new connections.
        """
        if not self._expected or self.failures:
            return
        if any(step not in self._approved for step in wave if step.needs_approval):
            raise PlanChanged(self._expected, plan(self._desired, observed), observed)


def _doubtful(steps: tuple[Step, ...] | Blocked) -> Refusal | None:
    """Find a refusal that may be gone on the next look."""
    refusals = steps.refusals if isinstance(steps, Blocked) else ()
    return next((each for each in refusals if each.may_lag), None)
