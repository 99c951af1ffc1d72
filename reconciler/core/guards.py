"""The guards: what must hold before a candidate is created, and before a branch or a config is used."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

from reconciler.core import lsn_guards, rewound
from reconciler.core.desired import Desired, Hyperdrive, Liftable, Method, OnFailure, Restore
from reconciler.core.instant import Instant
from reconciler.core.lifting import is_lifted, standing
from reconciler.core.limit_refusals import BranchLimitReached, ConfigLimitReached, RootBranchLimitReached
from reconciler.core.lineage.lineage import Carrier, Lineage
from reconciler.core.lsn import Lsn
from reconciler.core.observed import (
    Branch,
    HyperdriveConfig,
    Observed,
    ObservedWorker,
    Project,
    Unbound,
    Unknown,
    named,
)
from reconciler.core.refusals import (
    BeforeSourceExisted,
    BeforeSourceReset,
    BindingMissing,
    CandidateDiffers,
    HistoryDisabled,
    HyperdriveDiffers,
    InTheFuture,
    NameTaken,
    OutsideHistoryWindow,
    PooledOrigin,
    Refusal,
    RestoreRestricted,
    SameWorkerTwice,
    SourceExpires,
    TimelineNotHeld,
    TooRecent,
    Unreadable,
    WorkerNotDeployed,
)
from reconciler.core.rival_refusals import HyperdriveNameTaken
from reconciler.core.timeline import candidate_name, failed_name

# A commit needs a moment on its way to storage; Neon's own tests stay a second clear of now.
SETTLING = timedelta(seconds=2)
# Hyperdrive configs of an account on Workers Free and Paid (Hyperdrive documentation, Limits). Which plan an account
# has, the token is not allowed to read.
FREE_CONFIGS = 10
PAID_CONFIGS = 25
# Root branches of a project by plan (Neon documentation, Plans); the kinds of a plan begin with its name.
ROOT_BRANCHES = {"free": 3, "launch": 5, "scale": 25}


def unreadable(observed: Observed) -> list[Refusal]:
    """Refuse to decide on what could not be read."""
    parts = {
        "Neon project": observed.project,
        "Neon branches": observed.branches,
        "Neon operations": observed.operations,
        "Hyperdrive configs": observed.configs,
    }
    refusals: list[Refusal] = [
        Unreadable(part, value.reason, value.hint) for part, value in parts.items() if isinstance(value, Unknown)
    ]
    refusals += [_without_worker(each) for each in observed.workers if isinstance(each, Unknown)]
    return refusals


def _without_worker(unknown: Unknown) -> Refusal:
    if isinstance(unknown, Unbound):
        return BindingMissing(unknown.reason, unknown.hint)
    return Unreadable("Worker", unknown.reason, unknown.hint)


def workers(observed: tuple[ObservedWorker, ...]) -> list[Refusal]:
    """Refuse Workers that can't be switched."""
    scripts = [each.script for each in observed]
    refusals: list[Refusal] = [SameWorkerTwice(name) for name in sorted({n for n in scripts if scripts.count(n) > 1})]
    refusals += [WorkerNotDeployed(each.script) for each in observed if each.serving is None]
    return refusals


def creation(desired: Desired, observed: Observed, lineage: Lineage, project: Project) -> Carrier | list[Refusal]:
    """Return the source of the candidate that is to be created, or every reason against it."""
    in_place = desired.primary.method is Method.IN_PLACE
    refusals = [*_names_free(desired, observed), *_room(desired, observed, lineage, project, 1)]
    refusals += _restricted(lineage) if in_place else _config_taken(desired, observed)
    restore, held = desired.primary.restore, lineage.carrier(desired.timeline)
    if held is not None:
        return [*refusals, *_expiring(held.branch)] or held
    if restore is None:
        return [_not_held(desired, lineage)]
    refusals += _moment(restore, observed, project)
    source = lineage.source(restore)
    if isinstance(source, Refusal):
        return [*refusals, source]
    refusals += _source(restore, source, lineage)
    refusals += rewound.too_young(desired, observed, source, restore.moment)
    return refusals or source


def in_place(
    desired: Desired, observed: Observed, lineage: Lineage, prepared: Carrier, project: Project
) -> list[Refusal]:
    """Refuse to overwrite the primary, also where something has changed since the candidate was made."""
    return [
        *candidate(desired.primary.restore, prepared, lineage),
        *_restricted(lineage),
        *_room(desired, observed, lineage, project, 0),
    ]


def _restricted(lineage: Lineage) -> Iterator[Refusal]:
    branch = lineage.live.branch
    if branch.unrestorable:
        yield RestoreRestricted(branch.name, branch.unrestorable)


def _not_held(desired: Desired, lineage: Lineage) -> Refusal:
    held = tuple(str(each.timeline) for each in lineage.held)
    return TimelineNotHeld(desired.timeline, str(lineage.live.timeline), held)


def _moment(restore: Restore, observed: Observed, project: Project) -> Iterator[Refusal]:
    """An LSN bears no time: whether it is in the history, Neon tells, before anything is changed."""
    moment, edge = restore.moment, observed.at.before(project.history)
    if moment is not None and moment > observed.at:
        yield InTheFuture(moment, observed.at)
    elif moment is not None and moment > observed.at.before(SETTLING):
        yield TooRecent(moment, observed.at, SETTLING)
    if not project.history:
        yield HistoryDisabled(project.id)
    elif moment is not None and moment < edge:
        yield OutsideHistoryWindow(moment, edge, project.history)


def _names_free(desired: Desired, observed: Observed) -> Iterator[Refusal]:
    branches = () if isinstance(observed.branches, Unknown) else observed.branches
    for name in (each(desired.primary.branch, desired.timeline) for each in (candidate_name, failed_name)):
        if named(branches, name) is not None:
            yield NameTaken(name)


def _room(desired: Desired, observed: Observed, lineage: Lineage, project: Project, candidates: int) -> list[Refusal]:
    """Refuse where there is no room for so many candidates, and for what is preserved in place.

    That is one branch, or three where the last check may have to go back: the failed timeline is kept, and the way back
    is proved on a candidate as well. What a root held becomes one more root; a candidate is a child.
    """
    branches = () if isinstance(observed.branches, Unknown) else observed.branches
    in_place = desired.primary.method is Method.IN_PLACE
    preserved = (2 if _may_go_back(desired, lineage) else 1) if in_place else 0
    more = candidates + preserved + (1 if preserved > 1 else 0)
    refusals = branch_room(desired, len(branches), project, more)
    if in_place and lineage.live.branch.parent_id is None:
        refusals += root_room(desired, sum(branch.parent_id is None for branch in branches), project, preserved)
    return refusals


def branch_room(desired: Desired, count: int, project: Project, more: int) -> list[Refusal]:
    """Refuse so many more branches than there are where the project's limit is lower."""
    if project.branches_limit is None or count + more <= project.branches_limit:
        return []
    return standing(desired, [BranchLimitReached(count, project.branches_limit, more)])


def root_room(desired: Desired, count: int, project: Project, more: int = 1) -> list[Refusal]:
    """Refuse so many more root branches than there are where the project's plan allows fewer."""
    limit = root_limit(project)
    if limit is None or count + more <= limit:
        return []
    return standing(desired, [RootBranchLimitReached(count, limit, project.plan, more)])


def root_limit(project: Project) -> int | None:
    """Return how many root branches the project's plan allows; None where that is not known."""
    return next((roots for plan, roots in ROOT_BRANCHES.items() if project.plan.startswith(plan)), None)


def _may_go_back(desired: Desired, lineage: Lineage) -> bool:
    """Tell whether a last check follows that is answered by putting back what was live: only what is new has one."""
    is_new = all(each.timeline != desired.timeline for each in lineage.held)
    checked = bool(desired.verify.http and desired.workers)
    return is_new and checked and desired.verify.on_failure is OnFailure.ROLLBACK


def _config_taken(desired: Desired, observed: Observed) -> Iterator[Refusal]:
    """A branch that is not there yet can be where no config leads."""
    if desired.hyperdrive is None or desired.hyperdrive.is_repointed or isinstance(observed.configs, Unknown):
        return
    existing = named(observed.configs, desired.hyperdrive.config_for(desired.timeline))
    if existing is not None:
        branches = () if isinstance(observed.branches, Unknown) else observed.branches
        hosts = {(each.endpoint.host, each.endpoint.port) for each in branches if each.endpoint is not None}
        astray = (existing.host, existing.port) in hosts
        yield HyperdriveNameTaken(existing.name, existing.id, existing.host, astray)


def config_room(desired: Desired, configs: tuple[HyperdriveConfig, ...], name: str) -> list[Refusal]:
    """Refuse one more Hyperdrive config than an account can have."""
    if len(configs) < PAID_CONFIGS:
        return []
    return standing(desired, [ConfigLimitReached(len(configs), PAID_CONFIGS, name)])


def _source(restore: Restore, source: Carrier, lineage: Lineage) -> Iterator[Refusal]:
    """What was preserved in place has a history from before it; where it is not known since when, Neon has to tell."""
    branch = source.branch
    if isinstance(restore.to, Lsn):
        yield from lsn_guards.before_source(restore.to, branch)
    else:
        yield from _began_later(restore.to, source, lineage)
    yield from _expiring(branch)


def _began_later(moment: Instant, source: Carrier, lineage: Lineage) -> Iterator[Refusal]:
    branch, replaced = source.branch, lineage.replaced_in_place_at(source)
    made = lineage.prepared_at(source) if source.preserved else branch.created_at
    if made is not None and moment <= made:
        yield BeforeSourceExisted(moment, branch.name, made)
    elif (reset := branch.last_reset_at or replaced) is not None and moment <= reset:
        yield BeforeSourceReset(moment, branch.name, reset)


def _expiring(branch: Branch) -> Iterator[Refusal]:
    if branch.expires_at is not None:
        yield SourceExpires(branch.name, branch.expires_at)


def candidate(restore: Restore | None, carrier: Carrier, lineage: Lineage) -> list[Refusal]:
    """Refuse a candidate that is not what is asked: made from another branch, or holding a later moment.

    A copy of what is held was told from others by its parent, when the branches were read.
    """
    is_copy = any(each.timeline == carrier.timeline for each in lineage.held)
    if carrier not in lineage.candidates or lineage.swapping or is_copy:
        return []
    if restore is None:
        return [TimelineNotHeld(carrier.timeline, str(lineage.live.timeline), ())]
    source = lineage.source(restore)
    return [source] if isinstance(source, Refusal) else _differences(restore, carrier.branch, source)


def _differences(restore: Restore, branch: Branch, source: Carrier) -> list[Refusal]:
    if branch.parent_id != source.branch.id:
        difference = f'its parent is {branch.parent_id or "nothing"}, not "{source.branch.name}" ({source.branch.id})'
        return [CandidateDiffers(branch.name, difference)]
    if isinstance(restore.to, Lsn):
        later = lsn_guards.difference(restore.to, branch)
        return [CandidateDiffers(branch.name, later)] if later else []
    if branch.resolved_at is not None and branch.resolved_at > restore.to:
        return [CandidateDiffers(branch.name, f"it holds {branch.resolved_at}, later than {restore.to}")]
    reset = source.branch.last_reset_at
    if reset is not None and restore.to <= reset <= branch.created_at:
        return [CandidateDiffers(branch.name, f'"{source.branch.name}" was reset at {reset}, before it was made')]
    return []


def config(desired: Desired, hyperdrive: Hyperdrive, existing: HyperdriveConfig, branch: Branch) -> list[Refusal]:
    """Refuse a Hyperdrive config that does not point to the branch: it is never edited, nor trusted by its name.

    A pooled host leads to the same branch as the direct one: where that guard is lifted, this is still asked.
    """
    if (unpooled := direct(existing)) != existing:
        if not is_lifted(desired, Liftable.POOLED_ORIGIN):
            return [PooledOrigin(existing.host)]
        existing = unpooled
    assert branch.endpoint is not None  # a branch gets a compute before anything is asked of its config
    wanted = {
        "database": hyperdrive.database,
        "user": hyperdrive.role,
        "host": f"{branch.endpoint.host}:{branch.endpoint.port}",
    }
    found = {
        "database": existing.database,
        "user": existing.user,
        "host": f"{existing.host}:{existing.port}",
    }
    differences = tuple(
        f"{part} is {found[part]}, not {value}" for part, value in sorted(wanted.items()) if found[part] != value
    )
    return [HyperdriveDiffers(existing.name, differences)] if differences else []


def direct(config: HyperdriveConfig) -> HyperdriveConfig:
    """Return a config as if it led past Neon's pooler, which the first part of a host name says."""
    label, dot, domain = config.host.partition(".")
    return replace(config, host=f"{label.removesuffix('-pooler')}{dot}{domain}")
