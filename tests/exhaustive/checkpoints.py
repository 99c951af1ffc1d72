"""Checkpoints of a run right before it takes steps, from which another run can resume.

A checkpoint keeps the world and the run's memory. A trial whose fault is at a late request resumes from the last
checkpoint before it. `trial.clean` first makes sure, request by request, that each checkpoint resumes in the same way.
"""

import copy
import random
from dataclasses import dataclass

from reconciler.engine.loop import Apply
from tests.exhaustive.seeded_ids import SEEDED

_SEED = 961
# What a run is given, and does not change.
_GIVEN = frozenset({"_desired", "_ports", "_report", "_lease", "_suspension", "_at_wave", "_goes_on_with", "_is_dead"})


def memory_of(apply):
    """Everything that a run remembers, and which deployments its provider has seen; its parts are never changed."""
    own = {name: copy.copy(value) for name, value in vars(apply).items() if name not in _GIVEN}
    return own, dict(apply._ports.cloudflare._newest)


class PausedApply(Apply):
    """Tells `at_wave` that steps are about to be taken. With the memory of a run that was told so, goes on from there.

    Those first steps are not told again. Once it `is_dead` it leaves everything as it is, as it could do nothing.
    """

    def __init__(self, desired, ports, report, at_wave, memory, is_dead):
        super().__init__(desired, ports, report)
        self._at_wave, self._goes_on_with, self._is_dead = at_wave, memory, is_dead

    async def _begin(self, expect):
        if self._goes_on_with is None:
            return await super()._begin(expect)
        own, newest = self._goes_on_with
        vars(self).update({name: copy.copy(value) for name, value in own.items()})
        self._ports.cloudflare._newest.update(newest)
        return self.planned, self.observed

    async def _take(self, wave, observed):
        if self._goes_on_with is None:
            self._at_wave(self)
        self._goes_on_with = None
        return await super()._take(wave, observed)

    async def _mend(self):
        if not self._is_dead():
            await super()._mend()


@dataclass(frozen=True)
class Checkpoint:
    """A world as it was, but for the faults in it."""

    sandbox: bytes
    before: dict
    asked: tuple
    files: dict
    turns: dict
    histories: dict
    seconds: float
    proved: frozenset
    dice: tuple

    @classmethod
    def of(cls, world):
        return cls(
            world.sandbox.snapshot(),
            dict(world.sandbox._before),
            tuple(world.sandbox.storage.statements),
            world.files(),
            world.fences.kept(),
            world.histories.kept(),
            world.loop.wall_clock(),
            frozenset(world.route.proved),
            SEEDED.getstate(),
        )

    async def put_back(self, world):
        world.loop.set_wall_clock(self.seconds)
        await world.sandbox.rewind(self.sandbox)
        world.sandbox._before.update(self.before)
        world.sandbox.storage.statements[:] = self.asked
        world.put_files(self.files)
        world.fences.put_back(self.turns)
        world.histories.put_back(self.histories)
        world.route.proved = set(self.proved)
        SEEDED.setstate(self.dice)
        random.seed(_SEED)  # pauses before a request is sent again
