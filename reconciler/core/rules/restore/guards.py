"""The guards: what must hold before a candidate is created, and before a branch or a config is used."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import ClassVar

from reconciler.core.lineage import lsn
from reconciler.core.lineage.lineage import BeforeSourceExisted, Lineage, TimelineBranch
from reconciler.core.model.desired import Desired, Method, OnFailure, Restore
from reconciler.core.model.observed import (
    Branch,
    Observed,
    Project,
    Unknown,
    named,
)
from reconciler.core.model.refusal import Refusal
from reconciler.core.rules.context.limits import (
    branch_room,
    root_room,
)
from reconciler.core.rules.restore import role_changes
from reconciler.core.rules.retention.expiry import SourceExpires
from reconciler.core.values.duration import for_people
from reconciler.core.values.instant import Instant
from reconciler.core.values.lsn import Lsn
from reconciler.core.values.timeline import Timeline, candidate_name, failed_name


@dataclass(frozen=True, slots=True)
class RestoreRestricted(Refusal):
    """Neon says that the primary can't be restored in place now (API reference, Branch, `restricted_actions`)."""

    rule: ClassVar[str] = "restore-restricted"
    branch: str
    reason: str

    @property
    def message(self) -> str:  # noqa: D102
        return f'Neon restricts restoring "{self.branch}" in place: {self.reason}'

    @property
    def hint(self) -> str:  # noqa: D102
        return 'set "method": "branch", which leaves the primary as it is; or wait, if the reason is one that passes'


@dataclass(frozen=True, slots=True)
class TimelineNotHeld(Refusal):
    """The timeline that the file names is neither live nor held, and cannot be made again."""

    rule: ClassVar[str] = "timeline-not-held"
    timeline: Timeline
    live: str
    held: tuple[str, ...]

    @property
    def message(self) -> str:  # noqa: D102
        return f'timeline "{self.timeline}" is not held any more, and "{self.live}" is live'

    @property
    def hint(self) -> str:  # noqa: D102
        held = ", ".join(self.held) or "nothing"
        return f"held: {held}. Ask for one of these, or for a restore to a moment inside the history window"


@dataclass(frozen=True, slots=True)
class InTheFuture(Refusal):
    """The moment asked for has not happened yet."""

    rule: ClassVar[str] = "in-the-future"
    to: Instant
    now: Instant

    @property
    def message(self) -> str:  # noqa: D102
        return f"{self.to} lies {for_people(self.to - self.now)} in the future (now it is {self.now})"

    @property
    def hint(self) -> str:  # noqa: D102
        return "check the zone of primary.restore.to: a local time with Z at its end is the usual cause"


@dataclass(frozen=True, slots=True)
class TooRecent(Refusal):
    """The moment is so fresh that commits before it may still be on their way to storage."""

    rule: ClassVar[str] = "too-recent"
    to: Instant
    now: Instant
    margin: timedelta

    @property
    def message(self) -> str:  # noqa: D102
        age, margin = for_people(self.now - self.to), for_people(self.margin)
        return f"{self.to} is only {age} ago (now it is {self.now}), and a moment is safe to ask for after {margin}"

    @property
    def hint(self) -> str:  # noqa: D102
        return "run it again in a few seconds"


@dataclass(frozen=True, slots=True)
class HistoryDisabled(Refusal):
    """The project keeps no history."""

    rule: ClassVar[str] = "history-disabled"
    project: str

    @property
    def message(self) -> str:  # noqa: D102
        return f"project {self.project} keeps no history (history_retention_seconds is 0)"

    @property
    def hint(self) -> str:  # noqa: D102
        return "no moment can be restored; raise the history window now, so that the next one can"


@dataclass(frozen=True, slots=True)
class OutsideHistoryWindow(Refusal):
    """The moment is older than the project's history."""

    rule: ClassVar[str] = "outside-history-window"
    to: Instant
    edge: Instant
    window: timedelta

    @property
    def message(self) -> str:  # noqa: D102
        late = for_people(self.edge - self.to)
        return (
            f"{self.to} is {late} older than the history window ({for_people(self.window)}, from {self.edge}): it left "
            f"the window at {self.to.before(-self.window)}"
        )

    @property
    def hint(self) -> str:  # noqa: D102
        return (
            f"ask for a moment after {self.edge}, restore a Neon snapshot, or look for a held branch; raising the "
            "window now does not bring older history back"
        )


@dataclass(frozen=True, slots=True)
class BeforeSourceReset(Refusal):
    """The source was reset or restored in place after that moment, so its own history starts later."""

    rule: ClassVar[str] = "before-source-reset"
    to: Instant
    source: str
    reset_at: Instant

    @property
    def message(self) -> str:  # noqa: D102
        return f'{self.to} lies before branch "{self.source}" was last reset or restored ({self.reset_at})'

    @property
    def hint(self) -> str:  # noqa: D102
        return "what it held before is on the branch that was preserved then, if one was: ask for a later moment"


@dataclass(frozen=True, slots=True)
class NameTaken(Refusal):
    """A branch that is not ours has the name that the candidate would get."""

    rule: ClassVar[str] = "branch-name-taken"
    name: str

    @property
    def message(self) -> str:  # noqa: D102
        return f'a branch named "{self.name}" exists, and its annotations are not those of a candidate'

    @property
    def hint(self) -> str:  # noqa: D102
        return "rename or delete it if it is not needed, or ask for the restore under another id"


@dataclass(frozen=True, slots=True)
class CandidateDiffers(Refusal):
    """The candidate was made from another branch, or holds a later moment, than what is asked now."""

    rule: ClassVar[str] = "candidate-differs"
    name: str
    difference: str

    @property
    def message(self) -> str:  # noqa: D102
        return f'candidate "{self.name}" is not what is asked: {self.difference}'

    @property
    def hint(self) -> str:  # noqa: D102
        return "it never served: delete it and run again, or ask for the restore under another id"


@dataclass(frozen=True, slots=True)
class HyperdriveNameTaken(Refusal):
    """A restore is to begin, and the config that it would create exists: it can lead to nothing that is asked.

    `leads_astray`: it leads to a branch that is there, so it can't be that of a branch which is too new to be listed.
    """

    rule: ClassVar[str] = "hyperdrive-name-taken"
    name: str
    id: str
    host: str
    leads_astray: bool = False

    @property
    def may_lag(self) -> bool:  # noqa: D102
        return not self.leads_astray

    @property
    def message(self) -> str:  # noqa: D102
        return (
            f'a Hyperdrive config named "{self.name}" exists ({self.id}, it leads to {self.host}), and the branch that '
            "it would lead to does not"
        )

    @property
    def hint(self) -> str:  # noqa: D102
        return (
            "it is somebody else's, or left from a branch that is deleted. Delete it where no Worker is bound to it "
            f"(wrangler hyperdrive delete {self.id}), or ask for the restore under another id"
        )


# A commit needs a moment on its way to storage; Neon's own tests stay a second clear of now.
SETTLING = timedelta(seconds=2)


def creation(
    desired: Desired, observed: Observed, lineage: Lineage, project: Project
) -> TimelineBranch | list[Refusal]:
    """Return the source of the candidate that is to be created, or every reason against it."""
    in_place = desired.primary.method is Method.IN_PLACE
    refusals = [*_names_free(desired, observed), *_room(desired, observed, lineage, project, 1)]
    refusals += _restricted(lineage) if in_place else _config_taken(desired, observed)
    restore, held = desired.primary.restore, lineage.timeline_branch(desired.timeline)
    if held is not None:
        return [*refusals, *_expiring(held.branch)] or held
    if restore is None:
        return [_not_held(desired, lineage)]
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


def _source(restore: Restore, source: TimelineBranch, lineage: Lineage) -> Iterator[Refusal]:
    """What was preserved in place has a history from before it; where it is not known since when, Neon has to tell."""
    branch = source.branch
    if isinstance(restore.to, Lsn):
        yield from lsn.before_source(restore.to, branch)
    else:
        yield from _began_later(restore.to, source, lineage)
    yield from _expiring(branch)


def _began_later(moment: Instant, source: TimelineBranch, lineage: Lineage) -> Iterator[Refusal]:
    branch, replaced = source.branch, lineage.replaced_in_place_at(source)
    made = lineage.prepared_at(source) if source.preserved else branch.created_at
    if made is not None and moment <= made:
        yield BeforeSourceExisted(moment, branch.name, made)
    elif (reset := branch.last_reset_at or replaced) is not None and moment <= reset:
        yield BeforeSourceReset(moment, branch.name, reset)


def _expiring(branch: Branch) -> Iterator[Refusal]:
    if branch.expires_at is not None:
        yield SourceExpires(branch.name, branch.expires_at)


def candidate(restore: Restore | None, timeline_branch: TimelineBranch, lineage: Lineage) -> list[Refusal]:
    """Refuse a candidate that is not what is asked: made from another branch, or holding a later moment.

    A copy of what is held was told from others by its parent, when the branches were read.
    """
    is_copy = any(each.timeline == timeline_branch.timeline for each in lineage.held)
    if timeline_branch not in lineage.candidates or lineage.swapping or is_copy:
        return []
    if restore is None:
        return [TimelineNotHeld(timeline_branch.timeline, str(lineage.live.timeline), ())]
    source = lineage.source(restore)
    return [source] if isinstance(source, Refusal) else _differences(restore, timeline_branch.branch, source)


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
        return [CandidateDiffers(branch.name, f'"{source.branch.name}" was reset at {reset}, before it was made')]
    return []
