"""The rules of the strategy "repoint": one Hyperdrive config serves, and a restore points it to another branch.

As in a switch, the branch is verified first, and the old one fenced if the file asks for it. Then the pool is
restarted, because Hyperdrive keeps using its open connections, and cached answers are waited out, because nothing
purges them (Hyperdrive documentation, Rotate credentials, Query caching). Only then is it checked as users reach it.

A pool is due for a restart if, by Cloudflare's own clock, its config was changed after the last one.
"""

from datetime import timedelta

from reconciler.core.lineage.hyperdrive import points_to, shared_config
from reconciler.core.lineage.infer import effective_desired, infer_lineage
from reconciler.core.lineage.lineage import Lineage, TimelineBranch
from reconciler.core.model.desired import Desired, Hyperdrive, Waivable
from reconciler.core.model.observed import Branch, HyperdriveConfig, Observed, Unknown
from reconciler.core.model.refusal import Refusal
from reconciler.core.rules.context.planning import Blocked, PlanningContext
from reconciler.core.rules.context.readable import Unreadable
from reconciler.core.rules.context.waivers import is_waived
from reconciler.core.rules.hyperdrive import origin
from reconciler.core.steps import Step
from reconciler.core.steps.hyperdrive import AwaitCache, RepointHyperdrive, RestartPool

# Cloudflare does not document whether a restart counts as a change of the config.
_SAME_CHANGE = timedelta(milliseconds=200)


def refusals(
    context: PlanningContext, hyperdrive: Hyperdrive, config: HyperdriveConfig, target: TimelineBranch
) -> list[Refusal]:
    """Refuse a config that points to no timeline of ours: it may belong to others."""
    left = _branch_of(context, config)
    return origin.config(context.desired, hyperdrive, config, left or target.branch)


def repoint(context: PlanningContext, target: TimelineBranch) -> tuple[Step, ...] | Blocked:
    """Point the config that serves to the branch, once the branch is verified."""
    hyperdrive, config = context.desired.hyperdrive, context.config
    if hyperdrive is None or config is None or not context.is_repointed:
        return ()
    left = _branch_of(context, config)
    if left is None or left.id == target.branch.id:
        return ()
    if isinstance(sharers := context.observed.sharers, Unknown):
        part = f'Workers bound to Hyperdrive config "{config.name}", which move with it'
        return Blocked((Unreadable(part, sharers.reason, sharers.hint),))
    step = RepointHyperdrive(
        hyperdrive=config.name,
        leaves=left.name,
        branch=target.branch.name,
        database=hyperdrive.database,
        role=hyperdrive.role,
        reason=f'it points to "{left.name}", and {target.timeline} is verified',
    )
    return (step,)


def is_tried_before(context: PlanningContext, target: TimelineBranch) -> bool:
    """Whether a version can be verified on the branch before users are on it.

    Not while its config points to another branch. Nor after the repoint: its cache may still answer from the old
    branch, and users are on it anyway.
    """
    config = context.config
    if config is None or not context.is_repointed or target == context.lineage.live:
        return True
    was_moved = f"repoint:{config.name}" in context.observed.passed
    is_used = any(seen.serves(config.id) for _, seen in context.workers)
    return points_to(config, target.branch) and not was_moved and not is_used


def drain_replaced_pool(context: PlanningContext, target: TimelineBranch) -> tuple[Step, ...]:
    """Make Hyperdrive drop its connections to the old branch, and then wait out its cached answers."""
    config = context.config
    if config is None or not context.is_repointed:
        return ()
    moved = target != context.lineage.live or f"repoint:{config.name}" in context.observed.passed
    return _restart(context, config, moved=moved) or (_await_cache(context, config, target) if moved else ())


def _restart(context: PlanningContext, config: HyperdriveConfig, *, moved: bool) -> tuple[Step, ...]:
    changed, restarted = config.modified_at, config.restarted_at
    is_due = moved if changed is None or restarted is None else changed - restarted > _SAME_CHANGE
    step = RestartPool(hyperdrive=config.name, reason="its config was changed, and it keeps using open connections")
    return (step,) if is_due and step.key not in context.observed.passed else ()


def _await_cache(context: PlanningContext, config: HyperdriveConfig, target: TimelineBranch) -> tuple[Step, ...]:
    """Wait, unless a swap of names has begun: that shows that an earlier run has waited."""
    seconds = config.caching.outlasts
    if not seconds or context.lineage.makes_way_for(target):
        return ()
    reason = "until then it may answer with rows of another branch"
    step = AwaitCache(hyperdrive=config.name, seconds=seconds, reason=reason)
    return () if step.key in context.observed.passed else (step,)


def about_to_move(desired: Desired, observed: Observed) -> HyperdriveConfig | None:
    """Return the config that will be repointed, whose Workers must then be read; None if there is none."""
    branches, configs, hyperdrive = observed.branches, observed.configs, desired.hyperdrive
    if hyperdrive is None or not hyperdrive.is_repointed:
        return None
    lineage = infer_lineage(desired, branches) if isinstance(branches, tuple) else None
    if not isinstance(lineage, Lineage) or isinstance(configs, Unknown):
        return None
    wanted = effective_desired(desired, lineage).timeline
    config = shared_config(hyperdrive, lineage.timeline_branch(wanted), lineage, configs, observed.workers)
    if config is None or (wanted == lineage.live.timeline and points_to(config, lineage.live.branch)):
        return None
    return config


def _branch_of(context: PlanningContext, config: HyperdriveConfig) -> Branch | None:
    """Find the branch of ours that a config points to."""
    lineage = context.lineage
    groups = (lineage.all, lineage.superseded, lineage.failed, lineage.candidates, lineage.proved)
    direct = origin.direct(config) if is_waived(context.desired, Waivable.POOLED_ORIGIN) else config
    return next((each.branch for group in groups for each in group if points_to(direct, each.branch)), None)
