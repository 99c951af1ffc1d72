"""Whether what was applied is what was reviewed: the plan's digest in the comment on the pull request."""

import re

from reconciler.core.plan.plan import Plan
from reconciler.errors import ReconcilerError
from reconciler.providers.github.client import GitHub
from reconciler.render.comment import MARKER


async def compared(github: GitHub | None, commit: str, planned: Plan) -> str:
    """Say how the plan that was applied compares with the one on the pull request of a commit; empty if there is none.

    A plan is made anew before it is applied: reality may have moved since, and a restore that is right is not held up.
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
    return f"reality has moved since the review: the plan then was {reviewed}, and the one applied {planned.digest}"


async def _reviewed(github: GitHub, commit: str, environment: str) -> str:
    for pull_request in await github.pull_requests_with(commit):
        for body in await github.comments(pull_request.number):
            found = re.search(rf"reconciler apply {re.escape(environment)} --expect ([0-9a-f]{{16}})", body)
            if found and body.startswith(MARKER):
                return found[1]
    return ""
