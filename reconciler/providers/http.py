"""One HTTP client for all providers: authorisation, deadlines, retries, errors without secrets.

Reading may always be repeated. A write may be repeated only where the provider says that nothing was done: 423 and
503 (Neon's API reference, "Safe to retry") and 429, or what a provider's `Manners` say. Everything else that leaves
a write without an answer becomes AnswerLost, and the caller looks before it repeats.
"""

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import httpx
import stamina

from reconciler.core.secret import Secret
from reconciler.errors import AnswerLost, InputError, ProviderError, Unreachable

# A create took 12 s and a restore 7 s on the live service: a shorter deadline makes lost answers of successes.
_DEADLINE_SECONDS = 60.0
_PATIENCE_SECONDS = 120.0
_MOST_TRIES = 25
_BUSY = frozenset({423, 429, 503})
_LOST = frozenset({500, 502, 503, 504, 520, 521, 522, 523, 524})
_LONGEST_MESSAGE = 500

Explain = Callable[[Any], tuple[str, str]]
Look = Callable[[], Awaitable[None]]
# False: not busy. True: busy, for a time that the provider does not name.
Wait = bool | timedelta


def is_busy(response: httpx.Response) -> Wait:
    """Tell whether the provider is busy and so did nothing, and how long to wait."""
    return response.status_code in _BUSY and (_retry_after(response) or True)


@dataclass(frozen=True, slots=True)
class Manners:
    """What is particular to a provider: the headers that it wants, and how it says that it is busy."""

    headers: Mapping[str, str] = field(default_factory=dict)
    busy: Callable[[httpx.Response], Wait] = is_busy


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
    body: Any


class Api:
    """A provider's HTTP API. `explain` finds code and message in an error body. InputError for an impossible token."""

    def __init__(
        self, name: str, base_url: str, token: Secret, explain: Explain, manners: Manners | None = None
    ) -> None:
        # A request would fail with a message that quotes the header, and the token in it.
        if not re.fullmatch(r"[\x21-\x7e]*", token.reveal()):
            hint = "copy it again: a space, a line end or a quotation mark may have come with it"
            raise InputError(f"the token for {name} has a character that no token has", hint=hint)
        manners = manners or Manners()
        self._name = name
        self._explain = explain
        self._busy = manners.busy
        self._token = token
        self._client = httpx.AsyncClient(
            base_url=base_url,
            headers={"Authorization": f"Bearer {token.reveal()}", "Accept": "application/json", **manners.headers},
            timeout=httpx.Timeout(_DEADLINE_SECONDS, connect=10.0),
            follow_redirects=False,
            trust_env=True,
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
        except httpx.HTTPError as error:
            raise self._unanswered(method, f"{where}: no answer came ({_kind(error)})") from error
        return self._judge(method, where, response)

    @stamina.retry(on=(httpx.ConnectError, httpx.ConnectTimeout), attempts=3, wait_initial=0.2, wait_jitter=0.2)
    async def _request(self, method: str, path: str, options: dict[str, Any]) -> httpx.Response:
        """Send once; only a connection that was never made is tried again."""
        return await self._client.request(method, path, **options)

    def _judge(self, method: str, where: str, response: httpx.Response) -> Answer:
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
        if not response.headers.get("content-type", "application/json").startswith("application/json"):
            return response.content
        try:
            return response.json()
        except ValueError as error:
            raise self._unanswered(method, f"{where}: the answer is not JSON") from error

    def _parts(self, response: httpx.Response) -> tuple[str, str]:
        try:
            return self._explain(response.json())
        except (ValueError, KeyError, TypeError, IndexError, AttributeError):
            return "", ""

    def _said(self, response: httpx.Response) -> str:
        """Quote the provider's own message, cut, without the token; an unknown body is not quoted at all."""
        code, message = self._parts(response)
        text = " ".join(message.split())[:_LONGEST_MESSAGE].replace(self._token.reveal(), "********")
        text = re.sub(r"(postgres(?:ql)?://[^:/@\s]+:)[^@\s]+@", r"\1********@", text)
        label = f"{response.status_code} {code}".strip()
        return f"{label}: {text}" if text else label


def _retry(error: Exception) -> Wait:
    return error.wait if isinstance(error, _Busy) else False


def _retry_after(response: httpx.Response) -> timedelta | None:
    """Honour Retry-After in seconds, up to a minute; a date or nonsense falls back to our own waiting."""
    text = response.headers.get("retry-after", "")
    return timedelta(seconds=min(int(text), 60)) if re.fullmatch(r"[0-9]{1,6}", text) else None


def _kind(error: Exception) -> str:
    return str(error) or type(error).__name__
