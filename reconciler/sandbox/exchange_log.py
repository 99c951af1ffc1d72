"""A log of every exchange with the two APIs, one JSON object a line, for conformance tests.

It is written if RECONCILER_SANDBOX_TRANSCRIPT names a file. Each sandbox appends whole lines, so several may share one
file. It holds the passwords and connection strings of the sandbox, which are valid as long as the sandbox lives.
"""

import contextlib
import json
import os
from collections.abc import Iterator

from aiohttp import web

VARIABLE = "RECONCILER_SANDBOX_TRANSCRIPT"


class ExchangeLog:
    """Appends exchanges to an open file."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    async def note(self, request: web.Request, answer: web.StreamResponse, *, lost: bool) -> None:
        """Append an exchange. Bodies are text; a multipart body, which was read as a stream, is null."""
        line = {
            "method": request.method,
            "path": request.rel_url.raw_path,
            "query": request.rel_url.raw_query_string,
            "request_body": await _request_body(request),
            "status": answer.status,
            "headers": dict(answer.headers),
            "response_body": _response_body(answer),
            "lost": lost,
        }
        # One call: lines of several sandboxes do not mix in a file opened for appending.
        os.write(self._descriptor, json.dumps(line).encode() + b"\n")


@contextlib.contextmanager
def opened() -> Iterator[ExchangeLog | None]:
    """Open the log that the environment names; None if it names none. Raises OSError."""
    path = os.environ.get(VARIABLE)
    if not path:
        yield None
        return
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        yield ExchangeLog(descriptor)
    finally:
        os.close(descriptor)


async def _request_body(request: web.Request) -> str | None:
    if request.content_type.startswith("multipart/"):
        return None
    try:
        return (await request.read()).decode(errors="replace")
    except OSError:
        return None  # the client has closed the connection


def _response_body(answer: web.StreamResponse) -> str | None:
    body = answer.body if isinstance(answer, web.Response) else None
    return body.decode(errors="replace") if isinstance(body, bytes) else None
