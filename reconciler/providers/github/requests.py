"""Requests to GitHub's REST API: headers, rate limits, pages, and a hint for each refusal.

Sources, all on docs.github.com under REST API: "Rate limits for the REST API", "Best practices for using the REST
API", "Using pagination in the REST API", "Troubleshooting the REST API".
"""

import re
from datetime import timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import httpx

from reconciler.errors import AnswerLost, ProviderError, Unreachable
from reconciler.providers.http.client import Api, ApiPolicy, Wait
from reconciler.providers.http.response import ResponseReader, read_list

_NAME = "GitHub"
_PAGE = 100
# A workflow's token has 1,000 requests per hour and repository, so longer lists are not read.
_MOST_PAGES = 200
# "Otherwise, wait for at least one minute before retrying" ("Rate limits for the REST API").
_MINUTE = timedelta(minutes=1)
_HEADERS = {
    "Accept": "application/vnd.github+json",
    "X-GitHub-Api-Version": "2022-11-28",
    "User-Agent": "reconciler",
}
_MAY_NOT_PROPOSE = "not permitted to create or approve pull requests"
_PROPOSE_HINT = (
    'tick "Allow GitHub Actions to create and approve pull requests" in the repository\'s Settings > Actions > '
    "General > Workflow permissions (or in the organization's), or set GITHUB_TOKEN to your own token"
)


def explain(body: Any) -> tuple[str, str]:
    """Return code and message. The message of a 422 is only "Validation Failed": its errors say what is wrong."""
    errors = [each if isinstance(each, dict) else {"message": str(each)} for each in body.get("errors") or []]
    details = [str(each.get("message") or _field(each)) for each in errors]
    code = str(errors[0].get("code") or "") if errors else ""
    return code, ": ".join([str(body["message"]), *filter(None, [", ".join(details)])])


def _field(error: dict[str, Any]) -> str:
    return f"{error.get('field') or error.get('resource') or '?'} is {error.get('code') or 'not valid'}"


def is_busy(response: httpx.Response) -> Wait:
    """Whether a rate limit was reached (429, or a 403 that says so), and how long to wait. Nothing was done then."""
    if response.status_code not in (403, 429):
        return False
    after = _number(response, "retry-after")
    if after is not None:
        return timedelta(seconds=after) or True
    if response.headers.get("x-ratelimit-remaining") == "0":
        return _until_reset(response) or _MINUTE
    return _MINUTE if response.status_code == 429 or "secondary rate limit" in response.text.lower() else False


def _until_reset(response: httpx.Response) -> timedelta | None:
    """Return the time until the limit is reset, by GitHub's own clock, plus one second."""
    reset = _number(response, "x-ratelimit-reset")
    try:
        now = parsedate_to_datetime(response.headers.get("date", "")).timestamp()
    except ValueError:
        return None
    return None if reset is None else timedelta(seconds=max(reset - now, 0) + 1)


def _number(response: httpx.Response, header: str) -> int | None:
    text = response.headers.get(header, "")
    return int(text) if re.fullmatch("[0-9]{1,10}", text) else None


POLICY = ApiPolicy(_NAME, explain, _HEADERS, is_busy)


class Requests:
    """Requests about one repository. `permission` is what a workflow's job needs for the request."""

    def __init__(self, api: Api, repository: str) -> None:
        self._api = api
        self._root = f"/repos/{repository}"
        self._repository = repository

    async def read(self, path: str, permission: str, **query: str | int) -> ResponseReader:
        """Read an object. Raises ProviderError."""
        return ResponseReader(_NAME, (await self._send("GET", path, permission, params=query)).body)

    async def read_list(self, path: str, permission: str) -> list[ResponseReader]:
        """Read the first page of a list whose items have no id. Raises ProviderError."""
        return read_list(_NAME, (await self._send("GET", path, permission, params={"per_page": _PAGE})).body)

    async def read_all(self, path: str, permission: str, **query: str | int) -> list[ResponseReader]:
        """Read every page. An item that moved to another page meanwhile is returned once. Raises ProviderError."""
        found: dict[int, ResponseReader] = {}
        for page in range(1, _MOST_PAGES + 1):
            answer = await self._send("GET", path, permission, params={**query, "per_page": _PAGE, "page": page})
            found |= {item.serial("id"): item for item in read_list(_NAME, answer.body)}
            if 'rel="next"' not in answer.headers.get("link", ""):
                return list(found.values())
        raise ProviderError(
            f"{_NAME}: GET {self._root}{path} has more than {_MOST_PAGES * _PAGE:,} items and was not read to its end",
            hint="close what is no longer needed; if there are fewer, GitHub's paging is at fault: run it again",
        )

    async def write(self, method: str, path: str, permission: str, **fields: Any) -> ResponseReader:
        """Write once. Raises ProviderError, and AnswerLost if it may have been done."""
        options = {"json": fields} if fields else {}
        return ResponseReader(_NAME, (await self._send(method, path, permission, **options)).body)

    async def settle(self, method: str, path: str, permission: str, **fields: Any) -> ResponseReader:
        """Write what is safe to repeat, and repeat it if the answer is lost. Raises ProviderError."""
        try:
            return await self.write(method, path, permission, **fields)
        except AnswerLost:
            return await self.write(method, path, permission, **fields)

    async def login(self) -> str | None:
        """Return the login of the token's owner; None for the token of a workflow or an app."""
        try:
            return ResponseReader(_NAME, await self._api.get("/user")).text("login")
        except Unreachable:
            raise
        except ProviderError as error:
            if error.status == 403:
                return None
            raise self._hinted(error, "") from None

    async def _send(self, method: str, path: str, permission: str, **options: Any) -> Any:
        try:
            return await self._api.send(method, f"{self._root}{path}", **options)
        except (AnswerLost, Unreachable):
            raise
        except ProviderError as error:
            raise self._hinted(error, permission) from None

    def _hinted(self, error: ProviderError, permission: str) -> ProviderError:
        error.hint = error.hint or _hint(error, self._repository, permission)
        return error


def _hint(error: ProviderError, repository: str, permission: str) -> str:
    if _MAY_NOT_PROPOSE in error.message:
        return _PROPOSE_HINT
    needed = f'"{permission}" in the job\'s permissions' if permission else "a token that may read the repository"
    match error.status:
        case 401:
            return "GITHUB_TOKEN is not valid or has expired: set a new one"
        case 403:
            return (
                f"GITHUB_TOKEN lacks a permission: a workflow needs {needed}, your own token the same permission; "
                "on a pull request from a fork, a workflow can only read"
            )
        case 404:
            return f"{repository} does not have it, or GITHUB_TOKEN cannot read it: a workflow needs {needed}"
        case 301 | 302 | 307 | 308:
            return f"{repository} was renamed or moved: set its new name (git remote set-url, or GITHUB_REPOSITORY)"
        case _:
            return ""
