"""The state of Neon: plain data that can be pickled, without sockets, processes or tasks.

A branch has the id of its cluster (storage), an endpoint has its port (computes). Times are aware and in UTC; only
answers round them to seconds.
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
    """What a plan allows (docs: Plans): numbers of branches and snapshots, and the longest history in seconds.

    With `fixed_suspension` computes always suspend after five minutes.
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
    """Behaviour of Neon that no public source establishes, or that is rare. Set by /sandbox/switches."""

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
    """The code of that refusal."""
    bad_time_message: str = ""
    """The message of that refusal; empty for one that says what is wrong."""
    restricted_actions: bool = True
    """Whether branches list the actions that Neon refuses on them."""
    retry_after: str = ""
    """The header `Retry-After` of 423 and 429, injected or not; empty for none."""
    parent_id_in_restore_answer: bool = False
    """Whether the answer to the restore of a root from itself names the preserved branch as its parent."""
    preserved_inherits: tuple[str, ...] = ()
    """What a preserved branch inherits: any of `annotation`, `protected`, `expires_at`."""
    history_before_reset: bool = False
    """Whether a branch restored in place can be branched from moments before the restore."""
    equal_schemas_diff: str = ""
    """The `diff` of compare_schema for equal schemas; `{database}` is replaced."""
    failed_operation_recovers: bool = False
    """Whether an operation that a fault makes fail is retried after a second and succeeds."""
    read_after_write_lag_seconds: float = 0.0
    """How long reads of a new or restored branch and of its compute are 404, in seconds."""
    page_size: int = 100
    """The number of branches in a page if the request gives no limit."""
    next_on_short_page: bool = False
    """Whether the last page names a next page, which is empty."""
    soft_delete: bool = False
    """Whether deleted branches can be recovered."""
    key_for_another_project: bool = False
    """Whether the key is scoped to a foreign project, so that every project is absent."""
    absent_project_status: int = 404
    """The status for a project that is absent or outside the key's scope."""
    conflict_code: str = ""
    """The code of 409 for a branch name that is taken."""
    conflict_message: str = ""
    """The message of that refusal; empty for one with the name."""
    snapshot_restore_status: int = 422
    """The status of `restore from snapshot on target branch is still ongoing`."""
    subscription_type: str = field(default="launch_v3", metadata={"choices": tuple(PLANS)})
    """The plan."""


@dataclass
class Operation:
    """Work that a write has scheduled (API description: Operation)."""

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
        """Whether it runs, will run or will be retried."""
        return self.status in UNFINISHED or self.retry_at is not None


@dataclass
class Role:
    """A role of PostgreSQL. `password` is None if the role cannot log in or was made by SQL."""

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
    """A branch (API description: Branch). `cluster` has its data; None until it is ready.

    `history_start` is the earliest moment of its history, `history_lsn` the earliest position (None: any).
    `parent_timestamp` is the time of the last commit from its parent, known once the branch is ready.
    `restore_status`, `restored_from` and `restored_as` are set by restores of snapshots only.
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
    """A snapshot (API description: Snapshot). Its hidden branch has the cluster with its data."""

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
    """A deleted branch that can be recovered, with its computes. `method` is `user` or `ttl`."""

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
        """Whether an operation is unfinished."""
        return any(operation.unfinished for operation in self.operations.values())

    def endpoints_of(self, branch: str) -> list[Endpoint]:
        """Return the computes of a branch."""
        return [endpoint for endpoint in self.endpoints.values() if endpoint.branch_id == branch]

    def children_of(self, branch: str) -> list[Branch]:
        """Return the children of a branch."""
        return [child for child in self.branches.values() if child.parent_id == branch]

    def default_branch(self) -> Branch:
        """Return the default branch: there is exactly one."""
        return next(branch for branch in self.branches.values() if branch.default)


@dataclass
class NeonState:
    """The state of Neon."""

    projects: dict[str, Project] = field(default_factory=dict)
    switches: Switches = field(default_factory=Switches)
    database_count: int = 0

    @property
    def plan(self) -> Plan:
        """The account's plan."""
        return PLANS[self.switches.subscription_type]
