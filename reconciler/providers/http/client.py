"""One HTTP client for all providers: authorisation, deadlines, retries, errors without secrets.

Reading may always be repeated. A write may be repeated only where the provider says that nothing was done: 423 and
503 (Neon's API reference, "Safe to retry") and 429, or what a provider's `ApiPolicy` say. Everything else that leaves
a write without an answer becomes AnswerLost, and the caller looks before it repeats.
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
from reconciler.providers.http.rate_limiter import Budget, Pace

# For a request from its first byte to the last of its answer. A create took 12 s and a restore 7 s on the live
# service: a shorter deadline makes lost answers of successes.
_DEADLINE_SECONDS = 60.0
_PATIENCE_SECONDS = 120.0
_MOST_TRIES = 25
_BUSY = frozenset({423, 429, 503})
_LOST = frozenset({500, 502, 503, 504, 520, 521, 522, 523, 524})
_REFUSED = frozenset({401, 403, 404})
_LONGEST_MESSAGE = 500
_LONGEST_CODE = 60
# A Worker's modules are the longest answer that there is, thousands of computes the longest JSON (which takes twenty
# times its length when it is read); of a refusal, only a sentence is wanted.
_LARGEST_BYTES = 64 * 1024 * 1024
_LARGEST_JSON_BYTES = 16 * 1024 * 1024
_LARGEST_REFUSAL_BYTES = 64 * 1024
_JSON = "application/json"
_ABOUT_THE_WAY = ("content-encoding", "content-length", "transfer-encoding")

Explain = Callable[[Any], tuple[str, str]]
Look = Callable[[], Awaitable[None]]
# Given the API, the refusal, the method and the path: what to do about it, or nothing.
Advise = Callable[["Api", ProviderError, str, str], Awaitable[str]]
# False: not busy. True: busy, for a time that the provider does not name.
Wait = bool | timedelta


def is_busy(response: httpx.Response) -> Wait:
    """Tell whether the provider is busy and so did nothing, and how long to wait."""
    return response.status_code in _BUSY and (retry_after(response) or True)


@cache
def trusted() -> ssl.SSLContext:
    """Return the authorities that sign servers' certificates, read once: reading them takes longer than a request."""
    return httpx.create_ssl_context()


async def no_advice(_api: "Api", _error: ProviderError, _method: str, _path: str) -> str:
    """Say nothing more than the provider does."""
    return ""


@dataclass(frozen=True, slots=True)
class ApiPolicy:
    """What is particular to a provider: the headers that it wants, how it says that it is busy, what helps then.

    `pace` is how many requests it takes, where that is known.
    """

    headers: Mapping[str, str] = field(default_factory=dict)
    busy: Callable[[httpx.Response], Wait] = is_busy
    advise: Advise = no_advice
    pace: Pace | None = None


class _Busy(Exception):
    """The provider was busy, or a read was not answered: the request may be sent again as it is."""

    def __init__(self, error: ProviderError, wait: Wait) -> None:
        super().__init__(error.message)
        self.error = error
        self.wait = wait


@dataclass(frozen=True, slots=True)
class Answer:
    """A successful answer: its status, headers and body, which is None where it is empty."""

    status: int
    headers: Mapping[str, str]
    body: Any = field(repr=False)


class Api:
    """A provider's HTTP API. `explain` finds code and message in an error body. InputError for an impossible token."""

    def __init__(
        self, name: str, base_url: str, token: Secret, explain: Explain, manners: ApiPolicy | None = None
    ) -> None:
        # A request would fail with a message that quotes the header, and the token in it.
        if not re.fullmatch(r"[\x21-\x7e]*", token.reveal()):
            hint = "copy it again: a space, a line end or a quotation mark may have come with it"
            raise InputError(f"the token for {name} has a character that no token has", hint=hint)
        manners = manners or ApiPolicy()
        self._name = name
        self._explain = explain
        self._busy = manners.busy
        self._advise = manners.advise
        self._budget = Budget(manners.pace)
        self._client = httpx.AsyncClient(
            base_url=base_url,
            headers={"Authorization": f"Bearer {token.reveal()}", "Accept": "application/json", **manners.headers},
            timeout=httpx.Timeout(_DEADLINE_SECONDS, connect=10.0),
            follow_redirects=False,
            trust_env=True,
            verify=trusted(),
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def get(self, path: str, **query: str | int | bool) -> Any:
        """Read JSON. Raises ProviderError."""
        return (await self.send("GET", path, params=query)).body

    async def send(self, method: str, path: str, *, before_again: Look | None = None, **options: Any) -> Answer:
        """Send a request, again and again while the provider is busy. Raises ProviderError.

        `before_again` is awaited before each repetition, and what it raises ends them.
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
                    if attempt.num > 1 and before_again is not None:
                        await before_again()
                    return await self._once(method, path, options)
        except _Busy as busy:
            raise busy.error from None
        except ProviderError as error:
            if error.status in _REFUSED and not error.hint:
                error.hint = await self._advise(self, error, method, path)
            raise
        raise AssertionError("retry_context ends by returning or raising")

    async def _once(self, method: str, path: str, options: dict[str, Any]) -> Answer:
        where = f"{self._name}: {method} {path}"
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
        """Send once; only a connection that was never made is tried again."""
        await self._budget.spend(method, path)
        async with asyncio.timeout(_DEADLINE_SECONDS), self._client.stream(method, path, **options) as response:
            return await _read(response)

    def _judge(self, method: str, where: str, response: httpx.Response) -> Answer:
        if response.is_success and len(response.content) > _limit(response):
            kind = ProviderError if method == "GET" else AnswerLost
            raise kind(f"{where}: the answer is longer than {_limit(response):,} bytes, and was not read to its end")
        status = response.status_code
        if wait := self._busy(response):
            raise self._later(wait, f"{where}: {self._said(response)}", status)
        if status in _LOST:
            raise self._unanswered(method, f"{where}: {self._said(response)}")
        if not response.is_success:
            code, _ = self._parts(response)
            raise ProviderError(f"{where}: {self._said(response)}", status=status, code=code)
        return Answer(status, response.headers, self._body(method, where, response))

    def _later(self, wait: Wait, message: str, status: int) -> Exception:
        """Wait as long as the provider asks; where that is longer than our patience, it is asked no more."""
        if isinstance(wait, bool) or wait.total_seconds() <= _PATIENCE_SECONDS:
            return _Busy(Unreachable(message, status=status), wait)
        hint = f"{self._name} asks to wait for {wait.total_seconds():.0f} s: run the same command again after that"
        return Unreachable(message, status=status, hint=hint)

    def _unanswered(self, method: str, message: str) -> Exception:
        if method == "GET":
            return _Busy(Unreachable(message), True)
        return AnswerLost(message, hint="it may have been done: run the same command again, which looks first")

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
            code, message = self._explain(response.json())
        except (ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError):
            return "", ""
        return _in_one_line(code, _LONGEST_CODE), _in_one_line(message, _LONGEST_MESSAGE)

    def _said(self, response: httpx.Response) -> str:
        """Quote the provider's own message, cut, without secrets; an unknown body is not quoted at all."""
        code, text = self._parts(response)
        label = f"{response.status_code} {code}".strip()
        return f"{label}: {text}" if text else label


async def _read(response: httpx.Response) -> httpx.Response:
    """Read an answer, but never more than a limit (and the piece that goes beyond it)."""
    limit, read = _limit(response), bytearray()
    async for piece in response.aiter_bytes():
        read += piece[: limit + 1 - len(read)]
        if len(read) > limit:
            break
    # The bytes are decoded by now, and are as many as there are.
    headers = [pair for pair in response.headers.multi_items() if pair[0] not in _ABOUT_THE_WAY]
    return httpx.Response(response.status_code, headers=headers, content=bytes(read))


def _limit(response: httpx.Response) -> int:
    if not response.is_success:
        return _LARGEST_REFUSAL_BYTES
    return _LARGEST_JSON_BYTES if _is_json(response) else _LARGEST_BYTES


def _is_json(response: httpx.Response) -> bool:
    return str(response.headers.get("content-type", _JSON)).startswith(_JSON)


def _in_one_line(text: str, longest: int) -> str:
    """Shorten a text, after its secrets are gone: the rest of one that was cut would not be found any more."""
    return EVERYWHERE(" ".join(text.split()))[:longest]


def _retry(error: Exception) -> Wait:
    return error.wait if isinstance(error, _Busy) else False


def retry_after(response: httpx.Response) -> timedelta | None:
    """Read Retry-After: seconds, or a date, by the provider's own clock. Nonsense falls back to our own waiting."""
    text = str(response.headers.get("retry-after", ""))
    if re.fullmatch(r"[0-9]{1,6}", text):
        return timedelta(seconds=int(text))
    until, now = _date(text), _date(response.headers.get("date", ""))
    return max(until - now, timedelta()) if until and now else None


def _date(text: str) -> datetime | None:
    """Read an HTTP date, which is in GMT, whether it says so or not."""
    try:
        return parsedate_to_datetime(text).replace(tzinfo=None)
    except ValueError:
        return None


def _kind(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return f"not within {_DEADLINE_SECONDS:.0f} s"
    return str(error) or type(error).__name__
