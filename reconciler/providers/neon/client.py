"""Requests to Neon: pages, and writes whose operations are waited for.

Paths contain ids only. A name is found in the whole list: `search` matches parts of names, and the first page is not
all of the list.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from reconciler.core.values.redaction import EVERYWHERE
from reconciler.errors import AnswerLost, ProviderError
from reconciler.ports import Clock
from reconciler.providers.http.client import Api, BeforeRetry
from reconciler.providers.http.response import ResponseReader, read_object

PAGE = 100
_OPERATION_SECONDS = 300.0
# Creating a branch of an archived or a very large one takes longer than starting a compute.
BRANCH_SECONDS = 900.0
# Neon's own tests allow this long until a new branch can be read.
_FRESH_SECONDS = 30.0
_FAILED_SECONDS = 20.0
_LONGEST_REASON = 500
_FAILURE_HINT = (
    "if Neon left an unfinished candidate, it never served: delete it (neon branches delete) and run this again, or "
    "ask for the same moment under another id"
)
_SUCCEEDED = frozenset({"finished", "skipped"})
_ENDED_BADLY = frozenset({"error", "cancelled"})


class NeonClient:
    """What the parts of the port `Neon` share."""

    def __init__(self, api: Api, clock: Clock) -> None:
        self._api = api
        self._clock = clock

    async def _get(self, path: str, **query: str | int | bool) -> ResponseReader:
        return read_object("Neon", await self._api.get(path, **query))

    async def _pages(self, path: str, key: str, cursor: str, **query: str) -> AsyncIterator[ResponseReader]:
        """Read page by page. `key` is the list, `cursor` names the next page. The last page may have a cursor too."""
        known: set[str] = set()
        following: dict[str, str] = {}
        while True:
            page = await self._get(path, limit=PAGE, **query, **following)
            ids = {item.id("id") for item in page.each(key)}
            yield page
            following = {"cursor": page.section("pagination").maybe_text(cursor)}
            if not following["cursor"] or not ids:
                return
            if ids <= known:
                raise ProviderError(f"Neon: the list of the {key} does not end")
            known |= ids

    async def _write(
        self,
        project: str,
        method: str,
        path: str,
        body: dict[str, Any] | None = None,
        before_retry: BeforeRetry | None = None,
    ) -> None:
        """Send a write to a path below a project, and wait for its operations. A 409 raises AnswerLost."""
        options = {} if body is None else {"json": body}
        try:
            answer = await self._api.send(method, f"/projects/{project}{path}", before_retry=before_retry, **options)
        except ProviderError as error:
            if error.status == 409:
                raise AnswerLost(error.message, status=409, hint="something of that name exists: look again") from error
            raise
        for operation in read_object("Neon", answer.body or {}).any("operations"):
            await self._await_operation(project, operation)

    async def _await_operation(self, project: str, operation: ResponseReader) -> None:
        """Wait for an operation. "Finished" does not mean "succeeded": it may also end in an error or be cancelled."""
        last = operation

        async def succeeded() -> bool:
            nonlocal last
            if last.text("status") not in _SUCCEEDED:
                path = f"/projects/{project}/operations/{operation.id('id')}"
                last = (await self._get(path)).part("operation")
            self._refuse_failure(last)
            return last.text("status") in _SUCCEEDED

        action = operation.text("action")
        seconds = BRANCH_SECONDS if action == "create_branch" else _OPERATION_SECONDS
        await self._until(succeeded, f"operation {action}", seconds)

    def _refuse_failure(self, operation: ResponseReader) -> None:
        """Raise ProviderError for an operation that can't succeed.

        Neon may retry a `failed` one ("not terminal", API reference, Operations): it counts as failed for good when no
        retry is announced and it has not changed for a while.
        """
        status, retry_at = operation.text("status"), operation.maybe_moment("retry_at")
        quiet = self._clock.now() - operation.moment("updated_at")
        given_up = status == "failed" and not retry_at and quiet.total_seconds() > _FAILED_SECONDS
        if status in _ENDED_BADLY or given_up:
            raise ProviderError(_failure(operation), hint=_FAILURE_HINT)

    async def _until(self, done: Callable[[], Awaitable[bool]], what: str, seconds: float) -> None:
        """Poll, at least every five seconds. A new resource may answer 404 for half a minute."""
        begun, pause = self._clock.elapsed(), 0.1
        while True:
            waited = self._clock.elapsed() - begun
            try:
                if await done():
                    return
            except ProviderError as error:
                if error.status != 404 or waited > _FRESH_SECONDS:
                    raise
            if waited > seconds:
                raise ProviderError(
                    f"Neon: waited {waited:.0f} s for {what}",
                    hint="run the same command again: it continues from here",
                )
            await self._clock.sleep(pause)
            pause = min(pause * 1.5, 5.0)


def _failure(operation: ResponseReader) -> str:
    # The reason is Neon's text: redact before cutting, or the rest of a cut secret would not be found.
    error = EVERYWHERE(" ".join(operation.maybe_text("error").split()))[:_LONGEST_REASON] or "no reason given"
    action, status, tries = operation.text("action"), operation.text("status"), operation.maybe_number("failures_count")
    return f"Neon: operation {action} ended as {status} ({error}; failures: {tries or 0})"
