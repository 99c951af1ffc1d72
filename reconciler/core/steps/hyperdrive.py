"""Steps on Hyperdrive configs, their pools and their query caches."""

from dataclasses import dataclass

from reconciler.core.model.hyperdrive import NOTHING, Settings
from reconciler.core.steps.effect import Effect


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateHyperdrive(Effect):
    """Create a Hyperdrive config that points to a branch's direct host, with these settings."""

    name: str
    branch: str
    database: str
    role: str
    settings: Settings = NOTHING


@dataclass(frozen=True, slots=True, kw_only=True)
class RestartPool(Effect):
    """Make a Hyperdrive config drop its connections and open new ones."""

    hyperdrive: str

    @property
    def key(self) -> str:
        """What `Observed.passed` holds once this has been done: the provider's clock is not compared with Neon's."""
        return f"pool:{self.hyperdrive}"


@dataclass(frozen=True, slots=True, kw_only=True)
class RepointHyperdrive(Effect):
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
class AwaitCache(Effect):
    """Wait for as long as Hyperdrive may answer from its query cache with what another branch has said."""

    hyperdrive: str
    seconds: int

    @property
    def key(self) -> str:
        """What `Observed.passed` holds once this run has waited."""
        return f"cache:{self.hyperdrive}"


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateHyperdrive(Effect):
    """Set what differs on a Hyperdrive config, and nothing else."""

    hyperdrive: str
    settings: Settings

    @property
    def outdates(self) -> frozenset[str]:
        """What is not true any more of `Observed.passed` after it: the pool is older than the config again."""
        return frozenset({f"pool:{self.hyperdrive}"})


@dataclass(frozen=True, slots=True, kw_only=True)
class RenewPassword(Effect):
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
class DeleteHyperdrive(Effect):
    """Delete the Hyperdrive config of a branch whose hold has ended, and which is next; or of one that is gone: ""."""

    name: str
    branch: str


HyperdriveStep = (
    CreateHyperdrive
    | RestartPool
    | RepointHyperdrive
    | AwaitCache
    | UpdateHyperdrive
    | RenewPassword
    | DeleteHyperdrive
)
