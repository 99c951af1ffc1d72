"""What the engine asks of the outside, and what it may rely on.

Every method that changes something waits until its provider says that it is done; whether it really is, is read
back in the next pass. All of them may raise ProviderError: AnswerLost where a write may have happened, Unreachable
where nothing did. Each can be called again after any of these.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from reconciler.core.model.compute import UNSAID, ComputeSettings
from reconciler.core.model.desired import HttpGate, SqlGate, Worker
from reconciler.core.model.hyperdrive import NOTHING, Settings
from reconciler.core.model.observed import (
    Annotation,
    Branch,
    Claim,
    DeclaredAnnotation,
    DeployedVersion,
    HyperdriveConfig,
    Operation,
    Project,
    Table,
    UploadedVersion,
    Use,
)
from reconciler.core.model.roles_and_databases import RoleOrDatabase
from reconciler.core.model.worker_bindings import Binding
from reconciler.core.records.receipt import Receipt
from reconciler.core.values.instant import Instant
from reconciler.core.values.secret import Secret
from reconciler.core.values.timeline import Point


@dataclass(frozen=True, slots=True)
class Origin:
    """Where and how to log in to a branch: the direct host, the role, its password, the database."""

    host: str
    port: int
    database: str
    role: str
    password: Secret


@dataclass(frozen=True, slots=True)
class WranglerFile:
    """What a wrangler.jsonc says of one Worker in one environment."""

    script: str
    hyperdrive_id: str
    bindings: tuple[Binding, ...] = ()
    account: str = ""


@dataclass(frozen=True, slots=True)
class Compute:
    """A compute of any kind: the branch that it runs on, and its direct host."""

    branch_id: str
    host: str
    port: int


class Neon(Protocol):
    """The Neon project, and which others there are."""

    async def projects(self) -> tuple[str, ...]:
        """Read the ids of all projects that the key reaches."""
        ...

    async def computes(self, project: str) -> tuple[Compute, ...]:
        """Read the computes of every branch, those that only read among them."""
        ...

    async def project(self, project: str) -> Project:
        """Read the project."""
        ...

    async def branches(self, project: str) -> tuple[Branch, ...]:
        """Read every branch, with annotations and read-write endpoints."""
        ...

    async def running(self, project: str) -> tuple[Operation, ...]:
        """Read the operations that Neon is at work on, or will be: each locks the project against writes."""
        ...

    async def create_branch(
        self,
        project: str,
        name: str,
        source: str,
        at: Point | None,
        mark: Annotation,
        compute: ComputeSettings = UNSAID,
    ) -> None:
        """Create a branch from the branch with the id `source` as it was `at` (or is), with a compute, and wait for it.

        `at` is a moment or an LSN of the source. A name that is taken is an AnswerLost: an earlier call may have
        made it.
        """
        ...

    async def await_branch(self, project: str, branch: str) -> None:
        """Wait until the branch with this id is ready."""
        ...

    async def add_compute(self, project: str, branch: str, compute: ComputeSettings) -> None:
        """Add a read-write compute and wait for it. What is None of `compute` is Neon's to choose."""
        ...

    async def set_compute(self, project: str, endpoint: str, compute: ComputeSettings) -> None:
        """Change what is not None of the compute with the id `endpoint`, and wait until it is back."""
        ...

    async def set_history(self, project: str, seconds: int) -> None:
        """Change how far back the project can be restored."""
        ...

    async def rename_branch(self, project: str, branch: str, name: str) -> None:
        """Rename."""
        ...

    async def clear_expiry(self, project: str, branch: str) -> None:
        """Remove the expiry."""
        ...

    async def set_default(self, project: str, branch: str) -> None:
        """Make it the default branch."""
        ...

    async def protect(self, project: str, branch: str) -> None:
        """Protect it."""
        ...

    async def unprotect(self, project: str, branch: str) -> None:
        """Take its protection away."""
        ...

    async def restore_branch(self, project: str, branch: str, source: str, point: str, keep_as: str) -> None:
        """Restore a branch in place to the LSN `point` of the branch with the id `source`, and wait for it.

        What it held is kept as a branch of the name `keep_as`. A name that is taken is an AnswerLost.
        """
        ...

    async def delete_branch(self, project: str, branch: str) -> None:
        """Delete a branch and its compute. One that is not there any more is deleted."""
        ...

    async def create_child(
        self, project: str, name: str, source: str, mark: DeclaredAnnotation, *, compute: bool
    ) -> None:
        """Create a branch from the branch with the id `source` as it is, with the annotations `mark`, and wait for it.

        A name that is taken is an AnswerLost: an earlier call may have made it.
        """
        ...

    async def create_drill_branch(
        self, project: str, name: str, source: str, mark: Annotation, expires: Instant
    ) -> None:
        """Create a branch of the branch with the id `source` as it is, for a drill, with a compute, and wait for it.

        It expires then, where Neon lets the account's branches expire. A name that is taken is an AnswerLost.
        """
        ...

    async def reset_branch(self, project: str, branch: str, source: str, keep_as: str) -> None:
        """Reset a branch to what the branch with the id `source` holds now, and wait for it.

        What it held is kept as a branch of the name `keep_as`. A name that is taken is an AnswerLost.
        """
        ...

    async def expire(self, project: str, branch: str, at: Instant) -> None:
        """Let a branch expire at a moment, of which the part below a second is cut off."""
        ...

    async def create_database(self, project: str, branch: str, database: str, owner: str) -> None:
        """Create a database that a role owns, and wait for it. A name that is taken is an AnswerLost."""
        ...

    async def tables(self, project: str, branch: str, database: str, at: Point) -> frozenset[Table]:
        """List the tables of a database on a branch as it was `at` a moment or an LSN."""
        ...

    async def roles(self, project: str, branch: str) -> tuple[RoleOrDatabase, ...]:
        """Read the roles of the branch with this id."""
        ...

    async def databases(self, project: str, branch: str) -> tuple[RoleOrDatabase, ...]:
        """Read the databases of the branch with this id."""
        ...

    async def owner(self, project: str, branch: str, database: str) -> str:
        """Read the name of the role that owns a database."""
        ...

    async def password_changed(self, project: str, branch: str, role: str) -> Instant | None:
        """Read when a role, and so perhaps its password, was last changed; None where that is not told."""
        ...

    async def rename_endpoint(self, project: str, endpoint: str, name: str) -> None:
        """Give the compute with this id another name, of 1 to 64 characters."""
        ...

    async def origin(self, project: str, branch: str, database: str, role: str) -> Origin:
        """Read how to log in to a branch, by its direct host."""
        ...


class Cloudflare(Protocol):
    """Hyperdrive configs, and the versions and deployments of Workers."""

    async def configs(self) -> tuple[HyperdriveConfig, ...]:
        """Read every Hyperdrive config of the account."""
        ...

    async def create_config(self, name: str, origin: Origin, settings: Settings = NOTHING) -> None:
        """Create a config. A name that is taken is an AnswerLost."""
        ...

    async def repoint_config(self, config: str, origin: Origin) -> None:
        """Lead the config with this id to another origin, its login included, in one request."""
        ...

    async def update_config(self, config: str, settings: Settings) -> None:
        """Set what is given on the config with this id, and leave the rest as it is."""
        ...

    async def bound(self, config: str) -> tuple[str, ...]:
        """Name all Workers of the account whose live version is bound to the config with this id.

        It takes a request for each Worker, so what it has answered once is its answer from then on.
        """
        ...

    async def delete_config(self, config: str) -> None:
        """Delete the config with this id. One that is not there any more is deleted."""
        ...

    async def uses(self) -> tuple[Use, ...]:
        """Read which Hyperdrive configs the live deployments of all Workers of the account are bound to."""
        ...

    async def restart_pool(self, config: str) -> None:
        """Drop the connections of the config with this id, and open new ones."""
        ...

    async def deployed(self, script: str, binding: str) -> tuple[DeployedVersion, ...]:
        """Read the live deployment and what `binding` is in its versions; empty where there is none."""
        ...

    async def uploaded(self, script: str, binding: str, purpose: str) -> tuple[UploadedVersion, ...]:
        """Read the recent versions whose label begins with `purpose`."""
        ...

    async def copy_version(self, script: str, version: str, change: "Rebinding") -> None:
        """Upload a version again with only one Hyperdrive binding changed."""
        ...

    async def scripts(self) -> tuple[str, ...]:
        """Name every Worker of the account."""
        ...

    async def copy_worker(self, script: str, version: str, name: str, change: "Rebinding") -> tuple[str, ...]:
        """Make a Worker `name` of a version of another one, live, and on workers.dev; return the bindings left out.

        Only what can't reach what the other one has is taken along: text, JSON, the version's own data.
        """
        ...

    async def worker_address(self, script: str) -> str:
        """Return where a Worker answers on workers.dev. Raises ProviderError where the account has no subdomain."""
        ...

    async def delete_worker(self, script: str) -> None:
        """Delete a Worker. One that is not there any more is deleted."""
        ...

    async def deploy(self, script: str, shares: Sequence[tuple[str, int]], message: str) -> None:
        """Deploy versions with their percentages."""
        ...


@dataclass(frozen=True, slots=True)
class Rebinding:
    """What a new version is to be bound to, and how it is labelled."""

    binding: str
    hyperdrive_id: str
    label: str
    tag: str


class WorkingTree(Protocol):
    """The checkout: wrangler.jsonc files and the commit."""

    def read(self, worker: Worker) -> WranglerFile:
        """Read what wrangler.jsonc says. Raises InputError with the reason where it must not be trusted."""
        ...

    def write(self, worker: Worker, hyperdrive_id: str) -> None:
        """Put the id into wrangler.jsonc, durably, changing no other byte."""
        ...

    def claims(self, environment: str, now: Instant) -> tuple[Claim, ...]:
        """Read what the desired-state files of the other environments claim.

        One with mistakes claims nothing: it can't be applied either.
        """
        ...

    def commit(self) -> str:
        """Return the id of the commit that is checked out; empty where there is none."""
        ...

    def receipts(self) -> tuple[Receipt, ...]:
        """Return the receipts that applies have left, the remote's among them; none where they can't be read."""
        ...


class Uploader(Protocol):
    """The wrangler command."""

    async def upload(self, worker: Worker, change: Rebinding) -> None:
        """Build and upload the checkout's code as a new version that takes no traffic.

        Raises DeployFailed with what wrangler said; whether a version came of it is read back.
        """
        ...


class Gates(Protocol):
    """Verifications."""

    async def login(self, origin: Origin) -> None:
        """Log in, waking the compute if it sleeps. Raises GateFailed."""
        ...

    async def sql(self, origin: Origin, gate: SqlGate) -> None:
        """Run a query gate. Raises GateFailed, also where it could not run."""
        ...

    async def tables(self, origin: Origin) -> frozenset[Table]:
        """List everything that may be asked as a table, but for PostgreSQL's own. Raises GateFailed."""
        ...

    async def http(self, gate: HttpGate, versions: dict[str, str], *, staged: bool = True) -> None:
        """Run a request gate on these versions (by script). Raises GateFailed, also where it could not run.

        `staged` ones take no traffic and are asked by name; others are asked as users ask.
        """
        ...


class Fences(Protocol):
    """The setting by which a database takes no writes.

    `owner` may change the database's settings; `user` is who logs in as Hyperdrive does, and proves it. Both raise
    FenceFailed where it can't be done or does not hold; what came of it is then not known.
    """

    async def close(self, owner: Origin, user: Origin) -> None:
        """Have every new session read-only, and end those that began before."""
        ...

    async def open(self, owner: Origin, user: Origin) -> None:
        """Let new sessions write again, and end those that began before and can't."""
        ...


class Lease(Protocol):
    """The right to change an environment, which one run at a time has."""

    async def confirm(self) -> None:
        """Return while nobody else can have it. Raises LeaseLost where somebody else may."""
        ...


class SuspensionCheck(Protocol):
    """Whether anything may be applied to an environment, which people can suspend for a while."""

    async def confirm(self) -> None:
        """Return while nobody has suspended it. Raises Suspended; GitError where that can't be told."""
        ...


class Clock(Protocol):
    """Time."""

    def now(self) -> Instant:
        """Return the present moment, UTC."""
        ...

    def elapsed(self) -> float:
        """Return seconds on a clock that never goes back."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        ...


@dataclass(frozen=True, slots=True)
class Ports:
    """Everything outside, joined by the command line."""

    neon: Neon
    cloudflare: Cloudflare
    tree: WorkingTree
    uploader: Uploader
    gates: Gates
    clock: Clock
    fences: Fences
