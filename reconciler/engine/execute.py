"""One step, one effect. What a step names is looked up by exact name in the same look that decided it."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from datetime import timedelta
from typing import assert_never

from reconciler.core.lineage.receipts import with_source_from_receipts
from reconciler.core.model.compute_name import marked, noted, unmarked
from reconciler.core.model.declared_branch import lifetime
from reconciler.core.model.desired import DeployDriver, Desired, Worker
from reconciler.core.model.observed import (
    Annotation,
    Branch,
    DeclaredAnnotation,
    Endpoint,
    HyperdriveConfig,
    Observed,
    ObservedWorker,
    UploadedVersion,
    named,
)
from reconciler.core.rules.restore.identity import check_identity, check_tables
from reconciler.core.steps import (
    AddCompute,
    AwaitBranch,
    AwaitCache,
    BranchStep,
    ChildStep,
    ClearExpiry,
    CreateBranch,
    CreateChild,
    CreateDatabase,
    CreateHyperdrive,
    DeleteBranch,
    DeleteChild,
    DeleteHyperdrive,
    ExpireChild,
    ExpireHeld,
    FenceBranch,
    HyperdriveStep,
    LiftFence,
    ProtectBranch,
    ProtectChild,
    RenameBranch,
    RenewPassword,
    RepointHyperdrive,
    ResetChild,
    RestartPool,
    RestoreBranch,
    SetCompute,
    SetDefaultBranch,
    SetHistory,
    StageVersion,
    Step,
    SwitchTraffic,
    UnprotectBranch,
    UpdateHyperdrive,
    UploadVersion,
    VerifyBranch,
    VerifyLive,
    VerifyWorker,
    WorkerStep,
    WriteBinding,
)
from reconciler.core.values.timeline import Point, candidate_name
from reconciler.engine.recheck import recheck
from reconciler.errors import GateFailed, NotConverged, ProviderError
from reconciler.ports import Origin, Ports, Rebinding

# What Neon answers where it lets an account, or a branch, have no expiry.
_NOT_ALLOWED = frozenset({400, 403, 404, 405, 422})


class Executor:
    """Takes the steps that one look at the world has led to."""

    def __init__(self, desired: Desired, observed: Observed, ports: Ports) -> None:
        self._desired = with_source_from_receipts(desired, observed)
        self._observed = observed
        self._ports = ports
        self._project = desired.primary.project
        self._candidate_name = candidate_name(desired.primary.branch, desired.timeline)

    async def take(self, step: Step) -> None:
        """Take a step and wait until its provider says that it is done. Raises ReconcilerError."""
        await recheck(step, self._desired, self._observed, self._ports)
        if isinstance(step, BranchStep):
            await self._on_branch(step)
        elif isinstance(step, HyperdriveStep):
            await self._on_hyperdrive(step)
        elif isinstance(step, WorkerStep):
            await self._on_worker(step)
        else:
            await self._on_child(step)

    async def _on_branch(self, step: BranchStep) -> None:  # noqa: C901, PLR0912  one case per step, and no more
        neon, project = self._ports.neon, self._project
        match step:
            case CreateBranch():
                mark = Annotation(step.environment, step.timeline, step.protects)
                await neon.create_branch(project, step.name, self._branch(step.source).id, step.at, mark, step.compute)
            case AwaitBranch():
                await neon.await_branch(project, self._branch(step.branch).id)
            case AddCompute():
                await neon.add_compute(project, self._branch(step.branch).id, step.compute)
            case SetCompute():
                await neon.set_compute(project, self._endpoint(self._branch(step.branch)).id, step.compute)
            case SetHistory():
                await neon.set_history(project, step.seconds)
            case ClearExpiry():
                await neon.clear_expiry(project, self._branch(step.branch).id)
            case ExpireHeld():
                await self._expire_held(step)
            case VerifyBranch():
                await self._verify_branch(step)
            case FenceBranch():
                await self._fence(step)
            case LiftFence():
                await self._lift(step)
            case RenameBranch():
                await neon.rename_branch(project, self._branch(step.branch).id, step.to)
            case SetDefaultBranch():
                await neon.set_default(project, self._branch(step.branch).id)
            case ProtectBranch():
                await neon.protect(project, self._branch(step.branch).id)
            case UnprotectBranch():
                if step.noted_on:
                    await self._mark(self._branch(step.noted_on), noted)
                await neon.unprotect(project, self._branch(step.branch).id)
            case RestoreBranch():
                point, source = self._branch(step.proved_on).lsn, self._branch(step.source).id
                await neon.restore_branch(project, self._branch(step.branch).id, source, point, step.keep_as)
            case DeleteBranch():
                branch = self._branch(step.branch).id
                if step.unprotects:
                    await neon.unprotect(project, branch)
                await neon.delete_branch(project, branch)
            case _:
                assert_never(step)

    async def _on_hyperdrive(self, step: HyperdriveStep) -> None:
        neon, project = self._ports.neon, self._project
        match step:
            case CreateHyperdrive():
                origin = await neon.origin(project, self._branch(step.branch).id, step.database, step.role)
                await self._ports.cloudflare.create_config(step.name, origin, step.settings)
            case RestartPool():
                await self._ports.cloudflare.restart_pool(self._config(step.hyperdrive).id)
            case RepointHyperdrive() | RenewPassword():
                # With the password each time: of a protected branch's child it is another one (Neon, "Protected").
                origin = await neon.origin(project, self._branch(step.branch).id, step.database, step.role)
                await self._ports.cloudflare.repoint_config(self._config(step.hyperdrive).id, origin)
            case AwaitCache():
                await self._ports.clock.sleep(step.seconds)
            case UpdateHyperdrive():
                await self._ports.cloudflare.update_config(self._config(step.hyperdrive).id, step.settings)
            case DeleteHyperdrive():
                await self._ports.cloudflare.delete_config(self._config(step.name).id)
            case _:
                assert_never(step)

    async def _on_worker(self, step: WorkerStep) -> None:
        match step:
            case WriteBinding():
                self._ports.tree.write(self._worker(step), self._config(step.hyperdrive).id)
            case UploadVersion():
                await self._upload(step)
            case StageVersion():
                await self._stage(step)
            case VerifyWorker():
                await self._verify_worker(step)
            case VerifyLive():
                await self._verify_live(step)
            case SwitchTraffic():
                version = self._uploaded(step.script, step.label, step.hyperdrive).id
                await self._ports.cloudflare.deploy(step.script, [(version, 100)], step.label)
            case _:
                assert_never(step)

    async def _on_child(self, step: ChildStep) -> None:
        neon, project = self._ports.neon, self._project
        match step:
            case CreateChild():
                child = DeclaredAnnotation(step.environment, step.name, step.reset, step.schema_only)
                source = self._branch(step.source).id
                await neon.create_child(project, step.name, source, child, compute=step.compute)
            case ResetChild():
                source = self._branch(step.source).id
                await neon.reset_branch(project, self._branch(step.branch).id, source, step.keep_as)
            case ExpireChild():
                await self._expire(step)
            case ProtectChild():
                change = neon.protect if step.protected else neon.unprotect
                await change(project, self._branch(step.branch).id)
            case CreateDatabase():
                await neon.create_database(project, self._branch(step.branch).id, step.database, step.owner)
            case DeleteChild():
                await neon.delete_branch(project, self._branch(step.branch).id)
            case _:
                assert_never(step)

    async def _verify_branch(self, step: VerifyBranch) -> None:
        branch, verify = self._branch(step.branch), self._desired.verify
        check_identity(self._desired, self._known_branches(), branch)
        if not verify.role:
            return
        origin = await self._ports.neon.origin(self._project, branch.id, verify.database, verify.role)
        await self._ports.gates.login(origin)
        asked = [gate for gate in verify.sql if gate.name in step.gates]
        tables = [self._check_tables(branch, origin, step.tables_at)] if step.tables_at else []
        await _every([*tables, *(self._ports.gates.sql(origin, gate) for gate in asked)])

    async def _check_tables(self, branch: Branch, origin: Origin, at: Point) -> None:
        """The candidate must have every table that its source had at the moment, as Neon tells from its history.

        The candidate itself is not asked what it ought to have. That the rows are there is what SQL gates are for.
        """
        try:
            wanted = await self._ports.neon.tables(self._project, branch.parent_id or "", origin.database, at)
        except ProviderError as error:
            message = f'gate "tables" could not run: {error.message}'
            hint = f"nothing points to this branch yet; {error.hint or 'run it again'}"
            raise GateFailed(message, gate="tables", hint=hint) from error
        check_tables(branch, at, wanted, await self._ports.gates.tables(origin))

    async def _expire_held(self, step: ExpireHeld) -> None:
        at = self._observed.at.after(timedelta(seconds=step.seconds))
        try:
            await self._ports.neon.expire(self._project, self._branch(step.branch).id, at)
        except ProviderError as error:
            if error.status in _NOT_ALLOWED and not error.hint:
                error.hint = "all else is done; where Neon lets nothing expire, leave primary.expire_on_neon out"
            raise

    async def _expire(self, step: ExpireChild) -> None:
        branch = self._branch(step.branch)
        at = lifetime(step.at or timedelta(seconds=step.seconds or 0), branch)
        assert at is not None  # a step that lets a branch live for ever is another one
        await self._ports.neon.expire(self._project, branch.id, at)

    async def _upload(self, step: UploadVersion) -> None:
        seen = self._seen(step.script)
        config = self._config(step.hyperdrive)
        change = Rebinding(step.binding, config.id, step.label, self._ports.tree.commit())
        match step.driver:
            case DeployDriver.REBIND:
                serving = seen.serving
                assert serving is not None  # the guard has refused a Worker that was never deployed
                await self._ports.cloudflare.copy_version(step.script, serving.id, change)
            case DeployDriver.WRANGLER:
                await self._ports.uploader.upload(self._worker(step), change)
            case _:
                assert_never(step.driver)

    async def _stage(self, step: StageVersion) -> None:
        serving = self._seen(step.script).serving
        assert serving is not None  # the guard has refused a Worker that was never deployed
        version = self._uploaded(step.script, step.label, step.hyperdrive).id
        await self._ports.cloudflare.deploy(step.script, [(version, 0), (serving.id, 100)], step.label)

    async def _verify_worker(self, step: VerifyWorker) -> None:
        config = self._config(step.hyperdrive)
        versions = {script: self._staged(script, config) for script in step.scripts}
        await _every(self._ports.gates.http(gate, versions) for gate in self._desired.verify.http)

    async def _verify_live(self, step: VerifyLive) -> None:
        serving = {script: seen.id for script in step.scripts if (seen := self._seen(script).serving)}
        gates = self._ports.gates
        await _every(gates.http(gate, serving, staged=False) for gate in self._desired.verify.http)

    async def _fence(self, step: FenceBranch) -> None:
        """The mark first where users are served, so that no crash leaves them with a fence that nobody sees."""
        branch = self._branch(step.branch)
        owner, user = await self._logins(branch, step.database)
        if step.served:
            await self._mark(branch, marked)
        await self._ports.fences.close(owner, user)
        if not step.served:
            await self._mark(branch, marked)

    async def mend(self, step: Step) -> None:
        """Take a step that puts right what is half done, whatever else is asked for by now."""
        if isinstance(step, LiftFence):
            await self._lift(step)
        if isinstance(step, ProtectBranch):
            await self._ports.neon.protect(self._project, self._branch(step.branch).id)

    async def _lift(self, step: LiftFence) -> None:
        branch = self._branch(step.branch)
        await self._ports.fences.open(*await self._logins(branch, step.database))
        if branch.fenced:
            await self._mark(branch, unmarked)

    async def _mark(self, branch: Branch, name: Callable[[Endpoint], str]) -> None:
        endpoint = self._endpoint(branch)
        if name(endpoint) != endpoint.name:
            await self._ports.neon.rename_endpoint(self._project, endpoint.id, name(endpoint))

    def _endpoint(self, branch: Branch) -> Endpoint:
        assert branch.endpoint is not None  # the rules fence, lift, note and resize nothing without a compute
        return branch.endpoint

    async def _logins(self, branch: Branch, database: str) -> tuple[Origin, Origin]:
        """Read how the database's owner logs in, and how the role does that Hyperdrive uses."""
        neon, role = self._ports.neon, self._desired.verify.role
        owner = await neon.owner(self._project, branch.id, database)
        user = await neon.origin(self._project, branch.id, database, role)
        if owner == role:
            return user, user
        return await neon.origin(self._project, branch.id, database, owner), user

    def _staged(self, script: str, config: HyperdriveConfig) -> str:
        for version in self._seen(script).deployed:
            if version.hyperdrive_id == config.id and version.percentage == 0:
                return version.id
        raise NotConverged(f'Worker "{script}" has no staged version that is bound to {config.name}')

    def _uploaded(self, script: str, label: str, hyperdrive: str) -> UploadedVersion:
        upload = self._seen(script).uploaded_as(label, self._config(hyperdrive).id)
        assert upload is not None  # the rules, which were asked again right now, ask for a deployment only then
        return upload

    def _known_branches(self) -> tuple[Branch, ...]:
        branches = self._observed.branches
        return branches if isinstance(branches, tuple) else ()

    def _branch(self, name: str) -> Branch:
        branch = named(self._known_branches(), name)
        if branch is None:
            raise NotConverged(f'there is no branch "{name}"')
        return branch

    def _config(self, name: str) -> HyperdriveConfig:
        configs = self._observed.configs
        config = named(configs, name) if isinstance(configs, tuple) else None
        if config is None:
            raise NotConverged(f'there is no Hyperdrive config "{name}"')
        return config

    def _seen(self, script: str) -> ObservedWorker:
        for worker in self._observed.workers:
            if isinstance(worker, ObservedWorker) and worker.script == script:
                return worker
        raise NotConverged(f'there is no Worker "{script}"')

    def _worker(self, step: WriteBinding | UploadVersion) -> Worker:
        wanted = (step.config, step.environment)
        return next(each for each in self._desired.workers if (each.config, each.environment) == wanted)


async def _every(checks: Iterable[Awaitable[None]]) -> None:
    """Let every check come to its end, and raise the first failure: none is left running behind an error."""
    for result in await asyncio.gather(*checks, return_exceptions=True):
        if isinstance(result, BaseException):
            raise result
