"""The GitHub on loopback itself: what it does not let pass, and that a merge in it is a merge in Git."""

import subprocess

import httpx
import pytest

from tests.github_fixtures import add_commit
from tests.support.github import GitHubServer

_SHA = "5" * 40
_DESCRIBED = {"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": "2022-11-28", "User-Agent": "a test"}


@pytest.fixture
def strict(github_description):
    """A server whose violations are looked at, and a client."""
    server = GitHubServer(github_description)
    headers = _DESCRIBED | {"Authorization": f"Bearer {server.token}"}
    with httpx.Client(base_url=f"{server.url}/repos/acme/shop", headers=headers, trust_env=False) as client:
        yield server, client
    server.close()


@pytest.mark.parametrize(
    ("method", "path", "options", "status", "words"),
    [
        ("POST", "/issues", {"json": {"title": "a", "titel": "b"}}, 422, "titel, which is not described"),
        ("POST", "/issues", {"json": {"body": "b"}}, 422, "'title' is a required property"),
        ("POST", "/issues", {}, 422, "the body is missing"),
        ("GET", "/issues", {"params": {"stat": "open"}}, 422, "stat, which is not described"),
        ("GET", "/issues", {"params": {"state": "opened"}}, 422, "'opened'"),
        ("GET", "/issues", {"params": {"per_page": "200"}}, 422, "per_page is more than 100"),
        ("GET", "/issue", {}, 404, "there is no such endpoint"),
        ("GET", "/actions/runs", {}, 404, "it is not served here"),
        ("POST", f"/statuses/{_SHA}", {"json": {"state": "done"}}, 422, "'done'"),
        ("PATCH", "/issues/one", {"json": {"state": "closed"}}, 422, "'one'"),
        ("GET", "/issues", {"headers": {"X-GitHub-Api-Version": "2020-01-01"}}, 422, "X-GitHub-Api-Version"),
    ],
)
def test_a_request_that_github_does_not_describe_is_a_violation(strict, method, path, options, status, words):
    server, client = strict
    assert client.request(method, path, **options).status_code == status
    assert any(words in violation for violation in server.violations), server.violations


def test_every_endpoint_answers_as_it_is_described(strict):
    """The answers are judged as the requests are."""
    server, client = strict
    calls = [
        ("GET", "", None),
        ("POST", "/issues", {"title": "an issue", "labels": ["a label"]}),
        ("PATCH", "/issues/1", {"state": "closed", "state_reason": "completed"}),
        ("GET", "/issues?state=all", None),
        ("POST", "/issues/1/comments", {"body": "a comment"}),
        ("GET", "/issues/1/comments", None),
        ("POST", f"/statuses/{_SHA}", {"state": "success"}),
        ("POST", "/deployments", {"ref": _SHA}),
        ("GET", "/deployments", None),
        ("POST", "/pulls", {"title": "a change", "head": "topic", "base": "main"}),
        ("GET", "/pulls", None),
        ("GET", "/pulls/2", None),
        ("PATCH", "/pulls/2", {"state": "closed"}),
        ("GET", f"/commits/{2:040x}/pulls", None),
    ]
    for method, path, body in calls:
        options = {"json": body} if body else {}
        answer = client.request(method, f"{server.url}/repos/acme/shop{path}", **options)
        assert answer.is_success, (path, answer.text)
    server.admit("token-of-a-person", login="dora")
    person = {"Authorization": "Bearer token-of-a-person"}
    assert client.get(f"{server.url}/user", headers=person).json()["login"] == "dora"
    assert client.get(f"{server.url}/user").status_code == 403
    assert server.violations == []


def test_the_refs_of_a_pull_request_follow_its_branches_until_it_is_merged(github_with_code, github_bare):
    add_commit(github_bare, "topic", "one")
    number = github_with_code.open_pull("topic")
    newest = add_commit(github_bare, "topic", "two")
    trial = github_with_code.merge_commit(number)
    assert _show(github_bare, f"refs/pull/{number}/head") == newest
    assert _show(github_bare, f"refs/pull/{number}/merge") == trial
    moved = add_commit(github_bare, "main", "meanwhile")
    assert _show(github_bare, f"{github_with_code.merge_commit(number)}^1") == moved

    merged = github_with_code.merge(number, delete_branch=True)
    assert _show(github_bare, "main") == merged
    assert [_show(github_bare, f"{merged}^{parent}") for parent in (1, 2)] == [moved, newest]
    assert _show(github_bare, f"refs/pull/{number}/head") == newest
    assert _show(github_bare, "topic") == ""


def _show(bare, name):
    command = ["git", "--git-dir", str(bare), "rev-parse", "--verify", "--quiet", name]
    return subprocess.run(command, capture_output=True, text=True).stdout.strip()
