"""The HTTP port of one Worker: passes requests on to the process of a version, and answers back."""

from collections.abc import Awaitable, Callable

import aiohttp
from aiohttp import web
from multidict import CIMultiDict
from yarl import URL

ADDRESS = "127.0.0.1"
_SHUTDOWN_SECONDS = 0.2
_LONGEST_HEADER = 128 * 1024
_ONE_HOP = {
    "connection",
    "expect",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
}
"""Headers about one connection only (RFC 9110, 7.6.1), or settled by the server itself."""

_INVENTED = ("Accept", "Accept-Encoding", "Content-Type", "User-Agent")


class Unreached(Exception):
    """The process accepts no connections; nothing of the request has been sent."""


class Front:
    """A port that never changes. `serve` answers its requests."""

    def __init__(self, serve: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]) -> None:
        self._runner = web.ServerRunner(
            web.Server(serve, access_log=None, auto_decompress=False, max_line_size=_LONGEST_HEADER),
            shutdown_timeout=_SHUTDOWN_SECONDS,
        )
        self.url = ""

    async def open(self) -> None:
        """Open a free port."""
        await self._runner.setup()
        await web.TCPSite(self._runner, ADDRESS, 0).start()
        self.url = f"http://{ADDRESS}:{self._runner.addresses[0][1]}"

    async def close(self) -> None:
        """Close the port."""
        await self._runner.cleanup()


def client() -> aiohttp.ClientSession:
    """Make the client that `forward` uses. It changes nothing and keeps no cookies.

    It opens a connection for each request: a process could close a kept one just when a request is sent on it.
    """
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(force_close=True, limit=0),
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=5),
        auto_decompress=False,
        skip_auto_headers=_INVENTED,
        max_line_size=_LONGEST_HEADER,
        max_field_size=_LONGEST_HEADER,
    )


async def forward(request: web.BaseRequest, session: aiohttp.ClientSession, port: int) -> web.StreamResponse:
    """Pass a request on and its answer back. Raises Unreached, or another aiohttp.ClientError before the answer."""
    target = request.raw_path if request.raw_path.startswith("/") else request.rel_url.raw_path_qs
    try:
        answer = await session.request(
            request.method,
            URL(f"http://{ADDRESS}:{port}{target}", encoded=True),
            headers=_end_to_end(request.headers),
            data=request.content if request.body_exists else None,
            allow_redirects=False,
        )
    except aiohttp.ClientConnectorError as error:
        raise Unreached(str(error)) from error
    async with answer:
        return await _pass_back(request, answer)


async def _pass_back(request: web.BaseRequest, answer: aiohttp.ClientResponse) -> web.StreamResponse:
    response = web.StreamResponse(status=answer.status, reason=answer.reason, headers=_end_to_end(answer.headers))
    try:
        await response.prepare(request)
        async for chunk in answer.content.iter_any():
            await response.write(chunk)
        await response.write_eof()
    except (OSError, aiohttp.ClientError):
        if request.transport:
            request.transport.abort()  # half an answer must not look whole
    return response


def _end_to_end(headers: "aiohttp.typedefs.LooseHeaders") -> CIMultiDict[str]:
    given = CIMultiDict(headers)
    named = {name.strip().lower() for line in given.getall("Connection", []) for name in line.split(",")}
    kept = ((name, value) for name, value in given.items() if name.lower() not in _ONE_HOP | named)
    return CIMultiDict(kept)
