"""Whatever a provider answers with, as little of it as possible is read, none of its secrets is told, and it ends."""

import gzip
import tracemalloc

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from reconciler.core.values.secret import Secret
from reconciler.errors import AnswerLost, ProviderError, ReconcilerError
from reconciler.providers import cloudflare, neon
from reconciler.providers.github.requests import explain as github_explain
from reconciler.providers.http import client as http
from tests.support.answers import Answers, Reply

KEY = "napi_canary_key_of_the_provider_0123456789"
EXPLAIN = {"Neon": neon.POLICY.explain, "Cloudflare": cloudflare.POLICY.explain, "GitHub": github_explain}
MEGABYTE = 1024 * 1024
REFUSALS = (400, 401, 403, 404, 409, 422)

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("without_waiting")]


@pytest.fixture(scope="module")
def answers():
    server = Answers()
    yield server
    server.close()


async def ask(answers, reply, method="GET", name="Neon"):
    """Return what is read, or the error."""
    answers.sent = 0
    answers.reply = lambda *_: reply
    api = http.Api(http.ApiPolicy(name, EXPLAIN[name]), answers.url, Secret(KEY))
    try:
        return (await api.send(method, "/x")).body
    except ReconcilerError as error:
        return error
    finally:
        await api.close()


def deep(levels):
    return b"[" * levels + b"]" * levels


@pytest.mark.parametrize("status", [200, 400])
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"\x00\xff\xfe" * 1000,
        b"<html><body>gateway error: " + KEY.encode() + b"</body></html>",
        deep(100_000),
        b'{"message": ' + deep(5_000) + b"}",
        b'{"message": {"a": [1, 2, {"b": "' + KEY.encode() + b'"}]}}',
        b'{"errors": [{"code": {"x": 1}, "message": ["' + KEY.encode() + b'"]}]}',
        b'{"errors": "' + KEY.encode() + b'", "message": 7}',
        b'{"message": "' + b"9" * 5_000 + b'", "code": ' + b"9" * 5_000 + b"}",
        b'{"message": "\\ud800 lone", "code": "\\udfff"}',
        gzip.compress(b"not announced as gzip", mtime=0),
    ],
    ids=lambda body: body[:12].decode("latin-1").encode("unicode_escape").decode(),
)
async def test_any_body_is_a_value_or_short_error(answers, status, body):
    for name, method in (("Neon", "GET"), ("Cloudflare", "POST"), ("GitHub", "POST")):
        said = await ask(answers, Reply(status, body), method, name)
        if isinstance(said, ReconcilerError):
            assert "\n" not in said.message
            assert len(said.message) < 700
            assert KEY not in said.report + repr(said)


@given(content=st.binary(max_size=300), status=st.sampled_from((200, *REFUSALS)), kind=st.sampled_from(sorted(EXPLAIN)))
@example(content=b'\xff\xfe{\x00"', status=200, kind="Neon")
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_no_bytes_whatever_are_more_than_an_error(answers, content, status, kind):
    said = await ask(answers, Reply(status, content), "POST", kind)
    assert not isinstance(said, ProviderError) or said.report


@pytest.mark.parametrize("status", [400, 403, 500])
async def test_only_a_refusals_beginning_is_read(answers, status):
    endless = (b"x" * MEGABYTE for _ in range(300))
    said = await ask(answers, Reply(status, kind="text/html", pieces=endless), "POST")
    assert isinstance(said, ProviderError)
    # What the kernel takes in before it notices is a few megabytes.
    assert answers.sent < 60 * MEGABYTE


@pytest.mark.parametrize(("method", "kind"), [("GET", ProviderError), ("POST", AnswerLost)])
async def test_an_endless_answer_is_given_up(answers, monkeypatch, method, kind):
    monkeypatch.setattr(http, "_LARGEST_JSON_BYTES", MEGABYTE)
    endless = (b"[" * MEGABYTE for _ in range(300))
    said = await ask(answers, Reply(200, pieces=endless), method)
    assert type(said) is kind
    assert "longer than 1,048,576 bytes" in said.message
    assert answers.sent < 60 * MEGABYTE


async def test_a_zip_bomb_takes_no_memory(answers):
    bomb = gzip.compress(b" " * (200 * MEGABYTE), 1)
    tracemalloc.start()
    try:
        said = await ask(answers, Reply(400, bomb, headers={"Content-Encoding": "gzip"}))
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert isinstance(said, ProviderError)
    assert most < 100 * MEGABYTE


@pytest.mark.parametrize("quote", [f"{KEY}", "npg_canary1234567", "postgresql://app:hunter2canary@host/db"])
async def test_an_echoed_secret_is_hidden(answers, quote):
    for before in (0, 470, 485, 495):
        said = await ask(answers, Reply(400, {"message": "y" * before + f" {quote} z", "code": quote}))
        assert "canary" not in said.report
        assert "hunter" not in said.report
        assert "napi_c" not in said.report
