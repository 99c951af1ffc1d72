"""An event loop that skips pauses, and its clock.

When nothing is ready, and no thread or child process is at work, the loop's time jumps to the next timer. Sandbox and
client share the loop and its clock: a pause of 45 seconds ends at once, 45 seconds later for both. Time passes in no
other way, so a run is repeatable.
"""

import asyncio
import selectors
from collections.abc import Iterator
from datetime import UTC, datetime

from reconciler.core.values.instant import Instant

# What was sent over loopback is there at once, but for a kernel that is busy elsewhere. A deadline that passes by
# mistake would look like a lost answer; a pause that ends early is nothing. Deadlines hardly ever pass, so it costs
# nothing to give the kernel of a busy machine long enough.
_ON_ITS_WAY_SECONDS = 0.1
_PAUSE_SECONDS, _ON_ITS_WAY_IN_A_PAUSE_SECONDS = 8.0, 0.0002
# Less would be lost in the rounding of a loop's time that has become long.
_SHORTEST_LEAP_SECONDS = 1e-6


class Endless(AssertionError):
    """What was to be done is not done after as many turns of the loop as were allowed."""


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """Leaps over idle time, except while a thread or a child process of the loop is at work.

    After as many turns as `turns_left` says (None: however many) it ends with Endless. Turns are counted and not time:
    who waits for nothing in a circle is at it for ever in one instant.
    """

    def __init__(self):
        self.leapt = 0.0
        self.turns_left = None
        self._threads = 0
        self._children = []
        self._epoch = 0.0
        super().__init__(_LeapingSelector(self))
        # A nanosecond, which asyncio adds so that what is due is due, is lost in a time of half a year.
        self._clock_resolution = _SHORTEST_LEAP_SECONDS

    def time(self):
        return self.leapt

    def call_at(self, when, callback, *arguments, context=None):
        """No timer is due in the instant in which it is set, as on no machine: some wait again for what is left."""
        soonest = self.leapt + _SHORTEST_LEAP_SECONDS
        return super().call_at(max(when, soonest), callback, *arguments, context=context)

    def turn(self):
        """Count a turn. Raises Endless out of `run_until_complete`, leaving every task where it is."""
        if self.turns_left is None:
            return
        self.turns_left -= 1
        if self.turns_left < 0:
            self.turns_left = None
            raise Endless("it does not end")

    def wall_clock(self):
        """Seconds since the epoch, as set."""
        return self._epoch + self.time()

    def set_wall_clock(self, seconds):
        """Set the time of day; the loop's own time never goes back."""
        self._epoch = seconds - self.time()

    def is_awaited_outside(self):
        self._children = [child for child in self._children if child.get_returncode() is None]
        return bool(self._threads or self._children)

    def forget_children(self):
        """Children that are there now live as long as this process: nobody waits for their end."""
        self._children.clear()

    def run_in_executor(self, executor, function, *arguments):
        future = super().run_in_executor(executor, function, *arguments)
        self._threads += 1
        future.add_done_callback(self._thread_ended)
        return future

    def _thread_ended(self, _future):
        self._threads -= 1

    async def subprocess_exec(self, *arguments, **options):
        transport, protocol = await super().subprocess_exec(*arguments, **options)
        self._children.append(transport)
        return transport, protocol


class _LeapingSelector(selectors.DefaultSelector):
    def __init__(self, loop):
        super().__init__()
        self._loop = loop

    def select(self, timeout=None):
        self._loop.turn()
        found = super().select(0)
        if found or (timeout is not None and timeout <= 0):
            return found
        if timeout is None:
            return super().select(None)
        outside = self._loop.is_awaited_outside()
        on_its_way = _ON_ITS_WAY_IN_A_PAUSE_SECONDS if timeout < _PAUSE_SECONDS else _ON_ITS_WAY_SECONDS
        found = super().select(timeout if outside else min(timeout, on_its_way))
        if not found:
            self._loop.leapt += max(timeout, _SHORTEST_LEAP_SECONDS)
        return found


def waits(tasks) -> Iterator[str]:
    """Say of tasks that have not ended where each of them waits, from outside to inside."""
    for task in tasks:
        waiting, frames = task.get_coro(), []
        while waiting is not None:
            frame = getattr(waiting, "cr_frame", None) or getattr(waiting, "gi_frame", None)
            if frame is not None:
                frames.append(f"{frame.f_code.co_qualname}:{frame.f_lineno}")
            waiting = getattr(waiting, "cr_await", None) or getattr(waiting, "gi_yieldfrom", None)
        yield " > ".join(frames)


class LoopClock:
    """The port `Clock`, by the time of the running loop."""

    def now(self):
        return Instant.of(datetime.fromtimestamp(asyncio.get_running_loop().wall_clock(), UTC))

    def elapsed(self):
        return asyncio.get_running_loop().time()

    async def sleep(self, seconds):
        await asyncio.sleep(seconds)
