"""The rule of the Hyperdrive config of a timeline: there is one, and it points to the right branch."""

from reconciler.core.lineage.lineage import TimelineBranch
from reconciler.core.rules.context import limits
from reconciler.core.rules.context.planning import Blocked, PlanningContext
from reconciler.core.rules.hyperdrive import origin, repoint, upkeep
from reconciler.core.steps import Step
from reconciler.core.steps.hyperdrive import CreateHyperdrive


def point_hyperdrive(context: PlanningContext, target: TimelineBranch) -> tuple[Step, ...] | Blocked:
    """Create a config for each timeline, so going back is one deployment. To `repoint`, only create a missing one."""
    hyperdrive, existing = context.desired.hyperdrive, context.config
    if hyperdrive is None:
        return ()
    if existing is not None:
        if context.is_repointed:
            refusals = repoint.refusals(context, hyperdrive, existing, target)
        else:
            refusals = origin.config(context.desired, hyperdrive, existing, target.branch)
        return Blocked(tuple(refusals)) if refusals else ()
    if full := limits.config_room(context.desired, context.configs, context.config_name):
        return Blocked(tuple(full))
    step = CreateHyperdrive(
        name=context.config_name,
        branch=target.branch.name,
        database=hyperdrive.database,
        role=hyperdrive.role,
        settings=upkeep.for_new_config(context, hyperdrive, target.branch),
        reason=f"no Hyperdrive config points to {target.timeline}",
    )
    return (step,)
