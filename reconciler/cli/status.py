"""`reconciler status`: what is live, held and deployed."""

import json
from typing import Any

import click

from reconciler.cli.console.exit_status import ExitStatus
from reconciler.cli.repository import environments
from reconciler.cli.repository import suspension as suspending
from reconciler.cli.wiring import look
from reconciler.core.plan.plan import plan
from reconciler.errors import GitError
from reconciler.providers.git.lease import GitLease
from reconciler.providers.git.repository import Repository
from reconciler.render import status


@click.command(name="status")
@click.argument("environment", required=False)
@click.option("--format", "form", type=click.Choice(["text", "json", "markdown"]), default="text", show_default=True)
def command(environment: str | None, form: str) -> int:
    """Show what is live, held and deployed, as far as it can be read, and until when what is held is kept.

    Exit status: 0 everything could be read, 1 something could not.
    """
    file = environments.find(environment)
    desired, observed = look(environment)
    facts = status.facts_of(plan(desired, observed), observed) | {"lease": _lease(file)}
    seen = suspending.look(file)
    facts["suspension"] = seen.facts
    click.echo(_rendered(facts, seen.sentence, form))
    return ExitStatus.ERROR if facts["unreadable"] else ExitStatus.DONE


def _rendered(facts: dict[str, Any], stopped: str, form: str) -> str:
    if form == "json":
        return json.dumps(facts, indent=2, ensure_ascii=False)
    return status.as_markdown(facts, stopped) if form == "markdown" else status.as_text(facts, stopped)


def _lease(file: environments.EnvironmentFile) -> dict[str, str] | None:
    """Read who holds the lease, from the Git remote. An unreachable remote is shown, and stops nothing."""
    repository = Repository.containing(file.root)
    if repository is None or repository.remote is None:
        return None
    try:
        state = GitLease.look(repository, file.name)
    except GitError as error:
        return {"unknown": error.message}
    if state is None:
        return None
    until = str(state.expires_at)
    return {"owner": state.owner, "taken_at": str(state.taken_at), "expires_at": until, "run": state.run}
