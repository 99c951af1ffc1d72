"""Puts a change of a desired-state file up for review: a commit on a branch of its own, and a pull request.

The commit is made without a checkout, on the tip of the remote's default branch: your index and work tree
stay as they are. Each stage is found again by name, so running it twice, or again after an interruption,
makes one branch and one pull request.
"""

import difflib
import json
import os
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass
from enum import Enum
from urllib.parse import quote

import click

from reconciler.cli.ci.actions import Actions
from reconciler.cli.plan import rendered, status_of
from reconciler.cli.proposal.base import Base, Examined
from reconciler.cli.proposal.text import is_held
from reconciler.cli.wiring import connected_github
from reconciler.core.file.edit import restore_text, with_restore_text
from reconciler.errors import InputError, PushRejected
from reconciler.providers.github.client import GitHub, repository_of
from reconciler.providers.github.wire import PullRequest
from reconciler.render import point as point_text


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


# What is said.


def refused(examined: Examined, form: str) -> int | None:
    """Print refusals as `plan` does and return the exit status; None where nothing about the primary is refused."""
    if not examined.plan.refusals or examined.plan.is_about_declared_branches:
        return None
    click.echo(rendered(examined.plan, examined.observed, form))
    return status_of(examined.plan)


def nothing_to_do(base: Base, examined: Examined, form: str, *lines: str) -> None:
    """Say that nothing is proposed, and why."""
    for line in (*lines, "nothing was committed"):
        click.echo(line, err=True)
    if form == "json":
        click.echo(_as_json(base, examined, None))


def preview(change: Change, examined: Examined) -> None:
    """Show what will be written, and which moment that is."""
    base, restore, asked = change.base, examined.desired.primary.restore, examined.desired.timeline
    click.echo(f"{base.path} on {base.where}:", err=True)
    for line in _difference(base.text, change.text):
        click.echo(f"  {line}", err=True)
    if restore is None:
        click.echo("back to origin, the original timeline, as it was left", err=True)
    elif is_held(examined, asked):
        click.echo(f"back to {asked}, which is held: it comes back as it was left", err=True)
    else:
        click.echo(f"restore to {point_text.with_age(restore, examined.observed.at, ' = {age} ago')}", err=True)
    mine = base.repository.root / base.path
    if not mine.is_file() or mine.read_bytes() != base.text.encode():
        click.echo(f"note: {base.path} in your work tree differs from {base.where}; it is left as it is", err=True)


def report(proposed: Proposed, examined: Examined, form: str) -> None:
    """Print the pull request's URL, or the branch, on stdout; what to do next, on stderr."""
    change = proposed.change
    match proposed.found:
        case Found.SAME:
            click.echo(f"branch {change.branch} exists already, with this change ({proposed.commit[:12]})", err=True)
        case Found.OUTDATED:
            click.echo(f"branch {change.branch} was made from an older file, and is replaced", err=True)
        case Found.NOTHING:
            pass
    if proposed.pull_request is None:
        for line in _going_on(change):
            click.echo(line, err=True)
    if form == "json":
        click.echo(_as_json(change.base, examined, proposed))
    else:
        click.echo(proposed.pull_request.url if proposed.pull_request else change.branch)
    actions = Actions.read(os.environ)
    if actions.running and proposed.pull_request is not None:
        actions.output("pull_request", str(proposed.pull_request.number))


def _going_on(change: Change) -> list[str]:
    base, branch = change.base, change.branch
    if base.repository.remote is None:
        return [
            f"there is no remote: the change is on branch {branch}, here",
            f"next: git merge {branch}, then reconciler apply {base.environment}",
        ]
    lines = [f"pushed {branch} to {base.repository.remote}. To open the pull request:"]
    lines.append(f"  gh pr create --head {branch} --base {base.branch} --fill")
    address = base.repository.remote_url() or ""
    if (name := repository_of(address)) and "github.com" in address:
        lines.append(f"  or https://github.com/{name}/compare/{quote(base.branch)}...{quote(branch)}?expand=1")
    return lines


def _difference(old: str, new: str) -> list[str]:
    """Return the lines that differ, as a diff has them."""
    lines = difflib.unified_diff(old.split("\n"), new.split("\n"), n=0, lineterm="")
    return [line.rstrip("\r") for line in lines if not line.startswith(("---", "+++", "@@"))]


def _as_json(base: Base, examined: Examined, proposed: Proposed | None) -> str:
    restore = examined.desired.primary.restore
    pull_request = proposed.pull_request if proposed else None
    facts = {
        "environment": base.environment,
        "timeline": str(examined.desired.timeline),
        "to": str(restore.to) if restore else None,
        "branch": proposed.change.branch if proposed else None,
        "commit": proposed.commit if proposed else None,
        "pull_request": pull_request.url if pull_request else None,
        "digest": examined.plan.digest,
    }
    return json.dumps(facts, indent=2, ensure_ascii=False)
