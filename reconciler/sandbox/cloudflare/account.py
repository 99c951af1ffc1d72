"""The account and its user, for what wrangler reads of them."""

from aiohttp import web

from reconciler.sandbox.cloudflare.answers import Route, success
from reconciler.sandbox.cloudflare.state import State

USER_ID = "5a9db0c1e2f34a56b78c9d0e1f2a3b4c"
USER_EMAIL = "sandbox@example.com"
SUBDOMAIN = "sandbox"


async def user(_request: web.Request, _state: State) -> web.Response:
    """Return the user of the token."""
    return success({"id": USER_ID, "email": USER_EMAIL})


async def token(_request: web.Request, _state: State) -> web.Response:
    """Answer that the token is valid; an invalid one is refused before."""
    return success({"id": USER_ID, "status": "active"})


async def memberships(_request: web.Request, state: State) -> web.Response:
    """List the one account, in a form for both `/accounts` and `/memberships`."""
    account = {"id": state.account_id, "name": "Sandbox"}
    pages = {"page": 1, "per_page": 20, "count": 1, "total_count": 1, "total_pages": 1}
    return success([{**account, "account": account}], pages=pages)


async def subdomain(_request: web.Request, _state: State) -> web.Response:
    """Return the account's name below workers.dev."""
    return success({"subdomain": SUBDOMAIN})


async def bucket(request: web.Request, _state: State) -> web.Response:
    """Answer that any R2 bucket exists: wrangler checks before it uploads a binding to one."""
    return success({"name": request.match_info["bucket"], "creation_date": "2025-01-01T00:00:00.000Z"})


ROUTES: list[Route] = [
    ("GET", "/user", user),
    ("GET", "/user/tokens/verify", token),
    ("GET", "/accounts/{account}/tokens/verify", token),
    ("GET", "/memberships", memberships),
    ("GET", "/accounts", memberships),
    ("GET", "/accounts/{account}/workers/subdomain", subdomain),
    ("GET", "/accounts/{account}/r2/buckets/{bucket}", bucket),
]
