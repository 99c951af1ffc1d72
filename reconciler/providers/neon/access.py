"""What to do when Neon does not let us in: which key is needed, and where it is made.

Whatever a key does not reach is answered with 404, not 403 (Neon's documentation, Manage API keys), so that a project
that does not exist and one that the key is not for look alike. No call tells what a key reaches (`GET /auth` tells only
its kind), and none is needed: every plan begins with `GET /projects/{id}`, which asks just that.
"""

import re

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
    """Say which key is missing, in one sentence."""
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


# 700 requests a minute for an account, and 40 a second for a route (API reference, Rate limiting); some are left over.
PACE = Pace(at_once=150, per_second=8.0, burst=40)
_NOT_READY = "branch not ready yet"


def is_busy(response: httpx.Response) -> Wait:
    """Tell whether nothing was done: as everywhere, and where a branch that was just made is not ready."""
    if response.status_code == 422 and _NOT_READY in response.text:
        return True
    return http.is_busy(response)


POLICY = ApiPolicy(advise=advise, busy=is_busy, pace=PACE)
