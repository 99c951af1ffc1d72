"""The transcript: every exchange with the two APIs as a line of JSON, for tests of conformance.

It is written where RECONCILER_SANDBOX_TRANSCRIPT names a file, to which each sandbox appends whole lines, so that
several may share one. It holds passwords and connection strings: those of the sandbox, which live as long as it does.
"""

import contextlib
import json
import os
from collections.abc import Iterator

from aiohttp import web

VARIABLE = "RECONCILER_SANDBOX_TRANSCRIPT"


class Transcript:
    """Appends exchanges to a file that it keeps open."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    async def note(self, request: web.Request, answer: web.StreamResponse, *, lost: bool) -> None:
        """Append an exchange. Bodies are text; a multipart body, which was read as a stream, is null."""
        line = {
            "method": request.method,
            "path": request.rel_url.raw_path,
            "query": request.rel_url.raw_query_string,
            "request_body": await _sent(request),
            "status": answer.status,
            "headers": dict(answer.headers),
            "response_body": _answered(answer),
            "lost": lost,
        }
        # One call: lines of several sandboxes do not mix in a file opened for appending.
        os.write(self._descriptor, json.dumps(line).encode() + b"\n")


@contextlib.contextmanager
def opened() -> Iterator[Transcript | None]:
    """Open the transcript that the environment asks for; None where it asks for none. Raises OSError."""
    path = os.environ.get(VARIABLE)
    if not path:
        yield None
        return
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        yield Transcript(descriptor)
    finally:
        os.close(descriptor)


async def _sent(request: web.Request) -> str | None:
    if request.content_type.startswith("multipart/"):
        return None
    try:
        return (await request.read()).decode(errors="replace")
    except OSError:
        return None  # the client has gone away


def _answered(answer: web.StreamResponse) -> str | None:
    body = answer.body if isinstance(answer, web.Response) else None
    return body.decode(errors="replace") if isinstance(body, bytes) else None
