"""Says steps, and what no step touches, in words: one line each, for people."""

from collections.abc import Iterable, Iterator
from datetime import timedelta
from typing import assert_never

from reconciler.core.model.desired import FOREVER, OnFailure, Outside
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
from reconciler.core.values.instant import for_people
from reconciler.render.point import point

_ON_FAILURE = {OnFailure.ROLLBACK: "what is live now is put back", OnFailure.HOLD: "stop there and wait"}


def describe(step: Step) -> str:
    """Say what a step does, to what."""
    if isinstance(step, BranchStep):
        return _on_branch(step)
    if isinstance(step, HyperdriveStep):
        return _on_hyperdrive(step)
    if isinstance(step, WorkerStep):
        return _on_worker(step)
    return _on_child(step)


def _on_branch(step: BranchStep) -> str:  # noqa: C901, PLR0911, PLR0912  one sentence per step, and no more
    match step:
        case CreateBranch():
            at = f"at {point(step.at)}" if step.at else "as it is"
            made = f'create branch "{step.name}" from "{step.source}" {at}'
            return f"{made}, with a compute of {step.compute}" if step.compute.maximum is not None else made
        case AwaitBranch():
            return f'wait for branch "{step.branch}"'
        case AddCompute():
            return f'add a compute to branch "{step.branch}"' + (f": {step.compute}" if str(step.compute) else "")
        case SetCompute():
            return f'set the compute of branch "{step.branch}": {step.compute}'
        case SetHistory():
            former, asked = (for_people(timedelta(seconds=each)) or "none" for each in (step.former, step.seconds))
            return f"set the history of project {step.project} from {former} to {asked}"
        case ClearExpiry():
            return f'remove the expiry of branch "{step.branch}"'
        case ExpireHeld():
            span = for_people(timedelta(seconds=step.seconds))
            return f'have Neon delete branch "{step.branch}" {span} from then, where no apply has deleted it'
        case VerifyBranch():
            return f'verify branch "{step.branch}": {", ".join(step.checks)}'
        case FenceBranch():
            return f'fence branch "{step.branch}": database {step.database} is read-only from here on'
        case LiftFence():
            return f'lift the fence of branch "{step.branch}": database {step.database} takes writes'
        case RenameBranch():
            return f'rename branch "{step.branch}" to "{step.to}"'
        case SetDefaultBranch():
            return f'make "{step.branch}" the default branch'
        case ProtectBranch():
            return f'protect branch "{step.branch}"'
        case UnprotectBranch():
            if step.for_good:
                return f'take protection from branch "{step.branch}"'
            noted = f', as the name of the compute of "{step.noted_on}" says until then' if step.noted_on else ""
            return f'take protection from branch "{step.branch}" while it is restored{noted}'
        case RestoreBranch():
            return (
                f'restore branch "{step.branch}" in place to the point of "{step.proved_on}" in "{step.source}", '
                f'and keep what it holds as "{step.keep_as}"'
            )
        case DeleteBranch() if step.unprotects:
            return f'take protection from branch "{step.branch}", and delete it'
        case DeleteBranch():
            return f'delete branch "{step.branch}"'
        case _:
            assert_never(step)


def _on_hyperdrive(step: HyperdriveStep) -> str:  # noqa: PLR0911  one sentence per step, and no more
    match step:
        case CreateHyperdrive():
            return (
                f'create Hyperdrive config "{step.name}" for database {step.database} as role {step.role} '
                f'on "{step.branch}"' + (f" ({step.settings})" if step.settings else "")
            )
        case RestartPool():
            return f'restart the connection pool of Hyperdrive config "{step.hyperdrive}"'
        case RepointHyperdrive():
            return (
                f'repoint Hyperdrive config "{step.hyperdrive}" from "{step.leaves}" to "{step.branch}", '
                f"database {step.database} as role {step.role}"
            )
        case AwaitCache():
            return f'wait {step.seconds} s, until no answer in the query cache of "{step.hyperdrive}" is older'
        case UpdateHyperdrive():
            return f'update Hyperdrive config "{step.hyperdrive}": {step.settings}'
        case RenewPassword():
            return f'give Hyperdrive config "{step.hyperdrive}" the password that role {step.role} has now'
        case DeleteHyperdrive():
            leads = f'leads to "{step.branch}"' if step.branch else "leads to no branch any more"
            return f'delete Hyperdrive config "{step.name}", which {leads}'
        case _:
            assert_never(step)


def _on_worker(step: WorkerStep) -> str:
    match step:
        case WriteBinding():
            place = f" (env.{step.environment})" if step.environment else ""
            return f'write the id of "{step.hyperdrive}" into {step.config}{place}, binding {step.binding}'
        case UploadVersion():
            return f'upload Worker "{step.script}" bound to "{step.hyperdrive}" ({step.driver.value}), without traffic'
        case StageVersion():
            return f'stage Worker "{step.script}" bound to "{step.hyperdrive}" at 0 %'
        case VerifyWorker():
            return f"verify {', '.join(step.scripts)} at 0 %: {', '.join(step.gates)}"
        case VerifyLive():
            scripts, gates = ", ".join(step.scripts), ", ".join(step.gates)
            return f"verify {scripts} as users reach it: {gates}; if it fails, {_ON_FAILURE[step.on_failure]}"
        case SwitchTraffic():
            return f'switch Worker "{step.script}" to "{step.hyperdrive}", 100 %'
        case _:
            assert_never(step)


def _on_child(step: ChildStep) -> str:
    match step:
        case CreateChild():
            part = "the schema of " if step.schema_only else ""
            compute = "" if step.compute else ", without a compute"
            return f'create branch "{step.name}" from {part}"{step.source}" as it is{compute}'
        case ResetChild():
            return (
                f'reset branch "{step.branch}" to "{step.source}" as it is, and keep what it holds as "{step.keep_as}"'
            )
        case ExpireChild():
            since = f"{for_people(timedelta(seconds=step.seconds or 0))} after it was made or reset"
            return f'let branch "{step.branch}" expire {f"at {step.at}" if step.at else since}'
        case ProtectChild():
            return f'{"protect" if step.protected else "take protection from"} branch "{step.branch}"'
        case CreateDatabase():
            return f'create database {step.database} on branch "{step.branch}", owned by {step.owner}'
        case DeleteChild():
            return f'delete branch "{step.branch}"'
        case _:
            assert_never(step)


def counted(steps: int) -> str:
    """Count steps in words."""
    return f"{steps} step{'' if steps == 1 else 's'}"


def target(step: Step) -> str:  # noqa: C901, PLR0911  one case per kind of thing, and no more
    """Name the one thing that a step acts on."""
    match step:
        case CreateBranch() | CreateHyperdrive() | DeleteHyperdrive() | CreateChild():
            return step.name
        case ResetChild() | ExpireChild() | ProtectChild() | CreateDatabase() | DeleteChild():
            return step.branch
        case AwaitBranch() | AddCompute() | ClearExpiry() | VerifyBranch() | RenameBranch() | SetDefaultBranch():
            return step.branch
        case SetCompute() | ExpireHeld():
            return step.branch
        case SetHistory():
            return step.project
        case ProtectBranch() | UnprotectBranch() | RestoreBranch() | DeleteBranch() | FenceBranch() | LiftFence():
            return step.branch
        case RestartPool() | RepointHyperdrive() | AwaitCache() | UpdateHyperdrive() | RenewPassword():
            return step.hyperdrive

        case WriteBinding():
            return step.config
        case UploadVersion() | StageVersion() | SwitchTraffic():
            return step.script
        case VerifyWorker() | VerifyLive():
            return ", ".join(step.scripts)
        case _:
            assert_never(step)


def phase(step: Step) -> str:  # noqa: PLR0911  one case per part, and no more
    """Name the part of a restore that a step belongs to, for timing tables."""
    match step:
        case CreateBranch() | AwaitBranch() | AddCompute() | SetCompute() | ClearExpiry():
            return "branch"
        case VerifyBranch() | VerifyWorker() | VerifyLive():
            return "verify"
        case (
            CreateHyperdrive()
            | WriteBinding()
            | RestartPool()
            | AwaitCache()
            | UpdateHyperdrive()
            | RenewPassword()
            | DeleteHyperdrive()
        ):
            return "Hyperdrive"
        case UploadVersion() | StageVersion() | FenceBranch() | LiftFence() | SwitchTraffic() | RepointHyperdrive():
            return "deploy"
        case UnprotectBranch() | RestoreBranch():
            return "restore"
        case RenameBranch() | SetDefaultBranch() | ProtectBranch() | DeleteBranch() | SetHistory() | ExpireHeld():
            return "promote"
        case CreateChild() | ResetChild() | ExpireChild() | ProtectChild() | CreateDatabase() | DeleteChild():
            return "children"
        case _:
            assert_never(step)


def describe_outside(outside: Outside) -> str:
    """Say what stays in the present, how long it is kept, and how it is recovered on its own."""
    return f"{outside.name}: {_kept(outside)}; recovery: {outside.recovery or 'not stated'}"


def _kept(outside: Outside) -> str:
    if outside.retention is None:
        return "retention not stated"
    return "kept until deleted" if outside.retention == FOREVER else f"kept up to {for_people(outside.retention)}"


def kept_as(steps: Iterable[Step]) -> Iterator[str]:
    """Name the branches that keep what the steps replace: renamed, or preserved by a restore in place."""
    for step in steps:
        if isinstance(step, RestoreBranch):
            yield step.keep_as
        elif isinstance(step, RenameBranch) and ".held." in step.to:
            yield step.to
