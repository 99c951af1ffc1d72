"""The rules of the strategy "repoint": one Hyperdrive config serves, and a restore leads it to another branch.

The order is that of a switch, and so is the care: everything that can be proved on the branch is proved before, and
what is left is fenced before, where that is asked. After it the pool is restarted, as Hyperdrive goes on using the
connections that it has, and cached answers of the other branch are waited out, as nothing purges them (Hyperdrive
documentation, Rotate credentials, Query caching). Only then is it checked as users reach it.

That a pool was not restarted since is told by Cloudflare's own clock: the config was changed after it.
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

# Whether a restart counts as a change of the config, Cloudflare does not tell.
_SAME_CHANGE = timedelta(milliseconds=200)


def refusals(
    context: PlanningContext, hyperdrive: Hyperdrive, config: HyperdriveConfig, target: TimelineBranch
) -> list[Refusal]:
    """Refuse a config that leads to no timeline of ours: it may be somebody else's, and would be taken from them."""
    left = _left(context, config)
    return origin.config(context.desired, hyperdrive, config, left or target.branch)


def repoint(context: PlanningContext, target: TimelineBranch) -> tuple[Step, ...] | Blocked:
    """Lead the config that serves to the branch, now that everything is proved that can be."""
    hyperdrive, config = context.desired.hyperdrive, context.config
    if hyperdrive is None or config is None or not context.is_repointed:
        return ()
    left = _left(context, config)
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
        reason=f'it leads to "{left.name}", and {target.timeline} is proved',
    )
    return (step,)


def is_tried_before(context: PlanningContext, target: TimelineBranch) -> bool:
    """Whether a version can be tried on the branch before users are on it.

    Not while the config that it is bound to leads to another branch, nor once it was led away from that: then it may
    answer with what it holds of that one, and users are on it anyway.
    """
    config = context.config
    if config is None or not context.is_repointed or target == context.lineage.live:
        return True
    was_moved = f"repoint:{config.name}" in context.observed.passed
    return points_to(config, target.branch) and not was_moved and not _is_served(context, config)


def _is_served(context: PlanningContext, config: HyperdriveConfig) -> bool:
    return any(seen.serves(config.id) for _, seen in context.workers)


def drain_replaced_pool(context: PlanningContext, target: TimelineBranch) -> tuple[Step, ...]:
    """Have Hyperdrive let go of what it holds of the other branch: its connections, and then its cached answers."""
    config = context.config
    if config is None or not context.is_repointed:
        return ()
    moved = target != context.lineage.live or f"repoint:{config.name}" in context.observed.passed
    return _restart(context, config, moved=moved) or (_await_cache(context, config, target) if moved else ())


def _restart(context: PlanningContext, config: HyperdriveConfig, *, moved: bool) -> tuple[Step, ...]:
    changed, restarted = config.modified_at, config.restarted_at
    is_due = moved if changed is None or restarted is None else changed - restarted > _SAME_CHANGE
    step = RestartPool(hyperdrive=config.name, reason="it was changed since, and goes on using the connections it has")
    return (step,) if is_due and step.key not in context.observed.passed else ()


def _await_cache(context: PlanningContext, config: HyperdriveConfig, target: TimelineBranch) -> tuple[Step, ...]:
    """A swap of names that has begun says that this was waited for."""
    seconds = config.caching.outlasts
    if not seconds or context.lineage.makes_way_for(target):
        return ()
    reason = "until then it may answer with what another branch has said"
    step = AwaitCache(hyperdrive=config.name, seconds=seconds, reason=reason)
    return () if step.key in context.observed.passed else (step,)


def about_to_move(desired: Desired, observed: Observed) -> HyperdriveConfig | None:
    """Find the config that is to be repointed, so that it can be read who is bound to it; None where none is."""
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


def _left(context: PlanningContext, config: HyperdriveConfig) -> Branch | None:
    """Find the branch of ours that a config leads to."""
    lineage = context.lineage
    groups = (lineage.all, lineage.superseded, lineage.failed, lineage.candidates, lineage.proved)
    branches = [each.branch for group in groups for each in group]
    direct = _direct(context.desired, config)
    return next((branch for branch in branches if points_to(direct, branch)), None)


def _direct(desired: Desired, config: HyperdriveConfig) -> HyperdriveConfig:
    return origin.direct(config) if is_waived(desired, Waivable.POOLED_ORIGIN) else config
