"""How GitHub's REST API is talked to: its headers, limits, pages, and what its refusals call for.

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
# A workflow's token has 1,000 requests an hour for a repository: a list that is longer than this is not walked.
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
    "General > Workflow permissions (or in the organization's), or give GITHUB_TOKEN a token of your own"
)


def explain(body: Any) -> tuple[str, str]:
    """Find code and message: the errors of a 422 say what is wrong, and its message only "Validation Failed"."""
    errors = [each if isinstance(each, dict) else {"message": str(each)} for each in body.get("errors") or []]
    details = [str(each.get("message") or _field(each)) for each in errors]
    code = str(errors[0].get("code") or "") if errors else ""
    return code, ": ".join([str(body["message"]), *filter(None, [", ".join(details)])])


def _field(error: dict[str, Any]) -> str:
    return f"{error.get('field') or error.get('resource') or '?'} is {error.get('code') or 'not valid'}"


def is_busy(response: httpx.Response) -> Wait:
    """Tell whether a rate limit was met: by 429, or by a 403 that says so. Nothing was done then."""
    if response.status_code not in (403, 429):
        return False
    after = _number(response, "retry-after")
    if after is not None:
        return timedelta(seconds=after) or True
    if response.headers.get("x-ratelimit-remaining") == "0":
        return _until_reset(response) or _MINUTE
    return _MINUTE if response.status_code == 429 or "secondary rate limit" in response.text.lower() else False


def _until_reset(response: httpx.Response) -> timedelta | None:
    """Return the time until the limit starts anew, by GitHub's own clock, with a second of grace."""
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


class Calls:
    """Requests about one repository. `permission` names what a workflow's job needs for them."""

    def __init__(self, api: Api, repository: str) -> None:
        self._api = api
        self._root = f"/repos/{repository}"
        self._repository = repository

    async def read(self, path: str, permission: str, **query: str | int) -> ResponseReader:
        """Read one thing. Raises ProviderError."""
        return ResponseReader(_NAME, (await self._send("GET", path, permission, params=query)).body)

    async def read_list(self, path: str, permission: str) -> list[ResponseReader]:
        """Read the first page of a list whose items have no id. Raises ProviderError."""
        return read_list(_NAME, (await self._send("GET", path, permission, params={"per_page": _PAGE})).body)

    async def read_all(self, path: str, permission: str, **query: str | int) -> list[ResponseReader]:
        """Read every page. Things that moved from page to page meanwhile come once. Raises ProviderError."""
        found: dict[int, ResponseReader] = {}
        for page in range(1, _MOST_PAGES + 1):
            answer = await self._send("GET", path, permission, params={**query, "per_page": _PAGE, "page": page})
            found |= {item.serial("id"): item for item in read_list(_NAME, answer.body)}
            if 'rel="next"' not in answer.headers.get("link", ""):
                return list(found.values())
        raise ProviderError(
            f"{_NAME}: GET {self._root}{path} has more than {_MOST_PAGES * _PAGE:,} items, and was not read to its end",
            hint="close what nobody needs any more; where there is less, GitHub's list does not end: run it again",
        )

    async def write(self, method: str, path: str, permission: str, **fields: Any) -> ResponseReader:
        """Write, once. Raises ProviderError, and AnswerLost where it may have been done."""
        options = {"json": fields} if fields else {}
        return ResponseReader(_NAME, (await self._send(method, path, permission, **options)).body)

    async def settle(self, method: str, path: str, permission: str, **fields: Any) -> ResponseReader:
        """Write what may be written twice without harm: again where the answer was lost. Raises ProviderError."""
        try:
            return await self.write(method, path, permission, **fields)
        except AnswerLost:
            return await self.write(method, path, permission, **fields)

    async def login(self) -> str | None:
        """Return whose token it is; None for the token of a workflow or an app, which is nobody's."""
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
            return "GITHUB_TOKEN is not valid, or has expired: set a new one"
        case 403:
            return (
                f"GITHUB_TOKEN may not do this: a workflow needs {needed}, a token of your own the same permission; "
                "on a pull request from a fork a workflow may only read"
            )
        case 404:
            return f"either {repository} has no such thing, or GITHUB_TOKEN may not see it: a workflow needs {needed}"
        case 301 | 302 | 307 | 308:
            return f"{repository} was renamed or moved: give its new name (git remote set-url, or GITHUB_REPOSITORY)"
        case _:
            return ""
