"""Joins the ports with the providers, from the environment variables that the official command lines use."""

import asyncio
import os
import shlex
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from stamina.instrumentation import RetryDetails, RetryHook, set_on_retry_hooks

from reconciler.cli import environments
from reconciler.cli.output import quiet_logs
from reconciler.core.desired import Desired
from reconciler.core.observed import Observed
from reconciler.core.secret import Secret
from reconciler.engine.observe import observe
from reconciler.errors import InputError
from reconciler.ports import Clock, Ports
from reconciler.providers import cloudflare, cloudflare_access, github, neon, neon_access
from reconciler.providers.clock import SystemClock
from reconciler.providers.fences import RealFences
from reconciler.providers.gates import RealGates
from reconciler.providers.github import GitHub
from reconciler.providers.http import Api
from reconciler.providers.working_tree import Checkout
from reconciler.providers.wrangler import CloudflareAccess, Wrangler

_NEON = "https://console.neon.tech/api/v2"
_CLOUDFLARE = "https://api.cloudflare.com/client/v4"


# Called with what is in the way and the seconds until it is tried again.
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
    """Open what an environment needs, and close it. Raises InputError where a credential is missing.

    `clock` is the machine's, unless another one is given.
    """
    quiet_logs()
    set_on_retry_hooks([] if waiting is None else [_telling(waiting)])
    needed = ["NEON_API_KEY"]
    if desired.hyperdrive is not None:
        needed += ["CLOUDFLARE_API_TOKEN", "CLOUDFLARE_ACCOUNT_ID"]
    _require(needed, environment)
    clock = clock or SystemClock()
    checkout = Checkout(root)
    access = CloudflareAccess(
        base_url=environment.get("CLOUDFLARE_API_BASE_URL") or _CLOUDFLARE,
        account=environment.get("CLOUDFLARE_ACCOUNT_ID", ""),
        token=Secret(environment.get("CLOUDFLARE_API_TOKEN", "")),
    )
    key = Secret(environment["NEON_API_KEY"])
    neon_api = Api("Neon", environment.get("NEON_API_HOST") or _NEON, key, neon.explain, neon_access.MANNERS)
    cloudflare_api = Api("Cloudflare", access.base_url, access.token, cloudflare.explain, cloudflare_access.MANNERS)
    command = shlex.split(environment.get("RECONCILER_WRANGLER") or "wrangler")
    try:
        yield Ports(
            neon=neon.NeonApi(neon_api, clock),
            cloudflare=cloudflare.CloudflareApi(cloudflare_api, access.account, clock),
            tree=checkout,
            uploader=Wrangler(command, access, checkout, environment),
            gates=RealGates(),
            clock=clock,
            fences=RealFences(),
        )
    finally:
        await neon_api.close()
        await cloudflare_api.close()


@asynccontextmanager
async def connected_github(
    environment: Mapping[str, str] = os.environ, address: str | None = None, waiting: Waiting | None = None
) -> AsyncIterator[GitHub]:
    """Open GitHub's API for the repository of the environment, or of a remote's address. Raises InputError."""
    quiet_logs()
    set_on_retry_hooks([] if waiting is None else [_telling(waiting)])
    async with github.connect(environment, github.repository_of(address) if address else None) as connection:
        yield connection


def look(environment: str | None) -> tuple[Desired, Observed]:
    """Read an environment's file, and what is there. Raises InputError, also for mistakes in the file."""
    file = environments.find(environment)
    desired = file.read()

    async def once() -> Observed:
        async with connected(desired, file.root) as ports:
            return await observe(desired, ports)

    return desired, asyncio.run(once())


def _telling(waiting: Waiting) -> RetryHook:
    def told(details: RetryDetails) -> None:
        waiting(str(details.caused_by).splitlines()[0], details.wait_for)

    return told


def _require(names: list[str], environment: Mapping[str, str]) -> None:
    missing = [name for name in names if not environment.get(name)]
    if missing:
        raise InputError(
            f"not set in the environment: {', '.join(missing)}",
            hint="a project-scoped Neon key, and a Cloudflare token with Workers Scripts Write and Hyperdrive Write",
        )
