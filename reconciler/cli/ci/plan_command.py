"""`reconciler ci plan`: plan what a pull request proposes, and say so on it."""

import asyncio
import os
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import click

from reconciler.cli import plan_comment
from reconciler.cli.ci.actions import Actions
from reconciler.cli.ci.concerned import concerned, span_of
from reconciler.cli.ci.planning import sections
from reconciler.cli.plan_command import Status, status_of
from reconciler.cli.plan_comment import Mistaken, Planned, Section, Subject, Unplanned
from reconciler.cli.plan_text import headline
from reconciler.cli.wiring import connected_github
from reconciler.errors import ReconcilerError
from reconciler.providers.git import Repository
from reconciler.providers.github import CommitState, GitHub


@click.command(name="plan")
@click.option(
    "--root",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=Path(),
    help="The checkout of the proposed tree; by default this directory. It is read, and nothing in it is run.",
)
@click.option("--pull-request", "number", type=click.IntRange(1), help="Its number; by default the event's.")
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), help="Write the full plan here too.")
def command(root: Path, number: int | None, output: Path | None) -> int:
    """Plan a pull request and say so on it: one comment, kept up to date, and one commit status per environment.

    Every environment is planned whose desired-state file, or whose Workers' wrangler.jsonc, the pull request changes.
    The full plan goes to the job summary. Needs GITHUB_TOKEN with pull-requests and statuses: write; by hand, without
    a pull request, everything goes to stdout.

    Exit status: 0 all could be planned, 3 refused, 1 error.
    """
    actions = Actions.read(os.environ)
    return asyncio.run(_Job(actions, root, Repository.containing(root)).run(number, output))


class _Job:
    """One run: from the event to the last word on GitHub."""

    def __init__(self, actions: Actions, root: Path, repository: Repository | None) -> None:
        self._actions = actions
        self._root = root
        self._repository = repository
        self._proposed = actions.pull_request
        self._from_fork = self._proposed is not None and self._proposed.from_fork

    async def run(self, number: int | None, output: Path | None) -> Status:
        repository = self._repository
        if number is None and self._proposed is not None:
            number = self._proposed.number
        head = self._proposed.head if self._proposed else await self._head_of(number)
        found = concerned(self._root, span_of(self._actions, repository, head), repository)
        planned = await sections(found.files, os.environ, from_fork=self._from_fork)
        subject = Subject(head or (repository.head() if repository else ""), self._actions.run_url, found.deleted)
        self._tell(planned, subject, output)
        said = number is None or await self._say(number, planned, subject)
        return _status(planned) if said else Status.ERROR

    async def _head_of(self, number: int | None) -> str:
        """Return the last commit of a pull request that is not the event's; empty where there is none."""
        if number is None:
            return ""
        async with self._connected() as github:
            return (await github.pull_request(number)).head_commit

    def _connected(self) -> AbstractAsyncContextManager[GitHub]:
        address = self._repository.remote_url() if self._repository else None
        return connected_github(os.environ, address)

    def _tell(self, planned: tuple[Section, ...], subject: Subject, output: Path | None) -> None:
        """Put everything where it is whole: the summary, the file, and one annotation per mistake."""
        everything = plan_comment.full(planned, subject)
        self._actions.summary(everything)
        if output is not None:
            self._actions.write(output, everything + "\n")
        for each in planned:
            self._annotate(each)

    def _annotate(self, section: Section) -> None:
        match section:
            case Mistaken():
                for problem in section.problems:
                    message = "\n".join(part for part in (problem.message, problem.hint) if part)
                    title = f"{section.environment}: mistake in column {problem.column}"
                    self._actions.error(title, message, self._from_the_top(problem.file), problem.line)
            case Unplanned():
                self._actions.error(f"{section.environment}: could not be planned", _lines(section))
            case Planned(plan=plan) if plan.refusals:
                self._actions.error(headline(plan), "\n".join(f"{each.message}\n{each.hint}" for each in plan.refusals))
            case Planned(plan=plan):
                self._actions.notice(headline(plan), f"digest {plan.digest}")

    def _from_the_top(self, file: str) -> str:
        """Name a file of the tree from the repository's top, as annotations want it."""
        if self._repository is None:
            return file
        return (self._root.resolve().relative_to(self._repository.root.resolve()) / file).as_posix()

    async def _say(self, number: int, planned: tuple[Section, ...], subject: Subject) -> bool:
        """Keep the comment and set the statuses; return whether GitHub took them."""
        commit = subject.commit
        try:
            async with self._connected() as github:
                if (await github.pull_request(number)).head_commit == commit:
                    await self._keep_comment(github, number, planned, subject)
                else:
                    self._actions.notice("no comment", f"{commit[:12]} is not the pull request's last commit any more")
                for each in planned:
                    await self._set_status(github, commit, each)
        except ReconcilerError as error:
            return self._unsaid(error)
        return True

    async def _set_status(self, github: GitHub, commit: str, section: Section) -> None:
        state, description = judged(section)
        context = f"reconciler/plan/{section.environment}"
        await github.set_status(
            commit, self._actions.redacted(context), state, self._actions.redacted(description), self._actions.run_url
        )

    async def _keep_comment(self, github: GitHub, number: int, planned: tuple[Section, ...], subject: Subject) -> None:
        """Say it in the comment. Where there is nothing to say, only a comment that is there is brought up to date."""
        nothing = not planned and not subject.deleted
        if nothing and not any(plan_comment.MARKER in body for body in await github.comments(number)):
            return
        body = self._actions.redacted(plan_comment.comment(planned, subject))
        await github.keep_comment(number, plan_comment.MARKER, body)

    def _unsaid(self, error: ReconcilerError) -> bool:
        """Say that GitHub did not take it. A fork's job may only read: there, nothing else is to be expected."""
        message = "\n".join(part for part in (error.message, error.hint) if part)
        if self._from_fork:
            self._actions.notice("no comment and no status", f"a fork's job may not write here; {message}")
            return True
        self._actions.error("the pull request could not be told", f"{message}\nthe plan is in the job summary")
        return False


def judged(section: Section) -> tuple[CommitState, str]:
    """Return the commit status of an environment, and its description with the digest."""
    match section:
        case Mistaken():
            first, count = section.problems[0], len(section.problems)
            more = f" (and {count - 1} more)" if count > 1 else ""
            return CommitState.FAILURE, f"{first.file}:{first.line}:{first.column}: {first.message}{more}"
        case Unplanned():
            return CommitState.ERROR, section.message
        case Planned(plan=plan):
            state = CommitState.FAILURE if plan.refusals else CommitState.SUCCESS
            told = headline(plan).removeprefix(f"{section.environment}: ")
            return CommitState.ERROR if plan.unreadable else state, f"digest {plan.digest}: {told}"


def _status(planned: tuple[Section, ...]) -> Status:
    found = {status_of(each.plan) if isinstance(each, Planned) else Status.ERROR for each in planned}
    for status in (Status.ERROR, Status.REFUSED):
        if status in found:
            return status
    return Status.DONE


def _lines(section: Unplanned) -> str:
    return "\n".join(part for part in (section.message, section.hint) if part)
