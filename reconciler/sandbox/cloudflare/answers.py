"""The envelope of every answer, refusals, access and pages.

The envelope is the one of Cloudflare's API v4: `success`, `errors`, `messages`, `result` and, for lists,
`result_info`. The live API answers some reads with `errors` and `messages` null, so some answers here do too.
"""

import functools
import json
import math
import re
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

from aiohttp import web

from reconciler.sandbox.cloudflare.state import Json, State

Handler = Callable[[web.Request, State], Awaitable[web.Response]]
Item = TypeVar("Item")
Route = tuple[str, str, Handler]
"""HTTP method, path below `/client/v4`, and handler."""


class ApiError(Exception):
    """An answer with `success: false`."""

    def __init__(self, status: int, code: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message


def success(result: Any, *, pages: Json | None = None, errors_null: bool = False) -> web.Response:
    """Answer with a result."""
    empty: list[Any] | None = None if errors_null else []
    envelope: Json = {"result": result, "success": True, "errors": empty, "messages": empty}
    if pages is not None:
        envelope["result_info"] = pages
    return web.json_response(envelope)


def guarded(handler: Handler) -> Callable[[web.Request], Awaitable[web.Response]]:
    """Wrap a handler: check access first, and answer refusals in the envelope."""

    @functools.wraps(handler)
    async def answer(request: web.Request) -> web.Response:
        state: State = request["state"]
        try:
            _check_access(request, state)
            _check_permission(request, state)
            return await handler(request, state)
        except ApiError as refusal:
            error = {"code": refusal.code, "message": refusal.message}
            envelope = {"result": None, "success": False, "errors": [error], "messages": []}
            return web.json_response(envelope, status=refusal.status)

    return answer


async def not_found(request: web.Request, _state: State) -> web.Response:
    """Refuse a path that has no handler."""
    raise _no_route(request)


def one_page(request: web.Request, items: Sequence[Item], default_size: int) -> tuple[list[Item], Json]:
    """Return one page (`page`, `per_page`) of a list, and its `result_info`."""
    page = _positive(request, "page", 1)
    size = _positive(request, "per_page", default_size)
    cut = list(items[(page - 1) * size : page * size])
    total = len(items)
    info = {"page": page, "per_page": size, "count": len(cut)}
    return cut, info | {"total_count": total, "total_pages": math.ceil(total / size)}


async def json_body(request: web.Request) -> Json:
    """Read a JSON object of any content type: wrangler sends Hyperdrive's as text/plain."""
    try:
        body = json.loads(await request.read())
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise ApiError(400, 6007, "Malformed JSON in request body")
    return body


def _check_access(request: web.Request, state: State) -> None:
    account = request.match_info.get("account", state.account_id)
    if account != state.account_id and not re.fullmatch("[0-9a-f]{32}", account):
        raise _no_route(request)
    if request.headers.get("Authorization") != f"Bearer {state.token}" or account != state.account_id:
        raise ApiError(403, 10000, "Authentication error")


def _check_permission(request: web.Request, state: State) -> None:
    """Refuse requests that the token does not permit (API token permissions: Hyperdrive, Workers Scripts)."""
    product = next((name for name in ("hyperdrive", "workers") if f"/{name}/" in request.path), "")
    lacked = f"{product}-{'read' if request.method == 'GET' else 'write'}"
    if lacked in state.switches.token_lacks:
        raise ApiError(403, 10000, "Authentication error")
    if state.switches.token_of_account and request.path.endswith("/user/tokens/verify"):
        raise ApiError(401, 1000, "Invalid API Token")


def _no_route(request: web.Request) -> ApiError:
    message = f"Could not route to {request.path}, perhaps your object identifier is invalid?"
    return ApiError(404, 7003, message)


def _positive(request: web.Request, name: str, default: int) -> int:
    text = request.query.get(name, str(default))
    if not re.fullmatch("[0-9]{1,6}", text) or int(text) == 0:
        raise ApiError(400, 1001, f"Invalid {name}: {text}")
    return int(text)
