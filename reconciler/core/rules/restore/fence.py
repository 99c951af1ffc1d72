"""The rules of fences: the old branch takes no writes from right before the switch on; the live one always does."""

from collections.abc import Iterator
from dataclasses import dataclass

from reconciler.core.lineage.lineage import Lineage, TimelineBranch
from reconciler.core.model.desired import Desired
from reconciler.core.model.observed import Observed, ObservedWorker, Unknown, known
from reconciler.core.model.refusal import Refusal
from reconciler.core.rules.context.planning import Blocked, PlanningContext
from reconciler.core.steps import Step
from reconciler.core.steps.branch import FenceBranch, RemoveFence

# A fence takes two logins and a call to Neon, a switch two calls to Cloudflare; everything is read after each.
_FENCE_SECONDS = 4
_SWITCH_SECONDS = 3


@dataclass(frozen=True, slots=True)
class FenceNotRemovable(Refusal):
    """A branch that must take writes is fenced, but the file no longer names the database."""

    rule = "fence-unliftable"
    before_the_call = "read again"
    branch: str

    problem = '"{branch}" is fenced (the name of its compute says so), but the file does not name the database'
    way_out = "name the database and a role again, in hyperdrive or as verify.database and verify.role"


def leave_writable(context: PlanningContext) -> tuple[Step, ...] | Blocked:
    """Remove the fence of an earlier run that did not get to the switch: users are on that branch."""
    live = context.lineage.live
    if context.lineage.swapping and live.timeline != context.desired.timeline:
        return ()
    return _unfence(context, live, "it is live, but takes no writes")


def fence(context: PlanningContext, target: TimelineBranch) -> tuple[Step, ...] | Blocked:
    """Fence the old branch right before the switch, and remove the fence of a held branch that comes back.

    The mark shows only that a fence was begun, so each run completes it once, by SQL, until the renames begin.
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
    return _unfence(context, target, f"{target.timeline} was fenced while it was held")


def fence_held(context: PlanningContext) -> tuple[Step, ...]:
    """Fence the next held branch, so that it stays as it was left."""
    reason, database = "a held branch must stay as it was left", context.desired.verify.database
    return tuple(
        FenceBranch(branch=each.branch.name, database=database, served=False, reason=reason)
        for each in context.lineage.held
        if _can_be_fenced(context, each) and not each.branch.fenced and each.branch.ready
    )[:1]


def _can_be_fenced(context: PlanningContext, target: TimelineBranch) -> bool:
    """Whether the file asks for fences and the branch can be fenced: without a compute, it takes no writes anyway."""
    is_wanted = context.desired.primary.fence and bool(context.desired.verify.database)
    return is_wanted and target.branch.endpoint is not None


def unfence_copy(context: PlanningContext, target: TimelineBranch) -> tuple[Step, ...]:
    """Make a copy of a fenced moment writable: it is read-only too, and no mark shows that.

    Such a copy is a candidate, or a primary that was restored in place from one.
    """
    is_candidate = target in context.lineage.candidates and not context.is_serving(target)
    copy, database = target if is_candidate else context.lineage.proof_branch, context.desired.verify.database
    if copy is None or not database:
        return ()
    source = next((each for each in context.branches if each.id == copy.branch.parent_id), None)
    if not context.desired.primary.fence and (source is None or not source.fenced):
        return ()
    reason = "a copy of a fenced branch may be fenced too, and only a login shows that"
    step = RemoveFence(branch=target.branch.name, database=database, reason=reason)
    return () if step.key in context.observed.passed else (step,)


def unfence_live(desired: Desired, lineage: Lineage) -> tuple[RemoveFence, ...]:
    """Remove the fence of the live branch, if only Neon could be read."""
    branch, database = lineage.live.branch, desired.verify.database
    if not branch.fenced or not database:
        return ()
    return (RemoveFence(branch=branch.name, database=database, reason="it may be live, but takes no writes"),)


def unfence_reached(desired: Desired, observed: Observed) -> tuple[RemoveFence, ...]:
    """Remove the fences of the branches that users reach, by hosts alone; of the primary if no host is known."""
    branches, configs, database = observed.branches, observed.configs, desired.verify.database
    if isinstance(branches, Unknown) or not database:
        return ()
    workers = [each for each in observed.workers if isinstance(each, ObservedWorker)]
    hosts = {(each.host, each.port) for each in known(configs) if any(seen.serves(each.id) for seen in workers)}
    reached = [each for each in branches if each.endpoint and (each.endpoint.host, each.endpoint.port) in hosts]
    primary = [each for each in branches if each.name == desired.primary.branch]
    reason = "users reach it, but it takes no writes"
    return tuple(
        RemoveFence(branch=each.name, database=database, reason=reason) for each in reached or primary if each.fenced
    )


def _unfence(context: PlanningContext, target: TimelineBranch, reason: str) -> tuple[Step, ...] | Blocked:
    database = context.desired.verify.database
    if not target.branch.fenced:
        return ()
    if not database:
        return Blocked((FenceNotRemovable(target.branch.name),))
    return (RemoveFence(branch=target.branch.name, database=database, reason=reason),)


def warnings(desired: Desired, lineage: Lineage, steps: tuple[Step, ...]) -> Iterator[str]:
    """Say between which steps users can't write, and for about how long."""
    fence = next((n for n, step in enumerate(steps) if step.stops_writes), None)
    if fence is None:
        return
    live, place = lineage.live.timeline, f"from step {fence + 1} (the fence of {lineage.live.timeline})"
    end = max((n for n, step in enumerate(steps) if step.switches), default=None)
    if end is None:
        users = "users are on another branch already" if desired.workers else "so point its users to the new branch"
        yield f"writes to {live} fail {place} on: {users}. It stays read-only while it is held"
        return
    switched = ", ".join(step.switches for step in steps[fence : end + 1] if step.switches)
    between = sum(isinstance(step, FenceBranch | RemoveFence) for step in steps[fence:end])
    seconds = between * _FENCE_SECONDS + _SWITCH_SECONDS
    yield (
        f"writes fail {place} until step {end + 1} has switched {switched}: about "
        f"{seconds} s, or longer if Neon or Cloudflare is slow. Reads go on. The fence ends open connections. If the "
        "run dies in between, writes fail until the next run, which removes the fence first"
    )
