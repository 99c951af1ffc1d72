"""`reconciler ci drift`: compare every environment, and keep one issue for each that has drifted."""

import asyncio
import os
from pathlib import Path
from typing import assert_never

import click

from reconciler.cli.ci import drift_report
from reconciler.cli.ci.accept_branch import Accepting, branch_of
from reconciler.cli.ci.acceptance import Unacceptable, acceptance
from reconciler.cli.ci.actions import Actions
from reconciler.cli.ci.concerned import every
from reconciler.cli.ci.drift import Comparison, Finding, Kind
from reconciler.cli.environments import EnvironmentFile
from reconciler.cli.markdown import code, prose
from reconciler.cli.plan_command import Status
from reconciler.cli.proposal_base import Base
from reconciler.cli.wiring import connected_github
from reconciler.errors import InputError, ReconcilerError
from reconciler.providers.git import Repository
from reconciler.providers.github import GitHub


@click.command(name="drift")
@click.option(
    "--root",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=Path(),
    help="The checkout of the default branch; by default this directory.",
)
def command(root: Path) -> int:
    """Compare every environment with its file, and keep exactly one issue for each that has drifted.

    The issue says what differs, since when that is known, and the two ways out: make it so, or accept it by a pull
    request that is ready. It is closed when the two agree. What was merged and not applied yet is no drift, and
    while an apply is at work nothing is reported. Needs GITHUB_TOKEN with contents, issues and pull-requests: write;
    without one, outside of Actions, it only says what it finds.

    Exit status: 0 no drift, 2 drift, 1 error.
    """
    actions = Actions.read(os.environ)
    repository = Repository.containing(root)
    if repository is None:
        raise InputError("ci drift needs a Git checkout", hint="add actions/checkout with fetch-depth: 0")
    return asyncio.run(_run(actions, root, repository))


async def _run(actions: Actions, root: Path, repository: Repository) -> Status:
    comparison = Comparison(repository)
    comparison.read_receipts()
    found = await asyncio.gather(*(_compared(comparison, file) for file in every(root)))
    actions.summary(_summary(found))
    failed = any(each.kind is Kind.UNREADABLE for _, each in found)
    for _, each in found:
        _annotate(actions, each)
    if actions.running or os.environ.get("GITHUB_TOKEN"):
        failed |= not await _Desk.told(actions, repository, found)
    if failed:
        return Status.ERROR
    return Status.PENDING if any(each.kind is Kind.DRIFTED for _, each in found) else Status.DONE


_Compared = tuple[EnvironmentFile, Finding]


async def _compared(comparison: Comparison, file: EnvironmentFile) -> _Compared:
    try:
        return file, await comparison.look(file)
    except ReconcilerError as error:
        detail = "\n".join(part for part in (error.message, error.hint) if part)
        return file, Finding(file.name, Kind.UNREADABLE, detail)


class _Desk:
    """Keeps the issues and the pull requests that accept what is live."""

    def __init__(self, actions: Actions, github: GitHub) -> None:
        self._actions = actions
        self._github = github

    @classmethod
    async def told(cls, actions: Actions, repository: Repository, found: list[_Compared]) -> bool:
        """Tell GitHub what was found, one environment after the other; return whether it took all of it."""
        address = repository.remote_url()
        taken = True
        try:
            async with connected_github(os.environ, address) as github:
                desk = cls(actions, github)
                for file, each in found:
                    taken &= await desk._tell(file, each)
        except ReconcilerError as error:
            _complain(actions, "nothing could be told to GitHub", error)
            return False
        return taken

    async def _tell(self, file: EnvironmentFile, finding: Finding) -> bool:
        try:
            match finding.kind:
                case Kind.IN_SYNC:
                    await self._close(finding)
                case Kind.DRIFTED:
                    await self._keep(file, finding)
                case Kind.WAITING | Kind.APPLYING | Kind.UNREADABLE:
                    pass  # no issue is opened or closed on what is on its way, or cannot be told
                case _:
                    assert_never(finding.kind)
        except ReconcilerError as error:
            _complain(self._actions, f"{finding.environment}: its issue could not be brought up to date", error)
            return False
        return True

    async def _close(self, finding: Finding) -> None:
        name, says = finding.environment, f"In sync again: {finding.detail}."
        await self._github.close_issue(drift_report.marker(name), self._actions.redacted(says), drift_report.LABEL)
        await self._take_back(name, says)

    async def _keep(self, file: EnvironmentFile, finding: Finding) -> None:
        drift, redacted = finding.drift, self._actions.redacted
        accepting = await self._accept(file, finding)
        marker = drift_report.marker(drift.environment)
        standing = await self._github.find_issue(marker)
        known_since = (drift_report.since(standing.body) if standing else None) or drift.observed.at
        body = redacted(drift_report.issue(drift, known_since, accepting))
        kept = await self._github.keep_issue(marker, redacted(drift_report.title(drift)), body, drift_report.LABEL)
        click.echo(redacted(f"{drift.environment}: {kept.url}"))

    async def _accept(self, file: EnvironmentFile, finding: Finding) -> str:
        """Have a pull request that accepts what is live, and say where it is; or say why there is none."""
        drift = finding.drift
        found = acceptance(drift.plan.desired, drift.observed)
        if isinstance(found, Unacceptable):
            why = f"It cannot be accepted by a change of the file alone: {found.reason}."
            await self._take_back(drift.environment, why)
            return prose(why)
        try:
            change = Accepting.of(Base.of(file, os.environ), drift.plan.desired, found)
            change.push()
        except ReconcilerError as error:
            return prose(f"It can be accepted, but the change could not be pushed: {error.message}. {error.hint}")
        return await self._review(change)

    async def _review(self, change: Accepting) -> str:
        redacted, base = self._actions.redacted, change.base
        says = "\n".join(f"- {prose(each)}" for each in change.found.changes)
        try:
            opened = await self._github.open_pull_request(
                head=change.branch, base=base.branch, title=redacted(change.title), body=redacted(change.body)
            )
        except ReconcilerError as error:
            by_hand = code(f"gh pr create --head {change.branch} --base {base.branch} --fill")
            why = prose(f"it could not be opened from here: {error.message}")
            ready = f"The change is ready on branch {code(change.branch)}"
            return f"{ready}. Open its pull request with {by_hand} ({why}).\n\n{says}"
        plan = code(f"gh workflow run plan.yml -f pull_request={opened.number}")
        hint = f"A pull request that a workflow opens starts no workflows: {plan} has it planned."
        return f"Merge #{opened.number}, which changes the file, and nothing in the world:\n\n{says}\n\n{hint}"

    async def _take_back(self, environment: str, why: str) -> None:
        """Close the pull request that would accept what is not so any more."""
        opened = await self._github.find_pull_request(branch_of(environment))
        if opened is not None:
            await self._github.close_pull_request(opened.number, self._actions.redacted(why))


def _annotate(actions: Actions, finding: Finding) -> None:
    title = f"{finding.environment}: {finding.kind.value}"
    match finding.kind:
        case Kind.DRIFTED:
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
        if each.kind is Kind.DRIFTED:
            parts.append(drift_report.difference(each.drift))
    return "\n\n".join(parts)
