"""`reconciler suspend`: stop all applying to an environment for a while."""

from datetime import timedelta

import click

from reconciler.cli.console.exit_status import ExitStatus
from reconciler.cli.console.messages import say, warn
from reconciler.cli.options.duration import Duration
from reconciler.cli.repository import environments
from reconciler.cli.repository.shared import actor_here, leads_to_sandbox, shared_repository
from reconciler.core.records.suspension import LONGEST, LONGEST_REASON, Suspension, shown
from reconciler.core.values.duration import for_people
from reconciler.core.values.instant import Instant
from reconciler.core.values.redaction import EVERYWHERE
from reconciler.errors import GitError, InputError, PushRejected
from reconciler.providers.clock import SystemClock
from reconciler.providers.git.lease import GitLease
from reconciler.providers.git.suspension import Found, SuspensionRef

_TRIES = 5


@click.command(name="suspend")
@click.argument("environment", required=False)
@click.option(
    "--for",
    "span",
    type=Duration(days=True),
    required=True,
    metavar="DURATION",
    help="90s, 30m, 2h or 3d; 30d at most.",
)
@click.option("--reason", required=True, metavar="TEXT", help="The reason, shown to those whose apply it stops.")
@click.option("--replace", is_flag=True, help="Replace a suspension that is in force.")
def command(environment: str | None, span: timedelta, reason: str, *, replace: bool) -> int:
    """Stop every apply to an environment: on laptops, in workflows, and before the next step of a running one.

    It is kept as a ref on the Git remote. It ends by itself, or at once with `reconciler resume`. `plan`, `status`,
    `history` and the comment on a pull request show it and still work; `restore` and `rollback`,
    which only propose a change, work too.

    Exit status: 0 suspended, 3 already suspended, 1 error.
    """
    file = environments.find(environment)
    now = SystemClock().now()
    wanted = Suspension(file.name, shown(actor_here(), 200), now, now.before(-_checked(span)), _why(reason))
    ref = reference(file)
    for _ in range(_TRIES):
        found = ref.look()
        if found is not None and not replace and not _is_over(found, now):
            said = found.readable
            say(f"{file.name} is suspended already: {said.message}")
            hint = f"--replace puts yours in its place; reconciler resume {file.name} ends it"
            say(f"hint: {hint}")
            return ExitStatus.REFUSED
        try:
            ref.set(wanted, found.id if found else "")
        except PushRejected:
            continue  # another suspension was pushed first
        click.echo(_done(wanted, ref, found))
        _warn_of_others(file)
        return ExitStatus.DONE
    raise GitError(f"{ref.name} was changed by others {_TRIES} times in a row", hint="try again")


def reference(file: environments.EnvironmentFile) -> SuspensionRef:
    """Return the Git ref of an environment's suspension. Raises InputError where none can be kept."""
    repository = shared_repository(file)
    if repository is not None:
        return SuspensionRef(repository, file.name)
    if leads_to_sandbox():
        raise InputError(
            "a suspension is kept in the Git repository, which a sandbox on this machine leaves alone, and "
            "NEON_API_HOST points to one",
            hint="unset NEON_API_HOST to suspend the real environment; to try it, set RECONCILER_REMOTE to a "
            "repository on this machine",
        )
    raise InputError(
        f"a suspension is kept in Git, and {file.root} is not in a repository",
        hint="git init, or go to the checkout that the file is reviewed in",
    )


def _is_over(found: Found, now: Instant) -> bool:
    return found.readable.is_over(now)


def _checked(span: timedelta) -> timedelta:
    if span > LONGEST:
        raise InputError(
            f"--for {for_people(span)} is longer than {for_people(LONGEST)}, the longest that a suspension may last",
            hint="suspend it again before it ends, if that is still needed",
        )
    return span


def _why(reason: str) -> str:
    said = EVERYWHERE(shown(reason, len(reason)))  # before it is a line of JSON, in which a secret looks different
    if not said:
        raise InputError("--reason is empty", hint="give the reason: it is shown to those whose apply it stops")
    if len(said) > LONGEST_REASON:
        raise InputError(f"--reason has {len(said)} characters, and {LONGEST_REASON} is the most", hint="shorten it")
    return said


def _done(suspension: Suspension, ref: SuspensionRef, replaced: Found | None) -> str:
    span = for_people(suspension.until - suspension.since)
    lines = [f"{suspension.environment} is suspended for {span}, until {suspension.until}: {suspension.reason}"]
    if replaced is not None and replaced.suspension is not None:
        lines.append(f"  replaced: {replaced.suspension.message}")
    lines.append(f"  every apply refuses until then; reconciler resume {suspension.environment} ends it")
    if not ref.is_shared:
        lines.append(f"  only here: the repository has no remote, so {ref.name} stops no apply elsewhere")
    return "\n".join(lines)


def _warn_of_others(file: environments.EnvironmentFile) -> None:
    """Name a running apply: it stops before its next step."""
    repository = shared_repository(file)
    if repository is None:
        return
    try:
        lease = GitLease.look(repository, file.name)
    except GitError:
        return  # the suspension itself is in force
    if lease is not None:
        where = f" ({lease.run})" if lease.run else ""
        message = f"{lease.owner} has a lease until {lease.expires_at}{where}: that apply stops before its next step"
        warn(f"{message}; reconciler status {file.name} shows what is live")
