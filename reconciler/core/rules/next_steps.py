"""The rules: from what is asked and what is seen to the next safe step.

Read from the top, they are the argument of the product: know who carries what; make the timeline on a branch of its
own; prove it; give it a Hyperdrive config; prepare the Workers beside the live ones and prove them; fence the old one,
where that is asked (`fencing`); switch, or lead the one config that serves to it (`repointing`); check once more, as
users reach it; and only then rename, so that the old history is held under a name that says what it is.

In place (`in_place`) it is the same argument: make the timeline on a branch of its own; prove it; and only then let
Neon put that very point into the primary, which never happens without a branch that keeps what the primary held. Host
and password stay, so what is left is to drop old connections, and to check. The branch that it was proved on is
deleted at the very end. Declared branches besides the primary (`children`) come after all that, and what is refused of
them keeps nothing from being deleted in time, nor from being kept for longer.

What is held is deleted when its hold has ended and nothing uses or needs it (`pruning`): last of all, or first where
a restore has no room without. Where the file asks for that, Neon is told to do it later by itself (`expiry`).

Where that last check fails, the old branch still has the primary's name and every row. The new one is first renamed,
to a name that says that it failed, and only then left: a run that dies in between is continued by leaving it, and no
later run tries it again, as what failed is asked for in vain until the file asks for something else.

Pure: no clock, no input or output, no randomness. Steps that come out together do not depend on each other, and at
most one of them writes to Neon, which locks the whole project for every write.
"""

from collections.abc import Iterable
from dataclasses import replace

from reconciler.core.lineage.infer import effective_desired, timeline_before
from reconciler.core.lineage.lineage import Lineage, TimelineBranch
from reconciler.core.lineage.receipts import with_source_from_receipts
from reconciler.core.model.desired import DeployDriver, Desired, Worker
from reconciler.core.model.observed import HyperdriveConfig, Observed, ObservedWorker, UploadedVersion
from reconciler.core.rules.context import concurrency, limits
from reconciler.core.rules.context.planning import Blocked, PlanningContext, TimelineFailed, read
from reconciler.core.rules.context.waivers import unwaived
from reconciler.core.rules.declared import converge as children
from reconciler.core.rules.hyperdrive import origin, repoint
from reconciler.core.rules.hyperdrive import settings as hyperdrive_upkeep
from reconciler.core.rules.project import compute_size, settings
from reconciler.core.rules.restore import fence, guards, in_place
from reconciler.core.rules.restore.table_verification import unprovable
from reconciler.core.rules.retention import expiry, pruning
from reconciler.core.steps import Step
from reconciler.core.steps.branch import AddCompute, AwaitBranch, VerifyBranch
from reconciler.core.steps.hyperdrive import CreateHyperdrive
from reconciler.core.steps.primary import RenameBranch, SetDefaultBranch
from reconciler.core.steps.worker import (
    StageVersion,
    SwitchTraffic,
    UploadVersion,
    VerifyLive,
    VerifyWorker,
    WriteBinding,
)
from reconciler.core.values.timeline import candidate_name, failed_name


def next_steps(desired: Desired, observed: Observed) -> tuple[Step, ...] | Blocked:
    """Return the steps to take now, none where reality is what is asked, or the refusals."""
    desired = with_source_from_receipts(desired, observed)
    steps = _wanted(desired, observed)
    if isinstance(steps, tuple) and (refusals := concurrency.overdue(desired, observed, steps)):
        return Blocked(tuple(refusals))
    return steps


def _wanted(desired: Desired, observed: Observed) -> tuple[Step, ...] | Blocked:
    context = read(desired, observed)
    if isinstance(context, Blocked):
        return context
    possible = effective_desired(desired, context.lineage)
    if possible is desired:
        steps = _towards(context)
        if isinstance(steps, Blocked) and steps.is_about_declared_branches:
            return _clear_up(context) or steps
        if isinstance(steps, Blocked):
            return pruning.make_room(context, steps)
        return steps or _clear_up(context)
    paired = tuple((worker, seen) for worker, (_, seen) in zip(possible.workers, context.workers, strict=True))
    return _towards(replace(context, desired=possible, workers=paired)) or _refuse_what_failed(desired, context.lineage)


def _clear_up(context: PlanningContext) -> tuple[Step, ...]:
    """What comes when the primary is as asked, also where a declared branch is not: the two are nothing to each other.

    Any other refusal is about the primary and what users reach, so that nothing is done at all: what is held is what
    there is to go back to.
    """
    return pruning.prune(context) or expiry.give(context)


def _refuse_what_failed(desired: Desired, lineage: Lineage) -> Blocked:
    primary, timeline = desired.primary.branch, desired.timeline
    names = failed_name(primary, timeline), candidate_name(primary, timeline)
    return Blocked((TimelineFailed(timeline, *names, lineage.live.timeline),))


def _towards(context: PlanningContext) -> tuple[Step, ...] | Blocked:
    """The argument itself: the first step that is missing, from the timeline's branch to its name."""
    timeline_branch = context.timeline_branch
    if timeline_branch is None or in_place.is_under_way(context):
        return fence.leave_writable(context) or _make_and_put_into_place(context)
    preparing = _prepare(context, timeline_branch)
    if timeline_branch == context.lineage.live or (preparing and not context.is_serving(timeline_branch)):
        preparing = fence.leave_writable(context) or preparing
    return (
        preparing
        or fence.fence(context, timeline_branch)
        or repoint.repoint(context, timeline_branch)
        or _switch_traffic(context)
        or repoint.drain_replaced_pool(context, timeline_branch)
        or _verify_live(context, timeline_branch)
        or _promote(context, timeline_branch)
        or in_place.dispose_of_proof(context)
        or fence.fence_held(context)
        or hyperdrive_upkeep.sync_settings(context, timeline_branch)
        or settings.steps(context)
        or expiry.take_away(context)
        or children.converge(context)
    )


def _make_and_put_into_place(context: PlanningContext) -> tuple[Step, ...] | Blocked:
    """A candidate is made; and in place it is proved, and put into the primary."""
    candidate = context.lineage.candidate(context.desired.timeline)
    if candidate is None:
        made = in_place.create_candidate(context)
        return in_place.protect_again(context) or (expiry.freed(context, made) if isinstance(made, Blocked) else made)
    if candidate == context.lineage.stale_candidate:
        return in_place.protect_again(context) or in_place.dispose_of_proof(context)
    if refusals := guards.in_place(context.desired, context.observed, context.lineage, candidate, context.project):
        return in_place.protect_again(context) or Blocked(tuple(refusals))
    return (
        _make_usable(context, candidate) or _verify_branch(context, candidate) or in_place.restore(context, candidate)
    )


def _prepare(context: PlanningContext, timeline_branch: TimelineBranch) -> tuple[Step, ...] | Blocked:
    """Everything that users do not feel."""
    if refusals := guards.candidate(context.desired.primary.restore, timeline_branch, context.lineage):
        return Blocked(tuple(refusals))
    return (
        _make_usable(context, timeline_branch)
        or in_place.protect_again(context)
        or _resize(context, timeline_branch)
        or _verify_branch(context, timeline_branch)
        or fence.unfence_copy(context, timeline_branch)
        or _point_hyperdrive(context, timeline_branch)
        or hyperdrive_upkeep.renew_password(context, timeline_branch)
        or in_place.restart_pool(context)
        or _write_bindings(context)
        or _upload_versions(context)
        or _stage_versions(context, timeline_branch)
        or _verify_workers(context, timeline_branch)
    )


def _resize(context: PlanningContext, timeline_branch: TimelineBranch) -> tuple[Step, ...]:
    if context.is_serving(timeline_branch):
        return ()
    return compute_size.carry_over(context.desired, context.project, context.lineage, timeline_branch)


def _make_usable(context: PlanningContext, timeline_branch: TimelineBranch) -> tuple[Step, ...]:
    """A branch must be finished, have a compute, and not expire before anything relies on it."""
    branch = timeline_branch.branch
    if not branch.ready:
        return (AwaitBranch(branch=branch.name, reason="Neon is still making it"),)
    if branch.endpoint is None:
        compute = compute_size.for_new(context.desired, context.project, context.lineage)
        return (AddCompute(branch=branch.name, compute=compute, reason="it has no compute, so it cannot be queried"),)
    if branch.expires_at is not None:
        reason = f"it would be deleted at {branch.expires_at}"
        return expiry.clear(branch, reason)
    return ()


def _verify_branch(context: PlanningContext, timeline_branch: TimelineBranch) -> tuple[Step, ...] | Blocked:
    """Prove the branch before anything points to it; what already serves has been proved.

    The gates of the file judge a timeline before it is live for the first time. One that was live before comes back
    as it was left, whatever state that is: an undo that its own reason could forbid would be none. What can't be
    proved any more is refused; where a person has looked at it and lifts that, everything else is checked.
    """
    if timeline_branch == context.lineage.live and context.lineage.proof_branch is not None:
        return _log_in_again(context)
    if context.is_serving(timeline_branch):
        return ()
    gates = tuple(gate.name for gate in context.desired.verify.sql) if context.is_new else ()
    reason = f"{timeline_branch.timeline} must be proved before anything points to it"
    restore = context.desired.primary.restore
    point = restore.to if restore and context.is_new and context.desired.verify.role else None
    too_late = unprovable(timeline_branch.branch, point, context.observed.at, context.project) if point else []
    tables_at = None if too_late else point
    step = VerifyBranch(branch=timeline_branch.branch.name, gates=gates, tables_at=tables_at, reason=reason)
    if step.key in context.observed.passed:
        return ()
    refusals = unwaived(context.desired, too_late)
    return Blocked(tuple(refusals)) if refusals else (step,)


def _log_in_again(context: PlanningContext) -> tuple[Step, ...]:
    """Wake the primary's compute, which a restore leaves asleep, and log in to it as Hyperdrive does."""
    reason = "its compute sleeps after a restore, and Hyperdrive's role must be able to log in"
    step = VerifyBranch(branch=context.lineage.live.branch.name, gates=(), reason=reason)
    return () if step.key in context.observed.passed else (step,)


def _point_hyperdrive(context: PlanningContext, timeline_branch: TimelineBranch) -> tuple[Step, ...] | Blocked:
    """A config per timeline: one that is live is never edited, so going back is one deployment.

    By the strategy `repoint` the one that serves is led to the branch later, and made here where there is none.
    """
    hyperdrive, existing = context.desired.hyperdrive, context.config
    if hyperdrive is None:
        return ()
    if existing is not None:
        if context.is_repointed:
            refusals = repoint.refusals(context, hyperdrive, existing, timeline_branch)
        else:
            refusals = origin.config(context.desired, hyperdrive, existing, timeline_branch.branch)
        return Blocked(tuple(refusals)) if refusals else ()
    if full := limits.config_room(context.desired, context.configs, context.config_name):
        return Blocked(tuple(full))
    step = CreateHyperdrive(
        name=context.config_name,
        branch=timeline_branch.branch.name,
        database=hyperdrive.database,
        role=hyperdrive.role,
        settings=hyperdrive_upkeep.of_new(context, hyperdrive, timeline_branch.branch),
        reason=f"no Hyperdrive config points to {timeline_branch.timeline}",
    )
    return (step,)


def _write_bindings(context: PlanningContext) -> tuple[Step, ...]:
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


def _upload_versions(context: PlanningContext) -> tuple[Step, ...]:
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


def _stage_versions(context: PlanningContext, timeline_branch: TimelineBranch) -> tuple[Step, ...]:
    """Put the new versions beside the live ones at 0 %, where only the gates reach them."""
    if not _request_gates(context):
        return ()
    steps: list[Step] = []
    for worker, seen, config in _tried_first(context, timeline_branch):
        upload = _upload(context, worker, seen, config)
        if upload is not None and upload.id not in {version.id for version in seen.deployed}:
            reason = "users must not see it before the HTTP gates have passed"
            label = upload.label
            steps.append(StageVersion(script=seen.script, hyperdrive=config.name, label=label, reason=reason))
    return tuple(steps)


def _verify_workers(context: PlanningContext, timeline_branch: TimelineBranch) -> tuple[Step, ...]:
    gates = _request_gates(context)
    scripts = tuple(seen.script for _, seen, _ in _tried_first(context, timeline_branch))
    if not gates or not scripts:
        return ()
    reason = "the Worker must answer from the new database before users do"
    step = VerifyWorker(scripts=scripts, gates=gates, hyperdrive=context.config_name, reason=reason)
    return () if step.key in context.observed.passed else (step,)


def _request_gates(context: PlanningContext) -> tuple[str, ...]:
    return tuple(gate.name for gate in context.desired.verify.http) if context.is_new else ()


def _switch_traffic(context: PlanningContext) -> tuple[Step, ...]:
    """0 to 100 % in one call each: traffic is never split between two databases."""
    return tuple(
        SwitchTraffic(
            script=seen.script,
            hyperdrive=config.name,
            label=version_label(context.desired, worker, seen, context.observed.commit),
            reason=f"{context.desired.timeline} is proved, and users are still on another history",
        )
        for worker, seen, config in _not_switched(context)
    )


def _verify_live(context: PlanningContext, timeline_branch: TimelineBranch) -> tuple[Step, ...]:
    """Check as users do, while the old branch still has the primary's name: until this has passed, nothing has moved.

    A swap of names that has begun for this timeline says that it has passed; one for another says nothing. What was
    live before is not judged, here as above.
    """
    gates = _request_gates(context)
    if not gates or not context.workers or context.lineage.makes_way_for(timeline_branch):
        return ()
    primary, timeline, proof = context.desired.primary.branch, timeline_branch.timeline, context.lineage.proof_branch
    before = timeline_before(context.lineage, timeline)
    step = VerifyLive(
        scripts=tuple(seen.script for _, seen in context.workers),
        gates=gates,
        hyperdrive=context.config_name,
        on_failure=context.desired.verify.on_failure,
        reason=f"{before} can be put back at once until users are seen to be served by {timeline}",
    )
    if step.key in context.observed.failed:
        reason = f"the last check of {timeline} has failed, so {before} is put back"
        left = proof.branch.name if proof else timeline_branch.branch.name
        return (RenameBranch(branch=left, to=failed_name(primary, timeline), reason=reason),)
    return () if step.key in context.observed.passed else (step,)


def _promote(context: PlanningContext, timeline_branch: TimelineBranch) -> tuple[Step, ...]:
    """Give the branch the primary's name. The old one goes first: names are unique, and its new name holds it."""
    primary, live, branch = context.desired.primary.branch, context.lineage.live, timeline_branch.branch
    if live.branch.id != branch.id and not context.lineage.makes_way_for(timeline_branch):
        held = context.lineage.held_name(primary, timeline_branch.timeline)
        reason = f"{live.timeline} is held under a name that says what replaced it, so this can be undone"
        return (RenameBranch(branch=live.branch.name, to=held, reason=reason),)
    if branch.name != primary:
        return (
            RenameBranch(branch=branch.name, to=primary, reason=f"it carries {timeline_branch.timeline}, now live"),
        )
    if context.desired.primary.default and not branch.default:
        return (SetDefaultBranch(branch=primary, reason="the primary is the project's default branch"),)
    return ()


def _bound(context: PlanningContext) -> Iterable[tuple[Worker, ObservedWorker, HyperdriveConfig]]:
    config = context.config
    return [] if config is None else [(worker, seen, config) for worker, seen in context.workers]


def _not_switched(context: PlanningContext) -> list[tuple[Worker, ObservedWorker, HyperdriveConfig]]:
    return [each for each in _bound(context) if not each[1].serves_only(each[2].id)]


def _tried_first(
    context: PlanningContext, timeline_branch: TimelineBranch
) -> list[tuple[Worker, ObservedWorker, HyperdriveConfig]]:
    """List the Workers that can be tried at 0 %, beside what serves.

    That is deployed again along with them, which Cloudflare refuses where its config is gone (error 10157): users of
    such a Worker reach no database, and what they get is judged by the last check.
    """
    known = {None, *(config.id for config in context.configs)}
    if not repoint.is_tried_before(context, timeline_branch):
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
    """Say which config an id is, by name where it is known."""
    if not identity:
        return "no Hyperdrive config"
    return next((each.name for each in context.configs if each.id == identity), f"the unknown config {identity}")


def version_label(desired: Desired, worker: Worker, seen: ObservedWorker, commit: str) -> str:
    """Say what an uploaded version is for, and of which code: an interrupted run finds its upload again by this."""
    if worker.deploy is DeployDriver.WRANGLER:
        code = f"commit {commit}"
    else:
        code = f"version {seen.serving.id if seen.serving else 'none'}"
    return f"{label_purpose(desired)}{code}"


def label_purpose(desired: Desired) -> str:
    """Return what every label of this environment and timeline begins with."""
    return f"reconciler: {desired.environment} on {desired.timeline}, code of "
