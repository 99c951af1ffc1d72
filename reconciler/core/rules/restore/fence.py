"""The rules of a fence: what is left takes no writes from right before the switch, and what is live always does."""

from collections.abc import Iterator
from dataclasses import dataclass

from reconciler.core.lineage.lineage import Lineage, TimelineBranch
from reconciler.core.model.desired import Desired
from reconciler.core.model.observed import Observed, ObservedWorker, Unknown, known
from reconciler.core.model.refusal import Refusal
from reconciler.core.rules.context.planning import Blocked, PlanningContext
from reconciler.core.steps import Step
from reconciler.core.steps.branch import FenceBranch, RemoveFence

# A fence is two logins and one call to Neon, a switch two calls to Cloudflare, each with a look at everything after it.
_FENCE_SECONDS = 4
_SWITCH_SECONDS = 3


@dataclass(frozen=True, slots=True)
class FenceNotRemovable(Refusal):
    """A branch that is to take writes is fenced, and the file does not say any more which database."""

    rule = "fence-unliftable"
    before_the_call = "read again"
    branch: str

    problem = '"{branch}" is fenced (the name of its compute says so), but the file does not name the database'
    way_out = "name the database and a role again, in hyperdrive or as verify.database and verify.role"


def leave_writable(context: PlanningContext) -> tuple[Step, ...] | Blocked:
    """Lift what an earlier run fenced and did not switch away from: users are on it, and it may be long until then."""
    live = context.lineage.live
    if context.lineage.swapping and live.timeline != context.desired.timeline:
        return ()
    return _lift(context, live, "it is live, and takes no writes")


def fence(context: PlanningContext, target: TimelineBranch) -> tuple[Step, ...] | Blocked:
    """Have no writes to the old history from right before the switch, and let the next one take them.

    The mark says that a fence was begun, so each run makes sure of it once, by SQL; after the renames have begun, no
    more. What comes back was fenced while it was held.
    """
    live = context.lineage.live
    if target == live:
        return ()
    step = FenceBranch(
        branch=live.branch.name,
        database=context.desired.verify.database,
        served=True,
        reason=f"a write to {live.timeline} from now on would be missed on {target.timeline}",
    )
    done = live.branch.fenced and step.key in context.observed.passed
    if _can_be_fenced(context, live) and not done and not context.lineage.swapping:
        return (step,)
    return _lift(context, target, f"{target.timeline} was fenced while it was held")


def fence_held(context: PlanningContext) -> tuple[Step, ...]:
    """Nobody writes to the past by mistake: what is held takes no writes."""
    reason = "what is held is to stay as it was left"
    database = context.desired.verify.database
    return tuple(
        FenceBranch(branch=each.branch.name, database=database, served=False, reason=reason)
        for each in context.lineage.held
        if _can_be_fenced(context, each) and not each.branch.fenced and each.branch.ready
    )[:1]


def _can_be_fenced(context: PlanningContext, target: TimelineBranch) -> bool:
    """Whether it is asked, and can be: without a compute, nobody writes anyway."""
    asked = context.desired.primary.fence and bool(context.desired.verify.database)
    return asked and target.branch.endpoint is not None


def unfence_copy(context: PlanningContext, target: TimelineBranch) -> tuple[Step, ...]:
    """What was made from a moment at which its source was fenced is read-only too, and no mark says so.

    That is a candidate, and a primary into which a candidate went in place.
    """
    made = (
        target
        if target in context.lineage.candidates and not context.is_serving(target)
        else context.lineage.proof_branch
    )
    database = context.desired.verify.database
    if made is None or not database:
        return ()
    source = next((each for each in context.branches if each.id == made.branch.parent_id), None)
    if not context.desired.primary.fence and (source is None or not source.fenced):
        return ()
    reason = "a copy of what was fenced is fenced too, and nothing but a login tells"
    step = RemoveFence(branch=target.branch.name, database=database, reason=reason)
    return () if step.key in context.observed.passed else (step,)


def unfence_live(desired: Desired, lineage: Lineage) -> tuple[RemoveFence, ...]:
    """Lift the fence of the live branch, by what Neon tells alone."""
    branch, database = lineage.live.branch, desired.verify.database
    if not branch.fenced or not database:
        return ()
    return (RemoveFence(branch=branch.name, database=database, reason="it may be live, and takes no writes"),)


def unfence_reached(desired: Desired, observed: Observed) -> tuple[RemoveFence, ...]:
    """Lift the fence of what users reach, by names and hosts alone; where no host is known, of what is the primary."""
    branches, configs, database = observed.branches, observed.configs, desired.verify.database
    if isinstance(branches, Unknown) or not database:
        return ()
    workers = [each for each in observed.workers if isinstance(each, ObservedWorker)]
    hosts = {(each.host, each.port) for each in known(configs) if any(seen.serves(each.id) for seen in workers)}
    reached = [each for each in branches if each.endpoint and (each.endpoint.host, each.endpoint.port) in hosts]
    primary = [each for each in branches if each.name == desired.primary.branch]
    reason = "users reach it, and it takes no writes"
    return tuple(
        RemoveFence(branch=each.name, database=database, reason=reason) for each in reached or primary if each.fenced
    )


def _lift(context: PlanningContext, target: TimelineBranch, reason: str) -> tuple[Step, ...] | Blocked:
    database = context.desired.verify.database
    if not target.branch.fenced:
        return ()
    if not database:
        return Blocked((FenceNotRemovable(target.branch.name),))
    return (RemoveFence(branch=target.branch.name, database=database, reason=reason),)


def warnings(desired: Desired, lineage: Lineage, steps: tuple[Step, ...]) -> Iterator[str]:
    """Say from which step to which users can't write, and for about how long."""
    fence = next((n for n, step in enumerate(steps) if step.stops_writes), None)
    if fence is None:
        return
    live, place = lineage.live.timeline, f"from step {fence + 1} (the fence of {lineage.live.timeline})"
    end = max((n for n, step in enumerate(steps) if step.switches), default=None)
    if end is None:
        users = "users are on another one already" if desired.workers else "until you have changed what uses it"
        yield f"writes to {live} fail {place} on, {users}; it stays read-only while it is held"
        return
    switched = ", ".join(step.switches for step in steps[fence : end + 1] if step.switches)
    between = sum(isinstance(step, FenceBranch | RemoveFence) for step in steps[fence:end])
    seconds = between * _FENCE_SECONDS + _SWITCH_SECONDS
    yield (
        f"writes fail {place} until step {end + 1} has switched {switched}: about "
        f"{seconds} s, and longer where Neon or Cloudflare are slow; reads go on. Open connections to it are ended "
        "then. A run that dies in between leaves it so until the next run, which lifts the fence first"
    )
