"""Puts a change of a desired-state file up for review: a commit on a branch of its own, and a pull request.

The commit is made without a checkout, on the tip of the remote's default branch: your index and work tree
stay as they are. Each stage is found again by name, so running it twice, or again after an interruption,
makes one branch and one pull request.
"""

import os
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass
from enum import Enum

from reconciler.cli.proposal.base import Base
from reconciler.cli.wiring import connected_github
from reconciler.core.file.edit import restore_text, with_restore_text
from reconciler.errors import InputError, PushRejected
from reconciler.providers.github.client import GitHub
from reconciler.providers.github.wire import PullRequest


@dataclass(frozen=True, slots=True)
class Change:
    """A change of one desired-state file. `text` is its whole new text; `message` a commit's; `body` in Markdown.

    `apart` says how to propose the same under another name, if another proposal has this one.
    """

    base: Base
    branch: str
    text: str
    message: str
    body: str
    apart: str

    @property
    def title(self) -> str:
        """The subject of the commit, and the title of the pull request."""
        return self.message.partition("\n")[0]


class Found(Enum):
    """What the branch of a change holds already."""

    NOTHING = "nothing"
    SAME = "the same change"
    OUTDATED = "a change of an older file"


@dataclass(frozen=True, slots=True)
class Proposed:
    """A change that is up for review. `found` is what was there before; `pull_request` None where none was asked."""

    change: Change
    commit: str
    found: Found
    pull_request: PullRequest | None


async def propose(change: Change, *, review: bool, environment: Mapping[str, str] = os.environ) -> Proposed:
    """Commit the change, push its branch and, for `review`, open the pull request.

    Raises InputError where that can't be: before anything is made where something is missing for it, and where the
    branch has another change; GitError and ProviderError from the remote.
    """
    async with _connected(change.base, environment, review=review) as github:
        commit, found = publish(change)
        return Proposed(change, commit, found, await _review(change, found, github) if github else None)


def publish(change: Change) -> tuple[str, Found]:
    """Have the change on its branch, on the remote or, without one, here; return the commit and what was found."""
    base, branch = change.base, f"refs/heads/{change.branch}"
    standing = base.repository.remote_ref(branch) if base.repository.remote else base.repository.resolve(branch) or ""
    found = _found(change, standing)
    if found is Found.SAME:
        return standing, found
    commit = base.repository.commit(base.commit, {base.path: change.text.encode()}, change.message)
    if not base.repository.remote:
        base.repository.set_branch(change.branch, commit)
        return commit, found
    try:
        base.repository.push(commit, branch, expected=standing)
    except PushRejected:
        standing = base.repository.remote_ref(branch)
        if _found(change, standing) is Found.SAME:
            return standing, Found.SAME
        raise
    return commit, found


def _found(change: Change, standing: str) -> Found:
    """Return what a branch of this name holds. Raises InputError if that is another change, and not merged."""
    base, repository = change.base, change.base.repository
    if not standing:
        return Found.NOTHING
    if repository.remote:
        repository.fetch(change.branch)
    if repository.is_ancestor(standing, base.commit):
        return Found.OUTDATED
    if (found := _ours(change, standing)) is not None:
        return found
    where = f" on {repository.remote}" if repository.remote else ""
    raise InputError(
        f"branch {change.branch} exists already{where}, with another change ({standing[:12]})",
        hint=f"{change.apart}, or delete that branch if it is not needed",
    )


def _ours(change: Change, standing: str) -> Found | None:
    """Whether a branch is one commit with just this change of the file, on its newest or an older version."""
    base, repository = change.base, change.base.repository
    parent = repository.resolve(f"{standing}^") or ""
    if not parent or not repository.is_ancestor(parent, base.commit):
        return None
    before, after = base.decoded(parent), base.decoded(standing)
    if before is None or after is None or repository.changed_files(parent, standing) != (base.path,):
        return None
    if repository.last_change(parent, base.path) == repository.last_change(base.commit, base.path):
        return Found.SAME if after == change.text else None
    return Found.OUTDATED if after == with_restore_text(before, restore_text(change.text)) else None


def _connected(
    base: Base, environment: Mapping[str, str], *, review: bool
) -> AbstractAsyncContextManager[GitHub | None]:
    if not review:
        return nullcontext()
    address = base.repository.remote_url()
    if address is None:
        hint = "add one (git remote add origin URL), or leave --pr out: the change is then on a branch here"
        raise InputError("there is no remote to open a pull request on", hint=hint)
    return connected_github(environment, address)


async def _review(change: Change, found: Found, github: GitHub) -> PullRequest:
    """Open the pull request; an open one is kept with its edits, unless the change is new."""
    standing = await github.find_pull_request(change.branch)
    if standing is not None and found is Found.SAME:
        return standing
    return await github.open_pull_request(
        head=change.branch, base=change.base.branch, title=change.title, body=change.body
    )
