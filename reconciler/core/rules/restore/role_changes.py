"""What a restore does to roles and databases: they are rewound like the rows.

Before the branch of the moment exists, it is told by when Neon noted a role or a database: what is younger than the
moment will not exist. Once the branch exists, the two lists say it exactly. What was deleted since is only known then.

Neon notes what was made by its API or Console when it was made. What SQL has made it notes when it learns of it, and on
a branch that was itself made or restored, perhaps not before that: such times say nothing (no public source tells), and
a person who knows better lifts the guard. Which password a changed role has on a restored branch is not documented
either: the one that Neon tells of that branch is used, and a login proves it before anything points there.
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
        "ask for a moment after {created_at}, or name a {kind} that existed then. If you know that it did exist (made "
        "by SQL, which Neon notes later), waive login-too-young in the file with that as the reason: a login still "
        "proves it before anything points to the branch"
    )


@dataclass(frozen=True, slots=True)
class Change:
    """A role or a database that a restore takes away, or brings back."""

    kind: str
    name: str
    comes_back: bool

    def __str__(self) -> str:
        return f'{self.kind} "{self.name}" {"is back" if self.comes_back else "is gone"}'


def worth_reading(desired: Desired, branches: tuple[Branch, ...] | Unknown) -> tuple[str, ...]:
    """Name, by their ids, the branches whose roles and databases tell what a restore will change; none without one.

    That is the live branch, and the one that is to become it, or, as long as that does not exist, its source.
    """
    lineage = None if isinstance(branches, Unknown) else infer_lineage(desired, branches)
    if not isinstance(lineage, Lineage) or lineage.swapping:
        return ()
    other = _other(effective_desired(desired, lineage), lineage)
    return () if other is None else tuple(dict.fromkeys((lineage.live.branch.id, other.branch.id)))


def too_young(desired: Desired, observed: Observed, source: TimelineBranch, moment: Instant | None) -> list[Refusal]:
    """Refuse a moment at which there was no such role or database to log in with. An LSN bears no time."""
    found, verify = _of(observed, source), desired.verify
    if found is None or moment is None or not _tells_when(source):
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
        yield f"which roles and databases a restore changes can't be told: {observed.accounts.reason}"
        return
    now, then, restore = _of(observed, live), _of(observed, other), desired.primary.restore
    if now is None or then is None:
        return
    if restore is None or lineage.timeline_branch(desired.timeline) is not None:
        yield from _exactly(now, then, other.branch.name)
    elif restore.moment is None:
        yield f"which roles and databases there were at {restore.to} is not known before: an LSN bears no time"
    else:
        yield from _by_age(desired, restore.moment, now, then, other)


def changes(desired: Desired, observed: Observed) -> tuple[Change, ...] | None:
    """Say exactly what the file's timeline, made live, changes; None as long as its branch can't be compared."""
    lineage = None if isinstance(observed.branches, Unknown) else infer_lineage(desired, observed.branches)
    if not isinstance(lineage, Lineage) or lineage.swapping:
        return None
    target = lineage.timeline_branch(effective_desired(desired, lineage).timeline)
    if target is None or target.branch.id == lineage.live.branch.id:
        return None
    now, then = _of(observed, lineage.live), _of(observed, target)
    return None if now is None or then is None else tuple(_changes(now, then))


def replaced(lineage: Lineage) -> TimelineBranch | None:
    """Find what the live timeline has replaced: by its roles and databases it is seen what that has changed."""
    newest = lineage.newest
    is_last = newest is not None and newest.held is not None and newest.held.before == lineage.live.timeline
    return newest if is_last and not lineage.swapping else None


def since(observed: Observed, lineage: Lineage) -> tuple[str, ...]:
    """Say which roles and databases are on the live branch only, or on what it has replaced, where that was read."""
    before = replaced(lineage)
    if before is None:
        return ()
    if isinstance(observed.accounts, Unknown):
        return (f"which roles and databases differ from what was replaced can't be told: {observed.accounts.reason}",)
    here, there = _of(observed, lineage.live), _of(observed, before)
    if here is None or there is None:
        return ()
    live, held = lineage.live.branch.name, before.branch.name
    said = (
        f'{each.kind} "{each.name}" is on "{live if each.comes_back else held}", and not on '
        f'"{held if each.comes_back else live}"'
        for each in _changes(there, here)
    )
    return tuple(_few(said))


def _other(desired: Desired, lineage: Lineage) -> TimelineBranch | None:
    """Find the branch that tells what the live one will have: what is to become it, or its source."""
    if desired.timeline == lineage.live.timeline:
        return None
    target, restore = lineage.timeline_branch(desired.timeline), desired.primary.restore
    if target is not None:
        return target if target.branch.ready else None
    source = None if restore is None else lineage.source(restore)
    return source if isinstance(source, TimelineBranch) else None


def _of(observed: Observed, target: TimelineBranch) -> RolesAndDatabases | None:
    return next((each for each in known(observed.accounts) if each.branch_id == target.branch.id), None)


def _tells_when(target: TimelineBranch) -> bool:
    """Whether Neon's times on a branch can say when a role was made: not on one that a restore has made."""
    return not target.preserved


def _is_younger(account: RoleOrDatabase, target: TimelineBranch, moment: Instant) -> bool:
    """Whether it was made after the moment, for certain: not by the making or the resetting of its branch."""
    branch = target.branch
    copied = branch.created_at if branch.parent_id is not None else None
    remade = (at for at in (copied, branch.last_reset_at) if at is not None)
    return account.created_at > moment and all(abs(account.created_at - at) > SAME_RESTORE for at in remade)


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
    if not _tells_when(source):
        yield f'"{source.branch.name}" was made by a restore: which roles and databases there were is not known before'
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
    said = f'role "{role.name}" was changed at {role.updated_at}, after {moment}, most often its password: '
    if desired.primary.method is Method.IN_PLACE:
        return said + "a restore in place keeps the password, by what is known, and a login as Hyperdrive's role checks"
    return said + "Hyperdrive gets the one that Neon tells of the restored branch, and a login proves it"


def _few(sentences: Iterable[str]) -> Iterator[str]:
    """Say the first ones, and how many more there are."""
    said = list(sentences)
    yield from said[:_MOST_NAMED]
    if len(said) > _MOST_NAMED:
        yield f"and {len(said) - _MOST_NAMED} more like the last"
