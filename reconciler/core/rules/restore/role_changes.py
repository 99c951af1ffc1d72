"""What a restore does to roles and databases: it rewinds them like the rows.

Until the branch of the moment exists, Neon's creation times decide: a role or a database that is younger than the
moment will not exist. Once the branch exists, the two lists are compared, which also shows what was deleted since.

Neon records the creation of what its API or Console creates. What SQL creates is recorded when Neon learns of it; on a
branch that was itself created or restored, perhaps not before that. Such times prove nothing (this is undocumented), so
you can waive the guard. Which password a changed role has on a restored branch is undocumented too: the one that Neon
reports for that branch is used, and a login checks it before anything points there.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby

from reconciler.core.lineage.infer import effective_desired, infer_lineage
from reconciler.core.lineage.lineage import SAME_RESTORE, Lineage, TimelineBranch
from reconciler.core.model.desired import Desired, Method
from reconciler.core.model.observed import Branch, Observed, Unknown, known
from reconciler.core.model.refusal import Refusal
from reconciler.core.model.roles_and_databases import RoleOrDatabase, RolesAndDatabases
from reconciler.core.rules.context.waivers import unwaived
from reconciler.core.values.instant import Instant

_MOST_NAMED = 10


@dataclass(frozen=True, slots=True)
class LoginTooYoung(Refusal):
    """The role that Hyperdrive logs in as, or its database, did not exist at the moment."""

    rule = "login-too-young"
    before_the_call = "the look, gate `login`"
    kind: str
    name: str
    created_at: Instant
    moment: Instant

    problem = (
        '{kind} "{name}" was created at {created_at} and did not exist at {moment}: a restore rewinds roles and '
        "databases too, so nothing could log in"
    )
    way_out = (
        "ask for a moment after {created_at}, or name a {kind} that existed then. If you know that it did exist "
        "(created by SQL, which Neon records later), waive login-too-young in the file with that as the reason: a "
        "login still checks it before anything points to the branch"
    )


@dataclass(frozen=True, slots=True)
class Change:
    """A role or a database that a restore removes or brings back."""

    kind: str
    name: str
    comes_back: bool

    def __str__(self) -> str:
        return f'{self.kind} "{self.name}" {"is back" if self.comes_back else "is gone"}'


def branches_to_read(desired: Desired, branches: tuple[Branch, ...] | Unknown) -> tuple[str, ...]:
    """Return the ids of the branches whose roles and databases show what a pending restore changes.

    These are the live branch, and the one that replaces it, or its source as long as that does not exist.
    """
    lineage = None if isinstance(branches, Unknown) else infer_lineage(desired, branches)
    if not isinstance(lineage, Lineage) or lineage.swapping:
        return ()
    other = _other(effective_desired(desired, lineage), lineage)
    return () if other is None else tuple(dict.fromkeys((lineage.live.branch.id, other.branch.id)))


def too_young(desired: Desired, observed: Observed, source: TimelineBranch, moment: Instant | None) -> list[Refusal]:
    """Refuse a moment at which the role or database to log in with did not exist. An LSN has no time."""
    found, verify = _of(observed, source), desired.verify
    if found is None or moment is None or source.preserved:  # a restore has changed Neon's times there
        return []
    wanted = (("role", verify.role, found.roles), ("database", verify.database, found.databases))
    return unwaived(
        desired,
        [
            LoginTooYoung(kind, each.name, each.created_at, moment)
            for kind, name, accounts in wanted
            for each in accounts
            if each.name == name and _is_younger(each, source, moment)
        ],
    )


def differences(desired: Desired, observed: Observed, lineage: Lineage) -> Iterator[str]:
    """Say which roles and databases will not exist, come back, or may have another password."""
    desired = effective_desired(desired, lineage)
    other, live = _other(desired, lineage), lineage.live
    if other is None or lineage.swapping:
        return
    if isinstance(observed.accounts, Unknown):
        yield f"which roles and databases a restore changes is unknown: {observed.accounts.reason}"
        return
    now, then, restore = _of(observed, live), _of(observed, other), desired.primary.restore
    if now is None or then is None:
        return
    if restore is None or lineage.timeline_branch(desired.timeline) is not None:
        yield from _exactly(now, then, other.branch.name)
    elif restore.moment is None:
        yield f"which roles and databases existed at {restore.to} is not known yet: an LSN has no time"
    else:
        yield from _by_age(desired, restore.moment, now, then, other)


def changes(desired: Desired, observed: Observed) -> tuple[Change, ...] | None:
    """Return exactly what making the file's timeline live changes; None until its branch can be compared."""
    lineage = None if isinstance(observed.branches, Unknown) else infer_lineage(desired, observed.branches)
    if not isinstance(lineage, Lineage) or lineage.swapping:
        return None
    target = lineage.timeline_branch(effective_desired(desired, lineage).timeline)
    if target is None or target.branch.id == lineage.live.branch.id:
        return None
    now, then = _of(observed, lineage.live), _of(observed, target)
    return None if now is None or then is None else tuple(_changes(now, then))


def replaced(lineage: Lineage) -> TimelineBranch | None:
    """Return the branch that the live timeline has replaced, to compare their roles and databases."""
    newest = lineage.newest
    is_last = newest is not None and newest.held is not None and newest.held.before == lineage.live.timeline
    return newest if is_last and not lineage.swapping else None


def since(observed: Observed, lineage: Lineage) -> tuple[str, ...]:
    """Say which roles and databases are only on the live branch, or only on the one that it replaced."""
    before = replaced(lineage)
    if before is None:
        return ()
    if isinstance(observed.accounts, Unknown):
        return (f"which roles and databases the restore changed is unknown: {observed.accounts.reason}",)
    here, there = _of(observed, lineage.live), _of(observed, before)
    if here is None or there is None:
        return ()
    live, held = lineage.live.branch.name, before.branch.name
    sides = ((each, (live, held) if each.comes_back else (held, live)) for each in _changes(there, here))
    return tuple(_few(f'{each.kind} "{each.name}" is on "{on}", and not on "{off}"' for each, (on, off) in sides))


def _other(desired: Desired, lineage: Lineage) -> TimelineBranch | None:
    """Find the branch that shows what the live one will have: the one that replaces it, or its source."""
    if desired.timeline == lineage.live.timeline:
        return None
    target, restore = lineage.timeline_branch(desired.timeline), desired.primary.restore
    if target is not None:
        return target if target.branch.ready else None
    source = None if restore is None else lineage.source(restore)
    return source if isinstance(source, TimelineBranch) else None


def _of(observed: Observed, target: TimelineBranch) -> RolesAndDatabases | None:
    return next((each for each in known(observed.accounts) if each.branch_id == target.branch.id), None)


def _is_younger(account: RoleOrDatabase, target: TimelineBranch, moment: Instant) -> bool:
    """Whether it was certainly created after the moment: not just copied when its branch was created or reset."""
    branch = target.branch
    copied = (branch.created_at if branch.parent_id is not None else None, branch.last_reset_at)
    return account.created_at > moment and all(
        abs(account.created_at - at) > SAME_RESTORE for at in copied if at is not None
    )


def _changes(now: RolesAndDatabases, then: RolesAndDatabases) -> Iterator[Change]:
    for kind, here, there in (("role", now.roles, then.roles), ("database", now.databases, then.databases)):
        names, others = ({each.name for each in accounts} for accounts in (here, there))
        yield from (Change(kind, each, comes_back=False) for each in sorted(names - others))
        yield from (Change(kind, each, comes_back=True) for each in sorted(others - names))


def _exactly(now: RolesAndDatabases, then: RolesAndDatabases, target: str) -> Iterator[str]:
    for _, alike in groupby(_changes(now, then), key=lambda change: (change.kind, change.comes_back)):
        yield from _few(
            f'{each.kind} "{each.name}" comes back: it is on "{target}"'
            if each.comes_back
            else f'{each.kind} "{each.name}" is not on "{target}", and will not exist'
            for each in alike
        )


def _by_age(
    desired: Desired, moment: Instant, now: RolesAndDatabases, then: RolesAndDatabases, source: TimelineBranch
) -> Iterator[str]:
    if source.preserved:
        yield f'"{source.branch.name}" was created by a restore: which roles and databases existed is not known yet'
        return
    for kind, here, there in (("role", now.roles, then.roles), ("database", now.databases, then.databases)):
        known = {each.name: each for each in there}
        yield from _few(
            f'{kind} "{each.name}" was created at {each.created_at}, after {moment}, and will not exist: a restore '
            "rewinds roles and databases too"
            for each in here
            if each.name not in known or _is_younger(known[each.name], source, moment)
        )
    if not source.branch.protected or desired.primary.method is Method.IN_PLACE:
        changed = (each for each in then.roles if each.created_at <= moment < each.updated_at)
        yield from _few(_of_password(desired, each, moment) for each in changed)


def _of_password(desired: Desired, role: RoleOrDatabase, moment: Instant) -> str:
    changed = f'role "{role.name}" was changed at {role.updated_at}, after {moment}, most likely its password: '
    if desired.primary.method is Method.IN_PLACE:
        return changed + "as far as is known, a restore in place keeps it; a login as Hyperdrive's role checks that"
    return changed + "Hyperdrive gets the password that Neon reports for the restored branch, and a login checks it"


def _few(sentences: Iterable[str]) -> Iterator[str]:
    """Return the first sentences, and how many more there are."""
    every = list(sentences)
    yield from every[:_MOST_NAMED]
    if len(every) > _MOST_NAMED:
        yield f"and {len(every) - _MOST_NAMED} more like the last"
