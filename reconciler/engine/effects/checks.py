"""Runs several checks at once."""

import asyncio
from collections.abc import Awaitable, Iterable


async def every(checks: Iterable[Awaitable[None]]) -> None:
    """Wait for every check to end, and raise the first failure: no check is left running behind an error."""
    for result in await asyncio.gather(*checks, return_exceptions=True):
        if isinstance(result, BaseException):
            raise result
