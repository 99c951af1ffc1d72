"""GitHub's REST API: whatever is kept is there once, through lost answers, races and pages."""

import asyncio

import pytest

from reconciler.providers.github.client import connect
from reconciler.providers.github.wire import CommitState, DeploymentState
from tests.github_fixtures import add_commit
from tests.support.github import Fault

pytestmark = pytest.mark.anyio
_MARKER = "<!-- reconciler: plan of production -->"
_LOST = [Fault.AFTER, Fault.UNAVAILABLE, Fault.DROPPED, Fault.BEFORE]
_SHA = "5" * 40


@pytest.fixture
async def client(github, without_waiting):
    async with connect(github.environment) as client:
        yield client


@pytest.fixture
async def coder(github_with_code, without_waiting):
    """A client of the GitHub that has code."""
    async with connect(github_with_code.environment) as client:
        yield client


@pytest.fixture
def number(github):
    """An issue that can be commented on."""
    return github.open_issue("the subject")


@pytest.fixture
def branch(github_bare):
    return add_commit(github_bare, "restore/production/r-1", "restore production")


async def _keep_issue(client, body="the diff"):
    return await client.keep_issue(_MARKER, "production has drifted", f"{_MARKER}\n{body}", "reconciler")


async def _propose(client, title="restore production", body="why"):
    return await client.open_pull_request(head="restore/production/r-1", base="main", title=title, body=body)


async def _deploy(client, commit=_SHA, environment="production"):
    return await client.deployment(environment=environment, commit=commit, description="restore")


# Comments


async def test_a_sticky_comment_is_made_once_then_updated_and_left_alone_where_nothing_changed(github, client, number):
    first = await client.keep_comment(number, _MARKER, f"{_MARKER}\nfirst")
    second = await client.keep_comment(number, _MARKER, f"{_MARKER}\nsecond")
    (comment,) = github.comments(number)
    assert (comment.body, comment.edits) == (f"{_MARKER}\nsecond", 1)
    assert first == second == f"https://github.com/acme/shop/issues/{number}#issuecomment-{comment.id}"
    await client.keep_comment(number, _MARKER, f"{_MARKER}\nsecond")
    assert github.comments(number)[0].edits == 1


@pytest.mark.parametrize("fault", _LOST)
async def test_a_comment_whose_answer_was_lost_is_there_once(github, client, number, fault):
    github.inject(fault, path="/comments$")
    await client.keep_comment(number, _MARKER, f"{_MARKER}\nfirst")
    github.inject(fault, method="PATCH", path="/comments/")
    await client.keep_comment(number, _MARKER, f"{_MARKER}\nsecond")
    assert [each.body for each in github.comments(number)] == [f"{_MARKER}\nsecond"]


async def test_a_comment_behind_the_first_hundred_is_found(github, client, number):
    for index in range(250):
        github.comment(number, f"comment {index}")
    await client.keep_comment(number, _MARKER, f"{_MARKER}\nfirst")
    await client.keep_comment(number, _MARKER, f"{_MARKER}\nsecond")
    assert [each.body for each in github.comments(number)][250:] == [f"{_MARKER}\nsecond"]
    assert len(await client.comments(number)) == 251


async def test_runs_that_race_leave_one_comment_with_the_body_of_one_of_them(github, client, number):
    bodies = [f"{_MARKER}\nrun {index}" for index in range(6)]
    await asyncio.gather(*(client.keep_comment(number, _MARKER, body) for body in bodies))
    (comment,) = github.comments(number)
    assert comment.body in bodies


async def test_a_comment_of_somebody_else_is_not_taken_for_ours(github, client, number):
    """Whoever can edit the comment could change what the reviewers read."""
    github.comment(number, f"{_MARKER}\na false plan", author="mallory")
    await client.keep_comment(number, _MARKER, f"{_MARKER}\nthe plan")
    assert [each.body for each in github.comments(number)] == [f"{_MARKER}\na false plan", f"{_MARKER}\nthe plan"]


async def test_with_a_persons_token_the_comments_of_that_person_are_ours(github, without_waiting, number):
    github.admit("token-of-dora", login="dora")
    github.comment(number, f"{_MARKER}\na false plan", author="mallory")
    async with connect(github.environment | {"GITHUB_TOKEN": "token-of-dora"}) as client:
        await client.keep_comment(number, _MARKER, f"{_MARKER}\nfirst")
        await client.keep_comment(number, _MARKER, f"{_MARKER}\nsecond")
    assert [each.author for each in github.comments(number)] == ["mallory", "dora"]


async def test_a_body_that_is_too_long_is_cut_and_keeps_its_marker(github, client, number):
    for _ in range(2):
        await client.keep_comment(number, _MARKER, "x" * 70_000 + _MARKER)
    (comment,) = github.comments(number)
    assert len(comment.body) < 65_536
    assert _MARKER in comment.body
    assert "cut here" in comment.body


# Statuses and deployments


async def test_a_status_is_set_with_its_description_cut_to_140_characters(github, client):
    github.inject(Fault.DROPPED, path="/statuses/")
    await client.set_status(_SHA, "reconciler/plan", CommitState.PENDING, "word " * 50, "https://example.com/run")
    newest = github.statuses(_SHA)[-1]
    assert (newest.context, newest.state, newest.url) == ("reconciler/plan", "pending", "https://example.com/run")
    assert len(newest.description) == 140
    await client.set_status(_SHA, "reconciler/plan", CommitState.SUCCESS, "in sync")
    assert github.statuses(_SHA)[-1].description == "in sync"


@pytest.mark.parametrize("fault", _LOST)
async def test_a_deployment_whose_answer_was_lost_is_there_once(github, client, fault):
    github.inject(fault, path="/deployments$")
    made = await _deploy(client)
    assert [each.id for each in github.deployments()] == [made] == [await _deploy(client)]


async def test_the_deployment_that_github_made_for_the_job_is_used(github, client):
    github.start_deployment("production", "4" * 40)
    github.start_deployment("production", _SHA)
    newest = github.start_deployment("production", _SHA)
    github.start_deployment("staging", _SHA)
    github.start_deployment("production", "6" * 40)
    assert await _deploy(client) == newest
    assert github.writes() == []


async def test_a_deployment_is_told_how_it_goes(github, client):
    made = await _deploy(client)
    github.inject(Fault.BEFORE, path="/statuses$")
    for state in DeploymentState:
        await client.set_deployment_state(made, state, "d" * 200, "https://example.com/run")
    (deployment,) = github.deployments()
    assert [each["state"] for each in deployment.states] == [state.value for state in DeploymentState]
    assert {len(each["description"]) for each in deployment.states} == {140}
    assert {each["log_url"] for each in deployment.states} == {"https://example.com/run"}


# Pull requests


@pytest.mark.parametrize("fault", [None, *_LOST])
async def test_a_pull_request_is_opened_once_and_then_brought_up_to_date(github_with_code, coder, branch, fault):
    if fault:
        github_with_code.inject(fault, path="/pulls$")
    made = await _propose(coder)
    assert (made.head_branch, made.head_commit, made.base_branch) == ("restore/production/r-1", branch, "main")
    assert (made.is_open, made.merged, made.title) == (True, False, "restore production")
    assert made.url == "https://github.com/acme/shop/pull/1"
    changed = await _propose(coder, title="another title", body="another reason")
    assert changed.number == made.number
    (pull,) = github_with_code.pulls()
    assert (pull.title, pull.body) == ("another title", "another reason")
    assert await coder.find_pull_request("restore/production/r-1") == changed == await coder.pull_request(1)


async def test_a_pull_request_is_turned_to_the_base_that_is_asked(github_with_code, coder, github_bare, branch):
    add_commit(github_bare, "release", "a release")
    await _propose(coder)
    made = await coder.open_pull_request(head="restore/production/r-1", base="release", title="a", body="")
    assert (made.number, made.base_branch, github_with_code.pull(1).base) == (1, "release", "release")
    before = len(github_with_code.writes())
    await coder.open_pull_request(head="restore/production/r-1", base="release", title="a", body="")
    assert len(github_with_code.writes()) == before


async def test_a_branch_of_the_same_name_in_a_fork_is_another_branch(github_with_code, coder, branch):
    """Also where the fork belongs to the owner of the repository, which GitHub's filter cannot tell apart."""
    github_with_code.open_pull("restore/production/r-1", repository="acme/copy-of-shop")
    github_with_code.open_pull("restore/production/r-1", repository="mallory/shop")
    assert await coder.find_pull_request("restore/production/r-1") is None
    assert (await _propose(coder)).number == 3


async def test_runs_that_race_open_one_pull_request(github_with_code, coder, branch):
    made = await asyncio.gather(*(_propose(coder) for _ in range(5)))
    assert {each.number for each in made} == {1}
    assert len(github_with_code.pulls()) == 1


async def test_a_merge_shows_in_the_pull_request_and_by_the_commits_that_it_brought(github_with_code, coder, branch):
    await _propose(coder)
    commit = github_with_code.merge(1, delete_branch=True)
    merged = await coder.pull_request(1)
    assert (merged.is_open, merged.merged, merged.head_commit) == (False, True, branch)
    assert [each.number for each in await coder.pull_requests_with(commit)] == [1]
    assert [each.number for each in await coder.pull_requests_with(branch)] == [1]
    assert await coder.find_pull_request("restore/production/r-1") is None


async def test_a_commit_that_github_does_not_have_came_with_no_pull_request(coder):
    assert await coder.pull_requests_with("9" * 40) == ()


@pytest.mark.parametrize("fault", [None, *_LOST])
async def test_closing_a_pull_request_comments_once(github_with_code, coder, branch, fault):
    await _propose(coder)
    if fault:
        github_with_code.inject(fault, path="/comments$")
        github_with_code.inject(fault, method="PATCH", path="/pulls/1")
    await coder.close_pull_request(1, "superseded")
    await coder.close_pull_request(1, "a closed one is left alone")
    assert github_with_code.pull(1).state == "closed"
    assert await coder.comments(1) == ("superseded",)


async def test_the_default_branch_is_read(github_with_code, coder):
    assert await coder.default_branch() == "main"


# Issues


@pytest.mark.parametrize("fault", [None, *_LOST])
async def test_an_issue_is_opened_once_updated_and_closed_with_one_comment(github, client, fault):
    if fault:
        github.inject(fault, path="/issues$")
        github.inject(fault, path="/comments$")
        github.inject(fault, method="PATCH", path="/issues/", times=1)
    made = await _keep_issue(client)
    changed = await _keep_issue(client, "another diff")
    assert (made.number, changed.number) == (1, 1)
    (issue,) = github.issues()
    assert (issue.body, issue.labels, issue.state) == (f"{_MARKER}\nanother diff", ["reconciler"], "open")
    closed = await client.close_issue(_MARKER, "in sync again")
    assert closed is not None
    assert closed.number == 1
    assert (issue.state, issue.state_reason) == ("closed", "completed")
    assert await client.comments(1) == ("in sync again",)
    assert await client.close_issue(_MARKER, "in sync again") is None


async def test_a_closed_issue_stays_closed_and_a_new_one_is_opened(github, client):
    await _keep_issue(client)
    await client.close_issue(_MARKER, "in sync again")
    assert (await _keep_issue(client)).number == 2


async def test_an_issue_behind_the_first_hundred_and_without_its_label_is_found(github, client):
    for index in range(130):
        github.open_issue(f"issue {index}")
    made = await _keep_issue(client)
    github.issues()[-1].labels.clear()
    assert (await _keep_issue(client)).number == made.number == 131


async def test_runs_that_race_leave_one_open_issue(github, client):
    await asyncio.gather(*(_keep_issue(client, f"run {index}") for index in range(5)))
    assert [each.state for each in github.issues()].count("open") == 1


async def test_an_issue_or_pull_request_of_somebody_else_is_not_ours(github_with_code, coder, branch):
    github_with_code.open_issue("a false one", _MARKER, author="mallory")
    github_with_code.open_pull("restore/production/r-1", body=_MARKER, author="dependabot[bot]")
    assert await coder.close_issue(_MARKER, "in sync") is None
    assert (await _keep_issue(coder)).number == 3
