"""Steps on the branches that the file declares beside the primary."""

from dataclasses import dataclass, replace
from datetime import timedelta

from reconciler.core.model.compute import UNSAID
from reconciler.core.model.declared_branch import lifetime
from reconciler.core.model.observed import Branch, Databases, DeclaredAnnotation, Observed, named
from reconciler.core.steps.base import BRANCHES, NEON_BRANCHES, BranchStep, Part, Phase, Step
from reconciler.core.steps.prediction import branches_of, new_endpoint, with_branch, without_branch
from reconciler.core.values.duration import for_people
from reconciler.core.values.instant import Instant

_WITH_DATABASES = NEON_BRANCHES | {Part.ROLES_AND_DATABASES}


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateDeclaredBranch(Step):
    """Create a declared branch from what its parent holds now, or only from its schema, with annotations."""

    wire_name = "CreateChild"
    phase = Phase.DECLARED_BRANCHES
    touches = _WITH_DATABASES
    locks_project = True

    name: str
    source: str
    environment: str
    reset: str
    schema_only: bool
    compute: bool

    @property
    def target(self) -> str:
        return self.name

    def describe(self) -> str:
        part = "the schema of " if self.schema_only else ""
        compute = "" if self.compute else ", without a compute"
        return f'create branch "{self.name}" from {part}"{self.source}" as it is{compute}'

    def predict(self, observed: Observed) -> Observed:
        source = named(branches_of(observed), self.source)
        branch = Branch(
            id=f"(id of {self.name})",
            name=self.name,
            created_at=observed.at,
            parent_id=source.id if source and not self.schema_only else None,
            endpoint=new_endpoint(self.name, UNSAID) if self.compute else None,
            child=DeclaredAnnotation(self.environment, self.name, self.reset, self.schema_only),
        )
        copied = tuple(
            replace(each, branch_id=branch.id)
            for each in observed.databases
            if source is not None and each.branch_id == source.id
        )
        return replace(observed, branches=(*branches_of(observed), branch), databases=(*observed.databases, *copied))


@dataclass(frozen=True, slots=True, kw_only=True)
class ResetDeclaredBranch(BranchStep):
    """Reset a declared branch to what its parent holds now, and keep what it held as the branch `keep_as`."""

    wire_name = "ResetChild"
    phase = Phase.DECLARED_BRANCHES
    touches = _WITH_DATABASES
    rechecks = BRANCHES

    source: str
    keep_as: str

    def describe(self) -> str:
        return f'reset branch "{self.branch}" to "{self.source}" as it is, and keep what it holds as "{self.keep_as}"'

    def predict(self, observed: Observed) -> Observed:
        """Move what the branch held, and its children, to a new one. Under the same parent, its lifetime restarts."""
        branches = branches_of(observed)
        target, source = named(branches, self.branch), named(branches, self.source)
        assert target is not None  # the rules reset only existing branches, to existing ones
        assert source is not None
        kept = Branch(f"(id of {self.keep_as})", self.keep_as, observed.at, target.parent_id)
        until = target.expires_at
        if until is not None and source.id == target.parent_id:
            until = observed.at.before((target.last_reset_at or target.created_at) - until)
        changed = replace(target, last_reset_at=observed.at, parent_id=source.id, expires_at=until)
        moved = (replace(each, parent_id=kept.id) if each.parent_id == target.id else each for each in branches)
        return replace(observed, branches=(*(changed if each.id == target.id else each for each in moved), kept))


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpireDeclaredBranch(BranchStep):
    """Set when a declared branch expires: so many seconds after it was created or reset, or at a moment."""

    wire_name = "ExpireChild"
    phase = Phase.DECLARED_BRANCHES
    rechecks = BRANCHES

    seconds: int | None
    at: Instant | None

    def expires_at(self, branch: Branch) -> Instant:
        """Return the moment at which the branch expires."""
        expires = lifetime(self.at or timedelta(seconds=self.seconds or 0), branch)
        assert expires is not None  # another step makes a branch live for ever
        return expires

    def describe(self) -> str:
        since = f"{for_people(timedelta(seconds=self.seconds or 0))} after it was created or reset"
        return f'make branch "{self.branch}" expire {f"at {self.at}" if self.at else since}'

    def predict(self, observed: Observed) -> Observed:
        return with_branch(observed, self.branch, lambda branch: replace(branch, expires_at=self.expires_at(branch)))


@dataclass(frozen=True, slots=True, kw_only=True)
class ProtectDeclaredBranch(BranchStep):
    """Protect or unprotect a declared branch."""

    wire_name = "ProtectChild"
    phase = Phase.DECLARED_BRANCHES
    rechecks = BRANCHES

    protected: bool

    def describe(self) -> str:
        return f'{"protect" if self.protected else "unprotect"} branch "{self.branch}"'

    def predict(self, observed: Observed) -> Observed:
        return with_branch(observed, self.branch, lambda branch: replace(branch, protected=self.protected))


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateDatabase(BranchStep):
    """Create a database on a declared branch."""

    wire_name = "CreateDatabase"
    phase = Phase.DECLARED_BRANCHES
    touches = frozenset({Part.ROLES_AND_DATABASES, Part.OPERATIONS})

    database: str
    owner: str

    def describe(self) -> str:
        return f'create database {self.database} on branch "{self.branch}", owned by {self.owner}'

    def predict(self, observed: Observed) -> Observed:
        branch = named(branches_of(observed), self.branch)
        assert branch is not None  # the rules create a database only on an existing branch
        return replace(
            observed,
            databases=tuple(
                Databases(each.branch_id, (*each.names, self.database))
                if each.branch_id == branch.id and isinstance(each.names, tuple)
                else each
                for each in observed.databases
            ),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteDeclaredBranch(BranchStep):
    """Delete a branch that we created and the file no longer declares, or one that an older reset kept."""

    wire_name = "DeleteChild"
    phase = Phase.DECLARED_BRANCHES
    rechecks = BRANCHES

    def describe(self) -> str:
        return f'delete branch "{self.branch}"'

    def predict(self, observed: Observed) -> Observed:
        return without_branch(observed, self.branch)
