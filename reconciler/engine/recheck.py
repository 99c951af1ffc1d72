"""The last look before a call that no provider guards.

Both providers refuse to create a name twice. But a deployment has no precondition, calls on a branch go by id, whatever
it is called by then, and a Hyperdrive config is changed whatever it is by then. So right before such a call, what its
step was decided on is read again (everything, before a held branch is deleted or gets an expiry), and the rules, guards
included, must still ask for the very same step.
"""

from dataclasses import replace

from reconciler.core.model.desired import Desired
from reconciler.core.model.observed import UNASKED, Observed, ObservedWorker
from reconciler.core.rules.next_steps import next_steps
from reconciler.core.steps import Part, Step
from reconciler.engine.observe import observe
from reconciler.errors import WorldMoved
from reconciler.ports import Ports


async def recheck(step: Step, desired: Desired, observed: Observed, ports: Ports) -> None:
    """Read again what a step was decided on. Raises WorldMoved if the rules no longer ask for it, and ProviderError.

    A step that its provider guards, or that is harmless at any time, passes without a look.
    """
    if step.depends_on_uses and observed.uses != UNASKED:
        fresh = await observe(desired, ports, observed.passed, observed.failed)
    elif step.rechecks:
        fresh = await _read_again(step, desired, observed, ports)
    else:
        return
    steps = next_steps(desired, fresh)
    if not isinstance(steps, tuple) or step not in steps:
        raise WorldMoved(
            f"{step.wire_name} was not done: what it was decided on changed right before it",
            hint="look again: something else is changing the same things",
        )


async def _read_again(step: Step, desired: Desired, observed: Observed, ports: Ports) -> Observed:
    project, parts = desired.primary.project, step.rechecks
    if Part.PROJECT in parts:
        observed = replace(observed, project=await ports.neon.project(project))
    if Part.BRANCHES in parts:
        observed = replace(observed, branches=await ports.neon.branches(project))
    if Part.WORKERS in parts:
        observed = await _with_deployment(step.target, desired, observed, ports)
    if Part.HYPERDRIVE_CONFIGS in parts:
        observed = replace(observed, configs=await ports.cloudflare.configs())
    return observed


async def _with_deployment(script: str, desired: Desired, observed: Observed, ports: Ports) -> Observed:
    workers = []
    for worker, seen in zip(desired.workers, observed.workers, strict=True):
        fresh = seen
        if isinstance(seen, ObservedWorker) and seen.script == script:
            fresh = replace(seen, deployed=await ports.cloudflare.deployed(script, worker.binding))
        workers.append(fresh)
    return replace(observed, workers=tuple(workers))
