"""Steps on a branch: a candidate from its creation to its checks and fence; expiries."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import timedelta

from reconciler.core.model.compute import UNSAID, ComputeSettings
from reconciler.core.model.observed import Annotation, Branch, Observed, named
from reconciler.core.steps.base import BRANCHES, NEON_BRANCHES, BranchStep, Part, Phase, Step
from reconciler.core.steps.prediction import branches_of, new_endpoint, with_branch, with_endpoint, with_passed
from reconciler.core.values.duration import for_people
from reconciler.core.values.timeline import Point, Timeline, spelled


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateBranch(Step):
    """Create a candidate from the source branch as it was at a moment, with a compute like the primary's.

    `at` is a moment or an LSN of the source; without one, the candidate gets what the source holds now. `protects`
    records on it that the primary must be protected again after a restore in place.
    """

    wire_name = "CreateBranch"
    phase = Phase.BRANCH
    touches = NEON_BRANCHES
    locks_project = True

    name: str
    source: str
    source_timeline: Timeline
    at: Point | None
    timeline: Timeline
    environment: str
    protects: bool = False
    compute: ComputeSettings = UNSAID

    @property
    def target(self) -> str:
        return self.name

    def describe(self) -> str:
        at = f"at {spelled(self.at)}" if self.at else "as it is"
        create = f'create branch "{self.name}" from "{self.source}" {at}'
        return f"{create}, with a compute of {self.compute}" if self.compute.maximum is not None else create

    def predict(self, observed: Observed) -> Observed:
        source = named(branches_of(observed), self.source)
        branch = Branch(
            id=f"(id of {self.name}, made at {observed.at})",
            name=self.name,
            created_at=observed.at,
            parent_id=source.id if source else None,
            lsn=f"(LSN of {self.name})",
            mark=Annotation(self.environment, self.timeline, self.protects),
            endpoint=new_endpoint(self.name, self.compute),
        )
        return replace(observed, branches=(*branches_of(observed), branch))


def creation(steps: Iterable[Step]) -> CreateBranch | None:
    """Find the step that creates a candidate: a plan has one at most."""
    return next((step for step in steps if isinstance(step, CreateBranch)), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class AwaitBranch(BranchStep):
    """Wait until Neon has finished creating a branch."""

    wire_name = "AwaitBranch"
    phase = Phase.BRANCH
    locks_project = False
    needs_approval = False

    def describe(self) -> str:
        return f'wait for branch "{self.branch}"'

    def predict(self, observed: Observed) -> Observed:
        return with_branch(observed, self.branch, lambda branch: replace(branch, ready=True))


@dataclass(frozen=True, slots=True, kw_only=True)
class AddCompute(BranchStep):
    """Give a branch a read-write compute: without one it cannot be queried."""

    wire_name = "AddCompute"
    phase = Phase.COMPUTE

    compute: ComputeSettings = UNSAID

    def describe(self) -> str:
        return f'add a compute to branch "{self.branch}"' + (f": {self.compute}" if str(self.compute) else "")

    def predict(self, observed: Observed) -> Observed:
        endpoint = new_endpoint(self.branch, self.compute)
        return with_branch(observed, self.branch, lambda branch: replace(branch, endpoint=endpoint))


@dataclass(frozen=True, slots=True, kw_only=True)
class SetCompute(BranchStep):
    """Change the size or the suspension of a branch's compute, which Neon restarts for it."""

    wire_name = "SetCompute"
    phase = Phase.COMPUTE
    rechecks = BRANCHES

    compute: ComputeSettings

    def describe(self) -> str:
        return f'set the compute of branch "{self.branch}": {self.compute}'

    def predict(self, observed: Observed) -> Observed:
        return with_branch(
            observed,
            self.branch,
            lambda branch: with_endpoint(
                branch, lambda endpoint: replace(endpoint, settings=self.compute.over(endpoint.settings))
            ),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ClearExpiry(BranchStep):
    """Remove a branch's expiry, so that nothing deletes it while it serves."""

    wire_name = "ClearExpiry"
    phase = Phase.COMPUTE

    def describe(self) -> str:
        return f'remove the expiry of branch "{self.branch}"'

    def predict(self, observed: Observed) -> Observed:
        return with_branch(observed, self.branch, lambda branch: replace(branch, expires_at=None))


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpireHeldBranch(BranchStep):
    """Make Neon delete a held branch so many seconds from now, in case no apply has deleted it by then."""

    wire_name = "ExpireHeld"
    phase = Phase.PROMOTE
    depends_on_uses = True

    seconds: int

    def describe(self) -> str:
        span = for_people(timedelta(seconds=self.seconds))
        return f'make Neon delete branch "{self.branch}" {span} later, if no apply has deleted it by then'

    def predict(self, observed: Observed) -> Observed:
        until = observed.at.after(timedelta(seconds=self.seconds))
        return with_branch(observed, self.branch, lambda branch: replace(branch, expires_at=until))


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyBranch(BranchStep):
    """Check a branch before it is used: its identity, the login of the role, and these SQL gates.

    If `tables_at` is given, it must have every table that its parent had at that moment or LSN.
    """

    wire_name = "VerifyBranch"
    key_prefix = "sql"
    phase = Phase.VERIFY_BRANCH
    locks_project = False
    touches = frozenset({Part.CHECKS, Part.OPERATIONS})

    gates: tuple[str, ...]
    tables_at: Point | None = None

    @property
    def checks(self) -> tuple[str, ...]:
        return ("identity", "login", *(("tables",) if self.tables_at else ()), *self.gates)

    def describe(self) -> str:
        return f'verify branch "{self.branch}": {", ".join(self.checks)}'

    def predict(self, observed: Observed) -> Observed:
        return with_passed(observed, self.key)


@dataclass(frozen=True, slots=True, kw_only=True)
class _FenceStep(BranchStep):
    """A step on the fence of a branch: it changes the database by SQL, and the compute's name, which is the mark."""

    phase = Phase.DEPLOY
    touches = frozenset({Part.BRANCHES, Part.OPERATIONS, Part.CHECKS})
    rechecks = BRANCHES

    database: str

    def _fenced(self, observed: Observed, *, fenced: bool) -> Observed:
        return with_branch(
            with_passed(observed, self.key),
            self.branch,
            lambda branch: with_endpoint(branch, lambda endpoint: replace(endpoint, fenced=fenced)),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class FenceBranch(_FenceStep):
    """Make a database of a branch read-only, and end the sessions that could still write to it.

    If users are `served` from it, the mark is set first, so that the next run can remove the fence of one that died.
    Otherwise it is set last, and shows that the fence is complete.
    """

    wire_name = "FenceBranch"
    key_prefix = "fence"

    served: bool

    @property
    def stops_writes(self) -> bool:
        return self.served

    def describe(self) -> str:
        return f'fence branch "{self.branch}": database {self.database} is read-only from here on'

    def predict(self, observed: Observed) -> Observed:
        return self._fenced(observed, fenced=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveFence(_FenceStep):
    """Make a database of a branch accept writes again."""

    wire_name = "LiftFence"
    key_prefix = "lift"
    waits_for_operations = False  # SQL removes the fence; the name of the compute only records it
    is_safety_net = True
    needs_approval = False

    def describe(self) -> str:
        return f'remove the fence of branch "{self.branch}": database {self.database} takes writes'

    def predict(self, observed: Observed) -> Observed:
        return self._fenced(observed, fenced=False)

    def is_seen_done(self, observed: Observed) -> bool:
        branch = named(branches_of(observed), self.branch)
        return branch is not None and not branch.fenced
