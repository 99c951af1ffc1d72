"""Steps on wrangler.jsonc, and on the versions of Workers and what they serve."""

from dataclasses import dataclass

from reconciler.core.model.desired import DeployDriver, OnFailure
from reconciler.core.steps.effect import Effect


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteBinding(Effect):
    """Put the config's id into wrangler.jsonc; no other byte changes."""

    config: str
    binding: str
    environment: str | None
    hyperdrive: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadVersion(Effect):
    """Upload a Worker version that is bound to the config. It takes no traffic yet."""

    script: str
    config: str
    binding: str
    environment: str | None
    hyperdrive: str
    driver: DeployDriver
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StageVersion(Effect):
    """Deploy the uploaded version at 0 % beside the live one, so that it can be probed."""

    script: str
    hyperdrive: str
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyWorker(Effect):
    """Run the HTTP gates against the staged versions."""

    scripts: tuple[str, ...]
    gates: tuple[str, ...]
    hyperdrive: str

    @property
    def key(self) -> str:
        """What `Observed.passed` holds once this has passed."""
        return f"http:{self.hyperdrive}"


@dataclass(frozen=True, slots=True, kw_only=True)
class SwitchTraffic(Effect):
    """Send all of a Worker's traffic to the uploaded version, in one call."""

    script: str
    hyperdrive: str
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyLive(Effect):
    """Run the HTTP gates once more, now as users reach the Workers: the last check."""

    scripts: tuple[str, ...]
    gates: tuple[str, ...]
    hyperdrive: str
    on_failure: OnFailure

    @property
    def key(self) -> str:
        """What `Observed.passed` or `Observed.failed` holds once this has passed or failed."""
        return f"live:{self.hyperdrive}"


WorkerStep = WriteBinding | UploadVersion | StageVersion | VerifyWorker | SwitchTraffic | VerifyLive
