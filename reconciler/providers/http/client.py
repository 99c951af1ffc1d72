"""One HTTP client for all providers: authorisation, deadlines, retries, errors without secrets.

A read may always be repeated. A write is repeated only where the provider states that nothing was done: 423 and 503
(Neon's API reference, "Safe to retry") and 429, or what the provider's `ApiPolicy` says. Any other write without an
answer raises AnswerLost, and the caller looks before it repeats the write.
"""

import asyncio
import re
import ssl
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import cache
from typing import Any

import httpx
import stamina

from reconciler.core.values.redaction import EVERYWHERE
from reconciler.core.values.secret import Secret
from reconciler.errors import AnswerLost, InputError, ProviderError, Unreachable
from reconciler.providers.http.rate_limiter import Pace, RateLimiter

# From the first byte of a request to the last byte of its response. On the live service a create took 12 s and a
# restore 7 s: a shorter deadline would lose the answers of successful requests.
_DEADLINE_SECONDS = 60.0
_PATIENCE_SECONDS = 120.0
_MOST_TRIES = 25
_BUSY = frozenset({423, 429, 503})
_LOST = frozenset({500, 502, 503, 504, 520, 521, 522, 523, 524})
_REFUSED = frozenset({401, 403, 404})
_LONGEST_MESSAGE = 500
_LONGEST_CODE = 60
# A Worker's modules are the longest response, and thousands of computes the longest JSON (parsing it takes twenty times
# its length in memory). Of an error, one sentence is enough.
_LARGEST_BYTES = 64 * 1024 * 1024
_LARGEST_JSON_BYTES = 16 * 1024 * 1024
_LARGEST_REFUSAL_BYTES = 64 * 1024
_JSON = "application/json"
_TRANSFER_HEADERS = ("content-encoding", "content-length", "transfer-encoding")

Explain = Callable[[Any], tuple[str, str]]
BeforeRetry = Callable[[], Awaitable[None]]
# Given the API, the error, the method and the path: what to do next, or an empty text.
Advise = Callable[["Api", ProviderError, str, str], Awaitable[str]]
# False: not busy. True: busy, for a time that the provider does not name.
Wait = bool | timedelta


def is_busy(response: httpx.Response) -> Wait:
    """Whether the provider is busy and so did nothing, and how long to wait."""
    return response.status_code in _BUSY and (retry_after(response) or True)


@cache
def trusted() -> ssl.SSLContext:
    """Return the trusted certificate authorities, read once: reading them takes longer than a request."""
    return httpx.create_ssl_context()


async def no_advice(_api: "Api", _error: ProviderError, _method: str, _path: str) -> str:
    """Add nothing to what the provider says."""
    return ""


@dataclass(frozen=True, slots=True)
class ApiPolicy:
    """What is particular to a provider.

    `explain` finds code and message in an error body. `busy` recognizes a response that says nothing was done,
    `advise` says what helps after a 401, 403 or 404, and `pace` limits the requests.
    """

    name: str
    explain: Explain
    headers: Mapping[str, str] = field(default_factory=dict)
    busy: Callable[[httpx.Response], Wait] = is_busy
    advise: Advise = no_advice
    pace: Pace | None = None


class _Busy(Exception):
    """The provider was busy, or a read got no answer: the same request may be sent again."""

    def __init__(self, error: ProviderError, wait: Wait) -> None:
        super().__init__(error.message)
        self.error = error
        self.wait = wait


@dataclass(frozen=True, slots=True)
class Answer:
    """A successful response. `body` is parsed JSON, bytes, or None where it is empty."""

    status: int
    headers: Mapping[str, str]
    body: Any = field(repr=False)


class Api:
    """A provider's HTTP API. Raises InputError for a token that no header can carry."""

    def __init__(self, policy: ApiPolicy, base_url: str, token: Secret) -> None:
        # httpx would fail with a message that quotes the header, and the token in it.
        if not re.fullmatch(r"[\x21-\x7e]*", token.reveal()):
            hint = "copy it again: a space, a line end or a quotation mark may have come with it"
            raise InputError(f"the token for {policy.name} has a character that no token has", hint=hint)
        self._policy = policy
        self._limiter = RateLimiter(policy.pace)
        self._client = httpx.AsyncClient(
            base_url=base_url,
            headers={"Authorization": f"Bearer {token.reveal()}", "Accept": "application/json", **policy.headers},
            timeout=httpx.Timeout(_DEADLINE_SECONDS, connect=10.0),
            verify=trusted(),
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def get(self, path: str, **query: str | int | bool) -> Any:
        """Read JSON. Raises ProviderError."""
        return (await self.send("GET", path, params=query)).body

    async def send(self, method: str, path: str, *, before_retry: BeforeRetry | None = None, **options: Any) -> Answer:
        """Send a request, and retry it while the provider is busy. Raises ProviderError.

        `before_retry` runs before each retry, and an error that it raises ends the retries.
        """
        try:
            async for attempt in stamina.retry_context(
                on=_retry,
                attempts=_MOST_TRIES,
                timeout=_PATIENCE_SECONDS,
                wait_initial=0.2,
                wait_max=10.0,
                wait_jitter=0.5,
            ):
                with attempt:
                    if attempt.num > 1 and before_retry is not None:
                        await before_retry()
                    return await self._once(method, path, options)
        except _Busy as busy:
            raise busy.error from None
        except ProviderError as error:
            if error.status in _REFUSED and not error.hint:
                error.hint = await self._policy.advise(self, error, method, path)
            raise
        raise AssertionError("retry_context ends by returning or raising")

    async def _once(self, method: str, path: str, options: dict[str, Any]) -> Answer:
        where = f"{self._policy.name}: {method} {path}"
        try:
            response = await self._request(method, path, options)
        except httpx.ConnectError as error:
            message = f"{where}: cannot connect to {self._client.base_url.host} ({_kind(error)})"
            raise Unreachable(message, hint="check the address in the environment, and the network") from error
        except httpx.InvalidURL as error:
            raise ProviderError(f"{where}: the address is not valid") from error
        except (httpx.HTTPError, TimeoutError) as error:
            raise self._unanswered(method, f"{where}: no answer came ({_kind(error)})") from error
        return self._judge(method, where, response)

    @stamina.retry(on=(httpx.ConnectError, httpx.ConnectTimeout), attempts=3, wait_initial=0.2, wait_jitter=0.2)
    async def _request(self, method: str, path: str, options: dict[str, Any]) -> httpx.Response:
        """Send once; retry only a connection that was never made."""
        await self._limiter.acquire(method, path)
        async with asyncio.timeout(_DEADLINE_SECONDS), self._client.stream(method, path, **options) as response:
            return await _read(response)

    def _judge(self, method: str, where: str, response: httpx.Response) -> Answer:
        if response.is_success and len(response.content) > _limit(response):
            kind = ProviderError if method == "GET" else AnswerLost
            raise kind(f"{where}: the answer is longer than {_limit(response):,} bytes, and was not read to its end")
        status = response.status_code
        if wait := self._policy.busy(response):
            raise self._later(wait, f"{where}: {self._said(response)}", status)
        if status in _LOST:
            raise self._unanswered(method, f"{where}: {self._said(response)}")
        if not response.is_success:
            code, _ = self._parts(response)
            raise ProviderError(f"{where}: {self._said(response)}", status=status, code=code)
        return Answer(status, response.headers, self._body(method, where, response))

    def _later(self, wait: Wait, message: str, status: int) -> Exception:
        """Wait as long as the provider asks, or give up where that is longer than two minutes."""
        if isinstance(wait, bool) or wait.total_seconds() <= _PATIENCE_SECONDS:
            return _Busy(Unreachable(message, status=status), wait)
        hint = (
            f"{self._policy.name} asks to wait for {wait.total_seconds():.0f} s: run the same command again after that"
        )
        return Unreachable(message, status=status, hint=hint)

    def _unanswered(self, method: str, message: str) -> Exception:
        if method == "GET":
            return _Busy(Unreachable(message), True)
        return AnswerLost(message, hint="it may have happened: run the same command again, it looks first")

    def _body(self, method: str, where: str, response: httpx.Response) -> Any:
        if not response.content:
            return None
        if not _is_json(response):
            return response.content
        try:
            return response.json()
        except (ValueError, RecursionError) as error:
            raise self._unanswered(method, f"{where}: the answer is not JSON") from error

    def _parts(self, response: httpx.Response) -> tuple[str, str]:
        try:
            code, message = self._policy.explain(response.json())
        except (ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError):
            return "", ""
        return _in_one_line(code, _LONGEST_CODE), _in_one_line(message, _LONGEST_MESSAGE)

    def _said(self, response: httpx.Response) -> str:
        """Quote the provider's own message, shortened and without secrets; quote no body of unknown format."""
        code, text = self._parts(response)
        label = f"{response.status_code} {code}".strip()
        return f"{label}: {text}" if text else label


async def _read(response: httpx.Response) -> httpx.Response:
    """Read a response up to one byte beyond the limit."""
    limit, read = _limit(response), bytearray()
    async for piece in response.aiter_bytes():
        read += piece[: limit + 1 - len(read)]
        if len(read) > limit:
            break
    # The content is decoded and whole by now.
    headers = [pair for pair in response.headers.multi_items() if pair[0] not in _TRANSFER_HEADERS]
    return httpx.Response(response.status_code, headers=headers, content=bytes(read))


def _limit(response: httpx.Response) -> int:
    if not response.is_success:
        return _LARGEST_REFUSAL_BYTES
    return _LARGEST_JSON_BYTES if _is_json(response) else _LARGEST_BYTES


def _is_json(response: httpx.Response) -> bool:
    return str(response.headers.get("content-type", _JSON)).startswith(_JSON)


def _in_one_line(text: str, longest: int) -> str:
    """Redact, then shorten: the rest of a cut secret would not be found."""
    return EVERYWHERE(" ".join(text.split()))[:longest]


def _retry(error: Exception) -> Wait:
    return error.wait if isinstance(error, _Busy) else False


def retry_after(response: httpx.Response) -> timedelta | None:
    """Read Retry-After: seconds, or a date by the provider's own clock. None where it is neither."""
    text = str(response.headers.get("retry-after", ""))
    if re.fullmatch(r"[0-9]{1,6}", text):
        return timedelta(seconds=int(text))
    until, now = _date(text), _date(response.headers.get("date", ""))
    return max(until - now, timedelta()) if until and now else None


def _date(text: str) -> datetime | None:
    """Read an HTTP date, which is always in GMT."""
    try:
        return parsedate_to_datetime(text).replace(tzinfo=None)
    except ValueError:
        return None


def _kind(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return f"not within {_DEADLINE_SECONDS:.0f} s"
    return str(error) or type(error).__name__
