"""One repository on GitHub: comments, commit statuses, deployments, pull requests and issues.

Everything we keep can be found again: by a hidden marker in a body, by the branch of a pull request, or by the
environment and commit of a deployment. So a repeated call, a lost answer or two runs at once still leave one of each.
A marker counts only in what we wrote ourselves, because anyone may write a comment.
"""

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from urllib.parse import quote

from reconciler.core.values.secret import Secret
from reconciler.errors import AnswerLost, InputError, ProviderError
from reconciler.providers.github.requests import POLICY, Requests
from reconciler.providers.github.text import body_of, description_of, title_of
from reconciler.providers.github.wire import CommitState, DeploymentState, Issue, PullRequest, body_in
from reconciler.providers.http.client import Api
from reconciler.providers.http.response import ResponseReader

_API = "https://api.github.com"
_COMMENT = "pull-requests: write"
_ISSUE = "issues: write"
_DEPLOY = "deployments: write"

_NAME = r"[A-Za-z0-9_.-]+"
_URL = re.compile(
    rf"(?:[a-z+]+://(?:[^/@]*@)?[^/:]+(?::\d+)?/|(?:[^/@:]+@)?[^/@:]{{2,}}:/?)({_NAME}/{_NAME}?)(?:\.git)?/?"
)


def repository_of(url: str) -> str | None:
    """Return "owner/name" of a Git remote's URL (https, ssh or scp form); None for any other URL."""
    found = _URL.fullmatch(url)
    return found[1].removesuffix(".git") if found and not url.startswith("file:") else None


@asynccontextmanager
async def connect(environment: Mapping[str, str], repository: str | None = None) -> AsyncIterator["GitHub"]:
    """Connect to GITHUB_REPOSITORY, or to `repository` if that is not set. Raises InputError if a setting is wrong."""
    token = environment.get("GITHUB_TOKEN", "").strip()
    if not token:
        hint = "in a workflow: env GITHUB_TOKEN: ${{ github.token }}; on your own machine: a fine-grained token"
        raise InputError("GITHUB_TOKEN is not set", hint=hint)
    name = environment.get("GITHUB_REPOSITORY") or repository or ""
    if not re.fullmatch(rf"{_NAME}/{_NAME}", name):
        hint = "set GITHUB_REPOSITORY to owner/name, or add a Git remote on GitHub"
        raise InputError(f'the GitHub repository is not known ("{name}" is not owner/name)', hint=hint)
    address = (environment.get("GITHUB_API_URL") or _API).rstrip("/")
    if not re.match("https?://.", address):
        raise InputError(f'GITHUB_API_URL is not a URL ("{address}")', hint=f"unset it, or set it to {_API}")
    api = Api(POLICY, address, Secret(token))
    try:
        yield GitHub(api, name)
    finally:
        await api.close()


class GitHub:
    """One repository on GitHub, "owner/name". Every method may raise ProviderError."""

    def __init__(self, api: Api, repository: str) -> None:
        self._requests = Requests(api, repository)
        self._repository = repository
        self._login: str | None = None
        self._login_is_known = False

    async def default_branch(self) -> str:
        """Return the name of the default branch."""
        return (await self._requests.read("", "contents: read")).text("default_branch")

    async def is_protected(self, branch: str) -> bool:
        """Whether a branch is protected or has rules (REST API: "Branches", "Rules")."""
        name = quote(branch, safe="")
        if (await self._requests.read(f"/branches/{name}", "contents: read")).flag("protected"):
            return True
        return bool(await self._requests.read_list(f"/rules/branches/{name}", "metadata: read"))

    # Comments

    async def comments(self, number: int) -> tuple[str, ...]:
        """Return the bodies of all comments on a pull request or issue, oldest first."""
        return tuple(body_in(item) for item in await self._comments(number))

    async def keep_comment(self, number: int, marker: str, body: str) -> str:
        """Keep exactly one comment of ours with `marker`: update it or create it. Returns the URL of its page."""
        body = body_of(body, marker)

        async def find() -> list[ResponseReader]:
            return await self._ours(await self._comments(number), marker)

        async def create() -> ResponseReader:
            return await self._requests.write("POST", f"/issues/{number}/comments", _COMMENT, body=body)

        first, *others = await _found_or_created(find, create)
        for other in others:
            await self._delete_comment(other.serial("id"))
        if body_in(first) != body:
            path = f"/issues/comments/{first.serial('id')}"
            first = await self._requests.settle("PATCH", path, _COMMENT, body=body)
        return first.text("html_url")

    async def _delete_comment(self, comment: int) -> None:
        """Delete the comment of a concurrent run, which may have deleted it already."""
        try:
            await self._requests.settle("DELETE", f"/issues/comments/{comment}", _COMMENT)
        except ProviderError as error:
            if error.status != 404:
                raise

    async def _comment_once(self, number: int, body: str, permission: str) -> None:
        """Comment, unless the last comment is the same."""
        body = body_of(body)

        async def find() -> list[ResponseReader]:
            return [item for item in (await self._comments(number))[-1:] if body_in(item) == body]

        async def create() -> ResponseReader:
            return await self._requests.write("POST", f"/issues/{number}/comments", permission, body=body)

        await _found_or_created(find, create)

    async def _comments(self, number: int) -> list[ResponseReader]:
        found = await self._requests.read_all(f"/issues/{number}/comments", "pull-requests: read")
        return sorted(found, key=lambda item: item.serial("id"))

    async def _ours(self, items: list[ResponseReader], marker: str) -> list[ResponseReader]:
        """Keep what has the marker and is ours: written by the token's owner, or by a bot if the token has no owner."""
        marked = [item for item in items if marker in body_in(item)]
        if marked and not self._login_is_known:
            self._login, self._login_is_known = await self._requests.login(), True
        return [item for item in marked if _wrote(item, self._login)]

    # Statuses and deployments

    async def set_status(self, commit: str, context: str, state: CommitState, description: str, url: str = "") -> None:
        """Set a commit status; the newest one of a context counts. The description is cut to 140 characters."""
        target = {"target_url": url} if url else {}
        short = description_of(description)
        fields = {"state": state.value, "context": context, "description": short, **target}
        await self._requests.settle("POST", f"/statuses/{commit}", "statuses: write", **fields)

    async def deployment(self, *, environment: str, commit: str, description: str) -> int:
        """Return the id of the newest deployment of a commit to an environment; create one if there is none.

        GitHub itself creates one when a job with an `environment:` starts.
        """

        async def find() -> list[ResponseReader]:
            query = {"sha": commit, "environment": environment}
            found = await self._requests.read_all("/deployments", "deployments: read", **query)
            return sorted(found, key=lambda item: item.serial("id"), reverse=True)

        async def create() -> ResponseReader:
            return await self._requests.write(
                "POST",
                "/deployments",
                _DEPLOY,
                ref=commit,
                environment=environment,
                description=description_of(description),
                auto_merge=False,
                required_contexts=[],
            )

        return (await _found_or_created(find, create))[0].serial("id")

    async def set_deployment_state(
        self, deployment: int, state: DeploymentState, description: str, log_url: str
    ) -> None:
        """Set the state of a deployment. The description is cut to 140 characters."""
        fields = {"state": state.value, "description": description_of(description)}
        log = {"log_url": log_url} if log_url else {}
        await self._requests.settle("POST", f"/deployments/{deployment}/statuses", _DEPLOY, **fields, **log)

    # Pull requests

    async def pull_request(self, number: int) -> PullRequest:
        """Return a pull request."""
        return PullRequest.read(await self._requests.read(f"/pulls/{number}", "pull-requests: read"))

    async def find_pull_request(self, head: str) -> PullRequest | None:
        """Return the open pull request of a branch of this repository."""
        found = await self._open_of(head)
        return PullRequest.read(found[0]) if found else None

    async def open_pull_request(self, *, head: str, base: str, title: str, body: str) -> PullRequest:
        """Open a pull request for a branch, or update the open one."""
        title, body = title_of(title), body_of(body)

        async def find() -> list[ResponseReader]:
            return await self._open_of(head)

        async def create() -> ResponseReader:
            fields = {"head": head, "base": base, "title": title, "body": body}
            try:
                return await self._requests.write("POST", "/pulls", _COMMENT, **fields)
            except ProviderError as error:
                # A concurrent run may have opened it.
                if error.status == 422 and (there := await find()):
                    return there[0]
                raise

        first = (await _found_or_created(find, create))[0]
        pull = PullRequest.read(first)
        if (pull.title, pull.body, pull.base_branch) != (title, body, base):
            fields = {"title": title, "body": body, "base": base}
            pull = PullRequest.read(await self._requests.settle("PATCH", f"/pulls/{pull.number}", _COMMENT, **fields))
        return pull

    async def close_pull_request(self, number: int, comment: str) -> None:
        """Comment on an open pull request and close it. Does nothing if it is closed."""
        if (await self.pull_request(number)).is_open:
            await self._comment_once(number, comment, _COMMENT)
            await self._requests.settle("PATCH", f"/pulls/{number}", _COMMENT, state="closed")

    async def pull_requests_with(self, commit: str) -> tuple[PullRequest, ...]:
        """Return the pull requests that contain a commit; none if GitHub does not have the commit."""
        try:
            found = await self._requests.read_all(f"/commits/{commit}/pulls", "pull-requests: read")
        except ProviderError as error:
            if error.status == 422 and "no commit found" in error.message.lower():
                return ()
            raise
        return tuple(PullRequest.read(item) for item in found)

    async def _open_of(self, head: str) -> list[ResponseReader]:
        """List the open ones of a branch, oldest first. GitHub's filter also finds forks of the same owner."""
        query = {"state": "open", "head": f"{self._repository.partition('/')[0]}:{head}"}
        found = await self._requests.read_all("/pulls", "pull-requests: read", **query)
        return sorted((item for item in found if self._is_of(item, head)), key=lambda item: item.serial("number"))

    def _is_of(self, item: ResponseReader, head: str) -> bool:
        pull = PullRequest.read(item)
        return (pull.head_branch, pull.head_repository.lower()) == (head, self._repository.lower())

    # Issues

    async def keep_issue(self, marker: str, title: str, body: str, label: str) -> Issue:
        """Keep exactly one open issue of ours with `marker`: update it or open it."""
        title, body = title_of(title), body_of(body, marker)

        async def find() -> list[ResponseReader]:
            return await self._open_issues(marker)

        async def create() -> ResponseReader:
            return await self._requests.write("POST", "/issues", _ISSUE, title=title, body=body, labels=[label])

        first, *others = await _found_or_created(find, create)
        for other in others:
            await self._close(other.serial("number"), "not_planned")
        issue = Issue.read(first)
        if (issue.title, issue.body) != (title, body):
            path = f"/issues/{issue.number}"
            issue = Issue.read(await self._requests.settle("PATCH", path, _ISSUE, title=title, body=body))
        return issue

    async def find_issue(self, marker: str) -> Issue | None:
        """Return the oldest open issue of ours with `marker`."""
        found = await self._open_issues(marker)
        return Issue.read(found[0]) if found else None

    async def issues_with(self, marker: str) -> tuple[Issue, ...]:
        """Return every open issue of ours with `marker`, oldest first."""
        return tuple(Issue.read(item) for item in await self._open_issues(marker))

    async def close_issue(self, marker: str, comment: str) -> Issue | None:
        """Comment on every open issue of ours with `marker` and close it. Returns the oldest."""
        found = await self._open_issues(marker)
        for item in found:
            await self._comment_once(item.serial("number"), comment, _ISSUE)
            await self._close(item.serial("number"), "completed")
        return Issue.read(found[0]) if found else None

    async def _open_issues(self, marker: str) -> list[ResponseReader]:
        """Read all open issues: a search by label would miss an issue whose label was removed."""
        found = await self._requests.read_all("/issues", "issues: read", state="open", sort="created", direction="asc")
        issues = [item for item in found if item.maybe("pull_request") is None]
        return sorted(await self._ours(issues, marker), key=lambda item: item.serial("number"))

    async def _close(self, number: int, reason: str) -> None:
        await self._requests.settle("PATCH", f"/issues/{number}", _ISSUE, state="closed", state_reason=reason)


async def _found_or_created(
    find: Callable[[], Awaitable[list[ResponseReader]]], create: Callable[[], Awaitable[ResponseReader]]
) -> list[ResponseReader]:
    """Return what exists, or create it and look again, because a concurrent run may have created the same.

    If the answer is lost, look before creating it a second time. The result is never empty.
    """
    if found := await find():
        return found
    try:
        created = await create()
    except AnswerLost:
        if found := await find():
            return found
        created = await create()
    return await find() or [created]


def _wrote(item: ResponseReader, login: str | None) -> bool:
    user = item.maybe("user")  # none if the account was deleted
    if user is None:
        return False
    return user.maybe_text("type") == "Bot" if login is None else user.maybe_text("login") == login
