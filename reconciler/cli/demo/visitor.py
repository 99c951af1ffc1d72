"""A visitor of the Worker: asks again and again while it is switched, and remembers what came back."""

import asyncio
import time
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import httpx

PER_SECOND = 20


@dataclass(frozen=True, slots=True)
class Visit:
    """One request: when it was sent (seconds), its status (0: no answer), and which database answered."""

    sent: float
    status: int
    database: str


@dataclass(frozen=True, slots=True)
class Visits:
    """What the visitor saw, in the order of sending."""

    visits: tuple[Visit, ...]

    @property
    def count(self) -> int:
        """How many requests were sent."""
        return len(self.visits)

    @property
    def failed(self) -> int:
        """How many were not answered with 200."""
        return sum(visit.status != 200 for visit in self.visits)

    @property
    def stale(self) -> int:
        """How many were answered by the old database after one had been answered by the new."""
        answered = [visit.database for visit in self.visits if visit.database]
        if not answered or answered[0] == answered[-1]:
            return 0
        return answered[answered.index(answered[-1]) :].count(answered[0])


class Visitor:
    """Asks the address while the context lasts; `seen` tells the rest."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._visits: list[Visit] = []
        self._client = httpx.AsyncClient(timeout=10.0)
        self._asking: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._walking = asyncio.create_task(self._walk())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        self._walking.cancel()
        await asyncio.gather(*self._asking)
        await self._client.aclose()

    @property
    def seen(self) -> Visits:
        """What came back."""
        return Visits(tuple(sorted(self._visits, key=lambda visit: visit.sent)))

    async def _walk(self) -> None:
        while True:
            task = asyncio.create_task(self._ask())
            self._asking.add(task)
            task.add_done_callback(self._asking.discard)
            await asyncio.sleep(1 / PER_SECOND)

    async def _ask(self) -> None:
        sent = time.monotonic()
        try:
            response = await self._client.get(self._url)
            database = str(response.json().get("server_started", ""))
            self._visits.append(Visit(sent, response.status_code, database))
        except (httpx.HTTPError, ValueError):
            self._visits.append(Visit(sent, 0, ""))
