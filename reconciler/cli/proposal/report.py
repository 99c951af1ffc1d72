"""What a proposal prints: what is refused, what will change, and what to do next."""

import difflib
import json
import os
from urllib.parse import quote

import click

from reconciler.cli.ci.actions import Actions
from reconciler.cli.console.messages import say
from reconciler.cli.plan import rendered, status_of
from reconciler.cli.proposal.base import Base, Examined
from reconciler.cli.proposal.publish import Change, Found, Proposed
from reconciler.cli.proposal.text import is_held
from reconciler.providers.github.client import repository_of
from reconciler.render import point as point_text


def refused(examined: Examined, form: str) -> int | None:
    """Print refusals as `plan` does and return the exit status; None where nothing about the primary is refused."""
    if not examined.plan.refusals or examined.plan.is_about_declared_branches:
        return None
    click.echo(rendered(examined.plan, examined.observed, form))
    return status_of(examined.plan)


def nothing_to_do(base: Base, examined: Examined, form: str, *lines: str) -> None:
    """Say that nothing is proposed, and why."""
    for line in (*lines, "nothing was committed"):
        say(line)
    if form == "json":
        click.echo(_as_json(base, examined, None))


def preview(change: Change, examined: Examined) -> None:
    """Show what will be written, and which moment that is."""
    base, restore, asked = change.base, examined.desired.primary.restore, examined.desired.timeline
    say(f"{base.path} on {base.where}:")
    for line in _difference(base.text, change.text):
        say(f"  {line}")
    if restore is None:
        say("back to origin, the original timeline, as it was left")
    elif is_held(examined, asked):
        say(f"back to {asked}, which is held: it comes back as it was left")
    else:
        say(f"restore to {point_text.with_age(restore, examined.observed.at, ' = {age} ago')}")
    mine = base.repository.root / base.path
    if not mine.is_file() or mine.read_bytes() != base.text.encode():
        say(f"note: {base.path} in your work tree differs from {base.where}; it is left as it is")


def report(proposed: Proposed, examined: Examined, form: str) -> None:
    """Print the pull request's URL, or the branch, on stdout; what to do next, on stderr."""
    change = proposed.change
    match proposed.found:
        case Found.SAME:
            say(f"branch {change.branch} exists already, with this change ({proposed.commit[:12]})")
        case Found.OUTDATED:
            say(f"branch {change.branch} was made from an older file, and is replaced")
        case Found.NOTHING:
            pass
    if proposed.pull_request is None:
        for line in _going_on(change):
            say(line)
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
