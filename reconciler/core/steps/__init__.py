"""The steps: each is one effect on the world, as data, with the reason for it.

A step names things by the names that are unique at their provider and known before anything is done (a branch in
its project, a config in its account), so the plan of a pull request and the steps of the apply are equal, and a
digest can bind one to the other. Ids are looked up by exact name in the same pass that decided the step.

What a step acts on says in which module it is, and which function says, predicts or takes it.
"""

from dataclasses import fields

from reconciler.core.model.compute import ComputeSettings
from reconciler.core.model.desired import DeployDriver, OnFailure
from reconciler.core.model.hyperdrive import Caching, Mtls, Settings
from reconciler.core.steps.branch import (
    AddCompute,
    AwaitBranch,
    BranchStep,
    ClearExpiry,
    CreateBranch,
    DeleteBranch,
    ExpireHeld,
    FenceBranch,
    LiftFence,
    ProtectBranch,
    RenameBranch,
    RestoreBranch,
    SetCompute,
    SetDefaultBranch,
    SetHistory,
    UnprotectBranch,
    VerifyBranch,
)
from reconciler.core.steps.child import (
    ChildStep,
    CreateChild,
    CreateDatabase,
    DeleteChild,
    ExpireChild,
    ProtectChild,
    ResetChild,
)
from reconciler.core.steps.hyperdrive import (
    AwaitCache,
    CreateHyperdrive,
    DeleteHyperdrive,
    HyperdriveStep,
    RenewPassword,
    RepointHyperdrive,
    RestartPool,
    UpdateHyperdrive,
)
from reconciler.core.steps.worker import (
    StageVersion,
    SwitchTraffic,
    UploadVersion,
    VerifyLive,
    VerifyWorker,
    WorkerStep,
    WriteBinding,
)
from reconciler.core.values.instant import Instant
from reconciler.core.values.lsn import Lsn
from reconciler.core.values.timeline import Timeline

__all__ = [
    "AddCompute",
    "AwaitBranch",
    "AwaitCache",
    "BranchStep",
    "ChildStep",
    "ClearExpiry",
    "CreateBranch",
    "CreateChild",
    "CreateDatabase",
    "CreateHyperdrive",
    "DeleteBranch",
    "DeleteChild",
    "DeleteHyperdrive",
    "ExpireChild",
    "ExpireHeld",
    "FenceBranch",
    "HyperdriveStep",
    "LiftFence",
    "ProtectBranch",
    "ProtectChild",
    "RenameBranch",
    "RenewPassword",
    "RepointHyperdrive",
    "ResetChild",
    "RestartPool",
    "RestoreBranch",
    "SetCompute",
    "SetDefaultBranch",
    "SetHistory",
    "StageVersion",
    "Step",
    "SwitchTraffic",
    "UnprotectBranch",
    "UpdateHyperdrive",
    "UploadVersion",
    "VerifyBranch",
    "VerifyLive",
    "VerifyWorker",
    "WorkerStep",
    "WriteBinding",
    "arguments",
]

Step = BranchStep | HyperdriveStep | WorkerStep | ChildStep


def arguments(step: Step) -> dict[str, object]:
    """Return a step's fields but its reason, in JSON's terms: what it does, for the plan's JSON and its digest."""
    return {item.name: _plain(getattr(step, item.name)) for item in fields(step) if item.name != "reason"}


def _plain(value: object) -> object:
    match value:
        case Timeline() | Instant() | Lsn():
            return str(value)
        case ComputeSettings():
            return {item.name: getattr(value, item.name) for item in fields(value)}
        case DeployDriver() | OnFailure():
            return value.value
        case tuple():
            return [_plain(item) for item in value]
        case Settings() | Caching() | Mtls():
            return {item.name: _plain(getattr(value, item.name)) for item in fields(value)}
        case _:
            return value
