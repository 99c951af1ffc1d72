"""Steps on the project, the primary, its candidate, and the branches that hold replaced timelines."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import timedelta

from reconciler.core.model.compute import UNSAID, ComputeSettings
from reconciler.core.model.observed import Annotation, Branch, Observed, Project, named
from reconciler.core.steps.base import BRANCHES, NEON_BRANCHES, BranchStep, Part, Phase, Step
from reconciler.core.steps.prediction import (
    branches_of,
    new_endpoint,
    with_branch,
    with_endpoint,
    with_passed,
    without_branch,
)
from reconciler.core.values.instant import for_people
from reconciler.core.values.timeline import Point, Timeline, spelled


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateBranch(Step):
    """Create a candidate from the source branch as it was at a moment, with a compute of its own.

    `at` is a moment or an LSN of the source; without one, the candidate gets what the source holds now. `protects` is
    written on it where the primary is protected and must be protected again after it was restored in place. `compute`
    is what its compute gets: what the primary's has.
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
        """The candidate."""
        return self.name

    def describe(self) -> str:
        """Name the source, the moment and the size."""
        at = f"at {spelled(self.at)}" if self.at else "as it is"
        made = f'create branch "{self.name}" from "{self.source}" {at}'
        return f"{made}, with a compute of {self.compute}" if self.compute.maximum is not None else made

    def predict(self, observed: Observed) -> Observed:
        """Add the candidate."""
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
    """Wait until Neon has finished making a branch."""

    wire_name = "AwaitBranch"
    phase = Phase.BRANCH
    touches = NEON_BRANCHES
    needs_approval = False

    def describe(self) -> str:
        """Name the branch."""
        return f'wait for branch "{self.branch}"'

    def predict(self, observed: Observed) -> Observed:
        """Make it ready."""
        return with_branch(observed, self.branch, lambda branch: replace(branch, ready=True))


@dataclass(frozen=True, slots=True, kw_only=True)
class AddCompute(BranchStep):
    """Give a branch a read-write compute: without one it cannot be queried."""

    wire_name = "AddCompute"
    phase = Phase.COMPUTE
    touches = NEON_BRANCHES
    locks_project = True

    compute: ComputeSettings = UNSAID

    def describe(self) -> str:
        """Name the branch and the size."""
        return f'add a compute to branch "{self.branch}"' + (f": {self.compute}" if str(self.compute) else "")

    def predict(self, observed: Observed) -> Observed:
        """Add the compute."""
        endpoint = new_endpoint(self.branch, self.compute)
        return with_branch(observed, self.branch, lambda branch: replace(branch, endpoint=endpoint))


@dataclass(frozen=True, slots=True, kw_only=True)
class SetCompute(BranchStep):
    """Change the size or the suspension of a branch's compute, which Neon restarts for it."""

    wire_name = "SetCompute"
    phase = Phase.COMPUTE
    touches = NEON_BRANCHES
    rechecks = BRANCHES
    locks_project = True

    compute: ComputeSettings

    def describe(self) -> str:
        """Name what changes."""
        return f'set the compute of branch "{self.branch}": {self.compute}'

    def predict(self, observed: Observed) -> Observed:
        """Change the settings that are given."""
        return with_branch(
            observed,
            self.branch,
            lambda branch: with_endpoint(
                branch, lambda endpoint: replace(endpoint, settings=self.compute.over(endpoint.settings))
            ),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SetHistoryRetention(Step):
    """Change for how long Neon keeps a project's history, from `former` seconds to `seconds`."""

    wire_name = "SetHistory"
    phase = Phase.PROMOTE
    touches = frozenset({Part.PROJECT, Part.OPERATIONS})
    rechecks = frozenset({Part.PROJECT, Part.BRANCHES})
    locks_project = True

    project: str
    former: int
    seconds: int

    @property
    def target(self) -> str:
        """The project."""
        return self.project

    def describe(self) -> str:
        """Name both lengths."""
        former, wanted = (for_people(timedelta(seconds=each)) or "none" for each in (self.former, self.seconds))
        return f"set the history of project {self.project} from {former} to {wanted}"

    def predict(self, observed: Observed) -> Observed:
        """Change the project."""
        if not isinstance(observed.project, Project):
            return observed
        return replace(observed, project=replace(observed.project, history=timedelta(seconds=self.seconds)))


@dataclass(frozen=True, slots=True, kw_only=True)
class ClearExpiry(BranchStep):
    """Remove a branch's expiry, so that nothing deletes it while it serves."""

    wire_name = "ClearExpiry"
    phase = Phase.COMPUTE
    touches = NEON_BRANCHES
    locks_project = True

    def describe(self) -> str:
        """Name the branch."""
        return f'remove the expiry of branch "{self.branch}"'

    def predict(self, observed: Observed) -> Observed:
        """Remove the expiry."""
        return with_branch(observed, self.branch, lambda branch: replace(branch, expires_at=None))


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpireHeldBranch(BranchStep):
    """Have Neon delete a held branch so many seconds from now, in case no apply has deleted it by then."""

    wire_name = "ExpireHeld"
    phase = Phase.PROMOTE
    touches = NEON_BRANCHES
    depends_on_uses = True
    locks_project = True

    seconds: int

    def describe(self) -> str:
        """Name the branch and the time."""
        span = for_people(timedelta(seconds=self.seconds))
        return f'have Neon delete branch "{self.branch}" {span} from then, where no apply has deleted it'

    def predict(self, observed: Observed) -> Observed:
        """Set the expiry."""
        until = observed.at.after(timedelta(seconds=self.seconds))
        return with_branch(observed, self.branch, lambda branch: replace(branch, expires_at=until))


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyBranch(BranchStep):
    """Check a branch before it is used: its identity, the login of the role, and these SQL gates.

    Where `tables_at` is a moment or an LSN, it must have every table that its parent had then.
    """

    wire_name = "VerifyBranch"
    phase = Phase.VERIFY_BRANCH
    touches = frozenset({Part.CHECKS, Part.OPERATIONS})

    gates: tuple[str, ...]
    tables_at: Point | None = None

    @property
    def checks(self) -> tuple[str, ...]:
        """The branch's own checks, then the gates."""
        return ("identity", "login", *(("tables",) if self.tables_at else ()), *self.gates)

    @property
    def key(self) -> str:
        """Set once all checks have passed."""
        return f"sql:{self.branch}"

    def describe(self) -> str:
        """Name the checks."""
        return f'verify branch "{self.branch}": {", ".join(self.checks)}'

    def predict(self, observed: Observed) -> Observed:
        """Record that it passed."""
        return with_passed(observed, self.key)


@dataclass(frozen=True, slots=True, kw_only=True)
class _FenceStep(BranchStep):
    """A step on the fence of a branch: SQL first, and the name of the compute, which records the fence."""

    phase = Phase.DEPLOY
    touches = frozenset({Part.BRANCHES, Part.OPERATIONS, Part.CHECKS})
    rechecks = BRANCHES
    locks_project = True

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

    Where users are `served` from it, the mark comes first, so that a run that dies in between is followed by one that
    removes the fence. Elsewhere it comes last, and says that the fence is complete.
    """

    wire_name = "FenceBranch"

    served: bool

    @property
    def key(self) -> str:
        """Set once this run has made the fence and seen that it holds."""
        return f"fence:{self.branch}"

    @property
    def stops_writes(self) -> bool:
        """True where users are on the branch."""
        return self.served

    def describe(self) -> str:
        """Name the database."""
        return f'fence branch "{self.branch}": database {self.database} is read-only from here on'

    def predict(self, observed: Observed) -> Observed:
        """Fence the branch."""
        return self._fenced(observed, fenced=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveFence(_FenceStep):
    """Make a database of a branch accept writes again."""

    wire_name = "LiftFence"
    waits_for_operations = False  # SQL removes the fence; the name of the compute only records it
    is_safety_net = True
    needs_approval = False

    @property
    def key(self) -> str:
        """Set once this run has removed the fence and seen that writes are possible."""
        return f"lift:{self.branch}"

    def describe(self) -> str:
        """Name the database."""
        return f'lift the fence of branch "{self.branch}": database {self.database} takes writes'

    def predict(self, observed: Observed) -> Observed:
        """Remove the fence."""
        return self._fenced(observed, fenced=False)

    def is_seen_done(self, observed: Observed) -> bool:
        """True where the branch is there and is not fenced."""
        branch = named(branches_of(observed), self.branch)
        return branch is not None and not branch.fenced


@dataclass(frozen=True, slots=True, kw_only=True)
class RenameBranch(BranchStep):
    """Rename a branch."""

    wire_name = "RenameBranch"
    phase = Phase.PROMOTE
    touches = NEON_BRANCHES
    rechecks = BRANCHES
    locks_project = True

    to: str

    @property
    def holds(self) -> str:
        """The new name, where that says that the branch holds what was replaced."""
        return self.to if ".held." in self.to else ""

    def describe(self) -> str:
        """Name both names."""
        return f'rename branch "{self.branch}" to "{self.to}"'

    def predict(self, observed: Observed) -> Observed:
        """Change the name, and with it when the branch was last changed."""
        return with_branch(observed, self.branch, lambda branch: replace(branch, name=self.to, updated_at=observed.at))


@dataclass(frozen=True, slots=True, kw_only=True)
class SetDefaultBranch(BranchStep):
    """Make a branch the project's default."""

    wire_name = "SetDefaultBranch"
    phase = Phase.PROMOTE
    touches = NEON_BRANCHES
    rechecks = BRANCHES
    locks_project = True

    def describe(self) -> str:
        """Name the branch."""
        return f'make "{self.branch}" the default branch'

    def predict(self, observed: Observed) -> Observed:
        """Make it the only default."""
        branches = tuple(replace(each, default=each.name == self.branch) for each in branches_of(observed))
        return replace(observed, branches=branches)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProtectBranch(BranchStep):
    """Protect the primary against deletion and reset."""

    wire_name = "ProtectBranch"
    phase = Phase.PROMOTE
    touches = NEON_BRANCHES
    rechecks = BRANCHES
    locks_project = True
    is_safety_net = True

    def describe(self) -> str:
        """Name the branch."""
        return f'protect branch "{self.branch}"'

    def predict(self, observed: Observed) -> Observed:
        """Protect it."""
        return with_branch(observed, self.branch, lambda branch: replace(branch, protected=True))


@dataclass(frozen=True, slots=True, kw_only=True)
class UnprotectBranch(BranchStep):
    """Take protection from the primary: while it is restored in place, or for good.

    Where the candidate was created before the primary was protected, `noted_on` is the candidate: the name of its
    compute first records that the primary must be protected again.
    """

    wire_name = "UnprotectBranch"
    phase = Phase.RESTORE
    touches = NEON_BRANCHES
    rechecks = BRANCHES
    locks_project = True

    noted_on: str = ""
    for_good: bool = False

    @property
    def needs_safety_net(self) -> bool:
        """True: the primary may have to be protected again."""
        return True

    def describe(self) -> str:
        """Name the branch, and where the protection is recorded until then."""
        if self.for_good:
            return f'take protection from branch "{self.branch}"'
        noted = f', as the name of the compute of "{self.noted_on}" says until then' if self.noted_on else ""
        return f'take protection from branch "{self.branch}" while it is restored{noted}'

    def predict(self, observed: Observed) -> Observed:
        """Take the protection, after it is recorded."""
        noted = with_branch(
            observed,
            self.noted_on,
            lambda branch: with_endpoint(branch, lambda endpoint: replace(endpoint, protects=True)),
        )
        return with_branch(noted, self.branch, lambda branch: replace(branch, protected=False))


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoreBranch(BranchStep):
    """Restore a branch in place, to the very point of the source at which another branch was verified.

    What it held is kept, always, by Neon, as a branch of the name `keep_as`. There is no restore without.
    """

    wire_name = "RestoreBranch"
    phase = Phase.RESTORE
    touches = frozenset({Part.BRANCHES, Part.OPERATIONS, Part.ROLES_AND_DATABASES, Part.CHECKS})
    rechecks = BRANCHES
    locks_project = True

    source: str
    proved_on: str
    timeline: Timeline
    keep_as: str

    @property
    def holds(self) -> str:
        """The branch that Neon preserves."""
        return self.keep_as

    def still_passed(self, passed: frozenset[str]) -> frozenset[str]:
        """Keep what the candidate has passed. All else was passed by what the branch held before."""
        return passed & {f"sql:{self.proved_on}"}

    def describe(self) -> str:
        """Name the point, and what keeps the present data."""
        return (
            f'restore branch "{self.branch}" in place to the point of "{self.proved_on}" in "{self.source}", '
            f'and keep what it holds as "{self.keep_as}"'
        )

    def predict(self, observed: Observed) -> Observed:
        """Keep the branch's id and compute. What it held moves to a new branch, which its children follow.

        A root stays a root. A child gets for its parent the branch that it was restored from.
        """
        observed = replace(observed, passed=self.still_passed(observed.passed))
        branches = branches_of(observed)
        target, source = named(branches, self.branch), named(branches, self.source)
        if target is None:
            return observed
        kept = Branch(f"(id of {self.keep_as})", self.keep_as, observed.at, target.parent_id)
        parent = kept.id if source is None or source.id == target.id else source.id
        restored = replace(target, last_reset_at=observed.at, parent_id=target.parent_id and parent)
        others = (replace(each, parent_id=kept.id) if each.parent_id == target.id else each for each in branches)
        return replace(observed, branches=(*(restored if each.id == target.id else each for each in others), kept))


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteBranch(BranchStep):
    """Delete the branch on which a timeline was verified that the primary has now, or one whose hold has ended.

    What was protected as the primary is unprotected right before, in the same step: never without being deleted then.
    """

    wire_name = "DeleteBranch"
    phase = Phase.PROMOTE
    touches = NEON_BRANCHES
    rechecks = BRANCHES
    depends_on_uses = True
    locks_project = True

    unprotects: bool = False

    def describe(self) -> str:
        """Name the branch."""
        if self.unprotects:
            return f'take protection from branch "{self.branch}", and delete it'
        return f'delete branch "{self.branch}"'

    def predict(self, observed: Observed) -> Observed:
        """Remove the branch."""
        return without_branch(observed, self.branch)
