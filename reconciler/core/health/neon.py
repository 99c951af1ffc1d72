"""What a restore needs of Neon: the key, the project with its history, the primary, room, and a login."""

from collections.abc import Iterator
from datetime import timedelta

from reconciler.core.health.checks import (
    EITHER,
    IN_PLACE,
    NEITHER,
    Check,
    SetUp,
    State,
    Unneeded,
    Wrong,
    refused,
    unknown_check,
)
from reconciler.core.lineage.infer import infer_lineage
from reconciler.core.lineage.lineage import Lineage
from reconciler.core.model.desired import Desired, Method, Waivable
from reconciler.core.model.observed import Branch, Observed, Operation, Project, Unknown
from reconciler.core.model.refusal import Refusal
from reconciler.core.rules.context import limits
from reconciler.core.rules.context.concurrency import PATIENCE, OperationRunning
from reconciler.core.rules.context.limits import BranchLimitReached, RootBranchLimitReached
from reconciler.core.rules.context.waivers import is_waived
from reconciler.core.rules.restore.guards import HistoryDisabled, RestoreRestricted
from reconciler.core.rules.retention.expiry import SourceExpires
from reconciler.core.rules.retention.room import branches_room, roots_room, without_ended
from reconciler.core.values.duration import for_people

# A history window that is shorter lets the moment pass before anybody has decided.
_SHORT_HISTORY = timedelta(hours=6)
_FEW = 3
# What each method makes; in place, what was proved on is deleted at the end.
_MORE = {Method.BRANCH: 1, Method.IN_PLACE: 2}


def lineage_of(desired: Desired, observed: Observed) -> Lineage | Refusal | Unknown:
    """Read who carries which timeline, as far as the branches could be read."""
    return observed.branches if isinstance(observed.branches, Unknown) else infer_lineage(desired, observed.branches)


def checks(setup: SetUp) -> Iterator[Check]:
    """Check everything at Neon."""
    project, branches = setup.observed.project, setup.observed.branches
    lineage = lineage_of(setup.desired, setup.observed)
    yield from _project(project)
    yield _primary(lineage)
    if isinstance(lineage, Lineage):
        yield _in_place(lineage.live.branch)
    if isinstance(project, Project) and not isinstance(branches, Unknown):
        rest = without_ended(setup.desired, setup.observed)
        yield _branches(setup, project, rest)
        yield _roots(setup, project, rest, lineage)
    yield _operations(setup.desired, setup.observed, setup.observed.operations)
    yield _login(setup.login)


def _project(project: Project | Unknown) -> Iterator[Check]:
    if isinstance(project, Unknown):
        yield unknown_check("Neon project", project)
        return
    yield Check("Neon project", State.OK, f'"{project.name}" ({project.id}), plan {project.plan or "unknown"}')
    window = for_people(project.history)
    if not project.history:
        yield refused("history window", HistoryDisabled(project.id))
    elif project.history < _SHORT_HISTORY:
        remedy = "raise history_retention_seconds: older moments can't be restored, and raising it later helps no more"
        yield Check("history window", State.WARNING, f"only {window}", remedy)
    else:
        yield Check("history window", State.OK, f"{window} (history_retention_seconds)")


def _primary(lineage: Lineage | Refusal | Unknown) -> Check:
    match lineage:
        case Unknown():
            return unknown_check("primary", lineage)
        case Refusal():
            return refused("primary", lineage)
    branch = lineage.live.branch
    if branch.expires_at is not None:
        return refused("primary", SourceExpires(branch.name, branch.expires_at))
    if lineage.swapping:
        seen = f'no branch has its name: a run was interrupted, and "{branch.name}" is live'
        return Check("primary", State.WARNING, seen, "run reconciler apply, which goes on from there")
    return Check("primary", State.OK, f'"{branch.name}" ({branch.id}) carries {lineage.live.timeline}')


def _in_place(branch: Branch) -> Check:
    if branch.unrestorable:
        return refused("restore in place", RestoreRestricted(branch.name, branch.unrestorable), IN_PLACE)
    if branch.parent_id is None:
        return Check("restore in place", State.OK, f'"{branch.name}" is a root branch, and Neon restricts nothing')
    return Check(
        "restore in place",
        State.WARNING,
        f'"{branch.name}" is a child ({branch.parent_id} is its parent): Neon documents moments of root branches only',
        "Neon accepts or refuses it before anything changes",
    )


def _branches(setup: SetUp, project: Project, rest: Observed) -> Check:
    """Report how many more branches the project may have, without those that a restore deletes first to make room.

    `rest` is what there is without that.
    """
    room, name, limit = branches_room(setup.observed, rest), "branches left", project.branches_limit
    if limit is None:
        return Check(name, State.OK, f"{room}; Neon does not report the limit")
    stay = room.count - room.going
    refusals = {method: limits.branch_room(setup.desired, stay, project, more) for method, more in _MORE.items()}
    if stopped := frozenset(method for method, some in refusals.items() if some):
        return refused(name, BranchLimitReached(room.count, limit, min(_MORE[method] for method in stopped)), stopped)
    seen = f"{max(limit - room.count, 0)}: {room.count} of {limit} are there{room.leaving}"
    if limit - stay < _FEW:
        return Check(name, State.WARNING, seen, BranchLimitReached(room.count, limit, _FEW).hint)
    return Check(name, State.OK, seen)


def _roots(setup: SetUp, project: Project, rest: Observed, lineage: Lineage | Refusal | Unknown) -> Check:
    """Only what is preserved in place becomes a root: a candidate is a child."""
    name, room, limit = "root branches left", roots_room(setup.observed, rest), limits.root_limit(project)
    if limit is None:
        return Check(name, State.OK, f"{room}; no limit is known for plan {project.plan or '(unknown)'}")
    becomes_root = isinstance(lineage, Lineage) and lineage.live.branch.parent_id is None
    if becomes_root and limits.root_room(setup.desired, room.count - room.going, project):
        return refused(name, RootBranchLimitReached(room.count, limit, project.plan, 1), IN_PLACE)
    left = max(limit - room.count, 0)
    return Check(name, State.OK, f"{left}: {room.count} of {limit} of plan {project.plan} are there{room.leaving}")


def _operations(desired: Desired, observed: Observed, running: tuple[Operation, ...] | Unknown) -> Check:
    name = "Neon at work"
    if isinstance(running, Unknown):
        return unknown_check(name, running)
    if not running:
        return Check(name, State.OK, "on nothing")
    oldest = min(running, key=lambda each: each.since)
    lasted, patience = observed.at - oldest.since, for_people(PATIENCE)
    seen = f"on {oldest.action} since {oldest.since}, for {for_people(lasted)}: it locks the project against writes"
    if lasted < PATIENCE or is_waived(desired, Waivable.OPERATION_RUNNING):
        return Check(name, State.WARNING, seen, f"an apply waits for its end, {patience} at most")
    remedy = f"an apply waits {patience} and then refuses: ask Neon's support, or wait until it has ended"
    return Check(name, State.FAILED, seen, remedy, rule=OperationRunning.rule)


def _login(login: str | Unknown | Unneeded) -> Check:
    """A candidate has a compute of its own, but its role and database are those of the primary."""
    match login:
        case Unneeded(reason):
            remedy = "name hyperdrive or verify.role in the file, and a restore proves that its branch can be used"
            return Check("login", State.WARNING, reason, remedy, NEITHER)
        case Wrong():
            return unknown_check("login", login, EITHER)
        case Unknown():
            return unknown_check("login", login, IN_PLACE)
    return Check("login", State.OK, login)
