"""The worlds of one process on which schedules are played, each put back before a schedule."""

import asyncio
import contextlib
import random

from tests.exhaustive.campaign import Worlds
from tests.exhaustive.scenarios import Scenario
from tests.exhaustive.seeded_ids import SEEDED
from tests.exhaustive.virtual_time import Endless, waits
from tests.randomised.play import Play, Violated


async def _nothing(_world):
    """A production as it is, in which nothing was asked for yet."""


_WORLDS = {
    workers: Scenario(f"{workers} Workers", _nothing, (), {"workers": workers, "http": True}) for workers in (1, 2)
}
_SEED = 961
# The most that an action took which came to an end, in 300 schedules, is 1600.
_MOST_TURNS = 100_000


class ScheduleWorlds(Worlds):
    """Makes what is played twice go twice in the same way."""

    def __init__(self):
        SEEDED.seed(_SEED)
        super().__init__(_WORLDS)

    def begin(self, workers, counts):
        """Begin a schedule, on a world with so many Workers."""
        SEEDED.seed(workers)  # other ids than what follows, which are in the same world
        world = self.world(workers)
        self.run(world.put_back(_WORLDS[workers].name))
        world.sandbox.states[0].switches.child_as_target = True  # or nothing promoted is ever restored in place
        random.seed(_SEED)
        SEEDED.seed(_SEED)
        return Play(world, counts)

    def run(self, awaitable):
        """Run until it is done. Raises Endless where that is never."""
        self.loop.turns_left = _MOST_TURNS
        return self.loop.run_until_complete(awaitable)

    def play(self, play, doing):
        """Let a play do something. Raises Violated, also where it does not end."""
        there = asyncio.all_tasks(self.loop)
        try:
            self.run(doing)
        except Endless as endless:
            stuck = asyncio.all_tasks(self.loop) - there
            violations = [f"{endless}: {each}" for each in sorted(waits(stuck))]
            self._abandon(stuck)
            raise Violated(violations, play.workers, play.done) from endless

    def _abandon(self, tasks):
        """What does not end would be at it in the next schedule too."""
        for task in tasks:
            task.cancel()
        with contextlib.suppress(Endless):
            self.run(asyncio.wait(tasks))
