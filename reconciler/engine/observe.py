"""One look at everything, as concurrently as the providers allow. What can't be read is Unknown, with the reason."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import ParamSpec, TypeVar

from reconciler.core.lineage.hyperdrive import config_name
from reconciler.core.lineage.infer import effective_desired, infer_lineage
from reconciler.core.lineage.lineage import Lineage
from reconciler.core.lineage.live_spans import live_spans
from reconciler.core.lineage.receipts import live_and_open, with_source_from_receipts
from reconciler.core.model.desired import DeployDriver, Desired, Worker
from reconciler.core.model.observed import (
    Branch,
    Databases,
    HyperdriveConfig,
    LiveSpan,
    Observed,
    ObservedWorker,
    Unbound,
    Unknown,
    known,
    named,
)
from reconciler.core.model.roles_and_databases import RolesAndDatabases
from reconciler.core.rules.hyperdrive.repoint import about_to_move
from reconciler.core.rules.hyperdrive.upkeep import branch_with_password
from reconciler.core.rules.restore import role_changes
from reconciler.core.rules.restore.workers import label_purpose
from reconciler.core.rules.retention import expiry, pruning
from reconciler.errors import BindingAbsent, InputError, ProviderError
from reconciler.ports import Ports, WranglerFile

_Arguments = ParamSpec("_Arguments")
_Value = TypeVar("_Value")


async def observe(
    desired: Desired,
    ports: Ports,
    passed: frozenset[str] = frozenset(),
    failed: frozenset[str] = frozenset(),
    known: tuple[RolesAndDatabases, ...] = (),
) -> Observed:
    """Read the project, its branches, the Hyperdrive configs, the Workers and their wrangler.jsonc files.

    If a restore is pending, also read the roles and databases that it changes, except those that are `known` already.
    """
    at = ports.clock.now()
    files = [_file(worker, ports) for worker in desired.workers]
    deploys_code = any(worker.deploy is DeployDriver.WRANGLER for worker in desired.workers)
    (project, branches, operations, configs), workers = await asyncio.gather(
        asyncio.gather(
            _known(ports.neon.project, desired.primary.project),
            _known(ports.neon.branches, desired.primary.project),
            _known(ports.neon.running, desired.primary.project),
            _configs(desired, ports),
        ),
        asyncio.gather(*(_worker(*each, ports) for each in zip(desired.workers, files, strict=True))),
    )
    observed = Observed(
        at=at,
        project=project,
        branches=branches,
        operations=operations,
        configs=configs,
        workers=tuple(workers),
        commit=ports.tree.commit() if deploys_code else "",
        passed=passed,
        claims=ports.tree.claims(desired.environment, at),
        failed=failed,
    )
    observed = replace(observed, live_spans=await _live_spans(desired, branches, ports))
    to_read = role_changes.branches_to_read(with_source_from_receipts(desired, observed), branches)
    accounts, databases, seen = await asyncio.gather(
        _accounts(desired, to_read, ports, known),
        _databases(desired, branches, ports),
        _with_sharers(desired, observed, ports),
    )
    seen = await _with_password(desired, replace(seen, accounts=accounts, databases=databases), ports)
    return await _with_uses(desired, seen, ports)


async def _live_spans(desired: Desired, branches: tuple[Branch, ...] | Unknown, ports: Ports) -> tuple[LiveSpan, ...]:
    """Read the live spans from the receipts, but only if Neon's data leaves them open."""
    live_and_span = live_and_open(desired, branches)
    if live_and_span is None:
        return ()
    receipts = await asyncio.to_thread(ports.tree.receipts)
    return live_spans(receipts, desired.environment, desired.primary.project, live_and_span[0])


async def with_replaced(desired: Desired, observed: Observed, ports: Ports) -> Observed:
    """Read the roles and databases of the live branch and of the one that it replaced, to compare them."""
    lineage = None if isinstance(observed.branches, Unknown) else infer_lineage(desired, observed.branches)
    before = role_changes.replaced(lineage) if isinstance(lineage, Lineage) else None
    if not isinstance(lineage, Lineage) or before is None:
        return observed
    read = await _accounts(desired, (lineage.live.branch.id, before.branch.id), ports, ())
    return replace(observed, accounts=read)


async def _accounts(
    desired: Desired, wanted: tuple[str, ...], ports: Ports, known: tuple[RolesAndDatabases, ...]
) -> tuple[RolesAndDatabases, ...] | Unknown:
    have, project = {each.branch_id: each for each in known}, desired.primary.project
    read = await asyncio.gather(*(_accounts_of(project, each, ports) for each in wanted if each not in have))
    for each in read:
        if isinstance(each, Unknown):
            return each
        have[each.branch_id] = each
    return tuple(have.values())


async def _accounts_of(project: str, branch: str, ports: Ports) -> RolesAndDatabases | Unknown:
    roles, databases = await asyncio.gather(
        _known(ports.neon.roles, project, branch), _known(ports.neon.databases, project, branch)
    )
    if isinstance(roles, Unknown):
        return roles
    return databases if isinstance(databases, Unknown) else RolesAndDatabases(branch, roles, databases)


async def _databases(desired: Desired, branches: tuple[Branch, ...] | Unknown, ports: Ports) -> tuple[Databases, ...]:
    """Read the databases of declared branches that must have one, or of their parents before they are created."""
    wanted: dict[str, None] = {}
    for child in desired.branches or ():
        branch = named(known(branches), child.name) or named(known(branches), child.parent or desired.primary.branch)
        if child.database and branch is not None:
            wanted[branch.id] = None
    found = await asyncio.gather(*(_known(ports.neon.databases, desired.primary.project, each) for each in wanted))
    names = (each if isinstance(each, Unknown) else tuple(database.name for database in each) for each in found)
    return tuple(Databases(*each) for each in zip(wanted, names, strict=True))


def _file(worker: Worker, ports: Ports) -> WranglerFile | Unknown:
    try:
        return ports.tree.read(worker)
    except BindingAbsent as error:
        return Unbound(error.message, error.hint)
    except InputError as error:
        return Unknown(error.message, error.hint)


async def _configs(desired: Desired, ports: Ports) -> tuple[HyperdriveConfig, ...] | Unknown:
    return await _known(ports.cloudflare.configs) if desired.hyperdrive else ()


async def _worker(worker: Worker, file: WranglerFile | Unknown, ports: Ports) -> ObservedWorker | Unknown:
    if isinstance(file, Unknown):
        return file
    deployed = await _known(ports.cloudflare.deployed, file.script, worker.binding)
    if isinstance(deployed, Unknown):
        return deployed
    return ObservedWorker(
        config=worker.config,
        environment=worker.environment,
        script=file.script,
        file_hyperdrive_id=file.hyperdrive_id,
        deployed=deployed,
        bindings=file.bindings,
        account=file.account,
    )


async def _with_sharers(desired: Desired, observed: Observed, ports: Ports) -> Observed:
    """Read the uploads, and which Workers are bound to a config that will be repointed."""
    observed = await _with_uploads(desired, observed, ports)
    config = about_to_move(desired, observed)
    return observed if config is None else replace(observed, sharers=await _known(ports.cloudflare.bound, config.id))


async def _with_password(desired: Desired, observed: Observed, ports: Ports) -> Observed:
    """Read when the role's password was last changed, if a config points to the desired branch.

    It decides only whether the password is written again, so it may be unreadable.
    """
    hyperdrive, branch = desired.hyperdrive, branch_with_password(desired, observed)
    if hyperdrive is None or branch is None:
        return observed
    changed = await _known(ports.neon.password_changed, desired.primary.project, branch.id, hyperdrive.role)
    return observed if isinstance(changed, Unknown) else replace(observed, password_changed_at=changed)


async def _with_uploads(desired: Desired, observed: Observed, ports: Ports) -> Observed:
    """Read the versions that an interrupted run has uploaded, if there is something to switch."""
    branches, configs = known(observed.branches), observed.configs
    lineage = infer_lineage(desired, branches)
    if desired.hyperdrive is None or isinstance(configs, Unknown) or not isinstance(lineage, Lineage):
        return observed
    desired = effective_desired(desired, lineage)
    target = lineage.timeline_branch(desired.timeline)
    if target is None:
        return observed
    config = named(configs, config_name(desired, target, lineage, branches, configs, observed.workers))
    pairs = zip(desired.workers, observed.workers, strict=True)
    workers = await asyncio.gather(*(_upload(desired, worker, seen, config, ports) for worker, seen in pairs))
    return replace(observed, workers=tuple(workers))


async def _with_uses(desired: Desired, observed: Observed, ports: Ports) -> Observed:
    """Read who uses the account's Hyperdrive configs, if that decides whether something is deleted or expires."""
    lineage = None if isinstance(observed.branches, Unknown) else infer_lineage(desired, observed.branches)
    if not isinstance(lineage, Lineage):
        return observed
    if not pruning.must_know_uses(desired, observed, lineage) and not expiry.must_know_uses(desired, observed, lineage):
        return observed
    return replace(observed, uses=await _known(ports.cloudflare.uses) if desired.hyperdrive else ())


async def _upload(
    desired: Desired, worker: Worker, seen: ObservedWorker | Unknown, config: HyperdriveConfig | None, ports: Ports
) -> ObservedWorker | Unknown:
    if isinstance(seen, Unknown) or config is None or not seen.deployed or seen.serves_only(config.id):
        return seen
    uploaded = await _known(ports.cloudflare.uploaded, seen.script, worker.binding, label_purpose(desired))
    return uploaded if isinstance(uploaded, Unknown) else replace(seen, uploaded=uploaded)


async def _known(
    read: Callable[_Arguments, Awaitable[_Value]], *positional: _Arguments.args, **named: _Arguments.kwargs
) -> _Value | Unknown:
    """Read when it is awaited: a coroutine that is created and never awaited would cause a warning."""
    try:
        return await read(*positional, **named)
    except ProviderError as error:
        return Unknown(error.message, error.hint)
