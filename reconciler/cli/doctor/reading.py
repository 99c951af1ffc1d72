"""Reads a set-up side by side, each part within a time of its own: what hangs or fails hides nothing else."""

import asyncio
import os
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass, replace

from reconciler.cli.doctor.git import read_git
from reconciler.cli.repository.environments import EnvironmentFile
from reconciler.cli.wiring import Reading, connected_to_read, wrangler_of
from reconciler.core.health.checks import SetUp, Unneeded, Wrong
from reconciler.core.health.neon import lineage_of
from reconciler.core.lineage.lineage import Lineage
from reconciler.core.model.desired import DeployDriver, Desired, Worker
from reconciler.core.model.observed import Observed, Unbound, Unknown
from reconciler.engine.observe import observe
from reconciler.errors import BindingAbsent, DeployFailed, GateFailed, InputError, ProviderError, Unreachable
from reconciler.ports import Origin, WorkingTree
from reconciler.providers.http.read_only import ReadOnlyApi
from reconciler.providers.wrangler.checkout import Checkout

# What has no answer by then is unknown: all that is read, how to log in, and the login. Together less than 30 s.
_PROVIDERS_SECONDS = 12.0
_ORIGIN_SECONDS = 6.0
_LOGIN_SECONDS = 10.0
_COMPUTE = "look at the compute in the Neon Console; a restore by branch gets one of its own"
_NO_TOOL = Unneeded("not needed: no Worker is deployed with it")


@dataclass(frozen=True, slots=True)
class _Tools:
    wrangler: str | Unknown | Unneeded
    node: str | Unknown | Unneeded


async def read_set_up(file: EnvironmentFile, desired: Desired, environment: Mapping[str, str] = os.environ) -> SetUp:
    """Read everything. Nothing is written anywhere."""
    until = asyncio.get_running_loop().time() + _PROVIDERS_SECONDS
    async with connected_to_read(file.root, until, environment) as reading:
        (observed, login), git, tools = await asyncio.gather(
            _observed(desired, reading),
            read_git(file, environment),
            _tools(file, desired, environment),
        )
    return SetUp(
        desired=desired,
        observed=observed,
        keys=_keys(desired, reading),
        bindings=tuple((worker, _binding(worker, reading.ports.tree)) for worker in desired.workers),
        login=login,
        wrangler=tools.wrangler,
        node=tools.node,
        remote=git.remote,
        lease=git.lease,
        protected=git.protected,
    )


async def _observed(desired: Desired, reading: Reading) -> tuple[Observed, str | Unknown | Unneeded]:
    observed = await observe(desired, reading.ports)
    observed = _with_wrong_project(observed, reading.neon.refusal)
    return observed, await _login(desired, reading, observed)


def _keys(desired: Desired, reading: Reading) -> tuple[tuple[str, Unknown | None], ...]:
    keys = [("NEON_API_KEY", reading.neon)]
    if desired.hyperdrive is not None:
        keys.append(("CLOUDFLARE_API_TOKEN", reading.cloudflare))
    return tuple((name, _key_problem(api)) for name, api in keys)


def _key_problem(api: ReadOnlyApi) -> Unknown | None:
    """Say why a key or token does not work; after a 404 it may still be valid, for something else."""
    if api.absent is not None:
        return Wrong(api.absent.reason, api.absent.hint)
    if api.refusal is not None:
        kind = Unknown if api.refusal.status == 404 else Wrong
        return kind(api.refusal.message, api.refusal.hint)
    return None if api.has_answered else Unknown("nothing was answered: whether it is valid is not known")


def _with_wrong_project(observed: Observed, refusal: ProviderError | None) -> Observed:
    """That there is no such project, or none for this key, is an answer, and not the lack of one."""
    project = observed.project
    if refusal is None or not isinstance(project, Unknown) or project.reason != refusal.message:
        return observed
    return replace(observed, project=Wrong(project.reason, project.hint)) if refusal.status == 404 else observed


def _binding(worker: Worker, tree: WorkingTree) -> str | Unknown:
    try:
        return tree.read(worker).hyperdrive_id
    except BindingAbsent as error:
        return Unbound(error.message, error.hint)
    except InputError as error:
        return Wrong(error.message, error.hint)


async def _login(desired: Desired, reading: Reading, observed: Observed) -> str | Unknown | Unneeded:
    """Log in to the live branch, as Hyperdrive does. A compute that sleeps is woken."""
    role, lineage = desired.verify.role, lineage_of(desired, observed)
    if not role:
        return Unneeded("neither hyperdrive nor verify.role names a role: no login was tried")
    if not isinstance(lineage, Lineage):
        return Unknown("not tried without the primary")
    branch = lineage.live.branch
    if branch.endpoint is None:
        return Unknown(f'"{branch.name}" has no compute', "neon branches add-compute; an apply adds one too")
    # Where another provider was slow, the time for this one has passed too.
    reading.neon.ask_until(asyncio.get_running_loop().time() + _ORIGIN_SECONDS)
    try:
        origin = await reading.ports.neon.origin(desired.primary.project, branch.id, desired.verify.database, role)
    except ProviderError as error:
        hint = error.hint or f"compare hyperdrive.role ({role}) and hyperdrive.database with what the branch has"
        return Wrong(error.message, hint) if error.status == 404 else Unknown(error.message, error.hint)
    return await _logged_in(origin)


async def _logged_in(origin: Origin) -> str | Unknown:
    from reconciler.providers.postgres.login_probe import log_in

    try:
        async with asyncio.timeout(_LOGIN_SECONDS):
            await log_in(origin, _LOGIN_SECONDS / 2)
    except GateFailed as error:
        return Wrong(error.message, error.hint)
    except Unreachable as error:
        return Unknown(error.message, _COMPUTE)
    except TimeoutError:
        return Unknown(f"{origin.host}:{origin.port} does not answer within {_LOGIN_SECONDS:.0f} s", _COMPUTE)
    return f"role {origin.role}, database {origin.database} at {origin.host}"


async def _tools(file: EnvironmentFile, desired: Desired, environment: Mapping[str, str]) -> _Tools:
    worker = next((each for each in desired.workers if each.deploy is DeployDriver.WRANGLER), None)
    if worker is None:
        return _Tools(_NO_TOOL, _NO_TOOL)
    wrangler = wrangler_of(Checkout(file.root), environment)
    versions = await asyncio.gather(_version(wrangler.version(worker)), _version(wrangler.node_version(worker)))
    return _Tools(*versions)


async def _version(asking: Awaitable[str]) -> str | Unknown | Unneeded:
    try:
        return await asking or Unneeded("npx downloads it when it is needed")
    except (InputError, DeployFailed) as error:
        return Wrong(error.message, error.hint)
    except OSError as error:
        return Wrong(f"it can't be started ({error.strerror}: {error.filename})", "is it a program, and is it whole?")
