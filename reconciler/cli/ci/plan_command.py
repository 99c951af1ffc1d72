"""`reconciler ci plan`: plan what a pull request proposes, and comment the plan on it."""

import asyncio
import os
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import click

from reconciler.cli.ci.actions import Actions
from reconciler.cli.ci.concerned import Span, concerned, span_of
from reconciler.cli.ci.planning import sections
from reconciler.cli.console.exit_status import ExitStatus
from reconciler.cli.plan import status_of
from reconciler.cli.wiring import connected_github
from reconciler.errors import ReconcilerError
from reconciler.providers.git.repository import Repository
from reconciler.providers.github.client import GitHub
from reconciler.providers.github.wire import CommitState
from reconciler.render import comment as plan_comment
from reconciler.render.comment import Mistaken, Planned, Section, Subject, Unplanned
from reconciler.render.plan_description import headline


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
    """Plan a pull request and report on it: one comment, kept up to date, and one commit status per environment.

    Every environment is planned whose desired-state file, or whose Workers' wrangler.jsonc, the pull request changes.
    The full plan goes to the job summary. Needs GITHUB_TOKEN with pull-requests and statuses: write; by hand, without
    a pull request, everything goes to stdout.

    Exit status: 0 all could be planned, 3 refused, 1 error.
    """
    actions = Actions.read(os.environ)
    return asyncio.run(_Job(actions, root, Repository.containing(root)).run(number, output))


class _Job:
    """One run, from the event to the report on GitHub."""

    def __init__(self, actions: Actions, root: Path, repository: Repository | None) -> None:
        self._actions = actions
        self._root = root
        self._repository = repository
        self._event = actions.pull_request
        self._from_fork = self._event is not None and self._event.from_fork

    async def run(self, number: int | None, output: Path | None) -> ExitStatus:
        repository = self._repository
        if number is None and self._event is not None:
            number = self._event.number
        proposed = await self._proposed(number) if number is not None else None
        if proposed is not None and not self._is_checked_out(proposed.new):
            return self._is_another(proposed.new)
        found = concerned(self._root, span_of(self._actions, repository, proposed), repository)
        planned = await sections(found.files, os.environ, from_fork=self._from_fork)
        commit = proposed.new if proposed else repository.head() if repository else ""
        subject = Subject(commit, self._actions.run_url, found.deleted)
        self._report(planned, subject, output)
        said = number is None or await self._say(number, planned, subject)
        return _status(planned) if said else ExitStatus.ERROR

    async def _proposed(self, number: int) -> Span:
        """Return the base and the last commit of a pull request: those of the event, or else the current ones."""
        if self._event is not None and self._event.number == number:
            return Span(self._event.base, self._event.head)
        async with self._connected() as github:
            found = await github.pull_request(number)
        return Span(self._tip(found.base_branch), found.head_commit)

    def _tip(self, branch: str) -> str:
        """Return the tip of the base branch; empty if the checkout is a merge, which has it as a parent."""
        repository = self._repository
        if repository is None or repository.remote is None or repository.resolve("HEAD^2"):
            return ""
        return repository.resolve(f"refs/remotes/{repository.remote}/{branch}") or repository.fetch(branch)

    def _is_checked_out(self, commit: str) -> bool:
        """Whether the checkout is this commit, or GitHub's merge of it into its base."""
        head = self._repository.head() if self._repository else ""
        if self._repository is None or not head:
            return False
        return commit in (head, *self._repository.parents(head)[1:])

    def _is_another(self, commit: str) -> ExitStatus:
        """Fail without a comment: the plan of another tree must not appear on the pull request."""
        head = self._repository.head() if self._repository else ""
        found = f"{head[:12]} is checked out" if head else f"{self._root} is not a checkout of it"
        message = f"{found}, and the last commit of the pull request is {commit[:12]}: nothing was planned"
        hint = "run it again, to check out the last commit; if the pull request has conflicts, resolve them first"
        self._actions.error("not the pull request's last commit", f"{message}\n{hint}")
        self._actions.summary(f"## Not planned\n\n{message}: {hint}.")
        return ExitStatus.ERROR

    def _connected(self) -> AbstractAsyncContextManager[GitHub]:
        address = self._repository.remote_url() if self._repository else None
        return connected_github(os.environ, address)

    def _report(self, planned: tuple[Section, ...], subject: Subject, output: Path | None) -> None:
        """Write the whole plan to the summary and the file, with one annotation per mistake."""
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
        """Return the path of a file from the repository's root, as annotations need it."""
        if self._repository is None:
            return file
        return (self._root.resolve().relative_to(self._repository.root.resolve()) / file).as_posix()

    async def _say(self, number: int, planned: tuple[Section, ...], subject: Subject) -> bool:
        """Update the comment and set the statuses. Returns whether GitHub accepted them."""
        commit = subject.commit
        try:
            async with self._connected() as github:
                if (await github.pull_request(number)).head_commit == commit:
                    await self._keep_comment(github, number, planned, subject)
                else:
                    self._actions.notice("no comment", f"{commit[:12]} is no longer the pull request's last commit")
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
        """Update the comment. If there is nothing to report, update only an existing one."""
        nothing = not planned and not subject.deleted
        if nothing and not any(plan_comment.MARKER in body for body in await github.comments(number)):
            return
        body = self._actions.redacted(plan_comment.comment(planned, subject))
        await github.keep_comment(number, plan_comment.MARKER, body)

    def _unsaid(self, error: ReconcilerError) -> bool:
        """Report that GitHub refused. For a fork this is expected: its job can only read."""
        message = "\n".join(part for part in (error.message, error.hint) if part)
        if self._from_fork:
            self._actions.notice("no comment and no status", f"a job of a fork can't write here; {message}")
            return True
        self._actions.error("the pull request could not be updated", f"{message}\nthe plan is in the job summary")
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


def _status(planned: tuple[Section, ...]) -> ExitStatus:
    found = {status_of(each.plan) if isinstance(each, Planned) else ExitStatus.ERROR for each in planned}
    for status in (ExitStatus.ERROR, ExitStatus.REFUSED):
        if status in found:
            return status
    return ExitStatus.DONE


def _lines(section: Unplanned) -> str:
    return "\n".join(part for part in (section.message, section.hint) if part)
