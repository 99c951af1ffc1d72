"""The rules of Workers: upload a version beside the live one, verify it there, switch, and check as users reach it."""

from collections.abc import Iterable

from reconciler.core.lineage.infer import timeline_before
from reconciler.core.lineage.lineage import TimelineBranch
from reconciler.core.model.desired import DeployDriver, Desired, Worker
from reconciler.core.model.observed import HyperdriveConfig, ObservedWorker, UploadedVersion
from reconciler.core.rules.context.planning import PlanningContext
from reconciler.core.rules.hyperdrive import repoint
from reconciler.core.rules.restore import branch
from reconciler.core.steps import Step
from reconciler.core.steps.worker import (
    StageVersion,
    SwitchTraffic,
    UploadVersion,
    VerifyLive,
    VerifyWorker,
    WriteBinding,
)


def write_bindings(context: PlanningContext) -> tuple[Step, ...]:
    """Write the id of the config into each wrangler.jsonc that names another one."""
    return tuple(
        WriteBinding(
            config=worker.config,
            binding=worker.binding,
            environment=worker.environment,
            hyperdrive=config.name,
            reason=f"it names {_config_called(context, seen.file_hyperdrive_id)}",
        )
        for worker, seen, config in _bound(context)
        if seen.file_hyperdrive_id != config.id
    )


def upload_versions(context: PlanningContext) -> tuple[Step, ...]:
    """Upload a version for each Worker that does not serve from the config yet."""
    return tuple(
        UploadVersion(
            script=seen.script,
            config=worker.config,
            binding=worker.binding,
            environment=worker.environment,
            hyperdrive=config.name,
            driver=worker.deploy,
            label=version_label(context.desired, worker, seen, context.observed.commit),
            reason=f"it serves from {_config_called(context, seen.serving.hyperdrive_id if seen.serving else None)}",
        )
        for worker, seen, config in _not_switched(context)
        if _upload(context, worker, seen, config) is None
    )


def stage_versions(context: PlanningContext, target: TimelineBranch) -> tuple[Step, ...]:
    """Put the new versions beside the live ones at 0 %, where only the gates reach them."""
    if not _request_gates(context):
        return ()
    steps: list[Step] = []
    for worker, seen, config in _can_be_staged(context, target):
        upload = _upload(context, worker, seen, config)
        if upload is not None and upload.id not in {version.id for version in seen.deployed}:
            reason = "users must not see it before the HTTP gates have passed"
            label = upload.label
            steps.append(StageVersion(script=seen.script, hyperdrive=config.name, label=label, reason=reason))
    return tuple(steps)


def verify_staged(context: PlanningContext, target: TimelineBranch) -> tuple[Step, ...]:
    """Run the HTTP gates against the new versions while they take no traffic."""
    gates = _request_gates(context)
    scripts = tuple(seen.script for _, seen, _ in _can_be_staged(context, target))
    if not gates or not scripts:
        return ()
    reason = "the Worker must answer from the new database before users do"
    step = VerifyWorker(scripts=scripts, gates=gates, hyperdrive=context.config_name, reason=reason)
    return () if step.key in context.observed.passed else (step,)


def _request_gates(context: PlanningContext) -> tuple[str, ...]:
    return tuple(gate.name for gate in context.desired.verify.http) if context.is_new else ()


def switch_traffic(context: PlanningContext) -> tuple[Step, ...]:
    """Switch from 0 to 100 % in one call each: traffic is never split between two databases."""
    return tuple(
        SwitchTraffic(
            script=seen.script,
            hyperdrive=config.name,
            label=version_label(context.desired, worker, seen, context.observed.commit),
            reason=f"{context.desired.timeline} is verified, and users are still on another timeline",
        )
        for worker, seen, config in _not_switched(context)
    )


def verify_live(context: PlanningContext, target: TimelineBranch) -> tuple[Step, ...]:
    """Check as users do, before any name moves.

    A swap of names that has begun for this timeline shows that the check has passed. A timeline that was live before is
    not checked, as in `branch.verify`.
    """
    gates = _request_gates(context)
    if not gates or not context.workers or context.lineage.makes_way_for(target):
        return ()
    timeline, before = target.timeline, timeline_before(context.lineage, target.timeline)
    step = VerifyLive(
        scripts=tuple(seen.script for _, seen in context.workers),
        gates=gates,
        hyperdrive=context.config_name,
        on_failure=context.desired.verify.on_failure,
        reason=f"until users are seen to reach {timeline}, {before} can be made live again at once",
    )
    if step.key in context.observed.failed:
        return branch.mark_failed(context, target)
    return () if step.key in context.observed.passed else (step,)


def _bound(context: PlanningContext) -> Iterable[tuple[Worker, ObservedWorker, HyperdriveConfig]]:
    config = context.config
    return [] if config is None else [(worker, seen, config) for worker, seen in context.workers]


def _not_switched(context: PlanningContext) -> list[tuple[Worker, ObservedWorker, HyperdriveConfig]]:
    return [each for each in _bound(context) if not each[1].serves_only(each[2].id)]


def _can_be_staged(
    context: PlanningContext, target: TimelineBranch
) -> list[tuple[Worker, ObservedWorker, HyperdriveConfig]]:
    """List the Workers that can be verified at 0 %, beside the serving version, which is deployed again with it.

    Cloudflare refuses that if its config is gone (error 10157). Users of such a Worker reach no database, so only the
    last check can verify it.
    """
    known = {None, *(config.id for config in context.configs)}
    if not repoint.is_tried_before(context, target):
        return []
    return [
        each
        for each in _not_switched(context)
        if all(version.hyperdrive_id in known for version in each[1].deployed if version.percentage > 0)
    ]


def _upload(
    context: PlanningContext, worker: Worker, seen: ObservedWorker, config: HyperdriveConfig
) -> UploadedVersion | None:
    return seen.uploaded_as(version_label(context.desired, worker, seen, context.observed.commit), config.id)


def _config_called(context: PlanningContext, identity: str | None) -> str:
    """Return the name of a config, if there is one with that id."""
    if not identity:
        return "no Hyperdrive config"
    return next((each.name for each in context.configs if each.id == identity), f"the unknown config {identity}")


def version_label(desired: Desired, worker: Worker, seen: ObservedWorker, commit: str) -> str:
    """Label an upload by its purpose and its code, so that the next run finds it again."""
    version = f"version {seen.serving.id if seen.serving else 'none'}"
    return label_purpose(desired) + (f"commit {commit}" if worker.deploy is DeployDriver.WRANGLER else version)


def label_purpose(desired: Desired) -> str:
    """Return what every label of this environment and timeline begins with."""
    return f"reconciler: {desired.environment} on {desired.timeline}, code of "
