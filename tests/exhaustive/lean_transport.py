"""HTTP/1.1 over loopback for httpx, with nothing that only the wide world needs.

httpx's own transport takes four fifths of a run's time. This one keeps connections for all clients of the process, and
raises what httpx raises. A part of the run, and every other test of the project, goes through httpx's own.
"""

import asyncio
from contextvars import ContextVar
from weakref import WeakKeyDictionary

import httpx

# By the loop that opened them: another one can not use them.
_IDLE: WeakKeyDictionary = WeakKeyDictionary()
# As long as httpx keeps them; the other end closes them later.
_KEPT_SECONDS = 5.0

SENDER = ContextVar("SENDER", default=None)
"""Whose requests these are: something that is given each of them to `pass_on`, when and if it likes. None: nobody's."""


class LeanTransport(httpx.AsyncBaseTransport):
    """Takes the place of `httpx.AsyncHTTPTransport`; its options are for networks that are not here."""

    def __init__(self, **_options):
        pass

    async def handle_async_request(self, request):
        sender = SENDER.get()
        return await (_send(request) if sender is None else sender.pass_on(request, lambda: _send(request)))


async def _send(request):
    url = request.url
    place = url.host, url.port or 80
    body = await request.aread()
    sent = b"%s %s HTTP/1.1\r\n%s\r\n\r\n%s" % (
        request.method.encode(),
        url.raw_path,
        b"\r\n".join(name + b": " + value for name, value in request.headers.raw),
        body,
    )
    seconds = request.extensions.get("timeout", {}).get("read")
    try:
        async with asyncio.timeout(seconds):
            return await _exchange(place, sent)
    except TimeoutError:
        raise httpx.ReadTimeout("no answer in time", request=request) from None


async def _exchange(place, sent):
    reader, writer = await _connection(place)
    kept = False
    try:
        writer.write(sent)
        head = await reader.readuntil(b"\r\n\r\n")
        status, headers = _parsed(head)
        lower = {name.lower(): value for name, value in headers}
        content = await reader.readexactly(int(lower.get(b"content-length", b"0")))
        kept = lower.get(b"connection", b"").lower() != b"close"
    except (asyncio.IncompleteReadError, ConnectionError) as error:
        raise httpx.RemoteProtocolError("Server disconnected without sending a response.") from error
    finally:
        if kept:
            _idle(place).append((reader, writer, asyncio.get_running_loop().time()))
        else:
            writer.close()
    return httpx.Response(status, headers=headers, content=content)


def _idle(place):
    return _IDLE.setdefault(asyncio.get_running_loop(), {}).setdefault(place, [])


async def _connection(place):
    idle = _idle(place)
    while idle:
        reader, writer, since = idle.pop()
        is_old = asyncio.get_running_loop().time() - since > _KEPT_SECONDS
        if not is_old and not reader.at_eof() and not writer.is_closing():
            return reader, writer
        writer.close()
    try:
        return await asyncio.open_connection(*place, limit=2**24)
    except OSError as error:
        raise httpx.ConnectError(str(error)) from error


def _parsed(head):
    first, *lines = head[:-4].split(b"\r\n")
    pairs = (line.split(b":", 1) for line in lines)
    return int(first.split(b" ", 2)[1]), [(name, value.strip()) for name, value in pairs]
