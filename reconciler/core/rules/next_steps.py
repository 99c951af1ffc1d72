"""The rules: from the desired and the observed state to the next safe step. Read from the top, they are the argument.

By the method `branch`: find out which branch carries which timeline. Create the desired timeline on a branch of its own
and verify it. Give it a Hyperdrive config. Upload the Workers beside the live versions and verify them there. Fence the
old branch if the file asks for it. Switch traffic, or repoint the one config that serves. Check once more, as users
reach it. Only then rename, so that the old history is held under a name that says what it is.

By the method `in-place`: create the timeline on a branch of its own and verify it. Then restore the primary to
that very point, and keep what it held as a branch. Host and password stay, so all that remains is to restart
connection pools and to check. The candidate is deleted last.

If the last check fails, the old branch still has the primary's name and every row. The new branch is first renamed to
say that it failed, and users then leave it. No later run tries it again until the file asks for something else.

Settings of the project and declared branches come after the restore. A refused declared branch blocks nothing else.
A held branch is deleted when its hold has ended and nothing needs it: last of all, or first if a restore lacks room.

Pure: no clock, no input or output, no randomness. Steps that are returned together do not depend on each other, and at
most one of them writes to Neon, which locks the whole project for every write.
"""

from dataclasses import replace

from reconciler.core.lineage.infer import effective_desired
from reconciler.core.lineage.lineage import Lineage, TimelineBranch
from reconciler.core.lineage.receipts import with_source_from_receipts
from reconciler.core.model.desired import Desired
from reconciler.core.model.observed import Observed
from reconciler.core.rules.context import concurrency
from reconciler.core.rules.context.planning import Blocked, PlanningContext, TimelineFailed, read
from reconciler.core.rules.declared import converge as declared_branches
from reconciler.core.rules.hyperdrive import config, repoint, upkeep
from reconciler.core.rules.project import settings
from reconciler.core.rules.restore import branch, fence, guards, in_place, workers
from reconciler.core.rules.retention import expiry, pruning
from reconciler.core.steps import Step
from reconciler.core.values.timeline import candidate_name, failed_name


def next_steps(desired: Desired, observed: Observed) -> tuple[Step, ...] | Blocked:
    """Return the steps to take now, none if reality is as desired, or the refusals."""
    steps = _next(with_source_from_receipts(desired, observed), observed)
    if isinstance(steps, tuple) and (refusals := concurrency.overdue(desired, observed, steps)):
        return Blocked(tuple(refusals))
    return steps


def _next(desired: Desired, observed: Observed) -> tuple[Step, ...] | Blocked:
    context = read(desired, observed)
    if isinstance(context, Blocked):
        return context
    if (effective := effective_desired(desired, context.lineage)) is not desired:
        return _leave_failed(context, effective) or _timeline_failed(desired, context.lineage)
    steps = _restore(context)
    if isinstance(steps, Blocked) and not steps.is_about_declared_branches:
        return pruning.make_room(context, steps)
    if isinstance(steps, Blocked):
        return _clean_up(context) or steps
    return steps or _clean_up(context)


def _restore(context: PlanningContext) -> tuple[Step, ...] | Blocked:
    """Return the first steps that are missing: of the restore, then of the settings and the declared branches."""
    target = context.target
    if target is None or in_place.is_under_way(context):
        return fence.leave_writable(context) or _create(context)
    preparing = _prepare(context, target)
    # Until the switch, users stay on the live branch, so the fence of an earlier run is removed first.
    if target == context.lineage.live or (preparing and not context.is_serving(target)):
        preparing = fence.leave_writable(context) or preparing
    return (
        preparing
        or fence.fence(context, target)
        or repoint.repoint(context, target)
        or workers.switch_traffic(context)
        or repoint.drain_replaced_pool(context, target)
        or workers.verify_live(context, target)
        or branch.promote(context, target)
        or in_place.delete_proof_branch(context)
        or fence.fence_held(context)
        or upkeep.sync_settings(context, target)
        or settings.steps(context)
        or expiry.clear_unwanted(context)
        or declared_branches.converge(context)
    )


def _create(context: PlanningContext) -> tuple[Step, ...] | Blocked:
    """Create the candidate. In place, also verify it, and then restore the primary to its point."""
    candidate = context.lineage.candidate(context.desired.timeline)
    if candidate is None:
        steps = in_place.create_candidate(context)
        return in_place.protect_again(context) or (
            expiry.make_room(context, steps) if isinstance(steps, Blocked) else steps
        )
    if candidate == context.lineage.stale_candidate:
        return in_place.protect_again(context) or in_place.delete_proof_branch(context)
    if refusals := guards.in_place(context.desired, context.observed, context.lineage, candidate, context.project):
        return in_place.protect_again(context) or Blocked(tuple(refusals))
    return (
        branch.make_usable(context, candidate)
        or branch.verify(context, candidate)
        or in_place.restore(context, candidate)
    )


def _prepare(context: PlanningContext, target: TimelineBranch) -> tuple[Step, ...] | Blocked:
    """Everything that users do not notice."""
    if refusals := guards.candidate(context.desired.primary.restore, target, context.lineage):
        return Blocked(tuple(refusals))
    return (
        branch.make_usable(context, target)
        or in_place.protect_again(context)
        or branch.resize(context, target)
        or branch.verify(context, target)
        or fence.unfence_copy(context, target)
        or config.point_hyperdrive(context, target)
        or upkeep.renew_password(context, target)
        or in_place.restart_pool(context)
        or workers.write_bindings(context)
        or workers.upload_versions(context)
        or workers.stage_versions(context, target)
        or workers.verify_staged(context, target)
    )


def _clean_up(context: PlanningContext) -> tuple[Step, ...]:
    """What comes once the primary is as desired. After a refusal about it, nothing is deleted: it is the way back."""
    return pruning.prune(context) or expiry.set_expiry(context)


def _leave_failed(context: PlanningContext, effective: Desired) -> tuple[Step, ...] | Blocked:
    """Return the steps that bring users back from a failed timeline to what was live before it."""
    workers_of = tuple((worker, seen) for worker, (_, seen) in zip(effective.workers, context.workers, strict=True))
    return _restore(replace(context, desired=effective, workers=workers_of))


def _timeline_failed(desired: Desired, lineage: Lineage) -> Blocked:
    primary, timeline = desired.primary.branch, desired.timeline
    names = failed_name(primary, timeline), candidate_name(primary, timeline)
    return Blocked((TimelineFailed(timeline, *names, lineage.live.timeline),))
