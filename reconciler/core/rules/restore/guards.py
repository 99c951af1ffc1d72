"""The guards: what must hold before a candidate is created, and before a branch or a config is used."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from reconciler.core.lineage import lsn
from reconciler.core.lineage.lineage import BeforeSourceExisted, Lineage, TimelineBranch
from reconciler.core.model.desired import Desired, Method, OnFailure, Restore
from reconciler.core.model.observed import Branch, Observed, Project, Unknown, known, named
from reconciler.core.model.refusal import Refusal
from reconciler.core.rules.context.limits import branch_room, root_room
from reconciler.core.rules.restore import role_changes
from reconciler.core.rules.retention.expiry import SourceExpires
from reconciler.core.values.instant import Instant
from reconciler.core.values.lsn import Lsn
from reconciler.core.values.timeline import Timeline, candidate_name, failed_name


@dataclass(frozen=True, slots=True)
class RestoreRestricted(Refusal):
    """Neon reports that the primary can't be restored in place now (API reference, Branch, `restricted_actions`)."""

    rule = "restore-restricted"
    before_the_call = "read again, Neon"
    branch: str
    reason: str

    problem = 'Neon does not allow restoring "{branch}" in place now: {reason}'
    way_out = 'set "method": "branch", which does not change the primary; or wait, if the reason is temporary'


@dataclass(frozen=True, slots=True)
class TimelineNotHeld(Refusal):
    """The timeline that the file names is neither live nor held, and can't be created again."""

    rule = "timeline-not-held"
    timeline: Timeline
    live: str
    held: tuple[str, ...]

    problem = 'timeline "{timeline}" is neither live nor held; "{live}" is live'
    way_out = "held: {held}. Choose one of these, or restore to a moment inside the history window"


@dataclass(frozen=True, slots=True)
class InTheFuture(Refusal):
    """The moment is in the future."""

    rule = "in-the-future"
    before_the_call = "the look, Neon"
    to: Instant
    now: Instant

    problem = "{to} is {ahead} in the future (it is now {now})"
    way_out = "check the time zone of primary.restore.to: a common mistake is a local time with Z at its end"

    @property
    def ahead(self) -> timedelta:
        """How far in the future the moment is."""
        return self.to - self.now


@dataclass(frozen=True, slots=True)
class TooRecent(Refusal):
    """The moment is so recent that commits before it may not be durable yet."""

    rule = "too-recent"
    to: Instant
    now: Instant
    margin: timedelta

    problem = "{to} is only {age} ago (it is now {now}), and the newest commits may not be durable yet"
    way_out = "wait {margin}, then run it again"

    @property
    def age(self) -> timedelta:
        """How long ago the moment is."""
        return self.now - self.to


@dataclass(frozen=True, slots=True)
class HistoryDisabled(Refusal):
    """The project keeps no history."""

    rule = "history-disabled"
    before_the_call = "the look, Neon"
    project: str

    problem = "project {project} keeps no history (history_retention_seconds is 0)"
    way_out = "no past moment can be restored. Raise the history window now to be able to restore later ones"


@dataclass(frozen=True, slots=True)
class OutsideHistoryWindow(Refusal):
    """The moment is older than the project's history."""

    rule = "outside-history-window"
    before_the_call = "the look, Neon"
    to: Instant
    edge: Instant
    window: timedelta

    problem = "{to} is {late} older than the history window ({window}, from {edge}): it left the window at {left_at}"
    way_out = (
        "ask for a moment after {edge}, restore a Neon snapshot, or look for a held branch. Raising the window now "
        "does not bring older history back"
    )

    @property
    def late(self) -> timedelta:
        """How long ago the moment left the window."""
        return self.edge - self.to

    @property
    def left_at(self) -> Instant:
        """When the moment left the window."""
        return self.to.before(-self.window)


@dataclass(frozen=True, slots=True)
class BeforeSourceReset(Refusal):
    """The source was reset or restored in place after that moment, so its own history starts later."""

    rule = "before-source-reset"
    before_the_call = "the look, gate `identity`"
    to: Instant
    source: str
    reset_at: Instant

    problem = '{to} is before branch "{source}" was last reset or restored ({reset_at})'
    way_out = "ask for a later moment. The branch that was preserved at the reset, if any, has the earlier history"


@dataclass(frozen=True, slots=True)
class NameTaken(Refusal):
    """A branch that is not ours has the name that the candidate would get."""

    rule = "branch-name-taken"
    before_the_call = "Neon: names are unique"
    name: str

    problem = 'a branch named "{name}" exists, and its annotations are not those of a candidate'
    way_out = "rename it, or delete it if you don't need it; or use another id for the restore"


@dataclass(frozen=True, slots=True)
class CandidateDiffers(Refusal):
    """The candidate was created from another branch, or holds a later moment, than the file asks for now."""

    rule = "candidate-differs"
    before_the_call = "read again, gate `identity`"
    name: str
    difference: str

    problem = 'candidate "{name}" is not what the file asks for: {difference}'
    way_out = "it never served users: delete it and run it again, or use another id for the restore"


@dataclass(frozen=True, slots=True)
class HyperdriveNameTaken(Refusal):
    """The config that a restore would create exists already, although its branch does not.

    `points_elsewhere`: it points to another branch that exists, so the list of branches does not merely lag behind.
    """

    rule = "hyperdrive-name-taken"
    before_the_call = "Cloudflare: names are unique"
    name: str
    id: str
    host: str
    points_elsewhere: bool = False

    problem = (
        'a Hyperdrive config named "{name}" exists already ({id}, pointing to {host}), but the branch that it would '
        "point to does not"
    )
    way_out = (
        "it belongs to something else, or its branch was deleted. If no Worker is bound to it, delete it (wrangler "
        "hyperdrive delete {id}); or use another id for the restore"
    )

    @property
    def may_lag(self) -> bool:
        """Whether its branch may exist and the list of branches lag behind."""
        return not self.points_elsewhere


# A commit takes a moment to reach storage; Neon's own tests stay a second clear of now.
SETTLING = timedelta(seconds=2)


def creation(
    desired: Desired, observed: Observed, lineage: Lineage, project: Project
) -> TimelineBranch | list[Refusal]:
    """Return the source of the candidate to create, or every reason against it."""
    in_place = desired.primary.method is Method.IN_PLACE
    refusals = [*_names_free(desired, observed), *_room(desired, observed, lineage, project, 1)]
    refusals += _restricted(lineage) if in_place else _config_taken(desired, observed)
    restore, held = desired.primary.restore, lineage.timeline_branch(desired.timeline)
    if held is not None:
        return [*refusals, *_expiring(held.branch)] or held
    if restore is None:
        names = tuple(str(each.timeline) for each in lineage.held)
        return [TimelineNotHeld(desired.timeline, str(lineage.live.timeline), names)]
    refusals += _moment(restore, observed, project)
    source = lineage.source(restore)
    if isinstance(source, Refusal):
        return [*refusals, source]
    refusals += _source(restore, source, lineage)
    refusals += role_changes.too_young(desired, observed, source, restore.moment)
    return refusals or source


def in_place(
    desired: Desired, observed: Observed, lineage: Lineage, prepared: TimelineBranch, project: Project
) -> list[Refusal]:
    """Refuse to overwrite the primary, also if something has changed since the candidate was created."""
    return [
        *candidate(desired.primary.restore, prepared, lineage),
        *_restricted(lineage),
        *_room(desired, observed, lineage, project, 0),
    ]


def _restricted(lineage: Lineage) -> Iterator[Refusal]:
    branch = lineage.live.branch
    if branch.unrestorable:
        yield RestoreRestricted(branch.name, branch.unrestorable)


def _moment(restore: Restore, observed: Observed, project: Project) -> Iterator[Refusal]:
    """An LSN has no time: Neon checks whether it is in the history, before anything is changed."""
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
    branches = known(observed.branches)
    for name in (each(desired.primary.branch, desired.timeline) for each in (candidate_name, failed_name)):
        if named(branches, name) is not None:
            yield NameTaken(name)


def _room(desired: Desired, observed: Observed, lineage: Lineage, project: Project, candidates: int) -> list[Refusal]:
    """Refuse if there is no room for the candidates, and for the branches that a restore in place preserves.

    A restore in place preserves one branch. If its last check may roll it back, that preserves a second one, of the
    failed timeline, and needs another candidate: three in all. What a root held becomes a root; a candidate is a child.
    """
    branches = known(observed.branches)
    in_place = desired.primary.method is Method.IN_PLACE
    preserved = (2 if _may_go_back(desired, lineage) else 1) if in_place else 0
    more = candidates + preserved + (1 if preserved > 1 else 0)
    refusals = branch_room(desired, len(branches), project, more)
    if in_place and lineage.live.branch.parent_id is None:
        refusals += root_room(desired, sum(branch.parent_id is None for branch in branches), project, preserved)
    return refusals


def _may_go_back(desired: Desired, lineage: Lineage) -> bool:
    """Whether a failed last check would roll the restore back: only a new timeline has a last check."""
    is_new = all(each.timeline != desired.timeline for each in lineage.held)
    checked = bool(desired.verify.http and desired.workers)
    return is_new and checked and desired.verify.on_failure is OnFailure.ROLLBACK


def _config_taken(desired: Desired, observed: Observed) -> Iterator[Refusal]:
    """No config can point to a branch that does not exist yet."""
    if desired.hyperdrive is None or desired.hyperdrive.is_repointed or isinstance(observed.configs, Unknown):
        return
    existing = named(observed.configs, desired.hyperdrive.config_for(desired.timeline))
    if existing is not None:
        branches = known(observed.branches)
        hosts = {(each.endpoint.host, each.endpoint.port) for each in branches if each.endpoint is not None}
        points_elsewhere = (existing.host, existing.port) in hosts
        yield HyperdriveNameTaken(existing.name, existing.id, existing.host, points_elsewhere)


def _source(restore: Restore, source: TimelineBranch, lineage: Lineage) -> Iterator[Refusal]:
    """A preserved branch has history from before it was created. If its start is unknown, Neon's answer decides."""
    branch = source.branch
    created = lineage.prepared_at(source) if source.preserved else branch.created_at
    reset = branch.last_reset_at or lineage.replaced_in_place_at(source)
    if isinstance(restore.to, Lsn):
        yield from lsn.before_source(restore.to, branch)
    elif created is not None and restore.to <= created:
        yield BeforeSourceExisted(restore.to, branch.name, created)
    elif reset is not None and restore.to <= reset:
        yield BeforeSourceReset(restore.to, branch.name, reset)
    yield from _expiring(branch)


def _expiring(branch: Branch) -> Iterator[Refusal]:
    if branch.expires_at is not None:
        yield SourceExpires(branch.name, branch.expires_at)


def candidate(restore: Restore | None, target: TimelineBranch, lineage: Lineage) -> list[Refusal]:
    """Refuse a candidate that was created from another branch, or holds a later moment, than the file asks for.

    A copy of a held branch was already recognized by its parent when the branches were read.
    """
    is_copy = any(each.timeline == target.timeline for each in lineage.held)
    if target not in lineage.candidates or lineage.swapping or is_copy:
        return []
    if restore is None:
        return [TimelineNotHeld(target.timeline, str(lineage.live.timeline), ())]
    source = lineage.source(restore)
    return [source] if isinstance(source, Refusal) else _differences(restore, target.branch, source)


def _differences(restore: Restore, branch: Branch, source: TimelineBranch) -> list[Refusal]:
    if branch.parent_id != source.branch.id:
        difference = f'its parent is {branch.parent_id or "nothing"}, not "{source.branch.name}" ({source.branch.id})'
        return [CandidateDiffers(branch.name, difference)]
    if isinstance(restore.to, Lsn):
        later = lsn.difference(restore.to, branch)
        return [CandidateDiffers(branch.name, later)] if later else []
    if branch.resolved_at is not None and branch.resolved_at > restore.to:
        return [CandidateDiffers(branch.name, f"it holds {branch.resolved_at}, later than {restore.to}")]
    reset = source.branch.last_reset_at
    if reset is not None and restore.to <= reset <= branch.created_at:
        return [CandidateDiffers(branch.name, f'"{source.branch.name}" was reset at {reset}, before it was created')]
    return []
