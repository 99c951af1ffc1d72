"""A visitor of the Worker: asks again and again while it is switched, and remembers what came back."""

import asyncio
import itertools
import time
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import httpx

PER_SECOND = 20


@dataclass(frozen=True, slots=True)
class Visit:
    """One request: when it was sent and answered (seconds), its status (0: no answer), and which database answered."""

    sent: float
    ended: float
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

    @property
    def names_databases(self) -> bool:
        """Whether responses name more than one database: otherwise none can be known as stale."""
        return len({visit.database for visit in self.visits if visit.database}) > 1

    @property
    def longest_gap(self) -> float:
        """The longest time without a good answer, in seconds, in the order of their arrival.

        It counts from the sending of the first request, and to the end of the last.
        """
        if not self.visits:
            return 0.0
        good = sorted(visit.ended for visit in self.visits if visit.status == 200)
        moments = [self.visits[0].sent, *good, max(visit.ended for visit in self.visits)]
        return max(later - sooner for sooner, later in itertools.pairwise(moments))

    def since(self, moment: float) -> "Visits":
        """Return those that were sent from a moment on."""
        return Visits(tuple(visit for visit in self.visits if visit.sent >= moment))


class Visitor:
    """Sends requests to the URL while the context lasts, `per_second` of them; `seen` has the results."""

    def __init__(self, url: str, per_second: int = PER_SECOND) -> None:
        self._url = url
        self._pause = 1 / per_second
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
            await asyncio.sleep(self._pause)

    async def _ask(self) -> None:
        sent = time.monotonic()
        try:
            response = await self._client.get(self._url)
            self._visits.append(Visit(sent, time.monotonic(), response.status_code, _database(response)))
        except httpx.HTTPError:
            self._visits.append(Visit(sent, time.monotonic(), 0, ""))


def _database(response: httpx.Response) -> str:
    """Return what identifies the database in a response: its start time or the Worker's version; or nothing."""
    try:
        body = response.json()
    except ValueError:
        return ""
    found = (body.get("server_started") or body.get("version")) if isinstance(body, dict) else None
    return str(found or "")
