"""Where a proposal starts: the desired-state file on the default branch, and what a change of it would do.

Nothing here reads the work tree, which may be dirty, behind, or on another branch: reviewers get
a change of what is merged.
"""

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from reconciler.cli.repository.environments import DIRECTORY, EnvironmentFile
from reconciler.cli.wiring import connected
from reconciler.core.file.edit import restore_text
from reconciler.core.file.reading import read_desired_state
from reconciler.core.model.desired import DeployDriver, Desired, Worker
from reconciler.core.model.observed import Observed, ObservedWorker, Unknown
from reconciler.core.plan.plan import Plan, plan
from reconciler.engine.observe import observe
from reconciler.errors import InputError
from reconciler.providers.clock import SystemClock
from reconciler.providers.git.repository import Repository

# What `read_wrangler_config` looks for beside and above a wrangler.jsonc.
_NEIGHBOURS = ("wrangler.json", ".wrangler/deploy/config.json")


@dataclass(frozen=True, slots=True)
class Base:
    """A desired-state file on the default branch.

    `path` is the file's and `root` where paths in it start from, both from the repository's root.
    """

    repository: Repository
    environment: str
    branch: str
    commit: str
    path: str
    root: PurePosixPath
    text: str

    @classmethod
    def of(cls, file: EnvironmentFile, environment: Mapping[str, str]) -> "Base":
        """Fetch the remote's default branch and read the file there; without a remote, HEAD.

        Raises InputError where there is no repository, no commit or no such file on it, or where that does not say
        which timeline is live; GitError from the remote.
        """
        repository = Repository.containing(file.root, environment)
        if repository is None:
            hint = "the desired state is kept in Git: run it inside the repository"
            raise InputError(f"{file.path.name} is in no Git repository", hint=hint)
        path, root = path_in_repository(file, repository), _inside(repository, file.root)
        branch = repository.default_branch()
        commit = repository.fetch(branch) if repository.remote else repository.head()
        text = _text(repository, branch, commit, path)
        base = cls(repository, file.name, branch, commit, path, root, text)
        try:
            restore_text(text)
        except InputError:
            base.read(text)  # raises with every mistake and its place
            raise
        return base

    @property
    def where(self) -> str:
        """Name the branch as Git does: origin/main."""
        return f"{self.repository.remote}/{self.branch}" if self.repository.remote else self.branch

    def read(self, text: str) -> Desired:
        """Read a text of the file. Raises DesiredStateError with every mistake."""
        return read_desired_state(text, file=self.path, environment=self.environment, now=SystemClock().now())

    def decoded(self, commit: str) -> str | None:
        """Return the file's text in another commit; None where it is not there or is no UTF-8."""
        content = self.repository.read(commit, self.path)
        try:
            return None if content is None else content.decode()
        except UnicodeDecodeError:
            return None


@dataclass(frozen=True, slots=True)
class Examined:
    """What a text of the file asks for, what is there, and the plan between them."""

    desired: Desired
    observed: Observed
    plan: Plan


async def examine(base: Base, text: str, environment: Mapping[str, str]) -> Examined:
    """Plan a text of the file as if it were merged. Raises DesiredStateError for mistakes in it, and InputError."""
    desired = base.read(text)
    with _checkout(base, desired) as (top, root):
        async with connected(desired, root, environment) as ports:
            observed = await observe(desired, ports)
        deploys_code = any(worker.deploy is DeployDriver.WRANGLER for worker in desired.workers)
        observed = _without(f"{top}/", replace(observed, commit=base.commit if deploys_code else ""))
    return Examined(desired, observed, plan(desired, observed))


def path_in_repository(file: EnvironmentFile, repository: Repository) -> str:
    """Name a desired-state file from the repository's root, as Git does; a link is resolved.

    Raises InputError where that is outside of the repository, or nowhere.
    """
    return str(_inside(repository, file.path))


def _inside(repository: Repository, path: Path) -> PurePosixPath:
    """Return a path from the repository's root."""
    hint = "what an environment asks for is kept in Git: put the file itself there"
    try:
        return PurePosixPath(path.resolve().relative_to(repository.root.resolve()).as_posix())
    except ValueError as error:
        raise InputError(f"{path.name} points outside the repository {repository.root}", hint=hint) from error
    except (OSError, RuntimeError) as error:  # a link that points to itself
        raise InputError(f"{path.name} points nowhere: it is a circular link", hint=hint) from error


def _text(repository: Repository, branch: str, commit: str, path: str) -> str:
    content = repository.read(commit, path) if commit else None
    if content is None:
        hint = f"commit it, and bring it to {branch}: a proposal is a change of what is there"
        raise InputError(f"{path} is not on {branch} yet", hint=hint)
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise InputError(f"{path} on {branch} is not UTF-8 (byte {error.start})", hint="save it as UTF-8") from error


@contextmanager
def _checkout(base: Base, desired: Desired) -> Iterator[tuple[Path, Path]]:
    """Put what a look reads of the base into a directory of its own.

    Returns its top, where looking upward for such files ends, and the root that paths of the file start from.
    """
    with tempfile.TemporaryDirectory(prefix="reconciler-") as name:
        top = Path(name).resolve()
        (top / ".git").mkdir()
        for path, content in _looked_at(base, desired):
            (top / path).parent.mkdir(parents=True, exist_ok=True)
            (top / path).write_bytes(content)
        yield top, top / base.root


def _looked_at(base: Base, desired: Desired) -> Iterator[tuple[str, bytes]]:
    """Read every wrangler.jsonc, what may take its place, and what the files of the other environments claim."""
    workers, directory = list(desired.workers), base.root / DIRECTORY
    there = frozenset(base.repository.list(base.commit, ""))
    for path in sorted(there):
        name = PurePosixPath(path)
        if name.parent != directory or name.suffix != ".jsonc" or name.stem == base.environment:
            continue
        content = base.repository.read(base.commit, path) or b""
        workers += _workers_in(content, name)
        yield path, content
    for path in sorted(there & {path for worker in workers for path in _beside(base.root / worker.config)}):
        yield path, base.repository.read(base.commit, path) or b""


def _workers_in(content: bytes, file: PurePosixPath) -> tuple[Worker, ...]:
    """Return the Workers of another environment's file; one with mistakes has none, and claims nothing either."""
    try:
        return read_desired_state(
            content.decode(), file=str(file), environment=file.stem, now=SystemClock().now()
        ).workers
    except (InputError, UnicodeDecodeError):
        return ()


def _beside(config: PurePosixPath) -> Iterator[str]:
    yield str(config)
    for directory in config.parents:
        yield from (str(directory / name) for name in _NEIGHBOURS)


def _without(prefix: str, observed: Observed) -> Observed:
    """Name files as they are in the repository, and not where they stood for a moment."""

    def renamed(worker: ObservedWorker | Unknown) -> ObservedWorker | Unknown:
        if isinstance(worker, ObservedWorker):
            return worker
        return replace(worker, reason=worker.reason.replace(prefix, ""), hint=worker.hint.replace(prefix, ""))

    return replace(observed, workers=tuple(renamed(each) for each in observed.workers))
