"""One trial: a scenario, in which one fault befalls one request, and what came of it.

A kill is made without a process of its own. To be killed is that nothing which the process does afterwards has an
effect. So from that request on the sandbox serves none of this run's requests any more, and what it has written to
files since is put back when its task has ended: whatever cleanup the code may do, the world does not see it. Requests
that the sandbox had accepted before are served to their end, as they are when a client dies.
"""

import asyncio
import contextlib
from dataclasses import dataclass, field
from enum import StrEnum

from reconciler.core.rules.context.planning import TimelineFailed
from reconciler.errors import ReconcilerError
from tests.exhaustive.checkpoints import Checkpoint, memory_of
from tests.exhaustive.faults import NOTHING
from tests.exhaustive.fingerprints import memory_now, world_now
from tests.exhaustive.invariants import Watch
from tests.exhaustive.scenarios import config_names

_MOST_RUNS = 4


class End(StrEnum):
    """How a trial ended."""

    AT_ONCE = "converged in the run that it befell"
    LATER = "converged in a later run"
    BY_HAND = "refused rightly, and converged after what the refusal said was done"
    STUCK = "did not converge"


@dataclass
class Trial:
    """A trial that was made. `struck` is the request that the fault befell, None where there were fewer.

    The first requests are `shared` with the clean run, and were not made again.
    """

    scenario: str
    fault: str
    number: int
    end: End
    violations: list = field(default_factory=list)
    said: list = field(default_factory=list)
    struck: str | None = None
    requests: list = field(default_factory=list)
    shared: int = 0
    cut: bool = False


class _SeenBefore(BaseException):
    """From here on everything goes as it went in another run, which was watched to its end."""


@dataclass(frozen=True)
class ResumePoint:
    """Where the clean run was about to take steps: the world, what was noticed until then, what the run remembered."""

    moment: Checkpoint
    noticed: tuple
    memory: tuple
    requests: int


@dataclass
class Memory:
    """States of one scenario from which a run is known to end well (`fingerprints`), and points to resume from."""

    waves: set = field(default_factory=set)
    starts: set = field(default_factory=set)
    resume_points: list = field(default_factory=list)

    def resume_point_before(self, number):
        """The last resume_point before the request of this number; None where only the beginning is."""
        return next((each for each in reversed(self.resume_points) if each.requests < number), None)


async def clean(world, scenario):
    """Make a run in which nothing goes wrong; give its requests, and what is to be remembered of it."""
    memory, resume_points = Memory(), []
    trial = await _tried(world, scenario, NOTHING, 0, memory, resume_points=resume_points)
    assert trial.end is End.AT_ONCE, trial
    if trial.violations:
        return trial.requests, None
    for resume_point in resume_points:
        again = await _tried(world, scenario, NOTHING, 0, memory, resume_point)
        # Requests that are sent at the same time may come in another order, if seldom.
        if again.requests == trial.requests[: len(again.requests)] and not again.violations:
            memory.resume_points.append(resume_point)
    return trial.requests, memory


async def attempt(world, scenario, fault, number, memory=None):
    """Let a fault befall the request of this number, counted from 1, and run again until done or refused.

    With a memory, what was seen before is not watched again.
    """
    return await _tried(world, scenario, fault, number, memory, memory and memory.resume_point_before(number))


async def _tried(world, scenario, fault, number, memory, resume_point=None, *, resume_points=None):
    await world.put_back(scenario.name, resume_point and resume_point.moment)
    world.route.live = not scenario.fails
    watch = Watch(world, world.desired["verify"])
    if resume_point is not None:
        watch.put_back(resume_point.noticed)
    for name, value in fault.switches:
        setattr(world.sandbox.states[0].switches, name, value)
    trial = Trial(scenario.name, fault.name, number, End.STUCK, shared=len(watch.requests))
    world.strike(fault.strikes(number - trial.shared))
    runs = _Runs(world, watch, trial, scenario, fault, memory, resume_point and resume_point.memory, resume_points)
    try:
        if fault.kills:
            await _killed(runs)
        trial.end = await _converge(runs)
        trial.struck = _described(watch, number)
        if trial.end is End.STUCK:
            watch.violations.append("did not converge")
        elif not trial.cut:
            held = config_names(scenario, world, scenario.may_keep)
            watch.check_end(config_names(scenario, world), failed=scenario.fails, held=held)
    except Exception as error:  # noqa: BLE001  whatever it is, nobody but us may ever see it
        watch.violations.append(f"{type(error).__name__}: {error}")
    trial.violations = watch.violations
    trial.requests = watch.requests
    return trial


def _described(watch, number):
    if not 0 < number <= len(watch.requests):
        return None
    return "{} {} -> {}".format(*watch.requests[number - 1])


async def _killed(runs):
    world, watch = runs.world, runs.watch
    left = {}
    run = asyncio.create_task(world.apply(memory=runs.begun_with(), is_dead=lambda: bool(left)))

    def die(count):
        if count == runs.trial.number:
            left.update(world.files())
            run.cancel()

    watch.on_request = die
    with contextlib.suppress(asyncio.CancelledError, ReconcilerError):
        await run
    watch.on_request = lambda _number: None
    world.put_files(left)
    world.calm()


@dataclass
class _Runs:
    """The runs of one trial, and when one of them is at a moment that was seen before.

    The first one goes on with what another one remembered, if `begins_with` that. `resume_points` are to be noted.
    """

    world: object
    watch: object
    trial: Trial
    scenario: object
    fault: object
    memory: Memory | None
    begins_with: tuple | None = None
    resume_points: list | None = None
    met: list = field(default_factory=list)

    def begun_with(self):
        """What the run is to remember that begins now."""
        memory, self.begins_with = self.begins_with, None
        return memory

    async def next(self):
        """Run once; tell whether it converged."""
        world, trial = self.world, self.trial
        self.met = []
        is_new = self.begins_with is None and self._is_over and self.memory
        start = world_now(world, self.watch) if is_new else None
        if start is not None and start in self.memory.starts:
            trial.cut = True
            return True
        try:
            outcome = await world.apply(self._wave, self.begun_with())
        except ReconcilerError as error:
            trial.said.append(error.report)
            return False
        except _SeenBefore:
            trial.cut = True
            return True
        trial.said += [f"refused: {type(each).__name__}" for each in outcome.final.refusals]
        ended = outcome.converged
        if self.scenario.fails:
            ended = [type(each) for each in outcome.final.refusals] == [TimelineFailed]
            if outcome.converged:
                self.watch.violations.append("converged, though the last check fails")
        if ended and self.memory and not self.watch.violations:
            if start is not None:
                self.memory.starts.add(start)
            self.memory.waves.update(self.met)
        return ended

    @property
    def _is_over(self):
        """Whether the fault is behind: nothing more will go wrong."""
        return all(each.seen >= each.nth + each.times - 1 for each in self.world.sandbox.faults.faults)

    def _wave(self, apply):
        if self.memory is None or not self._is_over:
            return
        if self.resume_points is not None:
            self._note_resume_point(apply)
        moment = world_now(self.world, self.watch), memory_now(self.world, apply)
        self.met.append(moment)
        if moment in self.memory.waves and not self.watch.violations:
            raise _SeenBefore

    def _note_resume_point(self, apply):
        if not self.world.project.busy:  # what Neon is at work on is not kept
            kept = self.watch.kept()
            self.resume_points.append(
                ResumePoint(Checkpoint.of(self.world), kept, memory_of(apply), len(self.watch.requests))
            )


async def _converge(runs):
    for run in range(_MOST_RUNS):
        if await runs.next():
            return End.AT_ONCE if run == 0 and not runs.fault.kills else End.LATER
    if not await delete_unfinished(runs.world):
        return End.STUCK
    return End.BY_HAND if await runs.next() else End.STUCK


async def delete_unfinished(world):
    """Delete a candidate that Neon failed to make, as the error says; False where there is none."""
    await world.settle()
    unfinished = [each for each in world.project.branches.values() if each.cluster is None]
    for branch in unfinished:
        await world.neon("DELETE", f"/projects/{world.project_id}/branches/{branch.id}")
    await world.settle()
    return bool(unfinished)
