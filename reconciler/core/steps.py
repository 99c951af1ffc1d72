"""The steps: each is one effect on the world, as data, with the reason for it.

A step names things by the names that are unique at their provider and known before anything is done (a branch in
its project, a config in its account), so the plan of a pull request and the steps of the apply are equal, and a
digest can bind one to the other. Ids are looked up by exact name in the same pass that decided the step.
"""

from dataclasses import dataclass, field, fields
from typing import ClassVar

from reconciler.core.compute_settings import UNSAID, ComputeSettings
from reconciler.core.desired import DeployDriver, OnFailure
from reconciler.core.hyperdrive_settings import NOTHING, Caching, Mtls, Settings
from reconciler.core.instant import Instant
from reconciler.core.lsn import Lsn
from reconciler.core.timeline import Point, Timeline


@dataclass(frozen=True, slots=True, kw_only=True)
class _Step:
    reason: str = field(compare=False)

    summary: ClassVar[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateBranch(_Step):
    """Create a candidate from the source branch as it was at a moment, with a compute of its own.

    `at` is a moment or an LSN of the source; without one it is made as the source is now. `protects` is written on it,
    where the primary is protected and has to be again after it was restored in place. `compute` is what its compute
    gets: what the primary's has.
    """

    name: str
    source: str
    source_timeline: Timeline
    at: Point | None
    timeline: Timeline
    environment: str
    protects: bool = False
    compute: ComputeSettings = UNSAID


@dataclass(frozen=True, slots=True, kw_only=True)
class AwaitBranch(_Step):
    """Wait until Neon has finished making a branch."""

    branch: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AddCompute(_Step):
    """Give a branch a read-write compute: without one it cannot be queried."""

    branch: str
    compute: ComputeSettings = UNSAID


@dataclass(frozen=True, slots=True, kw_only=True)
class SetCompute(_Step):
    """Change the size or the suspension of a branch's compute, which Neon restarts for it."""

    branch: str
    compute: ComputeSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class SetHistory(_Step):
    """Change how far back a project can be restored, from so many seconds to so many."""

    project: str
    former: int
    seconds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ClearExpiry(_Step):
    """Remove a branch's expiry, so that nothing deletes it while it serves."""

    branch: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpireHeld(_Step):
    """Have Neon delete what is held so many seconds from now, where no apply has deleted it by then."""

    branch: str
    seconds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyBranch(_Step):
    """Check a branch before it is used: its identity, the login of the role, and these SQL gates.

    Where `tables_at` is a moment or an LSN, it must have every table that its parent had then.
    """

    branch: str
    gates: tuple[str, ...]
    tables_at: Point | None = None

    @property
    def checks(self) -> tuple[str, ...]:
        """Name everything that is checked."""
        return ("identity", "login", *(("tables",) if self.tables_at else ()), *self.gates)

    @property
    def key(self) -> str:
        """What `Observed.passed` holds once this has passed."""
        return f"sql:{self.branch}"


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateHyperdrive(_Step):
    """Create a Hyperdrive config that points to a branch's direct host, with these settings."""

    name: str
    branch: str
    database: str
    role: str
    settings: Settings = NOTHING


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteBinding(_Step):
    """Put the config's id into wrangler.jsonc; no other byte changes."""

    config: str
    binding: str
    environment: str | None
    hyperdrive: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadVersion(_Step):
    """Upload a Worker version that is bound to the config. It takes no traffic yet."""

    script: str
    config: str
    binding: str
    environment: str | None
    hyperdrive: str
    driver: DeployDriver
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StageVersion(_Step):
    """Deploy the uploaded version at 0 % beside the live one, so that it can be probed."""

    script: str
    hyperdrive: str
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyWorker(_Step):
    """Run the HTTP gates against the staged versions."""

    scripts: tuple[str, ...]
    gates: tuple[str, ...]
    hyperdrive: str

    @property
    def key(self) -> str:
        """What `Observed.passed` holds once this has passed."""
        return f"http:{self.hyperdrive}"


@dataclass(frozen=True, slots=True, kw_only=True)
class FenceBranch(_Step):
    """Make a database of a branch read-only, and end the sessions that could still write to it.

    Where users are `served` from it, the mark comes first, so that a run that dies in between is followed by one that
    lifts the fence; elsewhere it comes last, and says that it is done.
    """

    branch: str
    database: str
    served: bool

    @property
    def key(self) -> str:
        """What `Observed.passed` holds once this run has done it and seen that it holds."""
        return f"fence:{self.branch}"


@dataclass(frozen=True, slots=True, kw_only=True)
class LiftFence(_Step):
    """Let a database of a branch take writes again."""

    branch: str
    database: str

    @property
    def key(self) -> str:
        """What `Observed.passed` holds once this run has done it and seen that it holds."""
        return f"lift:{self.branch}"


@dataclass(frozen=True, slots=True, kw_only=True)
class SwitchTraffic(_Step):
    """Send all of a Worker's traffic to the uploaded version, in one call."""

    script: str
    hyperdrive: str
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyLive(_Step):
    """Run the HTTP gates once more, now as users reach the Workers: the last check."""

    scripts: tuple[str, ...]
    gates: tuple[str, ...]
    hyperdrive: str
    on_failure: OnFailure

    @property
    def key(self) -> str:
        """What `Observed.passed` or `Observed.failed` holds once this has passed or failed."""
        return f"live:{self.hyperdrive}"


@dataclass(frozen=True, slots=True, kw_only=True)
class RenameBranch(_Step):
    """Rename a branch."""

    branch: str
    to: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SetDefaultBranch(_Step):
    """Make a branch the project's default."""

    branch: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ProtectBranch(_Step):
    """Protect a branch against deletion and reset."""

    branch: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UnprotectBranch(_Step):
    """Take protection from the primary: for as long as it is being restored in place, or for good.

    That it was protected is first said on the candidate `noted_on`, where the candidate was made before it was.
    """

    branch: str
    noted_on: str = ""
    for_good: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoreBranch(_Step):
    """Restore a branch in place, to the very point of the source that another branch was proved at.

    What it held is kept, always, by Neon, as a branch of the name `keep_as`. There is no restore without.
    """

    branch: str
    source: str
    proved_on: str
    timeline: Timeline
    keep_as: str

    @property
    def proof(self) -> str:
        """What is still true of `Observed.passed` after it: all else was passed by what the branch held before."""
        return f"sql:{self.proved_on}"


@dataclass(frozen=True, slots=True, kw_only=True)
class RestartPool(_Step):
    """Make a Hyperdrive config drop its connections and open new ones."""

    hyperdrive: str

    @property
    def key(self) -> str:
        """What `Observed.passed` holds once this has been done: the provider's clock is not compared with Neon's."""
        return f"pool:{self.hyperdrive}"


@dataclass(frozen=True, slots=True, kw_only=True)
class RepointHyperdrive(_Step):
    """Lead a Hyperdrive config from one branch to another: host, port and login in one request.

    Every version of every Worker that is bound to it moves at once.
    """

    hyperdrive: str
    leaves: str
    branch: str
    database: str
    role: str

    @property
    def key(self) -> str:
        """What `Observed.passed` holds once this run has done it."""
        return f"repoint:{self.hyperdrive}"

    @property
    def outdates(self) -> frozenset[str]:
        """What is not true any more of `Observed.passed` after it: connections and cached answers are old again."""
        return frozenset({f"pool:{self.hyperdrive}", f"cache:{self.hyperdrive}"})


@dataclass(frozen=True, slots=True, kw_only=True)
class AwaitCache(_Step):
    """Wait for as long as Hyperdrive may answer from its query cache with what another branch has said."""

    hyperdrive: str
    seconds: int

    @property
    def key(self) -> str:
        """What `Observed.passed` holds once this run has waited."""
        return f"cache:{self.hyperdrive}"


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateHyperdrive(_Step):
    """Set what differs on a Hyperdrive config, and nothing else."""

    hyperdrive: str
    settings: Settings

    @property
    def outdates(self) -> frozenset[str]:
        """What is not true any more of `Observed.passed` after it: the pool is older than the config again."""
        return frozenset({f"pool:{self.hyperdrive}"})


@dataclass(frozen=True, slots=True, kw_only=True)
class RenewPassword(_Step):
    """Give a Hyperdrive config the password that its role has on a branch now."""

    hyperdrive: str
    branch: str
    database: str
    role: str

    @property
    def key(self) -> str:
        """What `Observed.passed` holds once this run has done it: two providers' clocks are no proof of that."""
        return f"password:{self.hyperdrive}"

    @property
    def outdates(self) -> frozenset[str]:
        """What is not true any more of `Observed.passed` after it: the pool is older than the config again."""
        return frozenset({f"pool:{self.hyperdrive}"})


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteHyperdrive(_Step):
    """Delete the Hyperdrive config of a branch whose hold has ended, and which is next; or of one that is gone: ""."""

    name: str
    branch: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteBranch(_Step):
    """Delete the branch on which a timeline was proved that the primary carries now, or one whose hold has ended.

    What was protected as the primary is unprotected right before, in the same step: never without being deleted then.
    """

    branch: str
    unprotects: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateChild(_Step):
    """Create a declared branch from what its parent holds now, or from the schema of that, with annotations."""

    name: str
    source: str
    environment: str
    reset: str
    schema_only: bool
    compute: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ResetChild(_Step):
    """Reset a declared branch to what its parent holds now.

    What it held is kept, always, as a branch of the name `keep_as`, which says which reset this was.
    """

    branch: str
    source: str
    keep_as: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpireChild(_Step):
    """Let a declared branch expire: so many seconds after it was made or reset, or at a moment."""

    branch: str
    seconds: int | None
    at: Instant | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ProtectChild(_Step):
    """Protect a declared branch, or take its protection away."""

    branch: str
    protected: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateDatabase(_Step):
    """Create a database on a declared branch."""

    branch: str
    database: str
    owner: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteChild(_Step):
    """Delete a branch of ours that is not declared any more, or what an older reset of one has kept."""

    branch: str


Step = (
    CreateBranch
    | AwaitBranch
    | AddCompute
    | SetCompute
    | SetHistory
    | ClearExpiry
    | ExpireHeld
    | VerifyBranch
    | CreateHyperdrive
    | WriteBinding
    | UploadVersion
    | StageVersion
    | VerifyWorker
    | FenceBranch
    | LiftFence
    | SwitchTraffic
    | VerifyLive
    | RenameBranch
    | SetDefaultBranch
    | ProtectBranch
    | UnprotectBranch
    | RestoreBranch
    | RestartPool
    | RepointHyperdrive
    | AwaitCache
    | UpdateHyperdrive
    | RenewPassword
    | DeleteHyperdrive
    | DeleteBranch
    | CreateChild
    | ResetChild
    | ExpireChild
    | ProtectChild
    | CreateDatabase
    | DeleteChild
)


def arguments(step: Step) -> dict[str, object]:
    """Return a step's fields but its reason, in JSON's terms: what it does, for the plan's JSON and its digest."""
    return {item.name: _plain(getattr(step, item.name)) for item in fields(step) if item.name != "reason"}


def _plain(value: object) -> object:
    match value:
        case Timeline() | Instant() | Lsn():
            return str(value)
        case ComputeSettings():
            return {item.name: getattr(value, item.name) for item in fields(value)}
        case DeployDriver() | OnFailure():
            return value.value
        case tuple():
            return [_plain(item) for item in value]
        case Settings() | Caching() | Mtls():
            return {item.name: _plain(getattr(value, item.name)) for item in fields(value)}
        case _:
            return value
