"""What the world will look like once a step has been taken: the mirror of `engine.execute`.

Ids that only a provider can give are predicted as a phrase such as "(id of main.candidate.r-...)"; nothing compares
them with real ones.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import assert_never

from reconciler.core.model.compute import ComputeSettings
from reconciler.core.model.hyperdrive import CACHING_ON, NO_CERTIFICATES, Settings
from reconciler.core.model.observed import (
    Annotation,
    Branch,
    DeployedVersion,
    Endpoint,
    HyperdriveConfig,
    Observed,
    ObservedWorker,
    Project,
    Unknown,
    UploadedVersion,
    named,
)
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
from reconciler.core.steps import predict_declared as child_prediction
from reconciler.core.values.instant import Instant


def predict(observed: Observed, step: Step) -> Observed:
    """Return what will be observed after a step, everything else being as it was."""
    if isinstance(step, BranchStep):
        return _after_branch_step(observed, step)
    if isinstance(step, HyperdriveStep):
        return _after_hyperdrive_step(observed, step)
    if isinstance(step, WorkerStep):
        return _after_worker_step(observed, step)
    return _after_child_step(observed, step)


def _after_branch_step(observed: Observed, step: BranchStep) -> Observed:  # noqa: C901, PLR0911, PLR0912  one case per step, and no more
    match step:
        case CreateBranch():
            return _with_branches(observed, (*_branches(observed), _candidate(observed, step)))
        case AwaitBranch():
            return _with_branch(observed, step.branch, lambda branch: replace(branch, ready=True))
        case AddCompute():
            return _with_branch(observed, step.branch, lambda branch: _with_compute(branch, step.compute))
        case SetCompute():
            return _with_branch(observed, step.branch, lambda branch: _resized(branch, step.compute))
        case SetHistory():
            return _with_history(observed, timedelta(seconds=step.seconds))
        case ClearExpiry():
            return _with_branch(observed, step.branch, lambda branch: replace(branch, expires_at=None))
        case ExpireHeld():
            until = observed.at.after(timedelta(seconds=step.seconds))
            return _with_branch(observed, step.branch, lambda branch: replace(branch, expires_at=until))
        case VerifyBranch():
            return replace(observed, passed=observed.passed | {step.key})
        case FenceBranch():
            return _fenced(observed, step, fenced=True)
        case LiftFence():
            return _fenced(observed, step, fenced=False)
        case RenameBranch():
            return _with_branch(observed, step.branch, lambda branch: _renamed(observed, branch, step.to))
        case SetDefaultBranch():
            return _with_branches(
                observed,
                tuple(replace(each, default=each.name == step.branch) for each in _branches(observed)),
            )
        case ProtectBranch():
            return _with_branch(observed, step.branch, lambda branch: replace(branch, protected=True))
        case UnprotectBranch():
            noted = _with_branch(observed, step.noted_on, _with_note)
            return _with_branch(noted, step.branch, lambda branch: replace(branch, protected=False))
        case RestoreBranch():
            proved = replace(observed, passed=observed.passed & {step.proof})
            return _with_branches(proved, _restored(observed, step))
        case DeleteBranch():
            return _with_branches(observed, tuple(each for each in _branches(observed) if each.name != step.branch))
        case _:
            assert_never(step)


def _after_hyperdrive_step(observed: Observed, step: HyperdriveStep) -> Observed:  # noqa: PLR0911  one case per step, and no more
    match step:
        case AwaitCache():
            return replace(observed, passed=observed.passed | {step.key})
        case RestartPool():
            return _restarted(observed, step)
        case RepointHyperdrive():
            return _repointed(observed, step)
        case UpdateHyperdrive():
            edited = replace(observed, passed=observed.passed - step.outdates)
            return _with_config(edited, step.hyperdrive, lambda config: _with_settings(config, step.settings))
        case RenewPassword():
            passed = (observed.passed - step.outdates) | {step.key}
            renewed = replace(observed, passed=passed, password_changed_at=None)
            return _with_config(renewed, step.hyperdrive, lambda config: config)
        case CreateHyperdrive():
            return replace(observed, configs=(*_configs(observed), _config(observed, step)))
        case DeleteHyperdrive():
            return replace(observed, configs=tuple(each for each in _configs(observed) if each.name != step.name))
        case _:
            assert_never(step)


def _after_worker_step(observed: Observed, step: WorkerStep) -> Observed:
    match step:
        case VerifyWorker() | VerifyLive():
            return replace(observed, passed=observed.passed | {step.key})
        case WriteBinding():
            identity = _config_id(observed, step.hyperdrive)
            return _with_worker_of(observed, step, lambda seen: replace(seen, file_hyperdrive_id=identity))
        case UploadVersion():
            upload = UploadedVersion(_version_id(step.label), step.label, _config_id(observed, step.hyperdrive))
            return _with_worker(observed, step.script, lambda seen: replace(seen, uploaded=(*seen.uploaded, upload)))
        case StageVersion():
            return _with_worker(observed, step.script, lambda seen: _staged(observed, seen, step))
        case SwitchTraffic():
            return _with_worker(observed, step.script, lambda seen: _switched(observed, seen, step))
        case _:
            assert_never(step)


def _after_child_step(observed: Observed, step: ChildStep) -> Observed:
    match step:
        case CreateChild():
            return child_prediction.created(observed, step)
        case ResetChild():
            return _with_branches(observed, child_prediction.reset(observed, step, _branches(observed)))
        case ExpireChild():
            return _with_branch(observed, step.branch, lambda branch: child_prediction.expiring(branch, step))
        case ProtectChild():
            return _with_branch(observed, step.branch, lambda branch: replace(branch, protected=step.protected))
        case CreateDatabase():
            return child_prediction.with_database(observed, step)
        case DeleteChild():
            return _with_branches(observed, tuple(each for each in _branches(observed) if each.name != step.branch))
        case _:
            assert_never(step)


def _branches(observed: Observed) -> tuple[Branch, ...]:
    return () if isinstance(observed.branches, Unknown) else observed.branches


def _configs(observed: Observed) -> tuple[HyperdriveConfig, ...]:
    return () if isinstance(observed.configs, Unknown) else observed.configs


def _with_branches(observed: Observed, branches: tuple[Branch, ...]) -> Observed:
    return replace(observed, branches=branches)


def _with_branch(observed: Observed, name: str, change: Callable[[Branch], Branch]) -> Observed:
    changed = tuple(change(each) if each.name == name else each for each in _branches(observed))
    return _with_branches(observed, changed)


def _with_compute(branch: Branch, settings: ComputeSettings) -> Branch:
    endpoint = Endpoint(f"(endpoint of {branch.name})", f"(host of {branch.name})", settings=settings)
    return replace(branch, endpoint=endpoint)


def _resized(branch: Branch, settings: ComputeSettings) -> Branch:
    found = branch.endpoint
    return replace(branch, endpoint=replace(found, settings=settings.over(found.settings)) if found else None)


def _with_history(observed: Observed, history: timedelta) -> Observed:
    project = observed.project
    return replace(observed, project=replace(project, history=history) if isinstance(project, Project) else project)


def _with_note(branch: Branch) -> Branch:
    return replace(branch, endpoint=replace(branch.endpoint, protects=True) if branch.endpoint else None)


def _renamed(observed: Observed, branch: Branch, name: str) -> Branch:
    return replace(branch, name=name, updated_at=observed.at)


def _fenced(observed: Observed, step: FenceBranch | LiftFence, *, fenced: bool) -> Observed:
    observed = replace(observed, passed=observed.passed | {step.key})
    return _with_branch(observed, step.branch, lambda branch: _with_fence(branch, fenced=fenced))


def _with_fence(branch: Branch, *, fenced: bool) -> Branch:
    return replace(branch, endpoint=replace(branch.endpoint, fenced=fenced) if branch.endpoint else None)


def _candidate(observed: Observed, step: CreateBranch) -> Branch:
    source = named(_branches(observed), step.source)
    branch = Branch(
        id=f"(id of {step.name}, made at {observed.at})",
        name=step.name,
        created_at=observed.at,
        parent_id=source.id if source else None,
        lsn=f"(LSN of {step.name})",
        mark=Annotation(step.environment, step.timeline, step.protects),
    )
    return _with_compute(branch, step.compute)


def _restored(observed: Observed, step: RestoreBranch) -> tuple[Branch, ...]:
    """A branch keeps its id and compute, and what it held moves to a new one, which its children follow.

    A root stays a root. A child gets the branch for its parent that it was restored from.
    """
    branches = _branches(observed)
    target, source = named(branches, step.branch), named(branches, step.source)
    if target is None:
        return branches
    kept = Branch(f"(id of {step.keep_as})", step.keep_as, observed.at, target.parent_id)
    parent = kept.id if source is None or source.id == target.id else source.id
    restored = replace(target, last_reset_at=observed.at, parent_id=target.parent_id and parent)
    return (
        *(
            restored if each == target else replace(each, parent_id=kept.id) if each.parent_id == target.id else each
            for each in branches
        ),
        kept,
    )


def _config(observed: Observed, step: CreateHyperdrive) -> HyperdriveConfig:
    branch = named(_branches(observed), step.branch)
    endpoint = branch.endpoint if branch and branch.endpoint else Endpoint("", f"(host of {step.branch})")
    return HyperdriveConfig(
        id=f"(id of {step.name})",
        name=step.name,
        host=endpoint.host,
        port=endpoint.port,
        database=step.database,
        user=step.role,
        caching=step.settings.caching or CACHING_ON,
        connection_limit=step.settings.connection_limit,
        mtls=step.settings.mtls or NO_CERTIFICATES,
    )


def _with_config(observed: Observed, name: str, change: Callable[[HyperdriveConfig], HyperdriveConfig]) -> Observed:
    """Change a config. By Cloudflare's clock, which is not known here, that is the last change of all."""
    configs = _configs(observed)
    now = _after_all(configs)
    return replace(
        observed,
        configs=tuple(replace(change(each), modified_at=now) if each.name == name else each for each in configs),
    )


def _after_all(configs: tuple[HyperdriveConfig, ...]) -> Instant:
    told = (moment for each in configs for moment in (each.modified_at, each.restarted_at) if moment is not None)
    return Instant(max((moment.milliseconds for moment in told), default=0) + 60_000)


def _with_settings(config: HyperdriveConfig, settings: Settings) -> HyperdriveConfig:
    every = settings.or_else(config.settings)
    return replace(
        config,
        caching=every.caching or config.caching,
        connection_limit=every.connection_limit,
        mtls=settings.mtls.over(config.mtls) if settings.mtls else config.mtls,
    )


def _repointed(observed: Observed, step: RepointHyperdrive) -> Observed:
    branch = named(_branches(observed), step.branch)
    endpoint = branch.endpoint if branch and branch.endpoint else Endpoint("", f"(host of {step.branch})")
    moved = replace(observed, passed=(observed.passed - step.outdates) | {step.key})
    return _with_config(moved, step.hyperdrive, lambda config: replace(config, host=endpoint.host, port=endpoint.port))


def _restarted(observed: Observed, step: RestartPool) -> Observed:
    configs = _configs(observed)
    now = _after_all(configs)
    return replace(
        observed,
        passed=observed.passed | {step.key},
        configs=tuple(replace(each, restarted_at=now) if each.name == step.hyperdrive else each for each in configs),
    )


def _config_id(observed: Observed, name: str) -> str:
    config = named(_configs(observed), name)
    return config.id if config else f"(id of {name})"


def _version_id(label: str) -> str:
    return f"(version {label})"


def _with_worker(observed: Observed, script: str, change: Callable[[ObservedWorker], ObservedWorker]) -> Observed:
    workers = tuple(
        change(each) if isinstance(each, ObservedWorker) and each.script == script else each
        for each in observed.workers
    )
    return replace(observed, workers=workers)


def _with_worker_of(
    observed: Observed, step: WriteBinding, change: Callable[[ObservedWorker], ObservedWorker]
) -> Observed:
    workers = tuple(
        change(each)
        if isinstance(each, ObservedWorker) and (each.config, each.environment) == (step.config, step.environment)
        else each
        for each in observed.workers
    )
    return replace(observed, workers=workers)


def _upload(observed: Observed, seen: ObservedWorker, step: StageVersion | SwitchTraffic) -> DeployedVersion:
    identity = _config_id(observed, step.hyperdrive)
    upload = seen.uploaded_as(step.label, identity)
    return DeployedVersion(upload.id if upload else _version_id(step.label), 0, identity)


def _staged(observed: Observed, seen: ObservedWorker, step: StageVersion) -> ObservedWorker:
    live = () if seen.serving is None else (replace(seen.serving, percentage=100),)
    return replace(seen, deployed=(_upload(observed, seen, step), *live))


def _switched(observed: Observed, seen: ObservedWorker, step: SwitchTraffic) -> ObservedWorker:
    return replace(seen, deployed=(replace(_upload(observed, seen, step), percentage=100),))
