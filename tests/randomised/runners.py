"""Runs whose requests go out one at a time, in an order that is chosen, and that can be killed between any two.

To be killed is what it is in `tests.exhaustive.trial`: nothing that the process does afterwards has an effect. Here
its requests are kept back where they are sent, as the sandbox cannot tell two runs apart.
"""

import asyncio
from collections import deque

from reconciler.errors import ReconcilerError
from tests.exhaustive.lean_transport import SENDER
from tests.randomised.schedule import Death


class _Ticket:
    """A request that waits for its turn."""

    def __init__(self):
        self.go = asyncio.get_running_loop().create_future()
        self.done = asyncio.Event()


class Runner:
    """One apply. `outcome` or `error` is how it ended; neither where it was killed."""

    def __init__(self, world, death=None, *, free=True):
        self._world = world
        self._death = death
        self._free = free
        self._queue = deque()
        self._news = asyncio.Event()
        self._sent = 0
        self._left = None
        self._dead = False
        self.outcome = None
        self.error = None
        self.task = asyncio.create_task(self._run())
        self.task.add_done_callback(lambda _task: self._news.set())

    @property
    def was_killed(self):
        return self._dead

    async def _run(self):
        SENDER.set(self)
        try:
            self.outcome = await self._world.apply()
        except ReconcilerError as error:
            self.error = error

    async def end(self):
        """Wait until it is over. Raises what nobody but us may ever see."""
        try:
            await self.task
        except asyncio.CancelledError:
            assert self.was_killed
        if self.was_killed:
            self.outcome = self.error = None
            self._world.put_files(self._left)

    # Its requests.

    async def pass_on(self, request, send):
        """Send a request when it is its turn, unless this run is dead by then."""
        ticket = _Ticket()
        self._queue.append(ticket)
        if self._free:
            ticket.go.set_result(None)
        self._news.set()
        try:
            await ticket.go
            return await self._pass_on(request, send)
        finally:
            ticket.done.set()

    async def _pass_on(self, request, send):
        self._sent += self.counts(request)
        number = self._sent if self.counts(request) else 0
        if self.was_killed or self._death == Death(number):
            await self._die()
        answer = await send()
        if self.was_killed or self._death == Death(number, served=True):
            await self._die()
        return answer

    async def _die(self):
        if not self.was_killed:
            self._dead, self._left = True, self._world.files()
            self.task.cancel()
        await asyncio.Future()  # until the task's end reaches it

    def counts(self, _request):
        """Whether a request is one of those that a death is counted by."""
        return True

    async def turn(self):
        """Let one request through and wait for its end; False where the run ends without another."""
        while not self._queue:
            if self.task.done():
                return False
            self._news.clear()
            await self._news.wait()
        ticket = self._queue.popleft()
        if not ticket.go.done():
            ticket.go.set_result(None)
        await ticket.done.wait()
        return True

    def drain_replaced_pool(self):
        """From now on requests go out when they come."""
        self._free = True
        for ticket in self._queue:
            if not ticket.go.done():
                ticket.go.set_result(None)


async def alternate(runners, turns):
    """Let runs send by turns of so many requests, then as they like, until all have ended."""
    for index, count in enumerate(turns):
        runner = runners[index % len(runners)]
        for _ in range(count):
            if not await runner.turn():
                break
    for runner in runners:
        runner.drain_replaced_pool()
    for runner in runners:
        await runner.end()
