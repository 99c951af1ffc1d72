"""The rules of the branch that becomes the primary: make it usable, verify it, and give it the primary's name."""

from reconciler.core.lineage.infer import timeline_before
from reconciler.core.lineage.lineage import TimelineBranch
from reconciler.core.rules.context.planning import Blocked, PlanningContext
from reconciler.core.rules.context.waivers import unwaived
from reconciler.core.rules.project import compute_size
from reconciler.core.rules.restore.table_verification import unprovable
from reconciler.core.rules.retention import expiry
from reconciler.core.steps import Step
from reconciler.core.steps.branch import AddCompute, AwaitBranch, VerifyBranch
from reconciler.core.steps.primary import RenameBranch, SetDefaultBranch
from reconciler.core.values.timeline import failed_name


def make_usable(context: PlanningContext, target: TimelineBranch) -> tuple[Step, ...]:
    """Before anything relies on it, a branch must be finished, have a compute, and not expire."""
    branch = target.branch
    if not branch.ready:
        return (AwaitBranch(branch=branch.name, reason="Neon is still creating it"),)
    if branch.endpoint is None:
        compute = compute_size.for_new(context.desired, context.project, context.lineage)
        return (AddCompute(branch=branch.name, compute=compute, reason="it has no compute, so it cannot be queried"),)
    if branch.expires_at is not None:
        return expiry.clear(branch, f"Neon would delete it at {branch.expires_at}")
    return ()


def resize(context: PlanningContext, target: TimelineBranch) -> tuple[Step, ...]:
    """Give the branch the primary's compute size before it serves."""
    if context.is_serving(target):
        return ()
    return compute_size.carry_over(context.desired, context.project, context.lineage, target)


def verify(context: PlanningContext, target: TimelineBranch) -> tuple[Step, ...] | Blocked:
    """Verify the branch before anything points to it. A branch that serves was verified before.

    The file's gates run before a timeline is live for the first time. One that was live before comes back as it was
    left: otherwise the damage that an undo is for could block it. If the tables can no longer be checked, that is
    refused, unless the file waives it; everything else is still checked.
    """
    if target == context.lineage.live and context.lineage.proof_branch is not None:
        return _log_in_again(context)
    if context.is_serving(target):
        return ()
    gates = tuple(gate.name for gate in context.desired.verify.sql) if context.is_new else ()
    reason = f"{target.timeline} must be verified before anything points to it"
    restore = context.desired.primary.restore
    point = restore.to if restore and context.is_new and context.desired.verify.role else None
    too_late = unprovable(target.branch, point, context.observed.at, context.project) if point else []
    tables_at = None if too_late else point
    step = VerifyBranch(branch=target.branch.name, gates=gates, tables_at=tables_at, reason=reason)
    if step.key in context.observed.passed:
        return ()
    refusals = unwaived(context.desired, too_late)
    return Blocked(tuple(refusals)) if refusals else (step,)


def _log_in_again(context: PlanningContext) -> tuple[Step, ...]:
    """Log in to the primary as Hyperdrive does, which wakes its compute."""
    reason = "a restore suspends its compute, and Hyperdrive's role must be able to log in"
    step = VerifyBranch(branch=context.lineage.live.branch.name, gates=(), reason=reason)
    return () if step.key in context.observed.passed else (step,)


def mark_failed(context: PlanningContext, target: TimelineBranch) -> tuple[Step, ...]:
    """Record in its name that a branch failed its last check: users then leave it, and no run tries it again."""
    proof, timeline = context.lineage.proof_branch, target.timeline
    left = proof.branch.name if proof else target.branch.name
    reason = f"the last check of {timeline} failed, so {timeline_before(context.lineage, timeline)} becomes live again"
    return (RenameBranch(branch=left, to=failed_name(context.desired.primary.branch, timeline), reason=reason),)


def promote(context: PlanningContext, target: TimelineBranch) -> tuple[Step, ...]:
    """Give the branch the primary's name, after the old primary got a held name: names are unique."""
    primary, live, branch = context.desired.primary.branch, context.lineage.live, target.branch
    if live.branch.id != branch.id and not context.lineage.makes_way_for(target):
        held = context.lineage.held_name(primary, target.timeline)
        reason = f"its new name holds {live.timeline} and says what replaced it, so you can undo this"
        return (RenameBranch(branch=live.branch.name, to=held, reason=reason),)
    if branch.name != primary:
        return (RenameBranch(branch=branch.name, to=primary, reason=f"it carries {target.timeline}, now live"),)
    if context.desired.primary.default and not branch.default:
        return (SetDefaultBranch(branch=primary, reason="the primary is the project's default branch"),)
    return ()
