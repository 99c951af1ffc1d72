"""Answers of GitHub in which something is missing, of another kind, huge or endless: always a sentence."""

import asyncio

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from reconciler.errors import ProviderError, ReconcilerError
from reconciler.providers.github import requests
from reconciler.providers.github.client import connect
from tests.support.answers import Answers, Reply
from tests.support.twists import GONE, TWISTS, nodes, twisted

_MARKER = "<!-- reconciler -->"
_PULL = {
    "id": 7, "number": 7, "html_url": "https://github.com/acme/shop/pull/7", "state": "open", "title": "restore",
    "body": _MARKER, "merged_at": None, "user": {"login": "dora", "type": "User"}, "base": {"ref": "main"},
    "head": {"ref": "restore", "sha": "5" * 40, "repo": {"full_name": "acme/shop"}},
}  # fmt: skip
_REPLIES = {
    "/user": {"login": "dora"},
    "/repos/acme/shop": {"default_branch": "main"},
    "/repos/acme/shop/issues/7/comments": [{**_PULL, "id": number} for number in (8, 9)],
    "/repos/acme/shop/issues/comments/8": _PULL,
    "/repos/acme/shop/issues/comments/9": {},
    "/repos/acme/shop/issues": [_PULL],
    "/repos/acme/shop/issues/7": _PULL,
    "/repos/acme/shop/pulls": [_PULL],
    "/repos/acme/shop/pulls/7": _PULL,
    f"/repos/acme/shop/commits/{'5' * 40}/pulls": [_PULL],
    "/repos/acme/shop/deployments": [{"id": 3}],
}
_PLACES = [(path, at) for path, body in _REPLIES.items() for at in nodes(body)]


class World:
    """GitHub on loopback, one of whose answers may be twisted."""

    def __init__(self):
        self.answers = Answers()
        self.asked = 0
        environment = {"GITHUB_TOKEN": "t", "GITHUB_REPOSITORY": "acme/shop", "GITHUB_API_URL": self.answers.url}
        self._connection = connect(environment)
        self._loop = asyncio.new_event_loop()
        self.github = self.run(self._connection.__aenter__())

    def run(self, work):
        return self._loop.run_until_complete(asyncio.wait_for(work, 60))

    def close(self):
        self.run(self._connection.__aexit__(None, None, None))
        self._loop.close()
        self.answers.close()

    def twist(self, path="", at=(), twist=None, headers=()):
        replies = _REPLIES if not path else _REPLIES | {path: twisted(_REPLIES[path], at, twist)}

        def reply(_method, asked):
            self.asked += 1
            body = replies.get(asked.partition("?")[0], {})
            return Reply(body=b"" if body is GONE else body, headers=dict(headers))

        self.asked = 0
        self.answers.reply = reply

    def attempts(self):
        github = self.github
        return [
            github.default_branch(),
            github.comments(7),
            github.keep_comment(7, _MARKER, f"{_MARKER} new"),
            github.deployment(environment="production", commit="5" * 40, description="restore"),
            github.pull_request(7),
            github.find_pull_request("restore"),
            github.open_pull_request(head="restore", base="main", title="restore", body="why"),
            github.close_pull_request(7, "not wanted any more"),
            github.pull_requests_with("5" * 40),
            github.keep_issue(_MARKER, "drift", f"{_MARKER} new", "reconciler"),
            github.find_issue(_MARKER),
            github.close_issue(_MARKER, "in sync"),
        ]


@pytest.fixture(scope="module")
def world():
    made = World()
    yield made
    made.close()


@pytest.fixture(autouse=True)
def _at_once(without_waiting):
    pass


def test_untwisted_every_call_succeeds(world):
    """Otherwise all the others would show nothing."""
    world.twist()
    for work in world.attempts():
        world.run(work)


@given(place=st.sampled_from(_PLACES), twist=st.sampled_from(TWISTS))
@example(place=("/repos/acme/shop/pulls", (0, "head")), twist=None)
@example(place=("/repos/acme/shop/issues/7/comments", (0, "id")), twist=GONE)
@example(place=("/repos/acme/shop/issues", ()), twist={"message": "no list"})
@example(place=("/repos/acme/shop", ()), twist=[])
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_twisted_calls_succeed_or_fail_in_words(world, place, twist):
    world.twist(*place, twist)
    for work in world.attempts():
        try:
            world.run(work)
        except ReconcilerError as error:
            assert error.message
    assert world.asked < 150


@pytest.mark.parametrize(
    ("path", "at", "name"),
    [
        ("/repos/acme/shop/pulls", (0, "head"), '"list[0].head"'),
        ("/repos/acme/shop/pulls", (0, "number"), '"list[0].number"'),
        ("/repos/acme/shop/pulls", (0, "base", "ref"), '"list[0].base.ref"'),
    ],
)
def test_what_github_left_out_is_named(world, path, at, name):
    world.twist(path, at, GONE)
    with pytest.raises(ProviderError, match="GitHub answered without") as caught:
        world.run(world.github.find_pull_request("restore"))
    assert name in caught.value.message


def test_a_list_that_does_not_end_is_given_up_with_a_sentence(world, monkeypatch):
    monkeypatch.setattr(requests, "_MOST_PAGES", 5)
    world.twist(headers={"Link": '<https://api.github.com/next>; rel="next"'})
    with pytest.raises(ProviderError, match="has more than 500 items and was not read to its end"):
        world.run(world.github.comments(7))
    assert world.asked == 5


def test_a_strangers_comment_without_an_author_or_of_any_length_hides_nobody_elses(world):
    world.twist("/repos/acme/shop/issues/7/comments", (0, "body"), "x" * 200_000)
    assert len(world.run(world.github.comments(7))[0]) == 200_000
    world.twist("/repos/acme/shop/issues/7/comments", (0, "user"), None)
    assert world.run(world.github.keep_comment(7, _MARKER, _MARKER)) == _PULL["html_url"]
