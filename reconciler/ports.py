"""The ports: what the engine needs from the outside systems, and what it may rely on.

A method that changes something waits until its provider reports that it is done; the next pass reads back whether it
is. Every method may raise ProviderError: AnswerLost where a write may have happened, Unreachable where nothing
happened. Each can be called again after any of these.
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
    """How to log in to a branch: its direct host, the database, the role and the password."""

    host: str
    port: int
    database: str
    role: str
    password: Secret


@dataclass(frozen=True, slots=True)
class WranglerFile:
    """What a wrangler.jsonc says about one Worker in one environment."""

    script: str
    hyperdrive_id: str
    bindings: tuple[Binding, ...] = ()
    account: str = ""


@dataclass(frozen=True, slots=True)
class Compute:
    """A compute, read-write or read-only: its branch and its direct host."""

    branch_id: str
    host: str
    port: int


class Projects(Protocol):
    """Neon projects."""

    async def projects(self) -> tuple[str, ...]:
        """Return the ids of all projects that the key can access."""

    async def project(self, project: str) -> Project:
        """Read a project."""

    async def running(self, project: str) -> tuple[Operation, ...]:
        """Read the operations that run or are scheduled: each locks the project against writes."""

    async def set_history(self, project: str, seconds: int) -> None:
        """Change the history window of a project."""


class Branches(Protocol):
    """The branches of a Neon project.

    A branch name that is taken raises AnswerLost: an earlier request may have created the branch.
    """

    async def branches(self, project: str) -> tuple[Branch, ...]:
        """Read every branch, with annotations and read-write computes."""

    async def create_branch(
        self,
        project: str,
        name: str,
        source: str,
        at: Point | None,
        mark: Annotation,
        compute: ComputeSettings = UNSAID,
    ) -> None:
        """Create a branch with a compute from the branch with the id `source`, and wait for it.

        `at` is a moment or an LSN of the source; None is its present state.
        """

    async def create_child(
        self, project: str, name: str, source: str, mark: DeclaredAnnotation, *, compute: bool
    ) -> None:
        """Create a declared branch from the present state of the branch with the id `source`, and wait for it."""

    async def create_drill_branch(
        self, project: str, name: str, source: str, mark: Annotation, expires: Instant
    ) -> None:
        """Create a drill's branch with a compute from the present state of `source`, and wait for it.

        It expires at `expires`, if Neon allows expirations for the account.
        """

    async def await_branch(self, project: str, branch: str) -> None:
        """Wait until the branch with this id is ready."""

    async def rename_branch(self, project: str, branch: str, name: str) -> None:
        """Rename a branch."""

    async def expire(self, project: str, branch: str, at: Instant) -> None:
        """Set when a branch expires, rounded down to the second."""

    async def clear_expiry(self, project: str, branch: str) -> None:
        """Remove the expiration of a branch."""

    async def set_default(self, project: str, branch: str) -> None:
        """Make a branch the default branch."""

    async def protect(self, project: str, branch: str) -> None:
        """Protect a branch."""

    async def unprotect(self, project: str, branch: str) -> None:
        """Remove the protection of a branch."""

    async def restore_branch(self, project: str, branch: str, source: str, point: str, keep_as: str) -> None:
        """Restore a branch in place to the LSN `point` of the branch with the id `source`, and wait for it.

        The replaced state is kept as a branch named `keep_as`.
        """

    async def reset_branch(self, project: str, branch: str, source: str, keep_as: str) -> None:
        """Reset a branch to the present state of the branch with the id `source`, and wait for it.

        The replaced state is kept as a branch named `keep_as`.
        """

    async def delete_branch(self, project: str, branch: str) -> None:
        """Delete a branch and its compute. A branch that does not exist counts as deleted."""


class Computes(Protocol):
    """The computes of a Neon project, and their settings."""

    async def computes(self, project: str) -> tuple[Compute, ...]:
        """Read the computes of every branch, read-only ones included."""

    async def add_compute(self, project: str, branch: str, compute: ComputeSettings) -> None:
        """Add a read-write compute and wait for it. Neon chooses each setting that is None."""

    async def set_compute(self, project: str, endpoint: str, compute: ComputeSettings) -> None:
        """Change the settings that are not None of the compute with the id `endpoint`, and wait until it is back."""

    async def rename_endpoint(self, project: str, endpoint: str, name: str) -> None:
        """Rename the compute with this id. `name` has 1 to 64 characters."""


class Databases(Protocol):
    """The databases and roles of a Neon branch."""

    async def databases(self, project: str, branch: str) -> tuple[RoleOrDatabase, ...]:
        """Read the databases of the branch with this id."""

    async def roles(self, project: str, branch: str) -> tuple[RoleOrDatabase, ...]:
        """Read the roles of the branch with this id."""

    async def tables(self, project: str, branch: str, database: str, at: Point) -> frozenset[Table]:
        """List the tables of a database as it was at a moment or an LSN."""

    async def create_database(self, project: str, branch: str, database: str, owner: str) -> None:
        """Create a database owned by a role, and wait for it. A name that is taken raises AnswerLost."""

    async def owner(self, project: str, branch: str, database: str) -> str:
        """Return the name of the role that owns a database."""

    async def password_changed(self, project: str, branch: str, role: str) -> Instant | None:
        """Return when a role, and so perhaps its password, was last changed; None where Neon does not say."""

    async def origin(self, project: str, branch: str, database: str, role: str) -> Origin:
        """Return how to log in to a branch through its direct host."""


class Neon(Projects, Branches, Computes, Databases, Protocol):
    """Neon."""


@dataclass(frozen=True, slots=True)
class Rebinding:
    """The binding that a new version changes, and how the version is labelled."""

    binding: str
    hyperdrive_id: str
    label: str
    tag: str


class HyperdriveConfigs(Protocol):
    """The Hyperdrive configs of a Cloudflare account."""

    async def configs(self) -> tuple[HyperdriveConfig, ...]:
        """Read every Hyperdrive config."""

    async def create_config(self, name: str, origin: Origin, settings: Settings = NOTHING) -> None:
        """Create a config. A name that is taken raises AnswerLost."""

    async def repoint_config(self, config: str, origin: Origin) -> None:
        """Point the config with this id to another origin, login included, in one request."""

    async def update_config(self, config: str, settings: Settings) -> None:
        """Change the given settings of the config with this id, and no others."""

    async def restart_pool(self, config: str) -> None:
        """Close the connections of the config with this id, and open new ones."""

    async def delete_config(self, config: str) -> None:
        """Delete the config with this id. A config that does not exist counts as deleted."""

    async def bound(self, config: str) -> tuple[str, ...]:
        """Return the names of all Workers whose live version is bound to the config with this id.

        This takes one request for each Worker, so the first result is kept.
        """

    async def uses(self) -> tuple[Use, ...]:
        """Read to which Hyperdrive configs the live deployments of all Workers are bound."""


class Workers(Protocol):
    """The Workers of a Cloudflare account: versions and deployments."""

    async def scripts(self) -> tuple[str, ...]:
        """Return the names of all Workers."""

    async def deployed(self, script: str, binding: str) -> tuple[DeployedVersion, ...]:
        """Read the live deployment and what `binding` is in its versions; empty where there is none."""

    async def uploaded(self, script: str, binding: str, purpose: str) -> tuple[UploadedVersion, ...]:
        """Read the recent versions whose label begins with `purpose`."""

    async def copy_version(self, script: str, version: str, change: Rebinding) -> None:
        """Upload a version again with only one Hyperdrive binding changed."""

    async def deploy(self, script: str, shares: Sequence[tuple[str, int]], message: str) -> None:
        """Deploy versions, each with its percentage of the traffic."""

    async def copy_worker(self, script: str, version: str, name: str, change: Rebinding) -> tuple[str, ...]:
        """Create the Worker `name` from a version of another, live and on workers.dev.

        Only what can't reach production is copied: text, JSON and version metadata. Returns the bindings left out.
        """

    async def worker_address(self, script: str) -> str:
        """Return a Worker's address on workers.dev. Raises ProviderError where the account has no subdomain."""

    async def delete_worker(self, script: str) -> None:
        """Delete a Worker. A Worker that does not exist counts as deleted."""


class Cloudflare(HyperdriveConfigs, Workers, Protocol):
    """Cloudflare."""


class WorkingTree(Protocol):
    """The checkout: wrangler.jsonc files, desired-state files and the commit."""

    def read(self, worker: Worker) -> WranglerFile:
        """Read a wrangler.jsonc. Raises InputError with the reason where it must not be trusted."""

    def write(self, worker: Worker, hyperdrive_id: str) -> None:
        """Write the id into wrangler.jsonc durably, and change no other byte."""

    def claims(self, environment: str, now: Instant) -> tuple[Claim, ...]:
        """Read what the desired-state files of the other environments claim.

        A file with mistakes claims nothing: it can't be applied either.
        """

    def commit(self) -> str:
        """Return the id of the checked-out commit; empty where there is none."""

    def receipts(self) -> tuple[Receipt, ...]:
        """Return the receipts of applies, the remote's included; none where they can't be read."""


class Uploader(Protocol):
    """The wrangler command."""

    async def upload(self, worker: Worker, change: Rebinding) -> None:
        """Build and upload the checkout's code as a new version that takes no traffic.

        Raises DeployFailed with wrangler's output. Whether a version was created is read back.
        """


class Gates(Protocol):
    """Verifications."""

    async def login(self, origin: Origin) -> None:
        """Log in, and wake a suspended compute. Raises GateFailed."""

    async def sql(self, origin: Origin, gate: SqlGate) -> None:
        """Run a query gate. Raises GateFailed, also where it could not run."""

    async def tables(self, origin: Origin) -> frozenset[Table]:
        """List every relation that can be queried, except PostgreSQL's own. Raises GateFailed."""

    async def http(self, gate: HttpGate, versions: dict[str, str], *, staged: bool = True) -> None:
        """Run a request gate on these versions (by script). Raises GateFailed, also where it could not run.

        `staged` ones take no traffic and are asked by name; others are asked as users ask.
        """


class Fences(Protocol):
    """The setting that makes a database read-only.

    `owner` may change the database's settings; `user` logs in as Hyperdrive does, to check the result. Both methods
    raise FenceFailed where the change fails or has no effect; the state is then unknown.
    """

    async def close(self, owner: Origin, user: Origin) -> None:
        """Make new sessions read-only, and end older ones."""

    async def open(self, owner: Origin, user: Origin) -> None:
        """Make new sessions writable again, and end older read-only ones."""


class Lease(Protocol):
    """The right to change an environment. Only one run has it at a time."""

    async def confirm(self) -> None:
        """Return if no other run can have the lease. Raises LeaseLost otherwise."""


class SuspensionCheck(Protocol):
    """Whether applying to an environment is allowed: people can suspend it for a while."""

    async def confirm(self) -> None:
        """Return if applying is not suspended. Raises Suspended; GitError where that can't be read."""


class Clock(Protocol):
    """Time."""

    def now(self) -> Instant:
        """Return the current time, UTC."""

    def elapsed(self) -> float:
        """Return seconds of a monotonic clock."""

    async def sleep(self, seconds: float) -> None:
        """Wait for this many seconds."""


@dataclass(frozen=True, slots=True)
class Ports:
    """All ports. The command line connects them to the providers."""

    neon: Neon
    cloudflare: Cloudflare
    tree: WorkingTree
    uploader: Uploader
    gates: Gates
    clock: Clock
    fences: Fences
