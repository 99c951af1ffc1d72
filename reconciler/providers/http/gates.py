"""HTTP gates: requests to a version that takes no traffic yet, or to the live ones as users send them."""

import asyncio
import json
import math
from collections.abc import Collection
from typing import Any

import httpx
import stamina

from reconciler.core.model.desired import VERSION_PLACEHOLDER, HttpGate
from reconciler.core.values import json_pointer
from reconciler.core.values.redaction import EVERYWHERE
from reconciler.errors import GateFailed
from reconciler.providers.http.client import trusted

_REQUEST_SECONDS = 10.0
_MOST_BYTES = 1_000_000
_LONGEST_QUOTE = 200


class Refuted(Exception):
    """The response is not what the gate expects."""


async def check(gate: HttpGate, versions: dict[str, str], *, staged: bool) -> None:
    """Send requests until the gate passes or its patience ends. Raises GateFailed with the last failure.

    The first answers prove nothing: a deployment and an override take a while to reach every location. `staged`
    versions (by script) are requested with Cloudflare's header for it (docs: Workers, Gradual deployments, Version
    overrides).
    """
    headers = {"Cache-Control": "no-cache"}
    if staged:
        override = ", ".join(f'{script}="{version}"' for script, version in sorted(versions.items()))
        headers["Cloudflare-Workers-Version-Overrides"] = override
    tries, seconds = 0, gate.patience.total_seconds()
    # A new connection for each try: a kept one may stay at a location that is not up to date.
    limits = httpx.Limits(max_keepalive_connections=0)
    trying = stamina.retry_context(
        on=(Refuted, httpx.HTTPError, TimeoutError), timeout=seconds, attempts=None, wait_initial=0.3, wait_max=3.0
    )
    try:
        async with httpx.AsyncClient(
            timeout=_REQUEST_SECONDS, follow_redirects=False, limits=limits, verify=trusted()
        ) as client:
            async for attempt in trying:
                with attempt:
                    tries += 1
                    await _ask(client, gate, headers, versions.values())
    except (Refuted, httpx.HTTPError, httpx.InvalidURL, TimeoutError) as error:
        raise GateFailed(
            f'gate "{gate.name}" failed {tries} times within {seconds:g} s: {_said(error)}',
            gate=gate.name,
            hint=_STAGED_HINT if staged else _LIVE_HINT,
        ) from None


_STAGED_HINT = "users were not switched: the version stays at 0 %, for you to look at"
_LIVE_HINT = (
    "users are on the new timeline, and the old one is whole and not renamed yet: git revert puts it back, and "
    "running this again checks again"
)


async def _ask(client: httpx.AsyncClient, gate: HttpGate, headers: dict[str, str], versions: Collection[str]) -> None:
    async with asyncio.timeout(_REQUEST_SECONDS), client.stream("GET", gate.url, headers=headers) as response:
        body = await _read(response, gate)
    if response.status_code != gate.status:
        raise Refuted(f"{gate.url} answered {response.status_code}, not {gate.status}")
    if gate.within is not None and response.elapsed > gate.within:
        raise Refuted(f"{gate.url} took {_milliseconds(response.elapsed)}, not {_milliseconds(gate.within)} at most")
    text = _decoded(body, response, gate)
    _check_text(gate, text, versions)
    if gate.json:
        _check_json(gate, text, versions)


async def _read(response: httpx.Response, gate: HttpGate) -> bytes:
    """Read the response up to a limit."""
    parts, size = [], 0
    async for part in response.aiter_bytes():
        parts.append(part)
        size += len(part)
        if size > _MOST_BYTES:
            raise Refuted(f"the answer of {gate.url} is longer than {_MOST_BYTES} bytes")
    return b"".join(parts)


def _decoded(body: bytes, response: httpx.Response, gate: HttpGate) -> str:
    """Decode with the response's charset. Python also has encodings that are not of text, such as "hex"."""
    try:
        return body.decode(response.encoding or "utf-8", "replace")
    except (LookupError, ValueError):
        named = EVERYWHERE(response.charset_encoding or "none")[:_LONGEST_QUOTE]
        raise Refuted(f'the answer of {gate.url} cannot be read: its charset is "{named}"') from None


def _check_text(gate: HttpGate, text: str, versions: Collection[str]) -> None:
    wanted = _filled(gate.contains, versions)
    if not any(each in text for each in wanted):
        shown = " or ".join(f'"{each}"' for each in sorted(wanted))
        raise Refuted(f"the answer of {gate.url} does not contain {shown}")


def _check_json(gate: HttpGate, text: str, versions: Collection[str]) -> None:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        raise Refuted(f"the answer of {gate.url} is not JSON: {EVERYWHERE(text)[:_LONGEST_QUOTE]!r}") from None
    for pointer, expected in gate.json:
        wanted = _filled(expected, versions) if isinstance(expected, str) else {expected}
        try:
            found = json_pointer.resolve(document, pointer)
        except LookupError:
            raise Refuted(f'the answer of {gate.url} has nothing at "{pointer}"') from None
        if not any(_equal(found, each) for each in wanted):
            shown = " or ".join(_spelled(each) for each in wanted)
            raise Refuted(f'the answer of {gate.url} has {_spelled(found)} at "{pointer}", not {shown}')


def _filled(text: str, versions: Collection[str]) -> set[str]:
    """Replace the placeholder with each version: any of several Workers may be the one that answers."""
    return {text.replace(VERSION_PLACEHOLDER, version) for version in versions} or {text}


def _equal(found: Any, expected: Any) -> bool:
    """Compare as JSON does: true is not 1, and 1 is 1.0."""
    if isinstance(found, bool) or isinstance(expected, bool):
        return found is expected
    if isinstance(found, int) and isinstance(expected, int):
        return found == expected
    if isinstance(found, int | float) and isinstance(expected, int | float):
        return _nearly(found, expected)
    return bool(type(found) is type(expected) and found == expected)


def _nearly(one: float, other: float) -> bool:
    try:
        return math.isclose(one, other, rel_tol=1e-12)
    except OverflowError:  # a whole number beyond every float
        return False


def _spelled(value: Any) -> str:
    # Redact before cutting: the rest of a cut secret would not be found.
    return EVERYWHERE(json.dumps(value, ensure_ascii=False))[:_LONGEST_QUOTE]


def _milliseconds(span: Any) -> str:
    return f"{span.total_seconds() * 1000:.0f} ms"


def _said(error: Exception) -> str:
    if isinstance(error, TimeoutError | httpx.TimeoutException):
        return f"no answer within {_REQUEST_SECONDS:g} s"
    return (str(error) or type(error).__name__).strip().splitlines()[0][: 2 * _LONGEST_QUOTE]
