"""Steps on wrangler.jsonc, and on the versions of Workers and what they serve."""

from abc import abstractmethod
from dataclasses import dataclass, replace

from reconciler.core.model.desired import DeployDriver, OnFailure
from reconciler.core.model.observed import DeployedVersion, Observed, ObservedWorker, UploadedVersion
from reconciler.core.steps.base import Part, Phase, Step
from reconciler.core.steps.prediction import config_id, with_passed, with_worker

_WORKERS = frozenset({Part.WORKERS})
_DEPLOYMENT = frozenset({Part.WORKERS, Part.HYPERDRIVE_CONFIGS})
_CHECKS = frozenset({Part.CHECKS})
_ON_FAILURE = {OnFailure.ROLLBACK: "roll back", OnFailure.HOLD: "stop there and wait"}


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteBinding(Step):
    """Write the config's id into wrangler.jsonc; no other byte changes."""

    wire_name = "WriteBinding"
    phase = Phase.HYPERDRIVE
    touches = frozenset({Part.WRANGLER_FILES})

    config: str
    binding: str
    environment: str | None
    hyperdrive: str

    @property
    def target(self) -> str:
        return self.config

    @property
    def writes_file(self) -> str:
        return self.config

    def describe(self) -> str:
        place = f" (env.{self.environment})" if self.environment else ""
        return f'write the id of "{self.hyperdrive}" into {self.config}{place}, binding {self.binding}'

    def predict(self, observed: Observed) -> Observed:
        identity, place = config_id(observed, self.hyperdrive), (self.config, self.environment)
        return with_worker(
            observed,
            lambda seen: (seen.config, seen.environment) == place,
            lambda seen: replace(seen, file_hyperdrive_id=identity),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _ScriptStep(Step):
    """A step on one Worker."""

    phase = Phase.DEPLOY
    touches = _WORKERS

    script: str

    @property
    def target(self) -> str:
        return self.script

    def predict(self, observed: Observed) -> Observed:
        return with_worker(
            observed, lambda seen: seen.script == self.script, lambda seen: self._changed(observed, seen)
        )

    @abstractmethod
    def _changed(self, observed: Observed, seen: ObservedWorker) -> ObservedWorker: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadVersion(_ScriptStep):
    """Upload a Worker version that is bound to the config. It takes no traffic yet."""

    wire_name = "UploadVersion"
    is_taken_once = True

    config: str
    binding: str
    environment: str | None
    hyperdrive: str
    driver: DeployDriver
    label: str

    def describe(self) -> str:
        return f'upload Worker "{self.script}" bound to "{self.hyperdrive}" ({self.driver.value}), without traffic'

    def _changed(self, observed: Observed, seen: ObservedWorker) -> ObservedWorker:
        upload = UploadedVersion(_version_id(self.label), self.label, config_id(observed, self.hyperdrive))
        return replace(seen, uploaded=(*seen.uploaded, upload))


@dataclass(frozen=True, slots=True, kw_only=True)
class _DeployStep(_ScriptStep):
    """A step that deploys the version that was uploaded under this label for this config."""

    rechecks = _DEPLOYMENT

    hyperdrive: str
    label: str

    def _version(self, observed: Observed, seen: ObservedWorker) -> DeployedVersion:
        identity = config_id(observed, self.hyperdrive)
        upload = seen.uploaded_as(self.label, identity)
        return DeployedVersion(upload.id if upload else _version_id(self.label), 0, identity)


@dataclass(frozen=True, slots=True, kw_only=True)
class StageVersion(_DeployStep):
    """Deploy the uploaded version at 0 % beside the live one, so that it can be probed."""

    wire_name = "StageVersion"

    def describe(self) -> str:
        return f'stage Worker "{self.script}" bound to "{self.hyperdrive}" at 0 %'

    def _changed(self, observed: Observed, seen: ObservedWorker) -> ObservedWorker:
        live = () if seen.serving is None else (replace(seen.serving, percentage=100),)
        return replace(seen, deployed=(self._version(observed, seen), *live))


@dataclass(frozen=True, slots=True, kw_only=True)
class SwitchTraffic(_DeployStep):
    """Send all of a Worker's traffic to the uploaded version, in one call."""

    wire_name = "SwitchTraffic"

    @property
    def switches(self) -> str:
        return self.script

    def describe(self) -> str:
        return f'switch Worker "{self.script}" to "{self.hyperdrive}", 100 %'

    def _changed(self, observed: Observed, seen: ObservedWorker) -> ObservedWorker:
        return replace(seen, deployed=(replace(self._version(observed, seen), percentage=100),))


@dataclass(frozen=True, slots=True, kw_only=True)
class _RequestStep(Step):
    """A step that runs the HTTP gates against some versions of the Workers."""

    touches = _CHECKS

    scripts: tuple[str, ...]
    gates: tuple[str, ...]
    hyperdrive: str

    @property
    def target(self) -> str:
        return ", ".join(self.scripts)

    @property
    def key(self) -> str:
        """Recorded for the config: all of its Workers are checked together."""
        return f"{self.key_prefix}:{self.hyperdrive}"

    @property
    def checks(self) -> tuple[str, ...]:
        return self.gates

    def predict(self, observed: Observed) -> Observed:
        return with_passed(observed, self.key)


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyWorker(_RequestStep):
    """Run the HTTP gates against the staged versions."""

    wire_name = "VerifyWorker"
    key_prefix = "http"
    phase = Phase.VERIFY_STAGED

    def describe(self) -> str:
        return f"verify {self.target} at 0 %: {', '.join(self.gates)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyLive(_RequestStep):
    """Run the HTTP gates once more, now as users reach the Workers: the last check."""

    wire_name = "VerifyLive"
    key_prefix = "live"
    phase = Phase.VERIFY_LIVE

    on_failure: OnFailure

    @property
    def rolls_back(self) -> bool:
        return self.on_failure is OnFailure.ROLLBACK

    def describe(self) -> str:
        gates = ", ".join(self.gates)
        return f"verify {self.target} as users reach it: {gates}; if it fails, {_ON_FAILURE[self.on_failure]}"


def _version_id(label: str) -> str:
    return f"(version {label})"
