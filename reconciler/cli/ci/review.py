"""Compares the applied plan with the reviewed one, by the digest in the pull request's comment."""

import re

from reconciler.core.plan.plan import Plan
from reconciler.errors import ReconcilerError
from reconciler.providers.github.client import GitHub
from reconciler.render.comment import MARKER


async def compared(github: GitHub | None, commit: str, planned: Plan) -> str:
    """Return how the applied plan compares with the one on the commit's pull request; empty if there is none.

    An apply always plans again. A difference is reported, and does not stop it.
    """
    if github is None or not planned.steps:
        return ""
    try:
        reviewed = await _reviewed(github, commit, planned.desired.environment)
    except ReconcilerError:
        return ""
    if not reviewed:
        return ""
    if reviewed == planned.digest:
        return f"exactly the plan that was reviewed: {reviewed}"
    return f"reality has changed since the review: the plan was {reviewed} then, and {planned.digest} is applied"


async def _reviewed(github: GitHub, commit: str, environment: str) -> str:
    for pull_request in await github.pull_requests_with(commit):
        for body in await github.comments(pull_request.number):
            found = re.search(rf"reconciler apply {re.escape(environment)} --expect ([0-9a-f]{{16}})", body)
            if found and body.startswith(MARKER):
                return found[1]
    return ""
