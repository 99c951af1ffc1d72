"""The endpoints that are served: what each does to the state, what it answers, and which permission it needs."""

from dataclasses import dataclass
from typing import Any

from tests.support.github_shapes import REPOSITORY
from tests.support.github_state import Deployment, Refused, Status, invalid

ISSUES, PULLS, STATUSES, DEPLOYMENTS = ("issues",), ("pull-requests",), ("statuses",), ("deployments",)
# A comment on a pull request may be written with either.
COMMENTS = (*ISSUES, *PULLS)
ENDPOINTS = {}


@dataclass
class Call:
    """A request that was found valid."""

    server: Any
    author: str
    query: dict
    body: dict | None

    @property
    def state(self):
        return self.server.state

    @property
    def shapes(self):
        return self.server.shapes


def endpoint(method, path, status, needs=()):
    """Register an endpoint. A list as its result is answered in pages."""

    def register(function):
        ENDPOINTS[method, path if path == "/user" else REPOSITORY + path] = function, status, needs
        return function

    return register


@endpoint("GET", "/user", 200)
def myself(call):
    if call.author.endswith("[bot]"):
        raise Refused(403, "Resource not accessible by integration")
    return call.shapes.myself(call.author)


@endpoint("GET", "", 200)
def repository(call):
    return call.shapes.repository(call.state.default_branch)


@endpoint("GET", "/branches/{branch}", 200, ("contents",))
def branch(call, branch):
    return call.shapes.branch(branch, branch in call.server.protected)


@endpoint("GET", "/rules/branches/{branch}", 200)
def rules_of_branch(call, branch):
    return call.shapes.rules() if branch in call.server.ruled else []


@endpoint("GET", "/issues", 200, ISSUES)
def list_issues(call):
    found = [each for each in call.state.issues if _in_state(each, call.query)]
    return [call.shapes.issue(each) for each in _sorted(found, call.query)]


@endpoint("POST", "/issues", 201, ISSUES)
def open_issue(call):
    title, body, labels = (call.body.get(name) for name in ("title", "body", "labels"))
    _check_title(title, "Issue")
    return call.shapes.issue(call.state.add_issue(call.author, title, body, labels or ()))


@endpoint("PATCH", "/issues/{issue_number}", 200, ISSUES)
def change_issue(call, issue_number):
    issue = call.state.issue(issue_number)
    _change(call, issue)
    return call.shapes.issue(issue)


@endpoint("GET", "/issues/{issue_number}/comments", 200, COMMENTS)
def list_comments(call, issue_number):
    number = call.state.issue(issue_number).number
    return [call.shapes.comment(each) for each in call.state.comments if each.number == number]


@endpoint("POST", "/issues/{issue_number}/comments", 201, COMMENTS)
def add_comment(call, issue_number):
    return call.shapes.comment(call.state.add_comment(call.author, issue_number, call.body["body"]))


@endpoint("PATCH", "/issues/comments/{comment_id}", 200, COMMENTS)
def change_comment(call, comment_id):
    comment = call.state.comment(comment_id)
    if len(call.body["body"]) > 65536:
        raise invalid("IssueComment", "body", "body is too long (maximum is 65536 characters)")
    comment.body = call.body["body"]
    comment.edits += 1
    return call.shapes.comment(comment)


@endpoint("DELETE", "/issues/comments/{comment_id}", 204, COMMENTS)
def delete_comment(call, comment_id):
    call.state.comments.remove(call.state.comment(comment_id))


@endpoint("GET", "/pulls", 200, PULLS)
def list_pulls(call):
    """The filter by head knows the owner of a fork, and not which of the owner's repositories is meant."""
    found = [
        each
        for each in call.state.pulls()
        if _in_state(each, call.query) and call.query.get("head", _label(each)) == _label(each)
    ]
    return [call.shapes.pull(each, listed=True) for each in _sorted(found, call.query)]


@endpoint("POST", "/pulls", 201, PULLS)
def open_pull(call):
    if call.server.forbids_pull_requests and call.author.endswith("[bot]"):
        raise Refused(403, "GitHub Actions is not permitted to create or approve pull requests.")
    _check_title(call.body["title"], "PullRequest")
    return call.shapes.pull(call.state.add_pull(call.author, call.body))


@endpoint("GET", "/pulls/{pull_number}", 200, PULLS)
def read_pull(call, pull_number):
    return call.shapes.pull(call.state.pull(pull_number))


@endpoint("PATCH", "/pulls/{pull_number}", 200, PULLS)
def change_pull(call, pull_number):
    pull = call.state.pull(pull_number)
    pull.base = call.body.get("base", pull.base)
    _change(call, pull)
    call.state.refresh()
    return call.shapes.pull(pull)


@endpoint("GET", "/commits/{commit_sha}/pulls", 200, PULLS)
def pulls_with(call, commit_sha):
    commit = call.state.resolve(commit_sha)
    found = [each for each in call.state.pulls() if commit in (each.merge_commit, each.head_commit, *each.commits)]
    return [call.shapes.pull(each, listed=True) for each in found]


@endpoint("POST", "/statuses/{sha}", 201, STATUSES)
def set_status(call, sha):
    body, state = call.body, call.state
    if len(body.get("description") or "") > 140:
        raise invalid("Status", "description", "description is too long (maximum is 140 characters)")
    details = body["state"], body.get("description") or "", body.get("target_url") or ""
    status = Status(state.id(), state.resolve(sha), body.get("context", "default"), *details, state.now())
    state.statuses.append(status)
    return call.shapes.status(status)


@endpoint("GET", "/deployments", 200, DEPLOYMENTS)
def list_deployments(call):
    commit, environment = (call.query.get(name) for name in ("sha", "environment"))
    found = [
        each
        for each in call.state.deployments
        if commit in (None, each.commit) and environment in (None, each.environment)
    ]
    return [call.shapes.deployment(each) for each in reversed(found)]


@endpoint("POST", "/deployments", 201, DEPLOYMENTS)
def deploy(call):
    body, state = call.body, call.state
    what = body.get("environment", "production"), body.get("description") or "", body.get("task", "deploy")
    made = Deployment(state.id(), state.resolve(body["ref"]), body["ref"], *what, call.author, state.now())
    state.deployments.append(made)
    return call.shapes.deployment(made)


@endpoint("POST", "/deployments/{deployment_id}/statuses", 201, DEPLOYMENTS)
def set_deployment_state(call, deployment_id):
    deployment = call.state.deployment(deployment_id)
    if len(call.body.get("description") or "") > 140:
        raise invalid("DeploymentStatus", "description", "description is too long (maximum is 140 characters)")
    deployment.states.append({"id": call.state.id(), **call.body})
    return call.shapes.deployment_state(deployment, deployment.states[-1])


def _change(call, issue):
    for name in ("title", "body"):
        setattr(issue, name, call.body.get(name, getattr(issue, name)))
    _check_title(issue.title, type(issue).__name__)
    if (call.body.get("state"), issue.state) == ("closed", "open"):
        call.state.close(issue, call.body.get("state_reason", "completed"))


def _check_title(title, resource):
    if not 0 < len(str(title)) <= 256:
        raise invalid(resource, "title", "title is too long (maximum is 256 characters)")


def _label(pull):
    return f"{pull.head_repository.partition('/')[0]}:{pull.head}"


def _in_state(issue, query):
    return query.get("state", "open") in (issue.state, "all")


def _sorted(found, query):
    """The newest come first, where nothing else is asked."""
    return sorted(found, key=lambda each: each.number, reverse=query.get("direction", "desc") == "desc")
