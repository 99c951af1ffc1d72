"""`reconciler resume`: end a suspension."""

import click

from reconciler.cli.repository import environments
from reconciler.cli.suspend import reference
from reconciler.errors import GitError, PushRejected
from reconciler.providers.clock import SystemClock
from reconciler.providers.git.suspension import Found

_TRIES = 5


@click.command(name="resume")
@click.argument("environment", required=False)
def command(environment: str | None) -> int:
    """End a suspension: remove it from the Git remote, and show what was removed.

    Exit status: 0 not suspended, 1 error.
    """
    file = environments.find(environment)
    ref = reference(file)
    for _ in range(_TRIES):
        found = ref.look()
        if found is None:
            click.echo(f"{file.name} is not suspended: there is nothing to remove")
            return 0
        try:
            ref.remove(found.id)
        except PushRejected:
            continue  # another suspension was pushed first
        click.echo(f"{file.name}: {_removed(found)}")
        return 0
    raise GitError(f"{ref.name} was changed by others {_TRIES} times in a row", hint="try again")


def _removed(found: Found) -> str:
    if found.suspension is None:
        return f"removed a suspension that could not be read ({found.ref} was {found.id[:12]})"
    now = SystemClock().now()
    over = ", which was over by itself" if found.suspension.is_over(now) else ""
    return f"may be applied again. Removed a suspension{over}: {found.suspension.message}"
