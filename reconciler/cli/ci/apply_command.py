"""`reconciler ci apply`: what a merge starts. Apply, commit wrangler.jsonc, and report on GitHub."""

import asyncio
import os
from contextlib import AsyncExitStack
from pathlib import Path

import click

from reconciler.cli.apply.run import Applied, Applying, live_now
from reconciler.cli.ci.actions import Actions
from reconciler.cli.ci.apply_report import one_line, summary
from reconciler.cli.ci.deployment import Deployment
from reconciler.cli.ci.review import compared
from reconciler.cli.ci.write_back import write_back
from reconciler.cli.console.exit_status import ExitStatus
from reconciler.cli.console.interrupts import ending_in_order
from reconciler.cli.console.progress import Progress
from reconciler.cli.plan import status_of
from reconciler.cli.repository import environments
from reconciler.cli.repository.environments import EnvironmentFile
from reconciler.cli.repository.shared import Superseded, shared_repository
from reconciler.cli.wiring import connected_github
from reconciler.core.file.reading import DesiredStateError
from reconciler.core.model.desired import Desired
from reconciler.core.records.receipt import Result
from reconciler.engine.events import PlanChanged
from reconciler.errors import InputError, ReconcilerError, RemoteRefused, Suspended
from reconciler.providers.git.repository import Repository
from reconciler.providers.github.client import GitHub
from reconciler.providers.github.wire import DeploymentState
from reconciler.render.markdown import prose


@click.command(name="apply")
@click.option("--environment", "name", required=True, help="The environment to apply, by its name.")
@click.option("--expect", metavar="DIGEST", help="Refuse unless the plan has this digest.")
@click.option(
    "--root",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=Path(),
    help="Where desired-state/ is; by default this directory or one above.",
)
def command(name: str, expect: str | None, root: Path) -> int:
    """Apply one environment as the default branch asks for it, in a job of GitHub Actions.

    What is deployed is committed back to wrangler.jsonc (write_back in the desired-state file), and the deployment
    of the job's commit gets its states. Needs GITHUB_TOKEN with contents, deployments and pull-requests: write.

    Exit status: 0 converged or superseded by a newer commit, 3 refused, 1 error.
    """
    actions = Actions.read(os.environ)
    try:
        # By name only: a path could be applied under a GitHub environment with other reviewers.
        return asyncio.run(_guarded(environments.find_named(name, root), actions, expect))
    except asyncio.CancelledError:
        actions.error(f"{name}: interrupted", "nothing is lost: run the workflow again, and it goes on from here")
        raise click.Abort from None


async def _guarded(file: EnvironmentFile, actions: Actions, expect: str | None) -> ExitStatus:
    """Run the job. Whatever ends it early is reported on GitHub and in the log."""
    async with AsyncExitStack() as stack:
        stack.enter_context(ending_in_order(lambda said: click.echo(said, err=True)))
        github = await stack.enter_async_context(connected_github()) if os.environ.get("GITHUB_TOKEN") else None
        deployment = Deployment(github, actions, file.name)
        await deployment.begin(f"applying {file.name}")
        try:
            return await _Job(file, actions, github, deployment).run(expect)
        except asyncio.CancelledError:
            await deployment.say(DeploymentState.FAILURE, "interrupted: run the workflow again, it goes on from here")
            raise
        except ReconcilerError as error:
            _annotate(actions, file.name, error)
            actions.summary(f"### {file.name}: nothing was applied\n\n{error.message}\n\n{error.hint}")
            await deployment.say(DeploymentState.FAILURE, error.message)
            return ExitStatus.ERROR
        except Exception:
            await deployment.say(DeploymentState.FAILURE, "ended by a bug of reconciler: see the log of the job")
            raise


class _Job:
    """One environment's apply, from reading the file to the report on GitHub."""

    def __init__(self, file: EnvironmentFile, actions: Actions, github: GitHub | None, deployment: Deployment) -> None:
        self._file = file
        self._actions = actions
        self._github = github
        self._deployment = deployment
        self._notes: list[str] = []

    async def run(self, expect: str | None) -> ExitStatus:
        repository = shared_repository(self._file)
        if repository is None or repository.remote is None:
            raise InputError(
                "ci apply needs a checkout with its remote, for the lease, the receipt and wrangler.jsonc",
                hint="add actions/checkout with fetch-depth: 0; by hand, use reconciler apply",
            )
        desired, status = self._file.read(), ExitStatus.DONE

        async def settle(applied: Applied) -> None:
            nonlocal status
            status = await self._settle(desired, applied, repository)

        try:
            with Progress() as progress:
                applying = Applying(self._file, desired, progress, self._note)
                applied = await applying.run(expect, then=settle)
        except Superseded as newer:
            return await self._stand_back(newer)
        self._actions.summary(summary(desired, applied, self._notes))
        self._actions.output("result", applied.end.result.value)
        self._actions.output("live_timeline", str(applied.final.live or ""))
        return status

    async def _settle(self, desired: Desired, applied: Applied, repository: Repository) -> ExitStatus:
        """Tell how it ended, and commit what is deployed where it ended well: still under the lease."""
        said = one_line(desired, applied)
        if applied.end.result is not Result.CONVERGED:
            self._actions.error(f"{desired.environment}: {applied.end.result.value}", _advice(desired, applied))
            await self._deployment.say(DeploymentState.FAILURE, said)
            error = applied.end.error
            if error is not None:
                return ExitStatus.REFUSED if isinstance(error, PlanChanged | Suspended) else ExitStatus.ERROR
            return status_of(applied.final)
        self._actions.say(said)
        if applied.outcome and (note := await compared(self._github, self._actions.sha, applied.outcome.planned)):
            self._notes.append(note)
        status = await self._write_back(desired, applied, repository)
        await self._deployment.say(DeploymentState.SUCCESS, said)
        return status

    async def _write_back(self, desired: Desired, applied: Applied, repository: Repository) -> ExitStatus:
        if applied.end.observed is None or not desired.workers:
            return ExitStatus.DONE
        try:
            written = await write_back(desired, applied.end.observed, self._file, repository, self._github)
        except ReconcilerError as error:
            message = f"{applied.final.live} is live, but wrangler.jsonc could not be committed: {error.message}"
            refused = isinstance(error, RemoteRefused)
            advice = 'set "write_back": "pull-request" where the branch is protected' if refused else error.hint
            self._actions.error(desired.environment, f"{message}\n{advice}\nthe next run of apply commits it")
            self._notes.append(message)
            return ExitStatus.ERROR
        self._notes.append(written.said)
        return ExitStatus.DONE

    async def _stand_back(self, newer: Superseded) -> ExitStatus:
        """Do nothing: a newer commit changes the file, and its own run applies that."""
        said = f"superseded: {newer.message}"
        self._actions.notice(self._file.name, said)
        self._actions.summary(f"### {self._file.name}: superseded\n\n{prose(newer.message)}")
        await self._deployment.say(DeploymentState.INACTIVE, said)
        return ExitStatus.DONE

    def _note(self, message: str) -> None:
        self._notes.append(message)
        self._actions.warning(self._file.name, message)


def _advice(desired: Desired, applied: Applied) -> str:
    """Return what happened, what is live and what to do next, for an annotation."""
    error = applied.end.error
    happened = [error.message, error.hint] if error else [each.message for each in applied.final.refusals]
    return "\n".join([*filter(None, happened), live_now(desired, applied)])


def _annotate(actions: Actions, name: str, error: ReconcilerError) -> None:
    if isinstance(error, DesiredStateError):
        for problem in error.problems:
            actions.error(name, f"{problem.message}\n{problem.hint}", problem.file, problem.line)
    else:
        actions.error(name, f"{error.message}\n{error.hint}".strip())
