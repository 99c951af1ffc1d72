"""One connection through a relay with a query cache: whole queries are looked up, whole answers kept."""

import asyncio
from dataclasses import dataclass, field

from reconciler.sandbox.wire.messages import Message, read_message
from reconciler.sandbox.wire.streams import Stream
from reconciler.sandbox.workers.query_cache import QueryCache, is_cacheable

_PARTS_OF_A_QUERY = (b"P", b"B", b"D", b"E")
_ENDS_OF_A_QUERY = (b"Q", b"S")
_READY = b"Z"
_PARTS_OF_A_CACHED_ANSWER = frozenset(b"12CDTntsZ")
_IDLE = b"I"


@dataclass
class _Recording:
    question: bytes
    messages: list[Message] = field(default_factory=list)


class CachingSession:
    """Passes messages between a client and a server that has the client's startup packet. Answers live `seconds`."""

    def __init__(self, cache: QueryCache, seconds: float, client: Stream, server: Stream) -> None:
        self._cache = cache
        self._seconds = seconds
        self._client = client
        self._server = server
        self._unanswered = 1  # the login ends as a query does
        self._in_transaction = False
        self._recording: _Recording | None = None

    async def run(self) -> None:
        """Pass messages until one side is done."""
        tasks = [asyncio.create_task(self._upward()), asyncio.create_task(self._downward())]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _upward(self) -> None:
        query: list[Message] = []
        while True:
            query.append(await read_message(self._client.reader))
            if query[-1].kind not in _PARTS_OF_A_QUERY:
                await self._ask(query)
                query = []

    async def _ask(self, query: list[Message]) -> None:
        question = b"".join(message.encoded for message in query)
        alone = not self._unanswered and not self._in_transaction
        if alone and is_cacheable(query):
            answer = self._cache.find(question)
            if answer is not None:
                return await self._client.send(answer)
            self._recording = _Recording(question)
        if query[-1].kind in _ENDS_OF_A_QUERY:
            self._unanswered += 1
        await self._server.send(question)
        return None

    async def _downward(self) -> None:
        while True:
            message = await read_message(self._server.reader)
            if self._recording:
                self._recording.messages.append(message)
            if message.kind == _READY:
                self._unanswered -= 1
                self._in_transaction = message.content != _IDLE
                self._finish_recording()
            await self._client.send(message.encoded)

    def _finish_recording(self) -> None:
        recording, self._recording = self._recording, None
        if recording is None or self._in_transaction:
            return
        kinds = b"".join(message.kind for message in recording.messages)
        if _PARTS_OF_A_CACHED_ANSWER.issuperset(kinds):
            answer = b"".join(message.encoded for message in recording.messages)
            self._cache.keep(recording.question, answer, self._seconds)
