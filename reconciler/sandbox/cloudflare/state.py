"""The state of the Cloudflare account: plain data that can be pickled."""

import uuid
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from reconciler.sandbox import timestamps

Json = dict[str, Any]
"""A JSON object."""


@dataclass
class Switches:
    """Limits, and switches for what no public source establishes. The defaults are proposals, not facts."""

    token_lacks: tuple[str, ...] = ()
    """Permissions that the token does not have: any of `hyperdrive-read`, `hyperdrive-write`, `workers-read`,
    `workers-write`. Requests that need one are refused like a bad token (403, 10000), which `tokens/verify` accepts."""
    token_of_account: bool = False
    """Whether the token is the account's: only the account's `tokens/verify` accepts it, the user's does not."""
    config_limit: int = 25
    """Hyperdrive configs per account: 25 on the paid plan, 10 on the free one (Hyperdrive limits page)."""
    connection_timeout_s: float = 15
    """Seconds that the connection test of an origin may take (Hyperdrive troubleshooting page)."""
    name_taken_status: int = 409
    """HTTP status of error 2017; the code is known, the status is not. Try 400 too."""
    version_not_found: tuple[int, int] = (404, 10216)
    """HTTP status and code for an unknown version; both are placeholders."""
    promote_without_config: bool = False
    """Whether a version can be deployed without its Hyperdrive config (its queries then fail)."""
    zero_percentage_accepted: bool = True
    """Whether a deployment may have a version at 0 %: so the documentation, but the API description says 0.01."""
    fresh_config_unknown_s: float = 0.0
    """Seconds for which uploads do not know a new config (error 10157). Try up to 15."""
    unknown_inherit_is_dropped: bool = False
    """Whether an `inherit` without a match is left out, except with `bindings_inherit=strict`."""
    deployable_versions: int = 100
    """How many of the newest versions can be deployed (changelog of 2025-09-11)."""
    hyperdrive_pool_survives_change: bool = False
    """Whether Workers reach the former origin of a changed config until the config is restarted (Hyperdrive
    documentation, Rotate credentials: true of the connections in its pool, for as long as those live)."""
    hyperdrive_query_cache: bool = False
    """Whether queries are answered from a cache, as each config's `caching` says, even if the data has changed since
    (Hyperdrive documentation, Query caching)."""


@dataclass
class HyperdriveConfig:
    """One config. `origin` includes its secrets, which no answer shows."""

    id: str
    name: str
    origin: Json
    caching: Json
    mtls: Json
    origin_connection_limit: int
    created_on: datetime
    modified_on: datetime
    restarted_on: datetime | None = None


@dataclass(frozen=True)
class Module:
    """One file of an uploaded Worker."""

    name: str
    content_type: str
    content: bytes


@dataclass(frozen=True)
class Version:
    """One immutable upload of a Worker. `bindings` include secret values, which no answer shows."""

    id: str
    number: int
    created_on: datetime
    source: str
    annotations: Json
    bindings: list[Json]
    main_module: str
    modules: tuple[Module, ...]
    compatibility_date: str | None
    compatibility_flags: list[str]
    etag: str


@dataclass(frozen=True)
class Deployment:
    """The shares of the traffic: `split` has pairs of version id and percentage."""

    id: str
    created_on: datetime
    source: str
    annotations: Json
    split: tuple[tuple[str, float], ...]


@dataclass
class Script:
    """One Worker. Versions are in order of upload, deployments newest first, as the API lists the latter."""

    name: str
    tag: str
    created_on: datetime
    modified_on: datetime
    versions: list[Version] = field(default_factory=list)
    deployments: list[Deployment] = field(default_factory=list)
    workers_dev: Json = field(default_factory=lambda: {"enabled": False, "previews_enabled": False})
    settings: Json = field(
        default_factory=lambda: {"logpush": False, "observability": None, "tail_consumers": None, "tags": []}
    )

    def version(self, version_id: str) -> Version | None:
        """Find a version by its id."""
        return next((version for version in self.versions if version.id == version_id), None)

    @property
    def live(self) -> Version:
        """The version that serves: the first of the newest deployment."""
        return next(v for v in self.versions if v.id == self.deployments[0].split[0][0])


@dataclass
class State:
    """The whole account."""

    account_id: str
    token: str
    switches: Switches = field(default_factory=Switches)
    configs: dict[str, HyperdriveConfig] = field(default_factory=dict)
    scripts: dict[str, Script] = field(default_factory=dict)


def now() -> datetime:
    """Return the present moment, in UTC."""
    return timestamps.now()


def wire_time(moment: datetime) -> str:
    """Render a moment as the API does: microseconds and Z."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def new_id() -> str:
    """Make an id of a config or Worker: 32 hexadecimal characters."""
    return uuid.uuid4().hex
