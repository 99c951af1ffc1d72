"""Runs several checks at once."""

import asyncio
from collections.abc import Awaitable, Iterable


async def every(checks: Iterable[Awaitable[None]]) -> None:
    """Wait for all checks to end, and raise the first failure. None is left running."""
    for result in await asyncio.gather(*checks, return_exceptions=True):
        if isinstance(result, BaseException):
            raise result
