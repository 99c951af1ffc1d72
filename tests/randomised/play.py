"""Does what a schedule says, on one world, and judges it."""

import asyncio
from collections import Counter
from dataclasses import asdict, dataclass

from reconciler.sandbox import timestamps
from tests.exhaustive.faults import FAULTS
from tests.exhaustive.trial import delete_unfinished
from tests.randomised.allowed_endings import is_right_error, wrong_refusals
from tests.randomised.manual_changes import ManualChanges
from tests.randomised.runners import Runner, alternate
from tests.randomised.schedule import (
    Ask,
    ByHand,
    Change,
    Health,
    ManualChange,
    Note,
    Run,
    Settle,
    Together,
    Wait,
    script,
)
from tests.randomised.watch import WatchWithManualChanges

_MOST_RUNS = 6
_FAULTS = {each.name: each for each in FAULTS}
# What a read shows that lags behind is not older than this.
_LAG_SECONDS = 30
# Whoever has not ended by then waits for something that will never come.
_ENDLESS_SECONDS = 6 * 3600.0


class Violated(AssertionError):
    """Something is so that must never be so, after these actions on a world with so many Workers."""

    def __init__(self, violations, workers, actions):
        super().__init__("; ".join(violations))
        self.violations = violations
        self.workers = workers
        self.actions = actions

    @property
    def script(self):
        """The file that does it again."""
        return script(self.workers, self.actions, self.violations)


@dataclass
class _Struck:
    """A fault in force: what the sandbox asks of one, counting only the requests that it can befall."""

    fault: object
    nth: int
    counts: Counter
    seen: int = 0

    @property
    def action(self):
        return self.fault.action

    def strikes(self, method, path):
        if not self.fault.befalls(method, path):
            return False
        self.seen += 1
        does = self.nth <= self.seen < self.nth + self.fault.times
        self.counts["fault", self.fault.name] += does
        return does


class Play:
    """One schedule on a world that was put back. `counts` is added to: what was done, by kind and name."""

    def __init__(self, world, counts):
        self._world = world
        self._counts = counts
        self._done = []
        self._before = 0
        self.manual = ManualChanges(world)
        self._watch = WatchWithManualChanges(world, self.manual.traces)
        self._asked = ["origin"]
        self._does = {
            Ask: self._ask,
            Change: self._change,
            Health: self._health,
            Wait: self._wait,
            Note: self._note,
            ByHand: self._by_hand,
            Run: self._run,
            Together: self._together,
            Settle: self._settle,
        }

    @property
    def workers(self):
        """How many Workers there are."""
        return len(self._world.scripts)

    @property
    def done(self):
        """The actions so far, the last one being under way."""
        return list(self._done)

    @property
    def has_settled(self):
        """Whether nothing has happened since it was last applied to the end."""
        return bool(self._done) and self._done[-1] == Settle()

    async def do(self, action):
        """Do the next thing. Raises Violated."""
        self._done.append(action)
        self._counts["rule", type(action).__name__] += 1
        try:
            await self._does[type(action)](action)
        except Exception as error:  # noqa: BLE001  it is the judgement's own, and told with the script that shows it
            self._watch.violations.append(f"the judgement itself: {type(error).__name__}: {error}")
        if self._watch.violations:
            raise Violated(self._watch.violations, self.workers, self.done)

    # What its owner does.

    async def _ask(self, action):
        moments = self._world.moments
        if action.moment is None:
            self._world.ask(None)
            return
        more = {"id": action.id} if action.id else {}
        if action.source is not None:
            more["from"] = self._asked[action.source % len(self._asked)]
        self._world.ask(moments[action.moment % len(moments)], **more)
        if self._world.timeline_asked() not in self._asked:
            self._asked.append(self._world.timeline_asked())

    async def _change(self, action):
        desired = self._world.desired
        desired["primary"] |= {"method": action.method, "hold": action.hold, "fence": action.fence}
        workers = desired["worker"] if isinstance(desired["worker"], list) else [desired["worker"]]
        for worker in workers:
            worker["deploy"] = action.driver
        desired["verify"]["http"] = [self._world.http_gate] if action.http else []
        desired["verify"]["sql"] = self._world.sql_gates if action.sql else []
        desired["verify"]["on_failure"] = action.on_failure
        self._world.write()

    async def _health(self, action):
        for name, value in asdict(action).items():
            setattr(self._world.route, name, value)

    async def _wait(self, action):
        self._world.loop.leapt += action.seconds

    async def _note(self, _action):
        """Note a moment, where it is beyond doubt which timeline is live."""
        world, primary = self._world, self._world.primary()
        serving = [self._watch.serving(script) for script in world.scripts]
        if primary is None or self.manual.traces.names_moved or any(each is not primary for each in serving):
            return
        world.loop.leapt += 60
        self._watch.live_at[len(world.moments)] = primary.cluster
        world.moments.append(timestamps.now().replace(microsecond=0))
        world.loop.leapt += 60

    async def _by_hand(self, action):
        self._watch.is_ours = False
        self._world.loop.leapt += _LAG_SECONDS
        if await self.manual.do(action.what, action.which):
            self._counts["by hand", action.what.value] += 1
        await self._world.settle()
        self._watch.is_ours = True
        self._watch.see_by_hand()

    # What the reconciler does.

    async def _run(self, action):
        self._begin(action.strikes)
        runner = Runner(self._world, action.death)
        await self._end([runner], runner.end())

    async def _together(self, action):
        self._watch.uploads_are_counted = False
        self._begin(action.strikes, alone=False)
        runners = [Runner(self._world, action.death, free=False), Runner(self._world, free=False)]
        await self._end(runners, alternate(runners, action.turns))

    def _begin(self, strikes, *, alone=True):
        self._watch.begin_run(alone=alone)
        self._before = len(self._watch.requests)
        faults = [_Struck(_FAULTS[each.fault], each.nth, self._counts) for each in strikes]
        self._world.sandbox.faults.faults[:] = faults
        for name, value in [pair for each in faults for pair in each.fault.switches]:
            setattr(self._world.sandbox.states[0].switches, name, value)

    async def _end(self, runners, ending):
        try:
            async with asyncio.timeout(_ENDLESS_SECONDS):
                await ending
        except Exception as error:  # noqa: BLE001  whatever it is, nobody but us may ever see it
            self._watch.violations.append(f"{type(error).__name__}: {error}")
        self._world.calm()
        await self._world.settle()
        self._world.sandbox.states[0].switches.failed_operation_recovers = False
        self._counts["requests", "all"] += len(self._watch.requests) - self._before
        for runner in runners:
            self._counts["end of a run", self._told(runner)] += 1

    def _told(self, runner):
        if runner.was_killed:
            return "killed"
        if runner.error is not None:
            return f"error: {type(runner.error).__name__}"
        if runner.outcome is None:
            return "violation"
        return "converged" if runner.outcome.converged else "refused"

    async def _settle(self, _action):
        """Apply to the end; judge how it ends; apply once more, which must do nothing."""
        self._world.loop.leapt += _LAG_SECONDS
        for _ in range(_MOST_RUNS):
            self._begin(())
            runner = Runner(self._world)
            await self._end([runner], runner.end())
            if self._watch.violations or not await self._goes_on(runner):
                return
        self._watch.violations.append("did not converge")

    async def _goes_on(self, runner):
        """Judge an end; tell whether another run is called for."""
        self._watch.check_writable()
        if runner.error is not None:
            if is_right_error(runner.error, self._world, self._watch, self.manual.traces):
                self._counts["settled", f"error: {getattr(runner.error, 'gate', 'Neon tells')}"] += 1
                return False
            if not await self._delete_unfinished():
                self._watch.violations.append(f"ended with {type(runner.error).__name__}: {runner.error.message}")
            return True
        if refusals := runner.outcome.final.refusals:
            self._judge(refusals)
            return False
        self._watch.check_end(None)
        if runner.outcome.taken:
            return True
        self._counts["settled", "converged"] += 1
        return False

    async def _delete_unfinished(self):
        self._watch.is_ours = False
        deleted = await delete_unfinished(self._world)
        self._watch.is_ours = True
        return deleted

    def _judge(self, refusals):
        for each in refusals:
            self._counts["settled", f"refused: {each.rule}"] += 1
        for each in wrong_refusals(refusals, self._world, self._watch, self.manual.traces):
            self._watch.violations.append(f"refused for no reason: {each.rule}: {each.message}")

    async def finish(self):
        """Settle as it is, and once more when all that was done by hand is put right."""
        if not self.has_settled:
            await self.do(Settle())
        if self.manual.traces.names_moved or self.manual.traces.wrangler or self.manual.traces.edited:
            await self.do(ByHand(ManualChange.PUT_RIGHT))
            await self.do(Settle())
