"""The refusals: each is a type that holds the numbers, says what is wrong in one sentence, and names the way out."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from datetime import timedelta
from typing import ClassVar

from reconciler.core.instant import Instant, for_people
from reconciler.core.timeline import Timeline


class Refusal(ABC):
    """A rule that forbids going on. `rule` is its stable name; nothing is done while one stands.

    `may_lag`: a list that lags behind another one looks the same, so an apply looks again before it believes it.
    `about_child`: it is about a declared branch alone, and keeps nobody from restoring the primary. Nor does one
    `about_setting`, which is refused only where nothing else is to be done.
    """

    __slots__ = ()
    rule: ClassVar[str]
    about_child: ClassVar[bool] = False
    about_setting: ClassVar[bool] = False

    @property
    def keeps_restores(self) -> bool:
        """Tell whether no timeline is made live while it stands."""
        return not (self.about_child or self.about_setting)

    @property
    def may_lag(self) -> bool:
        """Tell whether it may be gone on the next look, without anybody having done anything."""
        return False

    @property
    @abstractmethod
    def message(self) -> str:
        """Say what is wrong, with the numbers."""

    @property
    @abstractmethod
    def hint(self) -> str:
        """Say what to do."""


@dataclass(frozen=True, slots=True)
class Unreadable(Refusal):
    """A part of the world could not be read, so nothing can be decided about it."""

    rule: ClassVar[str] = "unreadable"
    part: str
    reason: str
    remedy: str

    @property
    def message(self) -> str:  # noqa: D102  the base class says it
        return f"{self.part}: {self.reason}"

    @property
    def hint(self) -> str:  # noqa: D102
        return self.remedy or "nothing was changed; run it again when this can be read"


@dataclass(frozen=True, slots=True)
class BindingMissing(Refusal):
    """The environment in wrangler.jsonc has no such Hyperdrive binding: its Worker would serve without a database."""

    rule: ClassVar[str] = "binding-missing"
    reason: str
    remedy: str

    @property
    def message(self) -> str:  # noqa: D102
        return self.reason

    @property
    def hint(self) -> str:  # noqa: D102
        return self.remedy


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
class PrimaryMissing(Refusal):
    """No branch carries the primary's name, and no swap is under way."""

    rule: ClassVar[str] = "primary-missing"
    branch: str
    default: str
    names: tuple[str, ...]

    @property
    def message(self) -> str:  # noqa: D102
        return f'no branch is named "{self.branch}"; the default branch is "{self.default}"'

    @property
    def hint(self) -> str:  # noqa: D102
        return f"set primary.branch to the name that production has; there is: {', '.join(self.names)}"


@dataclass(frozen=True, slots=True)
class ProvenanceUnknown(Refusal):
    """The signs on the branches do not tell which timeline is live."""

    rule: ClassVar[str] = "provenance-unknown"
    signs: tuple[str, ...]

    @property
    def message(self) -> str:  # noqa: D102
        return f"cannot tell which timeline is live: {'; '.join(self.signs)}"

    @property
    def hint(self) -> str:  # noqa: D102
        return (
            "somebody renamed, reset or restored a branch by hand: undo that (the names above say what was "
            "expected), or delete the branch that is not needed, then run it again. To adopt what serves now as it is: "
            "reconciler adopt; or, where that refuses, "
            'begin anew: in the place of this file a new one under another name, with "restore": null, whose '
            "primary.branch is a branch without annotations (neon branches create makes such), which counts as origin"
        )


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
class BeforeSourceExisted(Refusal):
    """No branch that was ever live existed at that moment, or the source that was named did not."""

    rule: ClassVar[str] = "before-source-existed"
    to: Instant
    source: str
    created_at: Instant

    @property
    def message(self) -> str:  # noqa: D102
        return f'{self.to} lies before branch "{self.source}" was created ({self.created_at})'

    @property
    def hint(self) -> str:  # noqa: D102
        return "ask for a later moment, or name the timeline that was live then in primary.restore.from"


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
class SourceAmbiguous(Refusal):
    """More than one timeline may have been live at that moment. `spans` says when each may have been."""

    rule: ClassVar[str] = "source-ambiguous"
    to: Instant
    choices: tuple[str, ...]
    spans: tuple[str, ...]

    @property
    def message(self) -> str:  # noqa: D102
        return f"cannot tell which timeline was live at {self.to}: {' or '.join(self.spans)}"

    @property
    def hint(self) -> str:  # noqa: D102
        return "name it in primary.restore: " + " or ".join(f'"from": "{each}"' for each in self.choices)


@dataclass(frozen=True, slots=True)
class SourceNotHeld(Refusal):
    """`from` names a timeline that no branch carries."""

    rule: ClassVar[str] = "source-not-held"
    source: Timeline
    carried: tuple[str, ...]

    @property
    def message(self) -> str:  # noqa: D102
        return f'primary.restore.from names timeline "{self.source}", and no branch carries it'

    @property
    def hint(self) -> str:  # noqa: D102
        return f"there is: {', '.join(self.carried)}"


@dataclass(frozen=True, slots=True)
class SourceExpires(Refusal):
    """Neon creates no child of a branch that expires."""

    rule: ClassVar[str] = "source-expires"
    source: str
    expires_at: Instant

    @property
    def message(self) -> str:  # noqa: D102
        return f'branch "{self.source}" expires at {self.expires_at}, and such a branch can have no children'

    @property
    def hint(self) -> str:  # noqa: D102
        return f'remove its expiry first: neon branches set-expiration "{self.source}"'


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
class HyperdriveDiffers(Refusal):
    """The Hyperdrive config of that name points elsewhere."""

    rule: ClassVar[str] = "hyperdrive-differs"
    name: str
    differences: tuple[str, ...]

    @property
    def message(self) -> str:  # noqa: D102
        return f'Hyperdrive config "{self.name}" does not point to the branch: {"; ".join(self.differences)}'

    @property
    def hint(self) -> str:  # noqa: D102
        return (
            "it is somebody else's, or was edited by hand. Put it right (wrangler hyperdrive update), rename it, "
            "or change hyperdrive.name in the file; it is not led elsewhere from here"
        )


@dataclass(frozen=True, slots=True)
class PooledOrigin(Refusal):
    """Hyperdrive pools by itself and needs the direct host."""

    rule: ClassVar[str] = "pooled-origin"
    host: str

    @property
    def message(self) -> str:  # noqa: D102
        return f"{self.host} is Neon's pooled host, and Hyperdrive needs the direct one"

    @property
    def hint(self) -> str:  # noqa: D102
        return "point the config to the same host without -pooler"


@dataclass(frozen=True, slots=True)
class WorkerNotDeployed(Refusal):
    """The Worker has no live version, so there is nothing to rebind."""

    rule: ClassVar[str] = "worker-not-deployed"
    script: str

    @property
    def message(self) -> str:  # noqa: D102
        return f'Worker "{self.script}" has no deployment, so it cannot be switched to another database'

    @property
    def hint(self) -> str:  # noqa: D102
        return "deploy it once (wrangler deploy), or correct the name in its wrangler.jsonc"


@dataclass(frozen=True, slots=True)
class SameWorkerTwice(Refusal):
    """Two entries of `worker` lead to one script."""

    rule: ClassVar[str] = "same-worker-twice"
    script: str

    @property
    def message(self) -> str:  # noqa: D102
        return f'two entries of "worker" lead to the same Worker "{self.script}"'

    @property
    def hint(self) -> str:  # noqa: D102
        return "name each Worker (and each of its wrangler environments) once"


@dataclass(frozen=True, slots=True)
class TimelineFailed(Refusal):
    """The timeline took traffic, failed its last check, and was put back. It is not tried again by itself."""

    rule: ClassVar[str] = "timeline-failed"
    timeline: Timeline
    branch: str
    candidate: str
    live: Timeline

    @property
    def message(self) -> str:  # noqa: D102
        return (
            f'timeline "{self.timeline}" took traffic, failed its last check and was put back: "{self.live}" is live, '
            "untouched"
        )

    @property
    def hint(self) -> str:  # noqa: D102
        return (
            f'"{self.branch}" holds it, with what users wrote to it meanwhile. Not wanted any more: git revert. '
            "Wanted anew from the same moment: ask under another id. The cause lay elsewhere: rename the branch to "
            f'"{self.candidate}", and it is tried again'
        )


@dataclass(frozen=True, slots=True)
class TimelineUsed(Refusal):
    """A restore is to make a timeline that was live before: it would come back as it was left, not as of `to`."""

    rule: ClassVar[str] = "timeline-used"
    timeline: Timeline
    branch: str
    environment: str

    @property
    def message(self) -> str:  # noqa: D102
        return f'timeline "{self.timeline}" was live before and is held, on branch "{self.branch}"'

    @property
    def hint(self) -> str:  # noqa: D102
        return (
            "to restore to that moment once more, give another --id; to go back to the held timeline as it was left: "
            f"reconciler rollback {self.environment} --to-timeline {self.timeline}"
        )


@dataclass(frozen=True, slots=True)
class NotAppliedYet(Refusal):
    """What the file asks for is not live, so there is nothing yet that could be rolled back."""

    rule: ClassVar[str] = "not-applied-yet"
    timeline: Timeline
    live: Timeline
    environment: str
    commit: str

    @property
    def message(self) -> str:  # noqa: D102
        return f'the file asks for timeline "{self.timeline}", and "{self.live}" is still live'

    @property
    def hint(self) -> str:  # noqa: D102
        return (
            f"make it so first: reconciler apply {self.environment}; or, if it is not wanted any more, take the wish "
            f"back: git revert {self.commit}"
        )
