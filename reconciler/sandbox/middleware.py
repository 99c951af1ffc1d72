"""What every request to the two APIs passes: the logs, latency, faults, and the state that it may see."""

import asyncio
import time
import warnings
from typing import Any, Protocol

from aiohttp import web
from aiohttp.typedefs import Handler

from reconciler.sandbox.control_api import ControlApi, LoggedRequest
from reconciler.sandbox.exchange_log import ExchangeLog
from reconciler.sandbox.faults import Action, Faults, Kind
from reconciler.sandbox.neon.api import PREFIX as NEON_PREFIX
from reconciler.sandbox.neon.api import refusal
from reconciler.sandbox.neon.state import Status


class Apis(Protocol):
    """The two APIs, as the middleware sees them."""

    @property
    def faults(self) -> Faults:
        """The faults and latencies in force."""

    def prefix_of(self, path: str) -> str | None:
        """Return the prefix of the API that a path belongs to; None for the sandbox's own paths."""

    def view(self, prefix: str, method: str, *, stale: bool) -> Any:
        """Return the state that a request sees."""

    def retry_after(self, prefix: str) -> str:
        """Return the header `Retry-After` of a refusal; empty for none."""

    def note_served(self, entry: LoggedRequest) -> None:
        """Note a request that has been served."""

    def note_failure(self, error: BaseException) -> None:
        """Note an unexpected exception."""


class Middleware:
    """Passes requests on to the handlers of the two APIs."""

    def __init__(self, apis: Apis, control: ControlApi, exchanges: ExchangeLog | None) -> None:
        self._apis = apis
        self._control = control
        self._exchanges = exchanges

    @web.middleware
    async def pass_through(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Serve a request and log it."""
        prefix = self._apis.prefix_of(request.path)
        if prefix is None:
            return await handler(request)
        begun = time.time()
        entry = self._control.note(request.method, request.path, request.query_string, round(begun * 1000))
        answer = await self._serve(request, handler, prefix)
        entry.status = answer.status if answer is not None else 0
        entry.took_ms = round((time.time() - begun) * 1000, 3)
        if answer is not None and answer.status in {423, 429} and (retry_after := self._apis.retry_after(prefix)):
            answer.headers.setdefault("Retry-After", retry_after)
        lost = bool(request.get("answer_lost"))
        self._apis.note_served(entry)
        if answer is not None and self._exchanges and not request.get("answer_spoilt"):
            await self._exchanges.note(request, answer, lost=lost)
        return _cut(request) if answer is None or lost else answer

    async def _serve(self, request: web.Request, handler: Handler, prefix: str) -> web.StreamResponse | None:
        """Return the answer; None if the connection is to be closed with nothing done."""
        faults = self._apis.faults
        actions = faults.strike(request.method, request.path)
        await asyncio.sleep(faults.pause(request.method, request.path) + _delay(actions))
        kinds = {action.kind for action in actions}
        if Kind.DROP_BEFORE in kinds:
            return None
        for action in actions:
            if action.kind is Kind.STATUS:
                return _injected_status(request, prefix, action)
        _attach(
            request,
            state=self._apis.view(prefix, request.method, stale=Kind.STALE in kinds),
            operation_ends=_end_of_operation(kinds),
            answer_lost=Kind.DROP_AFTER in kinds,
            answer_spoilt=bool(kinds & {Kind.STATUS_AFTER, Kind.GARBLE}),
        )
        return _spoilt(await self._handle(request, handler, prefix), actions)

    async def _handle(self, request: web.Request, handler: Handler, prefix: str) -> web.StreamResponse | None:
        try:
            return await handler(request)
        except web.HTTPException as error:
            return _envelope(request, prefix, error.status, error.reason)
        except ConnectionError:
            return None  # the client closed the connection while sending
        except Exception as error:  # noqa: BLE001 - whatever it is, the answer must not be a traceback
            self._apis.note_failure(error)
            return _envelope(request, prefix, 500, "internal error of the sandbox")


def _attach(request: web.Request, **values: Any) -> None:
    """Attach values to a request under plain names: typed keys need aiohttp 3.14, which warns about plain ones."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", web.NotAppKeyWarning)
        request.update(values)


def _end_of_operation(kinds: set[Kind]) -> Status | None:
    if Kind.ERROR_OPERATION in kinds:
        return Status.ERROR
    return Status.FAILED if Kind.FAIL_OPERATION in kinds else None


def _injected_status(request: web.Request, prefix: str, action: Action) -> web.Response:
    known = {423: "project already has running conflicting operations, scheduling of new ones is prohibited"}
    message = known.get(action.number, f"injected status {action.number}")
    answer = _envelope(request, prefix, action.number, message)
    if action.seconds is not None:
        answer.headers["Retry-After"] = str(action.seconds)
    return answer


def _spoilt(answer: web.StreamResponse | None, actions: list[Action]) -> web.StreamResponse | None:
    """Replace the answer to a request that was served."""
    for action in actions:
        if action.kind is Kind.STATUS_AFTER:
            return web.Response(text=f"error code: {action.number}\n", status=action.number)
        if action.kind is Kind.GARBLE and isinstance(answer, web.Response):
            whole = answer.body if isinstance(answer.body, bytes) else b""
            half = whole[: len(whole) // 2] or b"{"
            return web.Response(body=half, status=answer.status, content_type="application/json")
    return answer


def _delay(actions: list[Action]) -> float:
    return sum(action.number for action in actions if action.kind is Kind.DELAY) / 1000


def _envelope(request: web.Request, prefix: str, status: int, message: str) -> web.Response:
    """Return a refusal in the format of the API that was called."""
    if prefix == NEON_PREFIX:
        return refusal(request, status, message)
    errors = [{"code": 10000 + status, "message": message}]
    body = {"success": False, "errors": errors, "messages": [], "result": None}
    return web.json_response(body, status=status)


def _cut(request: web.Request) -> web.Response:
    if request.transport:
        request.transport.abort()
    return web.Response()
