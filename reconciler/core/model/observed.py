"""Everything that was read from Neon, Cloudflare and the working tree in one pass.

Unknown is a value, never absence: what could not be read is `Unknown` with the reason, and what is not there is
None or an empty tuple.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TypeVar

from reconciler.core.model.compute import UNSAID, ComputeSettings
from reconciler.core.model.hyperdrive import CACHING_ON, NO_CERTIFICATES, Caching, Mtls, Settings
from reconciler.core.model.roles_and_databases import RolesAndDatabases
from reconciler.core.model.worker_bindings import Binding
from reconciler.core.values.instant import Instant
from reconciler.core.values.timeline import Timeline


@dataclass(frozen=True, slots=True, order=True)
class Table:
    """A table of a database."""

    schema: str
    name: str

    def __str__(self) -> str:
        return f"{self.schema}.{self.name}"


@dataclass(frozen=True, slots=True)
class LiveSpan:
    """A timeline was live from one moment to another, or until now; `commit` is the one that had asked for it."""

    timeline: Timeline
    since: Instant
    until: Instant | None
    commit: str

    def covers(self, moment: Instant) -> bool:
        """Whether it was live at a moment, whatever the clocks."""
        return self.since <= moment.before(_DOUBT) and (self.until is None or moment <= self.until.before(_DOUBT))

    def __str__(self) -> str:
        until = "from then on" if self.until is None else f"until {self.until}"
        return f"the receipt of commit {self.commit[:12]} says that it was live at {self.since}, and {until}"


@dataclass(frozen=True, slots=True)
class Unknown:
    """Something that could not be read, and why."""

    reason: str
    hint: str = ""


_Item = TypeVar("_Item")


def known(items: tuple[_Item, ...] | Unknown) -> tuple[_Item, ...]:
    """Return what was read, or nothing if it could not be read. Only for what must not decide anything."""
    return () if isinstance(items, Unknown) else items


@dataclass(frozen=True, slots=True)
class Unbound(Unknown):
    """A wrangler.jsonc was read, and the environment in it has no such Hyperdrive binding."""


@dataclass(frozen=True, slots=True)
class Operation:
    """An operation that Neon is at work on, `since` when, and the branch that it is about."""

    action: str
    branch_id: str
    since: Instant


@dataclass(frozen=True, slots=True)
class Claim:
    """What an environment's file lays claim to: a branch of a project, and Workers, each by account and script.

    The account is empty where wrangler.jsonc does not name it.
    """

    environment: str
    project: str
    branch: str
    workers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Project:
    """A Neon project. `history` is how far back it can be restored; `branches_limit` is None if unknown."""

    id: str
    name: str
    history: timedelta
    plan: str = ""
    branches_limit: int | None = None


@dataclass(frozen=True, slots=True)
class Annotation:
    """The annotations that were set in the request that created a candidate.

    `protects`: the primary was protected then, and must be protected again after it is restored in place.
    """

    environment: str
    timeline: Timeline
    protects: bool = False

    def is_of(self, environment: str, timeline: Timeline) -> bool:
        """Whether it was made for this timeline of this environment."""
        return (self.environment, self.timeline) == (environment, timeline)


@dataclass(frozen=True, slots=True)
class DeclaredAnnotation:
    """The annotations that were set in the request that created a declared branch.

    A branch that has another name than `name` by now is not ours. `reset` is the reset that the file
    asked for then: a new branch has what its parent holds, and so needs none.
    """

    environment: str
    name: str
    reset: str = ""
    schema_only: bool = False


@dataclass(frozen=True, slots=True)
class Databases:
    """The names of the databases of a branch."""

    branch_id: str
    names: tuple[str, ...] | Unknown


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A branch's read-write compute, by its direct (not pooled) host.

    `name` is what its owner calls it, and decides nothing but what it says by its mark: that the branch is `fenced`,
    or that this was begun; or, where a candidate `protects`, that the primary was protected, as in `Mark`.
    """

    id: str
    host: str
    port: int = 5432
    name: str = field(default="", repr=False)
    fenced: bool = False
    protects: bool = False
    settings: ComputeSettings = UNSAID


@dataclass(frozen=True, slots=True)
class Branch:
    """A Neon branch.

    `resolved_at` and `lsn` are the commit time and the place in its parent's WAL that a branch at a moment really
    got, once Neon reports them. `unrestorable` is why Neon restricts restoring it in place, where it does. `size` is in
    bytes, and `updated_at` is when it was last changed in any way, its name included: both move by themselves, so no
    digest has them.
    """

    id: str
    name: str
    created_at: Instant
    parent_id: str | None = None
    resolved_at: Instant | None = None
    lsn: str = ""
    default: bool = False
    protected: bool = False
    ready: bool = True
    expires_at: Instant | None = None
    last_reset_at: Instant | None = None
    mark: Annotation | None = None
    endpoint: Endpoint | None = None
    unrestorable: str = ""
    child: DeclaredAnnotation | None = None
    size: int | None = field(default=None, repr=False, compare=False)
    updated_at: Instant | None = field(default=None, repr=False, compare=False)

    @property
    def protects(self) -> bool:
        """Whether it says that the primary was protected: by its annotation, or as its compute is called."""
        is_noted = self.endpoint is not None and self.endpoint.protects
        return is_noted or (self.mark is not None and self.mark.protects)

    @property
    def fenced(self) -> bool:
        """Whether its compute says that its database takes no writes, or that this was begun."""
        return self.endpoint is not None and self.endpoint.fenced


@dataclass(frozen=True, slots=True)
class HyperdriveConfig:
    """A Hyperdrive config, as far as it can be read: its password never can.

    `restarted_at` is when its connection pool was last restarted, None if never, and `modified_at` when
    anything of it was last changed, both by Cloudflare's clock.
    """

    id: str
    name: str
    host: str
    port: int
    database: str
    user: str
    restarted_at: Instant | None = None
    modified_at: Instant | None = None
    caching: Caching = CACHING_ON
    connection_limit: int | None = None
    mtls: Mtls = NO_CERTIFICATES

    @property
    def settings(self) -> Settings:
        """What is set on it."""
        return Settings(self.caching, self.connection_limit, self.mtls)


@dataclass(frozen=True, slots=True)
class DeployedVersion:
    """A version in the Worker's live deployment, its share of the traffic, and what it is bound to."""

    id: str
    percentage: float
    hyperdrive_id: str | None


@dataclass(frozen=True, slots=True)
class UploadedVersion:
    """A version that an earlier step uploaded, found by its label."""

    id: str
    label: str
    hyperdrive_id: str | None


@dataclass(frozen=True, slots=True)
class Use:
    """A Worker of the account, and a Hyperdrive config that a version of its live deployment is bound to."""

    script: str
    hyperdrive_id: str


# They are asked for only where something is to be deleted.
UNASKED = Unknown("which Workers of the account use it was not asked")


@dataclass(frozen=True, slots=True)
class ObservedWorker:
    """A Worker: what its wrangler.jsonc says, what is deployed, and what was uploaded for the desired timeline.

    `bindings` are those in its wrangler.jsonc that matter when the database goes back; no step depends on them.
    """

    config: str
    environment: str | None
    script: str
    file_hyperdrive_id: str
    deployed: tuple[DeployedVersion, ...] = ()
    uploaded: tuple[UploadedVersion, ...] = ()
    bindings: tuple[Binding, ...] = ()
    account: str = ""

    @property
    def serving(self) -> DeployedVersion | None:
        """The version that takes the most traffic; None where nothing is deployed."""
        return max(self.deployed, key=lambda version: version.percentage, default=None)

    def serves_only(self, hyperdrive_id: str) -> bool:
        """Whether all traffic goes to versions that are bound to this config."""
        served = [version for version in self.deployed if version.percentage > 0]
        return bool(served) and all(version.hyperdrive_id == hyperdrive_id for version in served)

    def serves(self, hyperdrive_id: str) -> bool:
        """Whether any traffic goes to a version that is bound to this config."""
        return any(version.percentage > 0 and version.hyperdrive_id == hyperdrive_id for version in self.deployed)

    def uploaded_as(self, label: str, hyperdrive_id: str) -> UploadedVersion | None:
        """Find the version that an earlier pass uploaded for the same purpose."""
        for version in self.uploaded:
            if version.label == label and version.hyperdrive_id == hyperdrive_id:
                return version
        return None


@dataclass(frozen=True, slots=True)
class Observed:
    """One look at the world.

    `at` is the clock's time when the look began; `passed` names the gates that have passed since this run began (a
    gate's answer is an observation too, though an expensive one), and `failed` those that a step must answer.
    `operations` are those that Neon is at work on, `waited` is how long this run has waited for their end, and
    `claims` are what the repository's other files claim. `accounts` are the roles and databases of the branches between
    which a restore is pending, and empty without one. `sharers` are all Workers that are bound to the config that is to
    be repointed, read only then; `password_changed_at` is when, by Neon's clock, Hyperdrive's role was last changed on
    the branch that is asked for, read only if a config points to that. `uses` are those of every Worker of the
    account. `databases` are those of declared branches and their parents. `live_spans` is what receipts say about
    what was live when, read only where a restore is pending and Neon's signs leave its source open.
    """

    at: Instant
    project: Project | Unknown
    branches: tuple[Branch, ...] | Unknown
    configs: tuple[HyperdriveConfig, ...] | Unknown = ()
    workers: tuple[ObservedWorker | Unknown, ...] = ()
    commit: str = ""
    passed: frozenset[str] = field(default_factory=frozenset)
    failed: frozenset[str] = field(default_factory=frozenset)
    operations: tuple[Operation, ...] | Unknown = ()
    waited: timedelta = timedelta()
    claims: tuple[Claim, ...] = ()
    accounts: tuple[RolesAndDatabases, ...] | Unknown = ()
    sharers: tuple[str, ...] | Unknown = ()
    password_changed_at: Instant | None = None
    uses: tuple[Use, ...] | Unknown = UNASKED
    databases: tuple[Databases, ...] = ()
    live_spans: tuple[LiveSpan, ...] = ()


_Named = TypeVar("_Named", Branch, HyperdriveConfig)


def named(items: Iterable[_Named], name: str) -> _Named | None:
    """Find by exact name: names are unique per Neon project and per Cloudflare account."""
    return next((item for item in items if item.name == name), None)


# How far the clock behind a receipt may be from Neon's: so near to a change, a receipt says nothing.
_DOUBT = timedelta(minutes=1)
