"""`reconciler ci drill-report`: a pull request with the report of a drill."""

import asyncio
import os
import re
from dataclasses import dataclass
from pathlib import Path

import click

from reconciler.cli.ci.actions import Actions
from reconciler.cli.ci.own_branch import refuse_work_of_others
from reconciler.cli.console.exit_status import ExitStatus
from reconciler.cli.drill.files import recorded
from reconciler.cli.repository.environments import find_named
from reconciler.cli.wiring import connected_github
from reconciler.core.drill.history import FILE, Done
from reconciler.core.drill.trend import FILE as PICTURE
from reconciler.core.values.instant import Instant
from reconciler.errors import InputError, ReconcilerError
from reconciler.providers.git.repository import Repository
from reconciler.providers.github.client import GitHub
from reconciler.render.markdown import cut

_BODY_BYTES = 60_000
_FRONT_MATTER = re.compile(r"\A---\n.*?\n---\n", re.DOTALL)
# A picture beside the report is none in a pull request, and what people write is in the file.
_LEFT_OUT = re.compile(r"(?m)^!\[.*\n|^## Notes\n(?s:.*)")


@dataclass(frozen=True, slots=True)
class Written:
    """The uncommitted files of a drill: paths from the repository's root, with their content."""

    environment: str
    begun: Instant
    files: dict[str, bytes]
    report: str

    @property
    def branch(self) -> str:
        """The branch's name. Each drill has its own, so that an unmerged report is not lost."""
        return f"drill/{self.environment}-{self.begun.compact}"

    @property
    def title(self) -> str:
        """The commit's subject and the pull request's title."""
        return f"{self.environment}: disaster-recovery test of {self.begun.text[:10]}"


@click.command(name="drill-report")
@click.option("--environment", required=True, help="The environment that was drilled.")
@click.option("--reports", metavar="DIRECTORY", help="Where its reports are, if not where the file says.")
@click.option(
    "--root",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=Path(),
    help="The checkout that it ran in; by default this directory.",
)
def command(environment: str, reports: str | None, root: Path) -> int:
    """Open a pull request with the report, the history and the chart of the last drill.

    The report goes to the job summary too. Needs GITHUB_TOKEN with contents and pull-requests: write. A second run
    updates the same pull request.

    Exit status: 0 opened, 1 error.
    """
    actions = Actions.read(os.environ)
    repository = Repository.containing(root)
    if repository is None:
        raise InputError("ci drill-report needs a Git checkout", hint="add actions/checkout")
    file = find_named(environment, root)
    written = _written(repository, environment, file.root / (reports or file.read().drill.reports))
    actions.summary(_shown(written))
    return asyncio.run(_propose(actions, repository, written))


def _written(repository: Repository, environment: str, directory: Path) -> Written:
    """Return the files of the last drill. Raises InputError if there is nothing new."""
    drills = [each for each in recorded(directory) if isinstance(each, Done) and each.environment == environment]
    names = {path: _inside(repository, path) for path in _ours(directory)}
    files = {name: path.read_bytes() for path, name in names.items() if repository.differs_from_head(name)}
    if not drills or not files:
        hint = "see the log of the drill: it says if the report could not be written"
        raise InputError(f"no drill of {environment} has written anything new below {directory}", hint=hint)
    texts = [content.decode("utf-8", "replace") for name, content in files.items() if name.endswith(".md")]
    return Written(environment, drills[-1].begun, files, texts[-1] if texts else "")


def _ours(directory: Path) -> list[Path]:
    """Return the files that a drill writes."""
    return sorted([*directory.glob("????-Q?-dr-test.md"), *directory.glob(FILE), *directory.glob(PICTURE)])


def _inside(repository: Repository, path: Path) -> str:
    try:
        return path.resolve().relative_to(repository.root.resolve()).as_posix()
    except ValueError as error:
        raise InputError(f"{path} is outside of the repository {repository.root}") from error


def _shown(written: Written) -> str:
    return _LEFT_OUT.sub("", _FRONT_MATTER.sub("", written.report)).strip() or f"# {written.title}"


async def _propose(actions: Actions, repository: Repository, written: Written) -> ExitStatus:
    base = repository.default_branch()
    _push(repository, written, repository.head())
    body = cut(_shown(written), _BODY_BYTES, "the rest is in the file")
    run = f"\n\n[The log of the drill]({actions.run_url})" if actions.run_url else ""
    try:
        async with connected_github(os.environ, repository.remote_url()) as github:
            await _open(actions, github, written, base, body + run)
    except ReconcilerError as error:
        by_hand = f"gh pr create --head {written.branch} --base {base} --fill"
        actions.error("the pull request could not be opened", f"{error.message}\n{error.hint}\nby hand: {by_hand}")
        return ExitStatus.ERROR
    return ExitStatus.DONE


def _push(repository: Repository, written: Written, parent: str) -> None:
    """Push the commit, unless the branch has these files. Raises InputError and GitError."""
    ref = f"refs/heads/{written.branch}"
    standing = repository.remote_ref(ref)
    if standing:
        repository.fetch(written.branch)
        refuse_work_of_others(repository, written.branch, standing, parent, written.files)
        if all(repository.read(standing, path) == content for path, content in written.files.items()):
            return
    commit = repository.commit(parent, written.files, f"{written.title}\n")
    repository.push(commit, ref, expected=standing)


async def _open(actions: Actions, github: GitHub, written: Written, base: str, body: str) -> None:
    opened = await github.open_pull_request(
        head=written.branch, base=base, title=actions.redacted(written.title), body=actions.redacted(body)
    )
    actions.output("pull_request", str(opened.number))
    actions.say(f"{written.environment}: {opened.url}")
