"""The guards against others: operations that they run on the project, and what their files claim.

The engine waits while `in_the_way` names operations and `overdue` does not refuse yet.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from reconciler.core.lineage.infer import effective_desired, infer_lineage
from reconciler.core.model.desired import Desired, Waivable
from reconciler.core.model.observed import Branch, Claim, Observed, ObservedWorker, Operation, Unknown, known
from reconciler.core.model.refusal import Refusal
from reconciler.core.rules.context.waivers import is_waived
from reconciler.core.steps import Step


@dataclass(frozen=True, slots=True)
class BranchClaimedTwice(Refusal):
    """Two desired-state files say which timeline one branch carries."""

    rule = "branch-claimed-twice"
    project: str
    branch: str
    files: tuple[str, ...]

    problem = '{files: and} both claim branch "{branch}" of project {project}: each would undo the other'
    way_out = (
        "correct primary.project or primary.branch in one of them, or delete the file that you don't need. Deleting a "
        "file deletes nothing else"
    )


@dataclass(frozen=True, slots=True)
class WorkerClaimedTwice(Refusal):
    """Two desired-state files say which database one Worker uses."""

    rule = "worker-claimed-twice"
    script: str
    files: tuple[str, ...]

    problem = '{files: and} both name Worker "{script}": each would switch it to its own database'
    way_out = (
        "give each its own wrangler environment (worker.environment), or remove the Worker from one of them. If these "
        "are two Workers in two Cloudflare accounts, set account_id in both wrangler.jsonc files"
    )


@dataclass(frozen=True, slots=True)
class OperationRunning(Refusal):
    """Neon runs an operation that is not ours, and locks the project against every write."""

    rule = "operation-running"
    before_the_call = "Neon: 423"
    action: str
    branch: str
    lasted: timedelta
    patience: timedelta

    problem = (
        'Neon has been running an operation that is not ours ({action} on branch "{branch}") for {lasted}; reconciler '
        "waits {patience} at most"
    )
    way_out = (
        "find out who started it (Neon Console, System operations), and run it again when it has ended. If it hangs "
        "without locking the project, waive operation-running in the file"
    )


# A write is sent again for as long while Neon answers 423.
PATIENCE = timedelta(minutes=2)


def in_the_way(desired: Desired, observed: Observed, steps: tuple[Step, ...]) -> tuple[Operation, ...]:
    """List the operations that are not ours and that lock the project against one of the steps.

    Ours are those on the branch that carries the desired timeline: an earlier run began them. In place, that is the
    primary once it carries the timeline, and the branch that was preserved then. Before that, an operation on the
    primary may be anyone's, and a restore must not run twice.
    """
    operations, branches = observed.operations, observed.branches
    if isinstance(operations, Unknown) or isinstance(branches, Unknown) or not operations:
        return ()
    if not any(step.locks_project and step.waits_for_operations for step in steps) or is_waived(
        desired, Waivable.OPERATION_RUNNING
    ):
        return ()
    ours = {each.id for each in branches if each.mark and each.mark.is_of(desired.environment, desired.timeline)}
    ours |= _restored_in_place(desired, branches)
    return tuple(each for each in operations if each.branch_id not in ours)


def _restored_in_place(desired: Desired, branches: tuple[Branch, ...]) -> set[str]:
    """Return the ids of the primary and of what it held, while the candidate is still there."""
    lineage = infer_lineage(desired, branches)
    copies = () if isinstance(lineage, Refusal) else (*lineage.candidates, *lineage.proved)
    if isinstance(lineage, Refusal) or all(each.timeline != lineage.live.timeline for each in copies):
        return set()
    live, wanted = lineage.live, {desired.timeline, effective_desired(desired, lineage).timeline}
    kept = {each.branch.id for each in lineage.held if each.preserved and each == lineage.newest}
    return {live.branch.id} | kept if live.timeline in wanted else set()


def overdue(desired: Desired, observed: Observed, steps: tuple[Step, ...]) -> list[Refusal]:
    """Refuse if an operation that is not ours has lasted longer than the patience for it."""
    running = in_the_way(desired, observed, steps)
    if not running:
        return []
    oldest = min(running, key=lambda each: each.since)
    lasted = max(observed.at - oldest.since, observed.waited)
    if lasted < PATIENCE:
        return []
    names = (each.name for each in known(observed.branches) if each.id == oldest.branch_id)
    return [OperationRunning(oldest.action, next(names, oldest.branch_id or "none"), lasted, PATIENCE)]


def claimed(desired: Desired, observed: Observed) -> list[Refusal]:
    """Refuse a branch or a Worker that the file of another environment claims as well."""
    workers = tuple((each.account, each.script) for each in observed.workers if isinstance(each, ObservedWorker))
    own = Claim(desired.environment, desired.primary.project, desired.primary.branch, workers)
    return [refusal for other in observed.claims for refusal in conflicts(own, other)]


def conflicts(own: Claim, other: Claim) -> Iterator[Refusal]:
    """Find what two environments both claim. Neon's project ids are unique; scripts are so within an account."""
    files = tuple(f"{each}.jsonc" for each in sorted((own.environment, other.environment)))
    if (own.project, own.branch) == (other.project, other.branch):
        yield BranchClaimedTwice(own.project, own.branch, files)
    for script in sorted({script for account, script in own.workers if _also_in(other, account, script)}):
        yield WorkerClaimedTwice(script, files)


def _also_in(other: Claim, account: str, script: str) -> bool:
    """Whether the other claims it too. A Worker without an account may be in any."""
    return any(name == script and (not account or not theirs or account == theirs) for theirs, name in other.workers)
