"""The safety net for a run that ends early: users can write, and a primary that was protected is protected again."""

from dataclasses import replace

from reconciler.core.lineage.infer import infer_lineage
from reconciler.core.lineage.lineage import Lineage
from reconciler.core.model.desired import Desired
from reconciler.core.model.observed import Observed, Project, Unknown
from reconciler.core.rules.context.planning import Blocked, read
from reconciler.core.rules.next_steps import next_steps
from reconciler.core.rules.project import protection
from reconciler.core.rules.restore import fence
from reconciler.core.steps import Step
from reconciler.core.steps.branch import RemoveFence


def safety_net(desired: Desired, observed: Observed) -> tuple[Step, ...]:
    """Return the steps that complete what is half done.

    If what users reach can't be read, the live branch loses its fence: they may be on it. If the live branch is
    unknown, the branches that users reach lose theirs.
    """
    if isinstance(observed.branches, Unknown):
        return ()
    lineage = infer_lineage(desired, observed.branches)
    if not isinstance(lineage, Lineage):
        return fence.unfence_reached(desired, observed)
    if isinstance(read(desired, observed), Blocked):
        steps = fence.unfence_live(desired, lineage)
    else:
        found = next_steps(desired, replace(observed, passed=frozenset()))
        steps = () if isinstance(found, Blocked) else tuple(step for step in found if isinstance(step, RemoveFence))
    if not isinstance(observed.project, Project):
        return steps
    reason = "it was unprotected for a restore in place that was not done"
    return (*steps, *protection.restore(desired, observed.project, observed.branches, lineage, reason))
