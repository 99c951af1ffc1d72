"""The worlds of one process on which schedules are played, each put back before a schedule."""

import random

from tests.exhaustive.campaign import Bench
from tests.exhaustive.dice import DICE
from tests.exhaustive.scenarios import Scenario
from tests.randomised.play import Play


async def _nothing(_world):
    """A production as it is, in which nothing was asked for yet."""


_WORLDS = {
    workers: Scenario(f"{workers} Workers", _nothing, (), {"workers": workers, "http": True}) for workers in (1, 2)
}
_SEED = 961


class PlayBench(Bench):
    """Makes what is played twice go twice in the same way."""

    def __init__(self):
        DICE.seed(_SEED)
        super().__init__(_WORLDS)

    def begin(self, workers, counts):
        """Begin a schedule, on a world with so many Workers."""
        DICE.seed(workers)  # other ids than what follows, which are in the same world
        world = self.world(workers)
        self.run(world.put_back(_WORLDS[workers].name))
        world.sandbox.states[0].switches.child_as_target = True  # or nothing promoted is ever restored in place
        random.seed(_SEED)
        DICE.seed(_SEED)
        return Play(world, counts)

    def run(self, awaitable):
        """Run until it is done."""
        return self.loop.run_until_complete(awaitable)
