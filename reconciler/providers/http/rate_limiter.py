"""Keeps requests within what a provider allows, before it has to refuse them.

Cloudflare counts over everything that a user does, and refuses all of it for five minutes when the limit is met, the
dashboard too (docs: Fundamentals, API, Rate limits). So the budget is ours to keep, and less than all there is.
"""

import re
from dataclasses import dataclass

from aiolimiter import AsyncLimiter

# What names one thing and not a kind of things: every id has a digit in it, and no word of a path has, but v2.
_ONE_THING = re.compile(r"(?<=/)(?!v[0-9]+(?:/|$))[^/]*[0-9][^/]*")


@dataclass(frozen=True, slots=True)
class Pace:
    """So many requests at once, and so many `per_second` in the long run; `burst` in a second for each route."""

    at_once: int
    per_second: float
    burst: int

    def most_within(self, seconds: float) -> float:
        """Return the most requests that can fall into a time of this length."""
        return self.at_once + seconds * self.per_second


class Budget:
    """Lets requests go at a pace; without one, at once."""

    def __init__(self, pace: Pace | None) -> None:
        self._pace = pace
        self._all = AsyncLimiter(pace.at_once, pace.at_once / pace.per_second) if pace else None
        self._routes: dict[str, AsyncLimiter] = {}

    async def spend(self, method: str, path: str) -> None:
        """Return when one more request may be sent."""
        if self._pace is None or self._all is None:
            return
        route = route_of(method, path)
        await self._routes.setdefault(route, AsyncLimiter(self._pace.burst, 1.0)).acquire()
        await self._all.acquire()


def route_of(method: str, path: str) -> str:
    """Return what requests for different things have in common."""
    return f"{method} {_ONE_THING.sub('*', path)}"
