"""`reconciler ci drift`: compare every environment, and keep one issue for each that has drifted."""

import asyncio
import os
from pathlib import Path
from typing import assert_never

import click

from reconciler.cli.ci import drift_report
from reconciler.cli.ci.accept_review import AcceptReview
from reconciler.cli.ci.actions import Actions
from reconciler.cli.ci.concerned import every
from reconciler.cli.ci.drift import Comparison, Finding, Kind
from reconciler.cli.console.exit_status import ExitStatus
from reconciler.cli.repository.environments import DIRECTORY, EnvironmentFile
from reconciler.cli.wiring import connected_github
from reconciler.errors import InputError, ReconcilerError
from reconciler.providers.git.repository import Repository
from reconciler.providers.github.client import GitHub
from reconciler.render.markdown import prose


@click.command(name="drift")
@click.option(
    "--root",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=Path(),
    help="The checkout of the default branch; by default this directory.",
)
def command(root: Path) -> int:
    """Compare every environment with its file, and keep exactly one issue for each that has drifted.

    The issue says what differs, since when this is known, and the two ways out: apply the file, or merge a planned pull
    request that accepts what is live. It is closed when the two agree, or the file is deleted. A merged change that is
    not applied yet is not drift, unless its last apply failed. While an apply is running, nothing is reported. Needs
    GITHUB_TOKEN with contents, issues, pull-requests and statuses: write; without one, outside of Actions, it only
    says what it finds.

    Exit status: 0 no drift, 2 drift or an apply that failed, 1 error.
    """
    actions = Actions.read(os.environ)
    repository = Repository.containing(root)
    if repository is None:
        raise InputError("ci drift needs a Git checkout", hint="add actions/checkout with fetch-depth: 0")
    return asyncio.run(_run(actions, root, repository))


async def _run(actions: Actions, root: Path, repository: Repository) -> ExitStatus:
    comparison = Comparison(repository)
    comparison.read_receipts()
    found = await asyncio.gather(*(_compared(comparison, file) for file in every(root)))
    actions.summary(_summary(found))
    failed = any(each.kind is Kind.UNREADABLE for _, each in found)
    for _, each in found:
        _annotate(actions, each)
    if actions.running or os.environ.get("GITHUB_TOKEN"):
        failed |= not await _Issues.update(actions, repository, found)
    if failed:
        return ExitStatus.ERROR
    return ExitStatus.PENDING if any(each.needs_action for _, each in found) else ExitStatus.DONE


_Compared = tuple[EnvironmentFile, Finding]


async def _compared(comparison: Comparison, file: EnvironmentFile) -> _Compared:
    try:
        return file, await comparison.look(file)
    except ReconcilerError as error:
        detail = "\n".join(part for part in (error.message, error.hint) if part)
        return file, Finding(file.name, Kind.UNREADABLE, detail)


class _Issues:
    """Keeps the issues and the pull requests that accept what is live."""

    def __init__(self, actions: Actions, github: GitHub) -> None:
        self._actions = actions
        self._github = github
        self._review = AcceptReview(actions, github)

    @classmethod
    async def update(cls, actions: Actions, repository: Repository, found: list[_Compared]) -> bool:
        """Report the findings on GitHub, one after another. Returns whether GitHub accepted all of them."""
        address = repository.remote_url()
        taken = True
        try:
            async with connected_github(os.environ, address) as github:
                issues = cls(actions, github)
                for file, each in found:
                    taken &= await issues._report(file, each)
                for name in await _orphans(github, repository, found):
                    taken &= await issues._close_deleted(name)
        except ReconcilerError as error:
            _complain(actions, "GitHub could not be reached, or refused the report", error)
            return False
        return taken

    async def _report(self, file: EnvironmentFile, finding: Finding) -> bool:
        try:
            match finding.kind:
                case Kind.IN_SYNC:
                    await self._close(finding)
                case Kind.DRIFTED | Kind.FAILED:
                    await self._keep(file, finding)
                case Kind.WAITING | Kind.APPLYING | Kind.UNREADABLE:
                    pass  # it may change by itself, or is not known: open and close nothing
                case _:
                    assert_never(finding.kind)
        except ReconcilerError as error:
            _complain(self._actions, f"{finding.environment}: its issue could not be brought up to date", error)
            return False
        return True

    async def _close(self, finding: Finding) -> None:
        name, says = finding.environment, prose(f"In sync again: {finding.detail}.")
        await self._github.close_issue(drift_report.marker(name), self._actions.redacted(says))
        await self._review.take_back(name, says)

    async def _keep(self, file: EnvironmentFile, finding: Finding) -> None:
        drift, redacted = finding.drift, self._actions.redacted
        accepting = await self._review.offer(file, drift)
        marker = drift_report.marker(drift.environment)
        standing = await self._github.find_issue(marker)
        known_since = (drift_report.since(standing.body) if standing else None) or drift.observed.at
        body = redacted(drift_report.issue(drift, known_since, accepting))
        kept = await self._github.keep_issue(marker, redacted(drift_report.title(drift)), body, drift_report.LABEL)
        click.echo(redacted(f"{drift.environment}: {kept.url}"))

    async def _close_deleted(self, environment: str) -> bool:
        """Close the issue and the pull request of an environment whose file was deleted."""
        says = f"The file of {environment} was deleted, so it is no longer compared. What is live stays as it is."
        try:
            await self._github.close_issue(drift_report.marker(environment), says)
            await self._review.take_back(environment, says)
        except ReconcilerError as error:
            _complain(self._actions, f"{environment}: its issue could not be closed", error)
            return False
        return True


async def _orphans(github: GitHub, repository: Repository, found: list[_Compared]) -> list[str]:
    """Return the environments that have an issue but no file anywhere in the repository."""
    named = {drift_report.environment_of(each.body) for each in await github.issues_with(drift_report.MARKERS)}
    left = named - {"", *(file.name for file, _ in found)}
    head = repository.head() if left else ""
    files = {f"/{path}" for path in repository.list(head, "")} if head else set()
    return sorted(name for name in left if not any(path.endswith(f"/{DIRECTORY}/{name}.jsonc") for path in files))


def _annotate(actions: Actions, finding: Finding) -> None:
    title = f"{finding.environment}: {finding.kind.value}"
    match finding.kind:
        case Kind.DRIFTED | Kind.FAILED:
            actions.warning(title, finding.detail)
        case Kind.UNREADABLE:
            actions.error(title, finding.detail)
        case Kind.IN_SYNC | Kind.WAITING | Kind.APPLYING:
            actions.notice(title, finding.detail)
        case _:
            assert_never(finding.kind)


def _complain(actions: Actions, title: str, error: ReconcilerError) -> None:
    actions.error(title, "\n".join(part for part in (error.message, error.hint) if part))


def _summary(found: list[_Compared]) -> str:
    rows = [f"| {prose(each.environment)} | {each.kind.value} | {prose(each.detail)} |" for _, each in found]
    parts = ["## Desired state and reality", "\n".join(["| environment | | |", "|---|---|---|", *rows])]
    for _, each in found:
        if each.needs_action:
            parts.append(drift_report.difference(each.drift))
    return "\n\n".join(parts)
