"""When a request is sent again, how long it is waited for, and how many are sent: by what the providers say of it."""

import asyncio
import threading
import time

import httpx
import pytest

from reconciler.core.values.secret import Secret
from reconciler.errors import AnswerLost, ProviderError, Unreachable
from reconciler.ports import Origin
from reconciler.providers import cloudflare, neon
from reconciler.providers.clock import SystemClock
from reconciler.providers.cloudflare import CloudflareApi, hyperdrive
from reconciler.providers.http import client as http
from reconciler.providers.http.client import Api, ApiPolicy
from reconciler.providers.http.rate_limiter import Pace, RateLimiter, route_of
from tests.support.answers import Answers, Reply

pytestmark = pytest.mark.anyio
NEON, CLOUDFLARE = neon.POLICY, cloudflare.POLICY
DONE = Reply(200, {"result": {"id": "1"}})


@pytest.fixture(scope="module")
def server():
    server = Answers()
    yield server
    server.close()


@pytest.fixture
async def connect(server):
    """Connect to a provider that answers with these replies in turn, then with the last; `asked` counts requests."""
    opened = []

    def connected(policy, *replies):
        left, connected.asked = list(replies), []

        def reply(method, path):
            connected.asked.append((method, path))
            return left.pop(0) if len(left) > 1 else left[0]

        server.reply = reply
        opened.append(Api(policy, server.url, Secret("canary-token")))
        return opened[-1]

    yield connected
    for api in opened:
        await api.close()


def said(message, code=""):
    return {"code": code, "message": message, "errors": [{"code": code, "message": message}]}


@pytest.mark.parametrize("provider", [NEON, CLOUDFLARE], ids=["neon", "cloudflare"])
@pytest.mark.parametrize("status", [500, 502, 504, 520, 524])
async def test_gateway_errors_retry_only_reads(connect, without_waiting, provider, status):
    api = connect(provider, Reply(status, said("gateway")), DONE)
    with pytest.raises(AnswerLost):
        await api.send("POST", "/x")
    assert len(connect.asked) == 1
    api = connect(provider, Reply(status, said("gateway")), DONE)
    assert await api.get("/x") == DONE.body
    assert len(connect.asked) == 2


@pytest.mark.parametrize("status", [423, 429])
@pytest.mark.parametrize("provider", [NEON, CLOUDFLARE], ids=["neon", "cloudflare"])
async def test_a_write_refused_at_once_is_retried(connect, without_waiting, provider, status):
    api = connect(provider, Reply(status, said("later")), DONE)
    assert (await api.send("POST", "/x")).body == DONE.body
    assert len(connect.asked) == 2


async def test_only_neons_503_means_nothing_done(connect, without_waiting):
    api = connect(NEON, Reply(503, said("busy")), DONE)
    assert (await api.send("POST", "/x")).body == DONE.body
    api = connect(CLOUDFLARE, Reply(503, said("busy")), DONE)
    with pytest.raises(AnswerLost):
        await api.send("POST", "/x")


async def test_only_branch_not_ready_retries_a_422(connect, without_waiting):
    api = connect(NEON, Reply(422, said("branch not ready yet")), DONE)
    assert (await api.send("PATCH", "/x")).body == DONE.body
    api = connect(NEON, Reply(422, said("cannot delete protected branch")), DONE)
    with pytest.raises(ProviderError, match="cannot delete protected branch"):
        await api.send("DELETE", "/x")
    assert len(connect.asked) == 1


async def test_a_long_lock_out_ends_with_its_length(connect):
    """Cloudflare's lasts five minutes."""
    api = connect(CLOUDFLARE, Reply(429, said("rate limited", 971), headers={"Retry-After": "287"}), DONE)
    with pytest.raises(Unreachable) as refused:
        await api.send("GET", "/x")
    assert "asks to wait for 287 s" in refused.value.hint
    assert len(connect.asked) == 1


async def test_retry_after_is_seconds_or_a_date():
    def read(**headers):
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        found = http.retry_after(httpx.Response(429, headers=named))
        return None if found is None else found.total_seconds()

    now, later = "Sun, 22 Nov 2026 12:00:00 GMT", "Sun, 22 Nov 2026 12:00:30 GMT"
    assert read(retry_after="7") == 7
    assert read(retry_after=later, date=now) == 30
    assert read(retry_after=now, date=later) == 0
    assert [read(retry_after=each, date=now) for each in ("soon", "-1", "9" * 9, "")] == [None] * 4
    assert read(retry_after=later) is None


async def test_a_trickling_answer_ends_at_the_deadline(connect, monkeypatch):
    """A deadline for each piece of an answer would never pass."""
    monkeypatch.setattr(http, "_DEADLINE_SECONDS", 0.3)
    over = threading.Event()

    def trickle():
        for _ in range(500):  # an end, so that this fails and does not hang
            if over.wait(0.02):
                return
            yield b" "

    api = connect(NEON, Reply(200, pieces=trickle()))
    try:
        with pytest.raises(AnswerLost, match="not within"):
            await api.send("POST", "/x")
    finally:
        over.set()


async def test_a_2015_is_retried_once_after_45_seconds(connect):
    slept = []

    class Clock(SystemClock):
        async def sleep(self, seconds):
            slept.append(seconds)

    origin = Origin("db.example", 5432, "shop", "app", Secret("canary-password"))
    refused = Reply(400, said("Failed to connect", 2015))
    api = CloudflareApi(connect(CLOUDFLARE, refused, DONE), "a1", Clock())
    await api.create_config("shop", origin)
    assert (slept, len(connect.asked)) == ([45.0], 2)

    api = CloudflareApi(connect(CLOUDFLARE, refused), "a1", Clock())
    with pytest.raises(ProviderError, match="2015"):
        await api.create_config("shop", origin)
    assert len(connect.asked) == 2, "it was asked more than once more"

    api = CloudflareApi(connect(CLOUDFLARE, refused, Reply(409, said("exists", 2017))), "a1", Clock())
    with pytest.raises(AnswerLost):
        await api.create_config("shop", origin)


@pytest.mark.parametrize("total", [True, False])
async def test_every_config_is_found_across_pages(connect, monkeypatch, total):
    monkeypatch.setattr(hyperdrive, "_PAGE", 2)
    items = [{"id": f"c{n}", "name": f"name{n}"} for n in range(4)]
    info = {"result_info": {"total_count": 4}} if total else {}
    pages = [Reply(200, {"result": each, **info}) for each in (items[:2], items[2:], [])]
    found = await CloudflareApi(connect(CLOUDFLARE, *pages), "a1", SystemClock()).configs()
    assert [each.id for each in found] == ["c0", "c1", "c2", "c3"]
    assert len(connect.asked) == (2 if total else 3)


async def test_the_pace_is_below_the_limits():
    """Neon: 700 a minute. Cloudflare: 1,200 in five minutes, and then nothing at all for five more."""
    assert NEON.pace.most_within(60) <= 700
    assert NEON.pace.burst <= 40
    assert CLOUDFLARE.pace.most_within(300) <= 1200


async def test_excess_requests_wait(connect):
    api = connect(ApiPolicy("Neon", NEON.explain, pace=Pace(at_once=5, per_second=50.0, burst=1000)), DONE)
    began = time.monotonic()
    await asyncio.gather(*(api.get(f"/x/{number}") for number in range(15)))
    assert len(connect.asked) == 15
    assert time.monotonic() - began >= 10 / 50, "they were sent at once"  # however slow the machine is


async def test_each_route_has_a_limit_of_its_own():
    limiter = RateLimiter(Pace(at_once=1000, per_second=1000.0, burst=2))
    began = time.monotonic()
    for _ in range(3):
        await limiter.acquire("GET", "/projects/aged-wildflower-1/branches/br-1")
    assert time.monotonic() - began >= 0.5
    assert len({route_of("GET", f"/projects/aged-wildflower-{n}/branches/br-{n}") for n in range(9)}) == 1
    assert route_of("GET", "/projects/p-1/branches") != route_of("GET", "/projects/p-1/endpoints")
    assert route_of("GET", "/accounts/0a1b/workers/scripts/shop2/content/v2").endswith("/content/v2")


def test_a_whole_restore_is_never_slowed_down(make_production):
    """So that no run is slowed down that does nothing unusual."""
    production = make_production(workers=2)
    production.ask(production.shop.good)
    production.sandbox.forget_requests()
    assert production.apply().converged
    requests = production.sandbox.requests()
    to_neon = [each for each in requests if each.path.startswith("/api/")]
    assert 0 < len(to_neon) < NEON.pace.at_once
    assert 0 < len(requests) - len(to_neon) < CLOUDFLARE.pace.at_once
