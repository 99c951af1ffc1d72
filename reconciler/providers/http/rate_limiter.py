"""Keeps requests below a provider's rate limits.

Cloudflare counts everything that a user does. At the limit it blocks all of it for five minutes, the dashboard too
(docs: Fundamentals, API, Rate limits). So we stay well below the limit ourselves.
"""

import re
from dataclasses import dataclass

from aiolimiter import AsyncLimiter

# An id in a path. Every id has a digit in it, and no other part of a path has, except v2.
_ONE_THING = re.compile(r"(?<=/)(?!v[0-9]+(?:/|$))[^/]*[0-9][^/]*")


@dataclass(frozen=True, slots=True)
class Pace:
    """Requests at once, `per_second` in the long run, and `burst` in one second for each route."""

    at_once: int
    per_second: float
    burst: int

    def most_within(self, seconds: float) -> float:
        """Return the most requests that can be sent within this many seconds."""
        return self.at_once + seconds * self.per_second


class RateLimiter:
    """Delays requests to keep a pace; does nothing without one."""

    def __init__(self, pace: Pace | None) -> None:
        self._pace = pace
        self._all = AsyncLimiter(pace.at_once, pace.at_once / pace.per_second) if pace else None
        self._routes: dict[str, AsyncLimiter] = {}

    async def acquire(self, method: str, path: str) -> None:
        """Wait until one more request may be sent."""
        if self._pace is None or self._all is None:
            return
        route = route_of(method, path)
        await self._routes.setdefault(route, AsyncLimiter(self._pace.burst, 1.0)).acquire()
        await self._all.acquire()


def route_of(method: str, path: str) -> str:
    """Return method and path with each id replaced by a star."""
    return f"{method} {_ONE_THING.sub('*', path)}"
