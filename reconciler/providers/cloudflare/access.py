"""Cloudflare's limits, and what to do after it denies access: which permission the token lacks, and where to grant it.

An invalid token and a missing permission get the same answer ("Authentication error", 10000). So after a refusal, and
only then, the token is verified (API reference, "Verify Token"): as a user's, then as the account's. No request shows
a token its own permissions, and a write to find out would be a write.
"""

import re
from typing import Any

import httpx

from reconciler.errors import ProviderError
from reconciler.providers.http.client import Api, ApiPolicy, Wait, retry_after
from reconciler.providers.http.rate_limiter import Pace

_NOT_LET_IN = (401, 403)
_ACCOUNT = re.compile(r"/accounts/([^/]*)(/.*)")
_VERIFY = "/tokens/verify"
_PERMISSIONS = {"/hyperdrive": "Hyperdrive", "/workers": "Workers Scripts"}
WHERE = (
    "Cloudflare dashboard > My Profile > API Tokens, or Manage Account > Account API Tokens for a token of the account"
)
NEEDED = "Account > Workers Scripts > Edit and Account > Hyperdrive > Edit"


async def advise(api: Api, error: ProviderError, method: str, path: str) -> str:
    """Say in one sentence what the token lacks."""
    found = _ACCOUNT.fullmatch(path)
    if error.status not in _NOT_LET_IN or found is None or path.endswith(_VERIFY):
        return ""
    account, rest = found.groups()
    if not await _is_active(api, account):
        return f"CLOUDFLARE_API_TOKEN is not valid, has expired or was revoked: make one with {NEEDED} ({WHERE})"
    what = next((name for start, name in _PERMISSIONS.items() if rest.startswith(start)), "the product in the address")
    rights = "read" if method == "GET" else "change"
    return (
        f"CLOUDFLARE_API_TOKEN is valid and may not {rights} this: grant it Account > {what} > Edit on account "
        f"{account} ({WHERE}); also make sure that CLOUDFLARE_ACCOUNT_ID is the account that the token is for"
    )


async def _is_active(api: Api, account: str) -> bool:
    for path in (f"/user{_VERIFY}", f"/accounts/{account}{_VERIFY}"):
        try:
            body = await api.get(path)
        except ProviderError:
            continue
        result = body.get("result") if isinstance(body, dict) else None
        if isinstance(result, dict) and result.get("status") == "active":
            return True
    return False


# 1,200 requests in five minutes for a user, from all clients. This leaves some to the dashboard and to wrangler.
PACE = Pace(at_once=240, per_second=2.5, burst=100)


def is_busy(response: httpx.Response) -> Wait:
    """Whether Cloudflare is busy and so did nothing. Unlike Neon, it does not promise that of a 503."""
    return response.status_code in (423, 429) and (retry_after(response) or True)


def explain(body: Any) -> tuple[str, str]:
    """Find code and message of the first error in Cloudflare's envelope."""
    first = body["errors"][0]
    return str(first["code"]), str(first["message"])


POLICY = ApiPolicy("Cloudflare", explain, advise=advise, busy=is_busy, pace=PACE)
