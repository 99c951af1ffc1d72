"""Steps on Hyperdrive configs, their pools and their query caches."""

from dataclasses import dataclass, replace

from reconciler.core.model.hyperdrive import CACHING_ON, NO_CERTIFICATES, NOTHING, Settings
from reconciler.core.model.observed import HyperdriveConfig, Observed
from reconciler.core.steps.base import Part, Phase, Step
from reconciler.core.steps.prediction import after_all, configs_of, host_of, with_config, with_passed

_CONFIGS = frozenset({Part.HYPERDRIVE_CONFIGS})
_CONFIGS_AND_CHECKS = _CONFIGS | {Part.CHECKS}
_RECHECKS = frozenset({Part.BRANCHES, Part.HYPERDRIVE_CONFIGS})


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateHyperdrive(Step):
    """Create a Hyperdrive config that points to a branch's direct host, with these settings."""

    wire_name = "CreateHyperdrive"
    phase = Phase.HYPERDRIVE
    touches = _CONFIGS
    creates_config = True

    name: str
    branch: str
    database: str
    role: str
    settings: Settings = NOTHING

    @property
    def target(self) -> str:
        return self.name

    def describe(self) -> str:
        return (
            f'create Hyperdrive config "{self.name}" for database {self.database} as role {self.role} '
            f'on "{self.branch}"' + (f" ({self.settings})" if self.settings else "")
        )

    def predict(self, observed: Observed) -> Observed:
        endpoint = host_of(observed, self.branch)
        config = HyperdriveConfig(
            id=f"(id of {self.name})",
            name=self.name,
            host=endpoint.host,
            port=endpoint.port,
            database=self.database,
            user=self.role,
            caching=self.settings.caching or CACHING_ON,
            connection_limit=self.settings.connection_limit,
            mtls=self.settings.mtls or NO_CERTIFICATES,
        )
        return replace(observed, configs=(*configs_of(observed), config))


@dataclass(frozen=True, slots=True, kw_only=True)
class _ConfigStep(Step):
    """A step on one existing config."""

    phase = Phase.HYPERDRIVE

    hyperdrive: str

    @property
    def target(self) -> str:
        return self.hyperdrive


@dataclass(frozen=True, slots=True, kw_only=True)
class RestartPool(_ConfigStep):
    """Make a Hyperdrive config drop its connections and open new ones."""

    wire_name = "RestartPool"
    key_prefix = "pool"  # Cloudflare's clock is not compared with Neon's
    touches = _CONFIGS_AND_CHECKS
    needs_approval = False

    def describe(self) -> str:
        return f'restart the connection pool of Hyperdrive config "{self.hyperdrive}"'

    def predict(self, observed: Observed) -> Observed:
        configs = configs_of(observed)
        now = after_all(configs)
        restarted = tuple(replace(each, restarted_at=now) if each.name == self.hyperdrive else each for each in configs)
        return replace(with_passed(observed, self.key), configs=restarted)


@dataclass(frozen=True, slots=True, kw_only=True)
class RepointHyperdrive(_ConfigStep):
    """Point a Hyperdrive config to another branch: host, port and login in one request.

    Every version of every Worker that is bound to it moves at once.
    """

    wire_name = "RepointHyperdrive"
    key_prefix = "repoint"
    outdates = ("pool", "cache")  # connections and cached answers are old again
    touches = _CONFIGS_AND_CHECKS
    rechecks = _RECHECKS

    leaves: str
    branch: str
    database: str
    role: str

    @property
    def switches(self) -> str:
        return self.hyperdrive

    def describe(self) -> str:
        return (
            f'repoint Hyperdrive config "{self.hyperdrive}" from "{self.leaves}" to "{self.branch}", '
            f"database {self.database} as role {self.role}"
        )

    def predict(self, observed: Observed) -> Observed:
        endpoint = host_of(observed, self.branch)
        moved = replace(observed, passed=self.still_passed(observed.passed) | {self.key})
        return with_config(
            moved, self.hyperdrive, lambda config: replace(config, host=endpoint.host, port=endpoint.port)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class AwaitCache(_ConfigStep):
    """Wait for as long as Hyperdrive may answer from its query cache with rows of another branch."""

    wire_name = "AwaitCache"
    key_prefix = "cache"
    touches = frozenset({Part.CHECKS})

    seconds: int

    def describe(self) -> str:
        return f'wait {self.seconds} s for older answers in the query cache of "{self.hyperdrive}" to expire'

    def predict(self, observed: Observed) -> Observed:
        return with_passed(observed, self.key)


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateHyperdrive(_ConfigStep):
    """Set what differs on a Hyperdrive config, and nothing else."""

    wire_name = "UpdateHyperdrive"
    outdates = ("pool",)
    touches = _CONFIGS_AND_CHECKS
    rechecks = _RECHECKS

    settings: Settings

    def describe(self) -> str:
        return f'update Hyperdrive config "{self.hyperdrive}": {self.settings}'

    def predict(self, observed: Observed) -> Observed:
        edited = replace(observed, passed=self.still_passed(observed.passed))
        return with_config(edited, self.hyperdrive, self._set)

    def _set(self, config: HyperdriveConfig) -> HyperdriveConfig:
        every, mtls = self.settings.or_else(config.settings), self.settings.mtls
        return replace(
            config,
            caching=every.caching or config.caching,
            connection_limit=every.connection_limit,
            mtls=mtls.over(config.mtls) if mtls else config.mtls,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class RenewPassword(_ConfigStep):
    """Give a Hyperdrive config the password that its role has on a branch now."""

    wire_name = "RenewPassword"
    key_prefix = "password"  # the clocks of two providers prove nothing
    outdates = ("pool",)
    touches = _CONFIGS_AND_CHECKS
    rechecks = _RECHECKS
    needs_approval = False

    branch: str
    database: str
    role: str

    def describe(self) -> str:
        return f'give Hyperdrive config "{self.hyperdrive}" the password that role {self.role} has now'

    def predict(self, observed: Observed) -> Observed:
        passed = self.still_passed(observed.passed) | {self.key}
        renewed = replace(observed, passed=passed, password_changed_at=None)
        return with_config(renewed, self.hyperdrive, lambda config: config)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteHyperdrive(Step):
    """Delete the config of a branch that is deleted next, or of one that is gone (`branch` is empty)."""

    wire_name = "DeleteHyperdrive"
    phase = Phase.PROMOTE
    touches = _CONFIGS
    depends_on_uses = True

    name: str
    branch: str

    @property
    def target(self) -> str:
        return self.name

    def describe(self) -> str:
        points = f'points to "{self.branch}"' if self.branch else "points to no branch"
        return f'delete Hyperdrive config "{self.name}", which {points}'

    def predict(self, observed: Observed) -> Observed:
        return replace(observed, configs=tuple(each for each in configs_of(observed) if each.name != self.name))
