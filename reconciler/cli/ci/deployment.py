"""The GitHub deployment of an apply: in progress, then success, or failure with the reason.

GitHub creates one for a job with an `environment`, and that one is used. If GitHub refuses an update, the job only
warns: a report must never stop a restore.
"""

from collections.abc import Awaitable

from reconciler.cli.ci.actions import Actions
from reconciler.errors import ReconcilerError
from reconciler.providers.github.client import GitHub
from reconciler.providers.github.wire import DeploymentState


class Deployment:
    """One deployment. Without `github` (outside of Actions), nothing is sent."""

    def __init__(self, github: GitHub | None, actions: Actions, environment: str) -> None:
        self._github = github
        self._actions = actions
        self._environment = environment
        self._id: int | None = None

    async def begin(self, description: str) -> None:
        """Find or create the deployment of the job's commit, and set it in progress."""
        if self._github is not None:
            await self._tolerant(self._find(self._github, description))
        await self.say(DeploymentState.IN_PROGRESS, description)

    async def say(self, state: DeploymentState, description: str) -> None:
        """Set the state."""
        if self._github is not None and self._id is not None:
            shown = self._actions.redacted(description)
            sending = self._github.set_deployment_state(self._id, state, shown, self._actions.run_url)
            await self._tolerant(sending)

    async def _find(self, github: GitHub, description: str) -> None:
        self._id = await github.deployment(
            environment=self._environment, commit=self._actions.sha, description=description
        )

    async def _tolerant(self, sending: Awaitable[None]) -> None:
        try:
            await sending
        except ReconcilerError as error:
            self._actions.warning(self._environment, f"the deployment on GitHub could not be updated: {error.message}")
