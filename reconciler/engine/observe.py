"""One look at everything, as concurrently as the providers allow. What cannot be read is Unknown, with the reason."""

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
from reconciler.core.model.roles_and_databases import RoleOrDatabase, RolesAndDatabases
from reconciler.core.rules.hyperdrive.repoint import about_to_move
from reconciler.core.rules.hyperdrive.upkeep import branch_with_password
from reconciler.core.rules.restore import role_changes
from reconciler.core.rules.restore.workers import label_purpose
from reconciler.core.rules.retention import expiry, pruning
from reconciler.errors import BindingAbsent, InputError, ProviderError
from reconciler.ports import Ports, WranglerFile

_Asked = ParamSpec("_Asked")
_Value = TypeVar("_Value")


async def observe(
    desired: Desired,
    ports: Ports,
    passed: frozenset[str] = frozenset(),
    failed: frozenset[str] = frozenset(),
    known: tuple[RolesAndDatabases, ...] = (),
) -> Observed:
    """Read the project, its branches, the Hyperdrive configs, the Workers and their wrangler.jsonc files.

    Where a restore is pending, also the roles and databases that it concerns, but for those that are `known` already.
    """
    at = ports.clock.now()
    files = [_file(worker, ports) for worker in desired.workers]
    deploys_code = any(worker.deploy is DeployDriver.WRANGLER for worker in desired.workers)
    reading = [_worker(worker, file, ports) for worker, file in zip(desired.workers, files, strict=True)]
    (project, branches, operations, configs), workers = await asyncio.gather(
        asyncio.gather(
            _known(ports.neon.project, desired.primary.project),
            _known(ports.neon.branches, desired.primary.project),
            _known(ports.neon.running, desired.primary.project),
            _configs(desired, ports),
        ),
        asyncio.gather(*reading),
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
    observed = replace(observed, live_spans=await _told(desired, branches, ports))
    accounts, databases, seen = await asyncio.gather(
        _accounts(with_source_from_receipts(desired, observed), observed, ports, known),
        _databases(desired, branches, ports),
        _with_sharers(desired, observed, ports),
    )
    seen = await _with_password(desired, replace(seen, accounts=accounts, databases=databases), ports)
    return await _with_uses(desired, seen, ports)


async def _told(desired: Desired, branches: tuple[Branch, ...] | Unknown, ports: Ports) -> tuple[LiveSpan, ...]:
    """Read the receipts, where Neon leaves open what they may tell. Where they can't be read, they are no help."""
    left = live_and_open(desired, branches)
    if left is None:
        return ()
    receipts = await asyncio.to_thread(ports.tree.receipts)
    return live_spans(receipts, desired.environment, desired.primary.project, left[0])


async def with_replaced(desired: Desired, observed: Observed, ports: Ports) -> Observed:
    """Read the roles and databases of what is live and of what that has replaced, to see what a restore has changed."""
    lineage = None if isinstance(observed.branches, Unknown) else infer_lineage(desired, observed.branches)
    before = role_changes.replaced(lineage) if isinstance(lineage, Lineage) else None
    if not isinstance(lineage, Lineage) or before is None:
        return observed
    read = await _read_accounts(desired, (lineage.live.branch.id, before.branch.id), ports, ())
    return replace(observed, accounts=read)


async def _accounts(
    desired: Desired, observed: Observed, ports: Ports, known: tuple[RolesAndDatabases, ...]
) -> tuple[RolesAndDatabases, ...] | Unknown:
    return await _read_accounts(desired, role_changes.branches_to_read(desired, observed.branches), ports, known)


async def _read_accounts(
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
    """Read the databases of declared branches that must have one, or of what they will be made from."""
    there = known(branches)
    wanted: dict[str, None] = {}
    for child in desired.branches or ():
        branch = named(there, child.name) or named(there, child.parent or desired.primary.branch)
        if child.database and branch is not None:
            wanted[branch.id] = None
    found = await asyncio.gather(*(_known(ports.neon.databases, desired.primary.project, each) for each in wanted))
    return tuple(Databases(each, _names(accounts)) for each, accounts in zip(wanted, found, strict=True))


def _names(accounts: tuple[RoleOrDatabase, ...] | Unknown) -> tuple[str, ...] | Unknown:
    return accounts if isinstance(accounts, Unknown) else tuple(each.name for each in accounts)


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
    """Look who moves with a config that is to be repointed; and otherwise as ever."""
    observed = await _with_uploads(desired, observed, ports)
    config = about_to_move(desired, observed)
    return observed if config is None else replace(observed, sharers=await _known(ports.cloudflare.bound, config.id))


async def _with_password(desired: Desired, observed: Observed, ports: Ports) -> Observed:
    """Look when the role's password was last changed, where a config leads to the branch that is asked for.

    Where it can't be read, nothing follows from that: it decides only whether a password is written once more.
    """
    hyperdrive, branch = desired.hyperdrive, branch_with_password(desired, observed)
    if hyperdrive is None or branch is None:
        return observed
    changed = await _known(ports.neon.password_changed, desired.primary.project, branch.id, hyperdrive.role)
    return observed if isinstance(changed, Unknown) else replace(observed, password_changed_at=changed)


async def _with_uploads(desired: Desired, observed: Observed, ports: Ports) -> Observed:
    """Look for versions that an interrupted run has uploaded, where there is something to switch."""
    hyperdrive, configs = desired.hyperdrive, observed.configs
    if hyperdrive is None or isinstance(configs, Unknown):
        return observed
    branches = known(observed.branches)
    lineage = infer_lineage(desired, branches)
    if not isinstance(lineage, Lineage):
        return observed
    desired = effective_desired(desired, lineage)
    timeline_branch = lineage.timeline_branch(desired.timeline)
    config = (
        named(configs, config_name(desired, timeline_branch, lineage, branches, configs, observed.workers))
        if timeline_branch
        else None
    )
    workers = await asyncio.gather(
        *(
            _upload(desired, worker, seen, config, ports)
            for worker, seen in zip(desired.workers, observed.workers, strict=True)
        )
    )
    return replace(observed, workers=tuple(workers))


async def _with_uses(desired: Desired, observed: Observed, ports: Ports) -> Observed:
    """Ask who uses the Hyperdrive configs of the account, where the answer decides whether something is deleted."""
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
    read: Callable[_Asked, Awaitable[_Value]], *asked: _Asked.args, **options: _Asked.kwargs
) -> _Value | Unknown:
    """Read, only once it is this one's turn: a reading that was begun and never awaited would be told as a warning."""
    try:
        return await read(*asked, **options)
    except ProviderError as error:
        return Unknown(error.message, error.hint)
