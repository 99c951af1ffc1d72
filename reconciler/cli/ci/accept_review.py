"""The pull request that accepts what is live, its plan comment, and what the drift issue says about both."""

import os

from reconciler.cli.ci.accept_branch import Accepting, branch_of
from reconciler.cli.ci.acceptance import Unacceptable, acceptance
from reconciler.cli.ci.actions import Actions
from reconciler.cli.ci.drift_report import Drift
from reconciler.cli.ci.plan_command import judged
from reconciler.cli.proposal.base import Base
from reconciler.cli.repository.environments import EnvironmentFile
from reconciler.core.plan.plan import plan
from reconciler.errors import ReconcilerError
from reconciler.providers.github.client import GitHub
from reconciler.providers.github.wire import PullRequest
from reconciler.render import comment as plan_comment
from reconciler.render.comment import Planned, Subject
from reconciler.render.markdown import code, prose


class AcceptReview:
    """Keeps one pull request per environment that accepts what is live."""

    def __init__(self, actions: Actions, github: GitHub) -> None:
        self._actions = actions
        self._github = github

    async def offer(self, file: EnvironmentFile, drift: Drift) -> str:
        """Open or update a pull request that accepts what is live. Returns its description, or why there is none."""
        found = acceptance(drift.plan.desired, drift.observed)
        if isinstance(found, Unacceptable):
            why = f"It cannot be accepted by a change of the file alone: {found.reason}."
            await self.take_back(drift.environment, why)
            return prose(why)
        try:
            change = Accepting.of(Base.of(file, os.environ), drift.plan.desired, found)
            commit = change.push()
        except ReconcilerError as error:
            return prose(f"It can be accepted, but the change could not be pushed: {error.message}. {error.hint}")
        return await self._review(change, commit, drift)

    async def take_back(self, environment: str, why: str) -> None:
        """Close the pull request, because what it accepts is no longer live."""
        opened = await self._github.find_pull_request(branch_of(environment))
        if opened is not None:
            await self._github.close_pull_request(opened.number, self._actions.redacted(why))

    async def _review(self, change: Accepting, commit: str, drift: Drift) -> str:
        redacted, base = self._actions.redacted, change.base
        says = "\n".join(f"- {prose(each)}" for each in change.found.changes)
        seen = base.repository.about(commit).at
        try:
            opened = await self._github.open_pull_request(
                head=change.branch, base=base.branch, title=redacted(change.title), body=redacted(change.body(seen))
            )
        except ReconcilerError as error:
            by_hand = code(f"gh pr create --head {change.branch} --base {base.branch} --fill")
            why = prose(f"it could not be opened from here: {error.message}")
            ready = f"The change is ready on branch {code(change.branch)}"
            return f"{ready}. Open its pull request with {by_hand} ({why}).\n\n{says}\n\n{change.caution(seen)}"
        planned = await self._plan(opened, change, commit, drift)
        return f"Merge #{opened.number}, which changes the file:\n\n{says}\n\n{change.caution(seen)} {planned}"

    async def _plan(self, opened: PullRequest, change: Accepting, commit: str, drift: Drift) -> str:
        """Comment the plan on the pull request, once per commit.

        GitHub starts no workflow for a pull request that a workflow opens.
        """
        again = code(f"gh workflow run plan.yml -f pull_request={opened.number}")
        subject = Subject(commit, self._actions.run_url)
        section = Planned(plan(change.found.desired, drift.observed), drift.observed)
        try:
            standing = [each for each in await self._github.comments(opened.number) if plan_comment.MARKER in each]
            if not any(plan_comment.footer(commit) in each for each in standing):
                await self._comment(opened, section, subject)
        except ReconcilerError as error:
            return f"{prose(f'Its plan could not be put on it: {error.message}.')} {again} does that."
        return f"Its plan of then is on it, and {again} plans it anew."

    async def _comment(self, opened: PullRequest, section: Planned, subject: Subject) -> None:
        redacted = self._actions.redacted
        state, description = judged(section)
        context = f"reconciler/plan/{section.environment}"
        self._actions.summary(f"## What merging #{opened.number} would do\n\n{plan_comment.section(section)}")
        await self._github.set_status(subject.commit, context, state, redacted(description), subject.run_url)
        body = redacted(plan_comment.comment((section,), subject))
        await self._github.keep_comment(opened.number, plan_comment.MARKER, body)
