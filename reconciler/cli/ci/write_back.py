"""Commits the deployed wrangler.jsonc to the default branch, or proposes it as a pull request.

Nothing is merged: the ids are written into the file as it is on the branch now. If the branch moves, the push is
tried again. If a push is lost, the next run finds the old id on the branch and repeats it.
"""

from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from reconciler.cli.ci.own_branch import refuse_work_of_others
from reconciler.cli.repository.environments import EnvironmentFile
from reconciler.core.lineage.hyperdrive import expected_config
from reconciler.core.model.desired import Desired, Worker, WriteBack
from reconciler.core.model.observed import Observed, ObservedWorker
from reconciler.errors import GitError, InputError, PushRejected
from reconciler.providers.git.repository import Repository
from reconciler.providers.github.client import GitHub
from reconciler.providers.wrangler.file import with_binding_id

_MOST_TRIES = 8


@dataclass(frozen=True, slots=True)
class WrittenBack:
    """What was done: the commit with the files, and the pull request that proposes it."""

    said: str
    commit: str = ""
    pull_request: str = ""


async def write_back(
    desired: Desired, observed: Observed, file: EnvironmentFile, repository: Repository, github: GitHub | None
) -> WrittenBack:
    """Write the deployed ids to the default branch. Raises GitError, InputError, ProviderError."""
    branch = repository.default_branch()
    content = _Content(desired, observed, file, repository, branch)
    if desired.write_back is WriteBack.PUSH:
        return _push(content)
    if github is None:
        raise InputError('"write_back": "pull-request" needs GITHUB_TOKEN', hint="set it, with pull-requests: write")
    return await _propose(content, github)


@dataclass(frozen=True, slots=True)
class _Content:
    desired: Desired
    observed: Observed
    file: EnvironmentFile
    repository: Repository
    branch: str

    def at(self, tip: str) -> dict[str, bytes]:
        """Return the files that must change on a commit, with their new content."""
        before: dict[str, bytes] = {}
        after: dict[str, bytes] = {}
        for worker, identity in self._deployed():
            path = self._path(worker)
            if path not in before:
                before[path] = self._read(tip, path)
            content = after.get(path, before[path])
            after[path] = with_binding_id(Path(path), content, worker.binding, worker.environment, identity)
        return {path: content for path, content in after.items() if content != before[path]}

    @property
    def message(self) -> str:
        names = ", ".join(sorted({PurePosixPath(worker.config).name for worker in self.desired.workers}))
        config = expected_config(self.desired, self.observed)
        return (
            f"{names}: as deployed, on {config}\n\n"
            f"{self.desired.environment} is on {self.desired.timeline}. This records what is already deployed,\n"
            "and changes nothing.\n"
        )

    def _deployed(self) -> list[tuple[Worker, str]]:
        pairs = zip(self.desired.workers, self.observed.workers, strict=True)
        return [(worker, seen.file_hyperdrive_id) for worker, seen in pairs if isinstance(seen, ObservedWorker)]

    def _path(self, worker: Worker) -> str:
        return (self.file.root.resolve() / worker.config).relative_to(self.repository.root.resolve()).as_posix()

    def _read(self, tip: str, path: str) -> bytes:
        content = self.repository.read(tip, path)
        if content is None:
            hint = "restore it, or correct worker.config in the desired-state file"
            raise InputError(f"{path} is no longer on {self.branch}, so its id cannot be written there", hint=hint)
        return content


def _push(content: _Content) -> WrittenBack:
    repository = content.repository
    for _ in range(_MOST_TRIES):
        tip = repository.fetch(content.branch)
        files = content.at(tip)
        if not files:
            return WrittenBack(f"{content.branch} names what is deployed", tip)
        commit = repository.commit(tip, files, content.message)
        try:
            repository.push(commit, f"refs/heads/{content.branch}", expected=tip)
        except PushRejected:
            continue  # another push was faster: write the same ids into the new tip
        return WrittenBack(f"{', '.join(sorted(files))} committed to {content.branch} as {commit[:12]}", commit)
    raise GitError(
        f"{content.branch} moved during each of {_MOST_TRIES} pushes of the deployed wrangler.jsonc",
        hint="nothing is lost: the next run of apply commits it",
    )


async def _propose(content: _Content, github: GitHub) -> WrittenBack:
    repository, name = content.repository, f"write-back/{content.desired.environment}"
    tip = repository.fetch(content.branch)
    files = content.at(tip)
    if not files:
        return await _withdraw(content, name, github)
    commit = _pushed_proposal(content, name, tip, files)
    title, _, body = content.message.partition("\n\n")
    asked = await github.open_pull_request(head=name, base=content.branch, title=title, body=body)
    return WrittenBack(f"pull request {asked.url} commits {', '.join(sorted(files))}", commit, asked.url)


def _pushed_proposal(content: _Content, name: str, tip: str, files: dict[str, bytes]) -> str:
    """Push the pull request's branch. If it has the same files, leave it, so that its reviews stay valid."""
    repository, ref = content.repository, f"refs/heads/{name}"
    there = repository.remote_ref(ref)
    if there:
        repository.fetch(name)
        refuse_work_of_others(repository, name, there, tip, files)
        if all(repository.read(there, path) == wanted for path, wanted in files.items()):
            return there
    commit = repository.commit(tip, files, content.message)
    repository.push(commit, ref, expected=there)
    return commit


async def _withdraw(content: _Content, name: str, github: GitHub) -> WrittenBack:
    left = await github.find_pull_request(name)
    if left is not None:
        await github.close_pull_request(left.number, f"{content.branch} already names what is deployed.")
    return WrittenBack(f"{content.branch} names what is deployed")
