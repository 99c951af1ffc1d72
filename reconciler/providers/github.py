"""GitHub, by its REST API: pull requests, their comments, statuses, deployments and issues.

Everything that is kept is found again by a sign that it carries: a hidden marker in a body, the branch of a pull
request, the environment and commit of a deployment. So whatever is called twice, or lost its answer, or was called by
two runs at once, is there once. A marker counts only in what we wrote ourselves: anybody may write a comment.
"""

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from urllib.parse import quote

from reconciler.core.values.secret import Secret
from reconciler.errors import AnswerLost, InputError, ProviderError
from reconciler.providers.github_calls import POLICY, Calls
from reconciler.providers.github_models import CommitState, DeploymentState, Issue, PullRequest, body_in
from reconciler.providers.github_text import body_of, description_of, title_of
from reconciler.providers.http.client import Api
from reconciler.providers.http.response import ResponseReader

__all__ = ["CommitState", "DeploymentState", "GitHub", "Issue", "PullRequest", "connect", "repository_of"]

_API = "https://api.github.com"
_COMMENT = "pull-requests: write"
_ISSUE = "issues: write"
_DEPLOY = "deployments: write"

_NAME = r"[A-Za-z0-9_.-]+"
_URL = re.compile(
    rf"(?:[a-z+]+://(?:[^/@]*@)?[^/:]+(?::\d+)?/|(?:[^/@:]+@)?[^/@:]{{2,}}:/?)({_NAME}/{_NAME}?)(?:\.git)?/?"
)


def repository_of(url: str) -> str | None:
    """Find "owner/name" in the URL of a remote, https, ssh or like scp's; None where it is none of these."""
    found = _URL.fullmatch(url)
    return found[1].removesuffix(".git") if found and not url.startswith("file:") else None


@asynccontextmanager
async def connect(environment: Mapping[str, str], repository: str | None = None) -> AsyncIterator["GitHub"]:
    """Open GitHub for GITHUB_REPOSITORY, or else for `repository`. Raises InputError where something is missing."""
    token = environment.get("GITHUB_TOKEN", "").strip()
    if not token:
        hint = "in a workflow: env GITHUB_TOKEN: ${{ github.token }}; on your own machine: a fine-grained token"
        raise InputError("GITHUB_TOKEN is not set", hint=hint)
    name = environment.get("GITHUB_REPOSITORY") or repository or ""
    if not re.fullmatch(rf"{_NAME}/{_NAME}", name):
        hint = "set GITHUB_REPOSITORY to owner/name, or add a remote that is on GitHub"
        raise InputError(f'which repository on GitHub is meant is not known ("{name}")', hint=hint)
    address = (environment.get("GITHUB_API_URL") or _API).rstrip("/")
    if not re.match("https?://.", address):
        raise InputError(f'GITHUB_API_URL is no address ("{address}")', hint=f"leave it out, or set it to {_API}")
    api = Api(POLICY, address, Secret(token))
    try:
        yield GitHub(api, name)
    finally:
        await api.close()


class GitHub:
    """One repository on GitHub, "owner/name". Every method may raise ProviderError."""

    def __init__(self, api: Api, repository: str) -> None:
        self._calls = Calls(api, repository)
        self._repository = repository
        self._login: str | None = None
        self._asked_login = False

    async def default_branch(self) -> str:
        """Return the name of the default branch."""
        return (await self._calls.read("", "contents: read")).text("default_branch")

    async def is_protected(self, branch: str) -> bool:
        """Tell whether a branch is protected, or rules apply to it (REST API: "Branches", "Rules for a branch")."""
        name = quote(branch, safe="")
        if (await self._calls.read(f"/branches/{name}", "contents: read")).flag("protected"):
            return True
        return bool(await self._calls.read_list(f"/rules/branches/{name}", "metadata: read"))

    # Comments

    async def comments(self, number: int) -> tuple[str, ...]:
        """Return the bodies of all comments of a pull request or issue, the oldest first."""
        return tuple(body_in(item) for item in await self._comments(number))

    async def keep_comment(self, number: int, marker: str, body: str) -> str:
        """Keep one comment of ours that holds `marker`: update it, or make it. Returns the URL of its page."""
        body = body_of(body, marker)

        async def find() -> list[ResponseReader]:
            return await self._ours(await self._comments(number), marker)

        async def make() -> ResponseReader:
            return await self._calls.write("POST", f"/issues/{number}/comments", _COMMENT, body=body)

        first, *others = await _found_or_made(find, make)
        for other in others:
            await self._delete_comment(other.serial("id"))
        if body_in(first) != body:
            path = f"/issues/comments/{first.serial('id')}"
            first = await self._calls.settle("PATCH", path, _COMMENT, body=body)
        return first.text("html_url")

    async def _delete_comment(self, comment: int) -> None:
        """Delete a comment of a run beside us, which may have deleted it already."""
        try:
            await self._calls.settle("DELETE", f"/issues/comments/{comment}", _COMMENT)
        except ProviderError as error:
            if error.status != 404:
                raise

    async def _say(self, number: int, body: str, permission: str) -> None:
        """Comment, unless the last comment says just that."""
        body = body_of(body)

        async def find() -> list[ResponseReader]:
            return [item for item in (await self._comments(number))[-1:] if body_in(item) == body]

        async def make() -> ResponseReader:
            return await self._calls.write("POST", f"/issues/{number}/comments", permission, body=body)

        await _found_or_made(find, make)

    async def _comments(self, number: int) -> list[ResponseReader]:
        found = await self._calls.read_all(f"/issues/{number}/comments", "pull-requests: read")
        return sorted(found, key=lambda item: item.serial("id"))

    async def _ours(self, items: list[ResponseReader], marker: str) -> list[ResponseReader]:
        """Keep what holds the marker and was written by us: by the token's owner, or else by a workflow or app."""
        marked = [item for item in items if marker in body_in(item)]
        if marked and not self._asked_login:
            self._login, self._asked_login = await self._calls.login(), True
        return [item for item in marked if _wrote(item, self._login)]

    # Statuses and deployments

    async def set_status(self, commit: str, context: str, state: CommitState, description: str, url: str = "") -> None:
        """Set a status of a commit; the newest of a context counts. The description is cut to 140 characters."""
        target = {"target_url": url} if url else {}
        short = description_of(description)
        fields = {"state": state.value, "context": context, "description": short, **target}
        await self._calls.settle("POST", f"/statuses/{commit}", "statuses: write", **fields)

    async def deployment(self, *, environment: str, commit: str, description: str) -> int:
        """Return the newest deployment of a commit to an environment, or make one.

        A job with an `environment:` has one already, which GitHub made when the job began.
        """

        async def find() -> list[ResponseReader]:
            query = {"sha": commit, "environment": environment}
            found = await self._calls.read_all("/deployments", "deployments: read", **query)
            return sorted(found, key=lambda item: item.serial("id"), reverse=True)

        async def make() -> ResponseReader:
            return await self._calls.write(
                "POST",
                "/deployments",
                _DEPLOY,
                ref=commit,
                environment=environment,
                description=description_of(description),
                auto_merge=False,
                required_contexts=[],
            )

        return (await _found_or_made(find, make))[0].serial("id")

    async def set_deployment_state(
        self, deployment: int, state: DeploymentState, description: str, log_url: str
    ) -> None:
        """Set the state of a deployment. The description is cut to 140 characters."""
        fields = {"state": state.value, "description": description_of(description)}
        log = {"log_url": log_url} if log_url else {}
        await self._calls.settle("POST", f"/deployments/{deployment}/statuses", _DEPLOY, **fields, **log)

    # Pull requests

    async def pull_request(self, number: int) -> PullRequest:
        """Read a pull request."""
        return PullRequest.read(await self._calls.read(f"/pulls/{number}", "pull-requests: read"))

    async def find_pull_request(self, head: str) -> PullRequest | None:
        """Find the open pull request of a branch of this repository."""
        found = await self._open_of(head)
        return PullRequest.read(found[0]) if found else None

    async def open_pull_request(self, *, head: str, base: str, title: str, body: str) -> PullRequest:
        """Open a pull request of a branch, or bring the open one up to date."""
        title, body = title_of(title), body_of(body)

        async def find() -> list[ResponseReader]:
            return await self._open_of(head)

        async def make() -> ResponseReader:
            fields = {"head": head, "base": base, "title": title, "body": body}
            try:
                return await self._calls.write("POST", "/pulls", _COMMENT, **fields)
            except ProviderError as error:
                # A run beside us may have opened it.
                if error.status == 422 and (there := await find()):
                    return there[0]
                raise

        first = (await _found_or_made(find, make))[0]
        pull = PullRequest.read(first)
        if (pull.title, pull.body, pull.base_branch) != (title, body, base):
            fields = {"title": title, "body": body, "base": base}
            pull = PullRequest.read(await self._calls.settle("PATCH", f"/pulls/{pull.number}", _COMMENT, **fields))
        return pull

    async def close_pull_request(self, number: int, comment: str) -> None:
        """Comment on an open pull request and close it. A closed one is left alone."""
        if (await self.pull_request(number)).is_open:
            await self._say(number, comment, _COMMENT)
            await self._calls.settle("PATCH", f"/pulls/{number}", _COMMENT, state="closed")

    async def pull_requests_with(self, commit: str) -> tuple[PullRequest, ...]:
        """Return the pull requests that brought a commit; none where GitHub does not have the commit."""
        try:
            found = await self._calls.read_all(f"/commits/{commit}/pulls", "pull-requests: read")
        except ProviderError as error:
            if error.status == 422 and "no commit found" in error.message.lower():
                return ()
            raise
        return tuple(PullRequest.read(item) for item in found)

    async def _open_of(self, head: str) -> list[ResponseReader]:
        """Find the open ones of a branch, the oldest first; a fork of the same owner may have such a branch too."""
        query = {"state": "open", "head": f"{self._repository.partition('/')[0]}:{head}"}
        found = await self._calls.read_all("/pulls", "pull-requests: read", **query)
        return sorted((item for item in found if self._is_of(item, head)), key=lambda item: item.serial("number"))

    def _is_of(self, item: ResponseReader, head: str) -> bool:
        pull = PullRequest.read(item)
        return (pull.head_branch, pull.head_repository.lower()) == (head, self._repository.lower())

    # Issues

    async def keep_issue(self, marker: str, title: str, body: str, label: str) -> Issue:
        """Keep exactly one open issue of ours that holds `marker`: update it, or open it."""
        title, body = title_of(title), body_of(body, marker)

        async def find() -> list[ResponseReader]:
            return await self._open_issues(marker)

        async def make() -> ResponseReader:
            return await self._calls.write("POST", "/issues", _ISSUE, title=title, body=body, labels=[label])

        first, *others = await _found_or_made(find, make)
        for other in others:
            await self._close(other.serial("number"), "not_planned")
        issue = Issue.read(first)
        if (issue.title, issue.body) != (title, body):
            path = f"/issues/{issue.number}"
            issue = Issue.read(await self._calls.settle("PATCH", path, _ISSUE, title=title, body=body))
        return issue

    async def find_issue(self, marker: str) -> Issue | None:
        """Find the oldest open issue of ours that holds `marker`."""
        found = await self._open_issues(marker)
        return Issue.read(found[0]) if found else None

    async def issues_with(self, marker: str) -> tuple[Issue, ...]:
        """Find every open issue of ours that holds `marker`, the oldest first."""
        return tuple(Issue.read(item) for item in await self._open_issues(marker))

    async def close_issue(self, marker: str, comment: str, label: str) -> Issue | None:  # noqa: ARG002  as keep_issue
        """Comment on every open issue of ours that holds `marker`, and close it. Returns the oldest of them."""
        found = await self._open_issues(marker)
        for item in found:
            await self._say(item.serial("number"), comment, _ISSUE)
            await self._close(item.serial("number"), "completed")
        return Issue.read(found[0]) if found else None

    async def _open_issues(self, marker: str) -> list[ResponseReader]:
        """Walk all open issues: by label, one whose label somebody took off would be opened a second time."""
        found = await self._calls.read_all("/issues", "issues: read", state="open", sort="created", direction="asc")
        issues = [item for item in found if item.maybe("pull_request") is None]
        return sorted(await self._ours(issues, marker), key=lambda item: item.serial("number"))

    async def _close(self, number: int, reason: str) -> None:
        await self._calls.settle("PATCH", f"/issues/{number}", _ISSUE, state="closed", state_reason=reason)


async def _found_or_made(
    find: Callable[[], Awaitable[list[ResponseReader]]], make: Callable[[], Awaitable[ResponseReader]]
) -> list[ResponseReader]:
    """Return what there is, or make it, and look again: another run may have made the same. It is never empty.

    Where the answer is lost, it is looked for before it is made a second time.
    """
    if found := await find():
        return found
    try:
        made = await make()
    except AnswerLost:
        if found := await find():
            return found
        made = await make()
    return await find() or [made]


def _wrote(item: ResponseReader, login: str | None) -> bool:
    user = item.maybe("user")  # of an account that was deleted there may be none
    if user is None:
        return False
    return user.maybe_text("type") == "Bot" if login is None else user.maybe_text("login") == login
