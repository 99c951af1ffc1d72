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
    """What a subscription allows (docs: Plans). `branches` and the others are counts, `history_seconds` a maximum."""

    branches: int
    root_branches: int
    protected_branches: int
    history_seconds: int
    default_history_seconds: int


PLANS = {
    "free_v3": Plan(10, 3, 0, 21_600, 21_600),
    "launch_v3": Plan(5000, 5, 2, 604_800, 86_400),
    "scale_v3": Plan(5000, 25, 5, 2_592_000, 86_400),
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
    """The status of the refusal of a moment outside the history."""
    subscription_type: str = "launch_v3"
    """The plan, one of PLANS."""


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
    total_duration_ms: int = 0


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

    `history_start` is the earliest moment that it can be asked for; `parent_timestamp` is the time of the last commit
    that it took from its parent, known only when the branch is ready.
    """

    id: str
    project_id: str
    name: str
    created_at: datetime
    updated_at: datetime
    state_changed_at: datetime
    history_start: datetime
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

    @property
    def busy(self) -> bool:
        """Whether an operation has not ended."""
        return any(operation.status in UNFINISHED for operation in self.operations.values())

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
