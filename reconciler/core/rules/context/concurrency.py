"""The guards against others: what else is at work on the project, and what other files lay claim to.

Pure, like all guards. The engine waits while `in_the_way` names operations and `overdue` does not refuse yet.
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
    environments: tuple[str, ...]

    problem = '{files} both claim branch "{branch}" of project {project}: each would undo the other'
    way_out = (
        "correct primary.project or primary.branch in one of them, or delete the file that you don't need. Deleting a "
        "file deletes nothing else"
    )

    @property
    def files(self) -> str:
        """The two files."""
        return _files(self.environments)


@dataclass(frozen=True, slots=True)
class WorkerClaimedTwice(Refusal):
    """Two desired-state files say which database one Worker uses."""

    rule = "worker-claimed-twice"
    script: str
    environments: tuple[str, ...]

    problem = '{files} both name Worker "{script}": each would switch it to its own database'
    way_out = (
        "give each its own wrangler environment (worker.environment), or remove the Worker from one of them. If these "
        "are two Workers in two Cloudflare accounts, set account_id in both wrangler.jsonc files"
    )

    @property
    def files(self) -> str:
        """The two files."""
        return _files(self.environments)


@dataclass(frozen=True, slots=True)
class OperationRunning(Refusal):
    """Neon is at work on the project for somebody else, and locks it against every write."""

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


# As long as a write is sent again while Neon answers 423: what takes longer is no passing matter.
PATIENCE = timedelta(minutes=2)


def in_the_way(desired: Desired, observed: Observed, steps: tuple[Step, ...]) -> tuple[Operation, ...]:
    """List the operations that are not ours and that lock the project against one of the steps.

    Ours are those on the branch that carries the desired timeline: an earlier run of the same wish began them. In place
    that is the primary from the moment at which it carries it, and what was preserved then; until then it may be
    anybody's work on the primary, and what is asked for is a restore that must not come twice.
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
    """Name, by their ids, the primary and what it held, while the branch that it was proved on is still there."""
    lineage = infer_lineage(desired, branches)
    copies = () if isinstance(lineage, Refusal) else (*lineage.candidates, *lineage.proved)
    if isinstance(lineage, Refusal) or all(each.timeline != lineage.live.timeline for each in copies):
        return set()
    live, wished = lineage.live, {desired.timeline, effective_desired(desired, lineage).timeline}
    kept = {each.branch.id for each in lineage.held if each.preserved and each == lineage.newest}
    return {live.branch.id} | kept if live.timeline in wished else set()


def overdue(desired: Desired, observed: Observed, steps: tuple[Step, ...]) -> list[Refusal]:
    """Refuse where somebody else's operation has lasted, or has been waited for, longer than it is waited for."""
    running = in_the_way(desired, observed, steps)
    if not running:
        return []
    oldest = min(running, key=lambda each: each.since)
    lasted = max(observed.at - oldest.since, observed.waited)
    if lasted < PATIENCE:
        return []
    return [OperationRunning(oldest.action, _branch_called(observed, oldest.branch_id), lasted, PATIENCE)]


def _branch_called(observed: Observed, identity: str) -> str:
    branches = known(observed.branches)
    return next((each.name for each in branches if each.id == identity), identity or "none")


def claimed(desired: Desired, observed: Observed) -> list[Refusal]:
    """Refuse a branch or a Worker that the file of another environment lays claim to as well."""
    workers = [each for each in observed.workers if isinstance(each, ObservedWorker)]
    own = Claim(
        desired.environment,
        desired.primary.project,
        desired.primary.branch,
        tuple((each.account, each.script) for each in workers),
    )
    return [refusal for other in observed.claims for refusal in conflicts(own, other)]


def _files(environments: tuple[str, ...]) -> str:
    return " and ".join(f"{name}.jsonc" for name in environments)


def conflicts(own: Claim, other: Claim) -> Iterator[Refusal]:
    """Say what two environments both claim. Neon's project ids are unique; scripts are so within an account."""
    environments = tuple(sorted((own.environment, other.environment)))
    if (own.project, own.branch) == (other.project, other.branch):
        yield BranchClaimedTwice(own.project, own.branch, environments)
    for script in sorted({script for account, script in own.workers if _also_in(other, account, script)}):
        yield WorkerClaimedTwice(script, environments)


def _also_in(other: Claim, account: str, script: str) -> bool:
    """Whether the other has it too: what does not say its account may be in any."""
    return any(name == script and (not account or not where or account == where) for where, name in other.workers)
