"""What must hold however a run ends: users can write where they are, and what was protected is protected.

The rules ask for it when they have a choice. These are for a run that ends before it is done.
"""

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


def mending(desired: Desired, observed: Observed) -> tuple[Step, ...]:
    """Return the steps that put right what is half done.

    Where it cannot be read what users reach, the live branch is let free: it may be where they are. Where it cannot be
    told which one is live, that is the branch that users reach.
    """
    if isinstance(observed.branches, Unknown):
        return ()
    lineage = infer_lineage(desired, observed.branches)
    if not isinstance(lineage, Lineage):
        return fence.unfence_reached(desired, observed)
    if isinstance(read(desired, observed), Blocked):
        lifts = fence.unfence_live(desired, lineage)
    else:
        asked = next_steps(desired, replace(observed, passed=frozenset()))
        lifts = () if isinstance(asked, Blocked) else tuple(step for step in asked if isinstance(step, RemoveFence))
    return (*lifts, *_protection(desired, observed, lineage))


def _protection(desired: Desired, observed: Observed, lineage: Lineage) -> tuple[Step, ...]:
    if not isinstance(observed.project, Project) or not isinstance(observed.branches, tuple):
        return ()
    reason = "it was to be restored in place, and was not"
    return protection.restore(desired, observed.project, observed.branches, lineage, reason)
