"""What GitHub refuses: limits are waited for as it says, and errors say what to do and hold no token."""

import datetime as dt

import httpx
import pytest
from stamina.instrumentation import set_on_retry_hooks

from reconciler.errors import InputError, ProviderError, Unreachable
from reconciler.providers.github.client import connect, repository_of
from reconciler.providers.github.requests import is_busy
from reconciler.providers.github.wire import CommitState
from tests.github_fixtures import add_commit
from tests.support.github import Fault
from tests.support.github_faults import Injected

pytestmark = pytest.mark.anyio
_MARKER = "<!-- reconciler -->"
_SHA = "5" * 40


@pytest.fixture
async def client(github, without_waiting):
    async with connect(github.environment) as client:
        yield client


@pytest.fixture
def number(github):
    """An issue that can be commented on."""
    return github.open_issue("the subject")


# Limits


@pytest.mark.parametrize("fault", [Fault.SECONDARY_LIMIT, Fault.PRIMARY_LIMIT])
async def test_a_write_is_repeated_when_a_rate_limit_is_over(github, client, number, fault):
    github.inject(fault, path="/comments$", times=3)
    await client.keep_comment(number, _MARKER, _MARKER)
    assert len(github.comments(number)) == 1
    assert [each.status for each in github.writes()] == [403, 403, 403, 201]


@pytest.mark.parametrize(
    ("fault", "headers", "seconds"),
    [
        (Fault.SECONDARY_LIMIT, {"retry_after": "7"}, 7),
        (Fault.SECONDARY_LIMIT, {"retry_after": ""}, 60),
        (Fault.PRIMARY_LIMIT, {"x_ratelimit_reset": "{in 90 s}"}, 91),
        (Fault.PRIMARY_LIMIT, {"x_ratelimit_reset": "no number"}, 60),
    ],
)
async def test_github_is_asked_again_when_it_says_and_not_before(fault, headers, seconds):
    assert is_busy(_limited(fault, headers)) == dt.timedelta(seconds=seconds)


def _limited(fault, headers):
    """What GitHub answers: its clock is in the answer, and ours need not agree with it."""
    now = dt.datetime(2026, 11, 21, 10, 0, tzinfo=dt.UTC)
    reset = str(int(now.timestamp()) + 90)
    named = {name.replace("_", "-"): value.replace("{in 90 s}", reset) for name, value in headers.items()}
    status, given, body = Injected(fault, "GET", None, 1, named).answer()
    return httpx.Response(status, headers=given | {"date": "Sat, 21 Nov 2026 10:00:00 GMT"}, json=body)


class _Waited(Exception):
    """Raised where a wait would begin."""


async def test_the_wait_before_a_repetition_is_the_one_that_github_asks_for(github, number):
    def would_wait(details):
        raise _Waited(details.wait_for)

    set_on_retry_hooks([would_wait])
    github.inject(Fault.SECONDARY_LIMIT, method="GET", retry_after=7)
    try:
        async with connect(github.environment) as client:
            with pytest.raises(_Waited) as raised:
                await client.comments(number)
    finally:
        set_on_retry_hooks(None)
    assert raised.value.args == (7.0,)


async def test_a_limit_that_lasts_longer_than_our_patience_ends_at_once_and_says_how_long(github, client, number):
    github.inject(Fault.SECONDARY_LIMIT, method="GET", times=100, retry_after=3000)
    with pytest.raises(Unreachable, match="rate limit") as raised:
        await client.comments(number)
    assert "3000 s" in raised.value.hint
    assert len(github.requests) == 1


@pytest.mark.parametrize("path", ["/comments$", "/user$"])
async def test_a_limit_that_does_not_end_is_not_called_a_missing_permission(github, client, number, path):
    """Also not when it is met while it is found out whose token this is."""
    github.comment(number, _MARKER)
    github.inject(Fault.SECONDARY_LIMIT, method="GET", path=path, times=100)
    with pytest.raises(Unreachable, match="rate limit") as raised:
        await client.keep_comment(number, _MARKER, _MARKER)
    assert "permission" not in raised.value.report
    assert len(github.comments(number)) == 1


async def test_a_403_that_is_no_limit_is_not_repeated(github, client, number):
    github.inject(Fault.FORBIDDEN, path="/comments$")
    with pytest.raises(ProviderError, match="Resource not accessible by integration"):
        await client.keep_comment(number, _MARKER, _MARKER)
    assert len(github.writes()) == 1


async def test_a_read_is_repeated_where_no_answer_came(github, client, number):
    github.inject(Fault.DROPPED, method="GET", times=2)
    assert await client.comments(number) == ()


# Words


_READS = dict.fromkeys(("issues", "pull-requests", "statuses", "deployments"), "read")
_CALLS = {
    "pull-requests: write": lambda client: client.keep_comment(1, _MARKER, _MARKER),
    "issues: write": lambda client: client.keep_issue(_MARKER, "drift", _MARKER, "reconciler"),
    "statuses: write": lambda client: client.set_status(_SHA, "reconciler/plan", CommitState.ERROR, "no"),
    "deployments: write": lambda client: client.deployment(environment="a", commit=_SHA, description="b"),
}


@pytest.mark.parametrize("permission", _CALLS)
async def test_a_permission_that_is_missing_is_named(github, without_waiting, number, permission):
    github.admit("canary-of-a-job", permissions=_READS)
    async with connect(github.environment | {"GITHUB_TOKEN": "canary-of-a-job"}) as client:
        with pytest.raises(ProviderError) as raised:
            await _CALLS[permission](client)
    assert raised.value.status == 403
    assert permission in raised.value.hint
    assert "canary" not in raised.value.report


@pytest.mark.parametrize("permission", _CALLS)
async def test_the_permission_that_is_named_is_enough(github, without_waiting, number, permission):
    name = permission.partition(":")[0]
    github.admit("canary-of-a-job", permissions={name: "write"})
    async with connect(github.environment | {"GITHUB_TOKEN": "canary-of-a-job"}) as client:
        await _CALLS[permission](client)


async def test_a_token_that_is_wrong_is_not_shown(github, without_waiting):
    async with connect(github.environment | {"GITHUB_TOKEN": "canary-of-nobody"}) as client:
        with pytest.raises(ProviderError, match="401: Bad credentials") as raised:
            await client.default_branch()
    assert "expired" in raised.value.hint
    assert "canary" not in raised.value.report


@pytest.mark.parametrize("token", ["canary\nof-a-file", "canary of nobody", "canary-“quoted”"])
async def test_a_token_that_cannot_be_one_is_not_shown_either(github, token):
    with pytest.raises(InputError, match="token for GitHub") as raised:
        async with connect(github.environment | {"GITHUB_TOKEN": token}):
            raise AssertionError
    assert "canary" not in raised.value.report
    assert github.requests == []


async def test_a_repository_that_cannot_be_seen_is_named(github, without_waiting):
    async with connect(github.environment | {"GITHUB_REPOSITORY": "acme/absent"}) as client:
        with pytest.raises(ProviderError, match="404: Not Found") as raised:
            await client.default_branch()
    assert "acme/absent" in raised.value.hint
    assert "contents: read" in raised.value.hint


async def test_a_workflow_that_may_not_open_pull_requests_is_told_of_the_setting(github_with_code, without_waiting):
    add_commit(github_with_code.state.bare.path, "topic", "a change")
    github_with_code.forbids_pull_requests = True
    async with connect(github_with_code.environment) as client:
        with pytest.raises(ProviderError) as raised:
            await client.open_pull_request(head="topic", base="main", title="a", body="b")
    assert "Allow GitHub Actions to create and approve pull requests" in raised.value.hint


async def test_what_a_422_says_is_in_the_message(github_with_code, without_waiting):
    async with connect(github_with_code.environment) as client:
        with pytest.raises(ProviderError, match="Validation Failed: head is invalid"):
            await client.open_pull_request(head="absent", base="main", title="a", body="b")


@pytest.mark.parametrize(
    "missing",
    [{"GITHUB_TOKEN": ""}, {"GITHUB_REPOSITORY": ""}, {"GITHUB_REPOSITORY": "shop"}, {"GITHUB_API_URL": "github"}],
)
async def test_what_is_missing_in_the_environment_is_named_before_anything_is_sent(missing):
    given = {"GITHUB_TOKEN": "canary", "GITHUB_REPOSITORY": "acme/shop"} | missing
    with pytest.raises(InputError) as raised:
        async with connect(given):
            raise AssertionError
    assert next(iter(missing)) in raised.value.report
    assert "canary" not in raised.value.report


async def test_the_repository_of_the_remote_serves_where_the_environment_names_none(github, without_waiting):
    given = github.environment | {"GITHUB_REPOSITORY": ""}
    async with connect(given, repository_of("git@github.com:acme/shop.git")) as client:
        assert await client.default_branch() == "main"


@pytest.mark.parametrize(
    "url",
    [
        "https://github.com/acme/shop",
        "https://github.com/acme/shop.git",
        "https://x-access-token:secret@github.com/acme/shop.git/",
        "ssh://git@github.com/acme/shop.git",
        "ssh://git@ssh.github.com:443/acme/shop.git",
        "git@github.com:acme/shop.git",
        "git@github.com:/acme/shop",
        "http://127.0.0.1:8080/acme/shop.git",
    ],
)
async def test_the_repository_is_found_in_the_url_of_a_remote(url):
    assert repository_of(url) == "acme/shop"


@pytest.mark.parametrize(
    "url",
    ["", "/srv/git/shop.git", "../acme/shop", "file:///srv/shop.git", "https://example.com/a/b/c", "C:/acme/shop"],
)
async def test_other_urls_name_no_repository(url):
    assert repository_of(url) is None
