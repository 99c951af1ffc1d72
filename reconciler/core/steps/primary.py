"""Steps on the project and its primary: promote, protect, restore in place, and delete in the end."""

from dataclasses import dataclass, replace
from datetime import timedelta

from reconciler.core.model.observed import Branch, Observed, Project, named
from reconciler.core.steps.base import BRANCHES, BranchStep, Part, Phase, Step
from reconciler.core.steps.prediction import branches_of, with_branch, with_endpoint, without_branch
from reconciler.core.values.duration import for_people
from reconciler.core.values.timeline import Timeline


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
        return self.project

    def describe(self) -> str:
        former, wanted = (
            for_people(timedelta(seconds=each)) if each else "none" for each in (self.former, self.seconds)
        )
        return f"set the history of project {self.project} from {former} to {wanted}"

    def predict(self, observed: Observed) -> Observed:
        assert isinstance(observed.project, Project)  # the rules change only a project that could be read
        return replace(observed, project=replace(observed.project, history=timedelta(seconds=self.seconds)))


@dataclass(frozen=True, slots=True, kw_only=True)
class RenameBranch(BranchStep):
    """Rename a branch."""

    wire_name = "RenameBranch"
    phase = Phase.PROMOTE
    rechecks = BRANCHES

    to: str

    @property
    def holds(self) -> str:
        return self.to if ".held." in self.to else ""

    def describe(self) -> str:
        return f'rename branch "{self.branch}" to "{self.to}"'

    def predict(self, observed: Observed) -> Observed:
        return with_branch(observed, self.branch, lambda branch: replace(branch, name=self.to, updated_at=observed.at))


@dataclass(frozen=True, slots=True, kw_only=True)
class SetDefaultBranch(BranchStep):
    """Make a branch the project's default."""

    wire_name = "SetDefaultBranch"
    phase = Phase.PROMOTE
    rechecks = BRANCHES

    def describe(self) -> str:
        return f'make "{self.branch}" the default branch'

    def predict(self, observed: Observed) -> Observed:
        branches = tuple(replace(each, default=each.name == self.branch) for each in branches_of(observed))
        return replace(observed, branches=branches)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProtectBranch(BranchStep):
    """Protect the primary against deletion and reset."""

    wire_name = "ProtectBranch"
    phase = Phase.PROMOTE
    rechecks = BRANCHES
    is_safety_net = True

    def describe(self) -> str:
        return f'protect branch "{self.branch}"'

    def predict(self, observed: Observed) -> Observed:
        return with_branch(observed, self.branch, lambda branch: replace(branch, protected=True))


@dataclass(frozen=True, slots=True, kw_only=True)
class UnprotectBranch(BranchStep):
    """Unprotect the primary: while it is restored in place, or for good.

    If the candidate was created before the primary was protected, `noted_on` is the candidate: the name of its compute
    first records that the primary must be protected again.
    """

    wire_name = "UnprotectBranch"
    phase = Phase.RESTORE
    rechecks = BRANCHES

    noted_on: str = ""
    for_good: bool = False

    @property
    def needs_safety_net(self) -> bool:
        return True

    def describe(self) -> str:
        if self.for_good:
            return f'unprotect branch "{self.branch}"'
        noted = f'; the name of the compute of "{self.noted_on}" records that' if self.noted_on else ""
        return f'unprotect branch "{self.branch}" while it is restored{noted}'

    def predict(self, observed: Observed) -> Observed:
        noted = with_branch(
            observed,
            self.noted_on,
            lambda branch: with_endpoint(branch, lambda endpoint: replace(endpoint, protects=True)),
        )
        return with_branch(noted, self.branch, lambda branch: replace(branch, protected=False))


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoreBranch(BranchStep):
    """Restore a branch in place, to the very point of the source at which another branch was verified.

    Neon always keeps what it held, as the branch `keep_as`.
    """

    wire_name = "RestoreBranch"
    phase = Phase.RESTORE
    touches = frozenset({Part.BRANCHES, Part.OPERATIONS, Part.ROLES_AND_DATABASES, Part.CHECKS})
    rechecks = BRANCHES

    source: str
    proved_on: str
    timeline: Timeline
    keep_as: str

    @property
    def holds(self) -> str:
        return self.keep_as

    def still_passed(self, passed: frozenset[str]) -> frozenset[str]:
        """Keep the checks of the candidate. All others were about what the branch held before."""
        return passed & {f"sql:{self.proved_on}"}

    def describe(self) -> str:
        return (
            f'restore branch "{self.branch}" in place to the point of "{self.proved_on}" in "{self.source}", '
            f'and keep what it holds as "{self.keep_as}"'
        )

    def predict(self, observed: Observed) -> Observed:
        """Move what the branch held, and its children, to a new one. A root stays a root; a child gets a new parent."""
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
    """Delete a candidate that was restored into the primary, or a branch whose hold has ended.

    The step first unprotects a branch that was protected as the primary.
    """

    wire_name = "DeleteBranch"
    phase = Phase.PROMOTE
    rechecks = BRANCHES
    depends_on_uses = True

    unprotects: bool = False

    def describe(self) -> str:
        if self.unprotects:
            return f'unprotect branch "{self.branch}", and delete it'
        return f'delete branch "{self.branch}"'

    def predict(self, observed: Observed) -> Observed:
        return without_branch(observed, self.branch)
