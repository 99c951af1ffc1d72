"""The endpoints that Neon serves and the sandbox does not: these are 501 with their names, all others 404."""

import re

from reconciler.sandbox.neon.errors import NeonError

_PROJECT = r"/api/v2/projects/[^/]+"
_BRANCH = _PROJECT + r"/branches/[^/]+"
_UNSERVED = re.compile(
    "|".join(
        (
            r"(GET|POST) /api/v2/api_keys",
            r"DELETE /api/v2/api_keys/[^/]+",
            r"\w+ /api/v2/(organizations|consumption_history|regions|users)(/.*)?",
            rf"POST {_PROJECT}/(recover|branch_anonymized|transfer_requests)",
            rf"PUT {_PROJECT}/transfer_requests/[^/]+",
            r"POST /api/v2/projects/auth/[^/]+",
            rf"\w+ {_PROJECT}/(permissions|jwks|vpc_endpoints|auth|advisors|available_preload_libraries)(/.*)?",
            rf"POST {_BRANCH}/anonymize",
            rf"GET {_BRANCH}/(anonymized_status|storage|ai_gateway)",
            rf"(GET|PATCH) {_BRANCH}/masking_rules",
            rf"(GET|PUT) {_BRANCH}/backup_schedule",
            rf"\w+ {_BRANCH}/(auth|data-api|buckets|credentials|functions)(/.*)?",
        )
    )
)


def refusal(method: str, path: str) -> NeonError:
    """Return the answer to a call that no handler serves."""
    if _UNSERVED.fullmatch(f"{method} {path}"):
        return NeonError(501, f"Neon serves {method} {path}, and the sandbox does not")
    return NeonError(404, f"there is no {method} {path}")
