"""The last look before a call that no provider guards.

Names are unique at both providers, so a create or a rename that comes too late is refused by them. But a deployment
has no precondition, and a rename, a new default, a protection, a restore in place and a deletion go by id, whatever the
branch is called by then; and what is changed of a Hyperdrive config is changed whatever it is by then.
So what these steps were decided on is read once more (all there is to read, before what was held is deleted or gets an
expiry), right before the call, and the rules, guards included, must still ask for the very same step.
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
    """Read again what a step was decided on. Raises WorldMoved where the rules no longer ask for it, and ProviderError.

    A step that its provider guards, or that harms nothing whenever it is taken, passes unread.
    """
    if step.depends_on_uses and observed.uses != UNASKED:
        fresh = await observe(desired, ports, observed.passed, observed.failed)
    elif step.rechecks:
        fresh = await _read_again(step, desired, observed, ports)
    else:
        return
    if step not in _asked(desired, fresh):
        raise WorldMoved(
            f"what {step.wire_name} was decided on has changed right before it, so it was not done",
            hint="look again: somebody else is at work on the same things",
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


def _asked(desired: Desired, observed: Observed) -> tuple[Step, ...]:
    steps = next_steps(desired, observed)
    return steps if isinstance(steps, tuple) else ()


async def _with_deployment(script: str, desired: Desired, observed: Observed, ports: Ports) -> Observed:
    workers = []
    for worker, seen in zip(desired.workers, observed.workers, strict=True):
        fresh = seen
        if isinstance(seen, ObservedWorker) and seen.script == script:
            fresh = replace(seen, deployed=await ports.cloudflare.deployed(script, worker.binding))
        workers.append(fresh)
    return replace(observed, workers=tuple(workers))
