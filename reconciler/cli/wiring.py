"""Connects the ports to the providers, with the environment variables of the official command lines."""

import asyncio
import os
import shlex
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from stamina.instrumentation import RetryDetails, RetryHook, set_on_retry_hooks

from reconciler.cli.console.output import quiet_logs
from reconciler.cli.repository import environments
from reconciler.core.model.desired import Desired
from reconciler.core.model.observed import Observed, Unknown
from reconciler.core.values.secret import Secret
from reconciler.engine.observe import observe, with_replaced
from reconciler.errors import InputError
from reconciler.ports import Clock, Ports
from reconciler.providers import cloudflare, neon
from reconciler.providers.clock import SystemClock
from reconciler.providers.cloudflare.access import NEEDED, WHERE
from reconciler.providers.github import client as github
from reconciler.providers.github.client import GitHub
from reconciler.providers.http.client import Api
from reconciler.providers.http.read_only import ReadOnlyApi
from reconciler.providers.neon.access import WHERE as NEON_WHERE
from reconciler.providers.postgres.lazy import LazyFences, LazyGates
from reconciler.providers.wrangler.checkout import Checkout
from reconciler.providers.wrangler.command import CloudflareAccess, Wrangler

_NEON = "https://console.neon.tech/api/v2"
_CLOUDFLARE = "https://api.cloudflare.com/client/v4"
_NEEDED_BOTH = "a project-scoped Neon key, and a Cloudflare token with Workers Scripts Write and Hyperdrive Write"
_A_TOKEN = f"make a token with {NEEDED} ({WHERE}), and name the account"
_FOR_CLOUDFLARE = ("CLOUDFLARE_API_TOKEN", "CLOUDFLARE_ACCOUNT_ID")


# Called with the reason for a retry and the seconds until then.
Waiting = Callable[[str, float], None]


@asynccontextmanager
async def connected(
    desired: Desired,
    root: Path,
    environment: Mapping[str, str] = os.environ,
    waiting: Waiting | None = None,
    *,
    clock: Clock | None = None,
) -> AsyncIterator[Ports]:
    """Open what an environment needs, and close it. Raises InputError where a credential is missing."""
    quiet_logs()
    set_on_retry_hooks([] if waiting is None else [_on_retry(waiting)])
    needed = ["NEON_API_KEY"]
    if desired.hyperdrive is not None:
        needed += _FOR_CLOUDFLARE
    _require(needed, environment)
    addresses = _Addresses.of(environment)
    neon_api = Api(neon.POLICY, addresses.neon, _secret("NEON_API_KEY", environment))
    cloudflare_api = Api(cloudflare.POLICY, addresses.cloudflare, _secret("CLOUDFLARE_API_TOKEN", environment))
    try:
        yield _ports(neon_api, cloudflare_api, root, environment, clock or SystemClock())
    finally:
        await neon_api.close()
        await cloudflare_api.close()


@dataclass(frozen=True, slots=True)
class Reading:
    """Ports for reading, and the APIs behind them."""

    ports: Ports
    neon: ReadOnlyApi
    cloudflare: ReadOnlyApi


@asynccontextmanager
async def connected_to_read(
    root: Path, until: float, environment: Mapping[str, str] = os.environ
) -> AsyncIterator[Reading]:
    """Open what there are credentials for, to read it until a time on the loop's clock. Missing ones are no error."""
    quiet_logs()
    set_on_retry_hooks([])
    addresses = _Addresses.of(environment)
    neon_absent = _absence(["NEON_API_KEY"], environment, f"make a key ({NEON_WHERE})")
    neon_key, token = _secret("NEON_API_KEY", environment), _secret("CLOUDFLARE_API_TOKEN", environment)
    neon_api = ReadOnlyApi(neon.POLICY, addresses.neon, neon_key, until=until, absent=neon_absent)
    absent = _absence(_FOR_CLOUDFLARE, environment, _A_TOKEN)
    cloudflare_api = ReadOnlyApi(cloudflare.POLICY, addresses.cloudflare, token, until=until, absent=absent)
    try:
        ports = _ports(neon_api, cloudflare_api, root, environment, SystemClock())
        yield Reading(ports, neon_api, cloudflare_api)
    finally:
        await neon_api.close()
        await cloudflare_api.close()


@dataclass(frozen=True, slots=True)
class _Addresses:
    neon: str
    cloudflare: str

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Self:
        """Read them from the environment; the public ones by default."""
        return cls(environment.get("NEON_API_HOST") or _NEON, environment.get("CLOUDFLARE_API_BASE_URL") or _CLOUDFLARE)


def _ports(neon_api: Api, cloudflare_api: Api, root: Path, environment: Mapping[str, str], clock: Clock) -> Ports:
    checkout, account = Checkout(root, environment), environment.get("CLOUDFLARE_ACCOUNT_ID", "")
    return Ports(
        neon=neon.NeonApi(neon_api, clock),
        cloudflare=cloudflare.CloudflareApi(cloudflare_api, account, clock),
        tree=checkout,
        uploader=wrangler_of(checkout, environment),
        gates=LazyGates(),
        clock=clock,
        fences=LazyFences(),
    )


def wrangler_of(checkout: Checkout, environment: Mapping[str, str]) -> Wrangler:
    """Prepare wrangler, with the command in RECONCILER_WRANGLER if it is set."""
    access = CloudflareAccess(
        base_url=_Addresses.of(environment).cloudflare,
        account=environment.get("CLOUDFLARE_ACCOUNT_ID", ""),
        token=_secret("CLOUDFLARE_API_TOKEN", environment),
    )
    command = shlex.split(environment.get("RECONCILER_WRANGLER") or "wrangler")
    return Wrangler(command, access, checkout, environment)


@asynccontextmanager
async def connected_github(
    environment: Mapping[str, str] = os.environ, address: str | None = None, waiting: Waiting | None = None
) -> AsyncIterator[GitHub]:
    """Open GitHub's API for the environment's repository, or for a remote's address. Raises InputError."""
    quiet_logs()
    set_on_retry_hooks([] if waiting is None else [_on_retry(waiting)])
    async with github.connect(environment, github.repository_of(address) if address else None) as connection:
        yield connection


def look(environment: str | None) -> tuple[Desired, Observed]:
    """Read an environment's file, the providers, and the roles and databases of replaced branches.

    Raises InputError, also for mistakes in the file.
    """
    file = environments.find(environment)
    desired = file.read()

    async def once() -> Observed:
        async with connected(desired, file.root) as ports:
            return await with_replaced(desired, await observe(desired, ports), ports)

    return desired, asyncio.run(once())


def _on_retry(waiting: Waiting) -> RetryHook:
    def report(details: RetryDetails) -> None:
        waiting(str(details.caused_by).splitlines()[0], details.wait_for)

    return report


def _require(names: Sequence[str], environment: Mapping[str, str]) -> None:
    if missing := _absence(names, environment, _NEEDED_BOTH):
        raise InputError(missing.reason, hint=missing.hint)


def _absence(names: Sequence[str], environment: Mapping[str, str], hint: str) -> Unknown | None:
    """Name the variables that are not set; None where all are."""
    missing = [name for name in names if not environment.get(name)]
    if not missing:
        return None
    return Unknown(f"not set in the environment: {', '.join(missing)}", hint)


def _secret(name: str, environment: Mapping[str, str]) -> Secret:
    return Secret(environment.get(name, ""))
