"""What the Neon half knows: plain data that can be copied whole, with no socket, process or task in it.

A branch names its cluster (storage) and an endpoint its port (computes); what runs behind those names is elsewhere.
Times are aware and in UTC; they are rendered to seconds only at the edge.
"""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class Status(StrEnum):
    """The statuses of an operation (API description: OperationStatus)."""

    SCHEDULING = "scheduling"
    RUNNING = "running"
    FINISHED = "finished"
    FAILED = "failed"
    ERROR = "error"
    CANCELLED = "cancelled"
    SKIPPED = "skipped"


UNFINISHED = frozenset({Status.SCHEDULING, Status.RUNNING})


@dataclass(frozen=True)
class Plan:
    """What a subscription allows (docs: Plans). `branches` and the others are counts, `history_seconds` a maximum.

    `fixed_suspension` is whether computes suspend after five minutes, whatever one would like.
    """

    branches: int
    root_branches: int
    protected_branches: int
    history_seconds: int
    default_history_seconds: int
    snapshots: int
    fixed_suspension: bool = False


PLANS = {
    "free_v3": Plan(10, 3, 0, 21_600, 21_600, snapshots=1, fixed_suspension=True),
    "launch_v3": Plan(5000, 5, 2, 604_800, 86_400, snapshots=100),
    "scale_v3": Plan(5000, 25, 5, 2_592_000, 86_400, snapshots=100),
}


@dataclass
class Switches:
    """Behaviour of Neon that no public source establishes, and behaviour that is rare; set by /sandbox/switches."""

    child_as_source: bool = True
    """Whether a child branch may be the source of a branch or restore at a moment."""
    child_as_target: bool = False
    """Whether a child branch may be restored in place to a moment (docs, since June 2026: root branches only)."""
    rename_protected: bool = True
    """Whether a protected branch may be renamed."""
    expires_at_available: bool = True
    """Whether the account may set `expires_at`."""
    bad_time_status: int = 400
    """The status of the refusal of a moment or a position outside the history."""
    bad_time_code: str = ""
    """Its code."""
    bad_time_message: str = ""
    """Its message; empty for one that says what is wrong."""
    restricted_actions: bool = True
    """Whether branches list the actions that are refused on them."""
    retry_after: str = ""
    """The header `Retry-After` of 423 and 429, injected or not; empty for none."""
    parent_id_in_restore_answer: bool = False
    """Whether the answer to the restore of a root from itself names the preserved branch as its parent."""
    preserved_inherits: tuple[str, ...] = ()
    """What a preserved branch takes over: any of `annotation`, `protected`, `expires_at`."""
    history_before_reset: bool = False
    """Whether a branch that was restored in place reaches moments before that under its own id."""
    equal_schemas_diff: str = ""
    """The `diff` of compare_schema for equal schemas; `{database}` is replaced."""
    failed_operation_recovers: bool = False
    """Whether an operation that a fault makes fail is tried again after a second, and succeeds."""
    read_after_write_lag_seconds: float = 0.0
    """How long a branch that was just made or restored, and its compute, answer 404 to reads."""
    page_size: int = 100
    """The branches in a page where no limit is given."""
    next_on_short_page: bool = False
    """Whether a page names a next one even where there is nothing more."""
    soft_delete: bool = False
    """Whether deleted branches can be recovered."""
    key_for_another_project: bool = False
    """Whether the key is scoped to a project that is not here: every project is absent for it."""
    absent_project_status: int = 404
    """The status for a project that is absent or out of the key's scope."""
    conflict_code: str = ""
    """The code of 409 for a branch name that is taken."""
    conflict_message: str = ""
    """Its message; empty for one that names the name."""
    snapshot_restore_status: int = 422
    """The status of `restore from snapshot on target branch is still ongoing`."""
    subscription_type: str = field(default="launch_v3", metadata={"choices": tuple(PLANS)})
    """The plan."""


@dataclass
class Operation:
    """A piece of work that a write has scheduled (API description: Operation)."""

    id: str
    project_id: str
    branch_id: str
    endpoint_id: str | None
    action: str
    status: Status
    created_at: datetime
    updated_at: datetime
    error: str | None = None
    failures_count: int = 0
    retry_at: datetime | None = None
    total_duration_ms: int = 0

    @property
    def unfinished(self) -> bool:
        """Whether it runs, will run, or will be tried again."""
        return self.status in UNFINISHED or self.retry_at is not None


@dataclass
class Role:
    """A role of PostgreSQL. `password` is None where it may not log in, or was made by SQL."""

    name: str
    password: str | None
    login: bool
    created_at: datetime
    updated_at: datetime


@dataclass
class Database:
    """A database of PostgreSQL."""

    id: int
    name: str
    owner_name: str
    created_at: datetime
    updated_at: datetime


@dataclass
class Branch:
    """A branch (API description: Branch), with the cluster that holds its data, None until there is one.

    `history_start` is the earliest moment that it can be asked for, `history_lsn` the earliest position (None: any).
    `parent_timestamp` is the time of the last commit that it took from its parent, known only when the branch is ready.
    `restore_status`, `restored_from` and `restored_as` belong to restores of snapshots only.
    """

    id: str
    project_id: str
    name: str
    created_at: datetime
    updated_at: datetime
    state_changed_at: datetime
    history_start: datetime
    history_lsn: str | None = None
    current_state: str = "init"
    pending_state: str | None = "ready"
    parent_id: str | None = None
    parent_lsn: str | None = None
    parent_timestamp: datetime | None = None
    default: bool = False
    protected: bool = False
    first: bool = False
    expires_at: datetime | None = None
    ttl_seconds: int | None = None
    last_reset_at: datetime | None = None
    init_source: str = "parent-data"
    restore_status: str | None = None
    restored_from: str | None = None
    restored_as: str | None = None
    annotation: dict[str, str] = field(default_factory=dict)
    annotated_at: datetime | None = None
    cluster: str | None = None
    roles: dict[str, Role] = field(default_factory=dict)
    databases: dict[str, Database] = field(default_factory=dict)


@dataclass
class Endpoint:
    """A compute (API description: Endpoint). `port` is where it listens on 127.0.0.1."""

    id: str
    project_id: str
    branch_id: str
    type: str
    port: int
    created_at: datetime
    updated_at: datetime
    current_state: str = "init"
    pending_state: str | None = "active"
    name: str | None = None
    disabled: bool = False
    suspend_timeout_seconds: int = 0
    minimum_units: float = 0.25
    maximum_units: float = 0.25
    last_active: datetime | None = None
    started_at: datetime | None = None
    suspended_at: datetime | None = None


@dataclass
class Snapshot:
    """A snapshot (API description: Snapshot), with its hidden branch and the cluster that holds its data."""

    id: str
    name: str
    source_branch_id: str
    hidden_branch: Branch
    lsn: str
    created_at: datetime
    timestamp: datetime | None = None
    expires_at: datetime | None = None


@dataclass
class Deleted:
    """A branch that was deleted and can be recovered, with its computes. `method` is `user` or `ttl`."""

    branch: Branch
    endpoints: list[Endpoint]
    deleted_at: datetime
    method: str


@dataclass
class Project:
    """A project with everything in it, by id."""

    id: str
    name: str
    region_id: str
    pg_version: int
    history_retention_seconds: int
    created_at: datetime
    updated_at: datetime
    history_start: datetime
    store_passwords: bool = True
    settings: dict[str, object] = field(default_factory=dict)
    default_endpoint_settings: dict[str, object] = field(default_factory=dict)
    branches: dict[str, Branch] = field(default_factory=dict)
    endpoints: dict[str, Endpoint] = field(default_factory=dict)
    operations: dict[str, Operation] = field(default_factory=dict)
    snapshots: dict[str, Snapshot] = field(default_factory=dict)
    deleted: dict[str, Deleted] = field(default_factory=dict)

    @property
    def busy(self) -> bool:
        """Whether an operation has not ended."""
        return any(operation.unfinished for operation in self.operations.values())

    def endpoints_of(self, branch: str) -> list[Endpoint]:
        """Give the computes of a branch."""
        return [endpoint for endpoint in self.endpoints.values() if endpoint.branch_id == branch]

    def children_of(self, branch: str) -> list[Branch]:
        """Give the branches whose parent this is."""
        return [child for child in self.branches.values() if child.parent_id == branch]

    def default_branch(self) -> Branch:
        """Give the default branch: there is exactly one."""
        return next(branch for branch in self.branches.values() if branch.default)


@dataclass
class NeonState:
    """Everything that the Neon half knows."""

    projects: dict[str, Project] = field(default_factory=dict)
    switches: Switches = field(default_factory=Switches)
    database_count: int = 0

    @property
    def plan(self) -> Plan:
        """What the account's subscription allows."""
        return PLANS[self.switches.subscription_type]
