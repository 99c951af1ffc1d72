"""One version of a Worker while it is deployed: started, used by requests, drained, stopped."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

from reconciler.sandbox.workers.runtime import NotStarted, Runtime

_SECONDS_BETWEEN_ATTEMPTS = 1.0


class Instance:
    """Runs a version. `start` makes its process, at once, and again after the process has ended by itself."""

    def __init__(self, start: Callable[[], Awaitable[Runtime]]) -> None:
        self._start = start
        self._requests = 0
        self._drained = asyncio.Event()
        self._drained.set()
        self._begin()

    @contextlib.asynccontextmanager
    async def lease(self) -> AsyncIterator[Runtime]:
        """Yield the running process, and keep it until the request is done. Raises NotStarted."""
        self._requests += 1
        self._drained.clear()
        try:
            yield await self._runtime()
        finally:
            self._requests -= 1
            if not self._requests:
                self._drained.set()

    async def drain(self) -> None:
        """Stop, after the requests under way."""
        await self._drained.wait()
        outcome = await asyncio.shield(self._outcome)
        if isinstance(outcome, Runtime):
            await outcome.stop()

    async def kill(self) -> None:
        """Stop at once."""
        self._outcome.cancel()
        (outcome,) = await asyncio.gather(self._outcome, return_exceptions=True)
        if isinstance(outcome, Runtime):
            await outcome.kill()

    async def _runtime(self) -> Runtime:
        if self._outcome.done() and self._may_begin_again():
            self._begin()
        outcome = await asyncio.shield(self._outcome)  # a cancelled request must not stop the others
        if isinstance(outcome, NotStarted):
            raise outcome
        return outcome

    def _may_begin_again(self) -> bool:
        outcome = self._outcome.result()
        if isinstance(outcome, Runtime):
            return not outcome.running
        return asyncio.get_running_loop().time() - self._begun >= _SECONDS_BETWEEN_ATTEMPTS

    def _begin(self) -> None:
        self._begun = asyncio.get_running_loop().time()
        self._outcome = asyncio.create_task(self._attempt())

    async def _attempt(self) -> Runtime | NotStarted:
        try:
            return await self._start()
        except NotStarted as error:
            return error
