"""Neon's limits, and what to do after it denies access: which key is needed, and where to create it.

Neon answers 404, not 403, for what a key can't access (documentation, Manage API keys): an absent project and one of
another key look the same. No request shows what a key can access (`GET /auth` shows only its kind), and none is
needed: every plan begins with `GET /projects/{id}`.
"""

import re
from typing import Any

import httpx

from reconciler.errors import ProviderError
from reconciler.providers.http import client as http
from reconciler.providers.http.client import Api, ApiPolicy, Wait
from reconciler.providers.http.rate_limiter import Pace

WHERE = "Neon Console > Organization settings > API keys; a project-scoped key is enough"
_OF_A_SCHEMA = re.compile(r"/projects/[^/]+/branches/[^/]+/schema")
_OF_A_PROJECT = re.compile(r"/projects/([^/?]+)(?:/branches|/endpoints|/operations)?")

# The API reference ("Retrieve database schema") names no permission, and keys differ in the projects that they reach
# and in nothing else (Manage API keys; User permissions: a collaborator works on a project as a member does).
_SCHEMA_HINT = (
    "this asks Neon which tables there were (GET .../schema), and no permission is for that alone: every key that "
    "reaches the project may. Make one in the project's own organization and put it into NEON_API_KEY "
    f"({WHERE}). Where it does reach it, the database did not exist at that moment: compare hyperdrive.database"
)


async def advise(_api: Api, error: ProviderError, _method: str, path: str) -> str:
    """Say in one sentence which key is needed."""
    project = _OF_A_PROJECT.fullmatch(path)
    match error.status:
        case 403 | 404 if _OF_A_SCHEMA.fullmatch(path):
            return _SCHEMA_HINT
        case 401:
            return f"NEON_API_KEY is not valid, or was revoked: make a new one ({WHERE})"
        case 403:
            return f"NEON_API_KEY may not do this: it needs a key whose owner may change the project ({WHERE})"
        case 404 if project is not None:
            return (
                f"either there is no project {project[1]}, or NEON_API_KEY is not for it, which Neon answers alike: "
                f"compare primary.project with the project's settings, or make a key for that project ({WHERE})"
            )
        case _:
            return ""


# 700 requests a minute for an account, and 40 a second for a route (API reference, Rate limiting). This is less.
PACE = Pace(at_once=150, per_second=8.0, burst=40)
_NOT_READY = "branch not ready yet"


def is_busy(response: httpx.Response) -> Wait:
    """Whether Neon is busy and so did nothing, as it is also while a new branch is not ready."""
    if response.status_code == 422 and _NOT_READY in response.text:
        return True
    return http.is_busy(response)


def explain(body: Any) -> tuple[str, str]:
    """Find code and message in a GeneralError. Most have an empty code."""
    return str(body.get("code") or ""), str(body["message"])


POLICY = ApiPolicy("Neon", explain, advise=advise, busy=is_busy, pace=PACE)
