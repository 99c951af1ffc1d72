"""What the desired-state file asks for, after every mistake in it has been ruled out."""

from dataclasses import dataclass, field
from datetime import timedelta
from enum import Enum

from reconciler.core.model.compute import UNSAID, ComputeSettings
from reconciler.core.model.hyperdrive import NOTHING, Settings, Strategy
from reconciler.core.values.instant import Instant
from reconciler.core.values.timeline import ORIGIN, Point, Timeline


class Method(Enum):
    """How a timeline becomes live."""

    BRANCH = "branch"
    IN_PLACE = "in-place"


class DeployDriver(Enum):
    """How a Worker gets a version with another Hyperdrive binding."""

    REBIND = "rebind"
    WRANGLER = "wrangler"


@dataclass(frozen=True, slots=True)
class Restore:
    """A restore that was asked for. `source` overrides the timeline that was live at that moment.

    A restore to an LSN always has a source: an LSN belongs to one timeline.
    """

    to: Point
    id: str = ""
    reason: str = ""
    source: Timeline | None = None

    @property
    def moment(self) -> Instant | None:
        """The moment that was asked for; None for an LSN, which bears no time."""
        return self.to if isinstance(self.to, Instant) else None


@dataclass(frozen=True, slots=True)
class Primary:
    """The Neon project, the name that its primary branch carries, and which history that branch has.

    `hold` is how long a replaced timeline is kept; None is for ever. `fence`: what is replaced takes no more writes.
    What the file leaves out of the project's settings is None: a restore carries it over. So
    is `expire_on_neon`, and an expiry of what is held is left as it is then. `unprotect_held`: what is held and was
    protected as the primary goes all the same when its hold has ended. `default`: it is the
    project's default branch.
    """

    project: str
    branch: str
    restore: Restore | None = None
    method: Method = Method.BRANCH
    hold: timedelta | None = timedelta(days=7)
    fence: bool = False
    expire_on_neon: bool | None = None
    unprotect_held: bool = False
    history_retention: timedelta | None = None
    protected: bool | None = None
    compute: ComputeSettings = UNSAID
    default: bool = True

    @property
    def timeline(self) -> Timeline:
        """The timeline that the file declares live: the same file always means the same one."""
        return ORIGIN if self.restore is None else Timeline(self.restore.to, self.restore.id)


@dataclass(frozen=True, slots=True)
class Hyperdrive:
    """The Hyperdrive config that points to the primary.

    By the strategy `rebind`, restored timelines get `<name>-<timeline>`; by `repoint`, there is but one.
    """

    name: str
    database: str
    role: str
    strategy: Strategy = Strategy.REBIND
    settings: Settings = NOTHING

    @property
    def is_repointed(self) -> bool:
        """Whether a restore leads the config that serves to another branch, instead of making one."""
        return self.strategy is Strategy.REPOINT

    def config_for(self, timeline: Timeline) -> str:
        """Name the config that points to a timeline: names are unique per account, so this is its identity."""
        return self.name if timeline == ORIGIN else f"{self.name}-{timeline}"


@dataclass(frozen=True, slots=True)
class Worker:
    """A Worker that reaches the database through Hyperdrive.

    `config` is the path of its wrangler.jsonc from the repository's root, `environment` the wrangler environment.
    """

    config: str
    binding: str
    environment: str | None = None
    deploy: DeployDriver = DeployDriver.REBIND


@dataclass(frozen=True, slots=True)
class SqlGate:
    """A query that must answer exactly one row with one value equal to `expect`."""

    name: str
    query: str
    expect: bool | int | float | str = True


# Stands in `contains` for the id of the staged version: the only proof that it answered, and not the live one.
VERSION_PLACEHOLDER = "{version}"


@dataclass(frozen=True, slots=True)
class HttpGate:
    """A GET that must answer with this status, this text, and these values at their JSON pointers (RFC 6901).

    `within` is how long an answer may take, and `patience` how long the gate is tried again until it passes.
    """

    name: str
    url: str
    status: int = 200
    contains: str = ""
    json: tuple[tuple[str, bool | int | float | str | None], ...] = ()
    within: timedelta | None = None
    patience: timedelta = timedelta(seconds=10)

    @property
    def tells_version(self) -> bool:
        """Whether a pass proves which version of the Worker has answered."""
        texts = (self.contains, *(value for _, value in self.json if isinstance(value, str)))
        return any(VERSION_PLACEHOLDER in text for text in texts)


class OnFailure(Enum):
    """What is done where the last check, with users on the new timeline, fails."""

    ROLLBACK = "rollback"
    HOLD = "hold"


@dataclass(frozen=True, slots=True)
class Verify:
    """The gates that must pass before promotion, and the database and role that SQL gates use."""

    sql: tuple[SqlGate, ...] = ()
    http: tuple[HttpGate, ...] = ()
    database: str = ""
    role: str = ""
    on_failure: OnFailure = OnFailure.ROLLBACK


# As a retention: it does not expire, and is kept until it is deleted.
FOREVER = timedelta.max


@dataclass(frozen=True, slots=True)
class Outside:
    """Something that stays in the present when the database goes back.

    `retention` is how long it is kept, None where that is not stated; `recovery` is how it is recovered on its own.
    """

    name: str
    retention: timedelta | None = None
    recovery: str = ""


class Waivable(Enum):
    """The guards that a file may waive: a provider decides anyway, no data is concerned, or a person must look."""

    BRANCH_LIMIT = "branch-limit"
    ROOT_BRANCH_LIMIT = "root-branch-limit"
    CONFIG_LIMIT = "config-limit"
    OPERATION_RUNNING = "operation-running"
    POOLED_ORIGIN = "pooled-origin"
    TABLES_UNPROVABLE = "tables-unprovable"
    LOGIN_TOO_YOUNG = "login-too-young"


@dataclass(frozen=True, slots=True)
class Waiver:
    """A guard that is not to refuse, and why."""

    guard: Waivable
    reason: str


@dataclass(frozen=True, slots=True)
class DeclaredBranch:
    """A branch besides the primary, such as staging or a preview.

    `parent` is the name of the branch that it is made from, None for the primary. `reset` names the reset that it is
    to have had, empty for none. `expires` is how long it lives after it was made or reset, or until when; FOREVER takes
    an expiry away. Where `expires` or `protected` is None, that is left as it is. `database` is one that it must have.
    """

    name: str
    parent: str | None = None
    reset: str = ""
    expires: timedelta | Instant | None = None
    protected: bool | None = None
    compute: bool = True
    database: str = ""
    schema_only: bool = False


class WriteBack(Enum):
    """How a job commits the wrangler.jsonc that was deployed."""

    PUSH = "push"
    PULL_REQUEST = "pull-request"


@dataclass(frozen=True, slots=True)
class RtoSource:
    """Where it is promised how long a restore may take: a Markdown file, from the root, and one of its sections."""

    file: str
    section: str


@dataclass(frozen=True, slots=True)
class DrillSettings:
    """How drills are done. The promise is `rto`, a length of time, or the text in `rto_source`, or absent.

    `destroy` are destructions as they are written; `reports` is a directory, from the root. `worker` is the wrangler
    environment whose Workers a drill borrows; empty: it makes copies.
    """

    rto: str = ""
    rto_source: RtoSource | None = None
    destroy: tuple[str, ...] = ()
    reports: str = "docs/postmortems"
    worker: str = ""


@dataclass(frozen=True, slots=True)
class Desired:
    """One environment, as its file declares it.

    `branches` is None if the file does not mention them. `notices` are about the file itself, such as an old key.
    """

    environment: str
    primary: Primary
    hyperdrive: Hyperdrive | None = None
    workers: tuple[Worker, ...] = ()
    verify: Verify = Verify()
    outside: tuple[Outside, ...] = ()
    write_back: WriteBack = WriteBack.PUSH
    waivers: tuple[Waiver, ...] = ()
    branches: tuple[DeclaredBranch, ...] | None = None
    drill: DrillSettings = DrillSettings()
    notices: tuple[str, ...] = field(default=(), repr=False, compare=False)

    @property
    def timeline(self) -> Timeline:
        """The timeline that is to be live."""
        return self.primary.timeline
