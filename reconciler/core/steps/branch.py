"""Steps on the project, the primary, its candidate, and what is held."""

from dataclasses import dataclass

from reconciler.core.model.compute import UNSAID, ComputeSettings
from reconciler.core.steps.effect import Effect
from reconciler.core.values.timeline import Point, Timeline


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateBranch(Effect):
    """Create a candidate from the source branch as it was at a moment, with a compute of its own.

    `at` is a moment or an LSN of the source; without one it is made as the source is now. `protects` is written on it,
    where the primary is protected and has to be again after it was restored in place. `compute` is what its compute
    gets: what the primary's has.
    """

    name: str
    source: str
    source_timeline: Timeline
    at: Point | None
    timeline: Timeline
    environment: str
    protects: bool = False
    compute: ComputeSettings = UNSAID


@dataclass(frozen=True, slots=True, kw_only=True)
class AwaitBranch(Effect):
    """Wait until Neon has finished making a branch."""

    branch: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AddCompute(Effect):
    """Give a branch a read-write compute: without one it cannot be queried."""

    branch: str
    compute: ComputeSettings = UNSAID


@dataclass(frozen=True, slots=True, kw_only=True)
class SetCompute(Effect):
    """Change the size or the suspension of a branch's compute, which Neon restarts for it."""

    branch: str
    compute: ComputeSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class SetHistory(Effect):
    """Change how far back a project can be restored, from so many seconds to so many."""

    project: str
    former: int
    seconds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ClearExpiry(Effect):
    """Remove a branch's expiry, so that nothing deletes it while it serves."""

    branch: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpireHeld(Effect):
    """Have Neon delete what is held so many seconds from now, where no apply has deleted it by then."""

    branch: str
    seconds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyBranch(Effect):
    """Check a branch before it is used: its identity, the login of the role, and these SQL gates.

    Where `tables_at` is a moment or an LSN, it must have every table that its parent had then.
    """

    branch: str
    gates: tuple[str, ...]
    tables_at: Point | None = None

    @property
    def checks(self) -> tuple[str, ...]:
        """Name everything that is checked."""
        return ("identity", "login", *(("tables",) if self.tables_at else ()), *self.gates)

    @property
    def key(self) -> str:
        """What `Observed.passed` holds once this has passed."""
        return f"sql:{self.branch}"


@dataclass(frozen=True, slots=True, kw_only=True)
class FenceBranch(Effect):
    """Make a database of a branch read-only, and end the sessions that could still write to it.

    Where users are `served` from it, the mark comes first, so that a run that dies in between is followed by one that
    lifts the fence; elsewhere it comes last, and says that it is done.
    """

    branch: str
    database: str
    served: bool

    @property
    def key(self) -> str:
        """What `Observed.passed` holds once this run has done it and seen that it holds."""
        return f"fence:{self.branch}"


@dataclass(frozen=True, slots=True, kw_only=True)
class LiftFence(Effect):
    """Let a database of a branch take writes again."""

    branch: str
    database: str

    @property
    def key(self) -> str:
        """What `Observed.passed` holds once this run has done it and seen that it holds."""
        return f"lift:{self.branch}"


@dataclass(frozen=True, slots=True, kw_only=True)
class RenameBranch(Effect):
    """Rename a branch."""

    branch: str
    to: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SetDefaultBranch(Effect):
    """Make a branch the project's default."""

    branch: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ProtectBranch(Effect):
    """Protect a branch against deletion and reset."""

    branch: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UnprotectBranch(Effect):
    """Take protection from the primary: for as long as it is being restored in place, or for good.

    That it was protected is first said on the candidate `noted_on`, where the candidate was made before it was.
    """

    branch: str
    noted_on: str = ""
    for_good: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoreBranch(Effect):
    """Restore a branch in place, to the very point of the source that another branch was proved at.

    What it held is kept, always, by Neon, as a branch of the name `keep_as`. There is no restore without.
    """

    branch: str
    source: str
    proved_on: str
    timeline: Timeline
    keep_as: str

    @property
    def proof(self) -> str:
        """What is still true of `Observed.passed` after it: all else was passed by what the branch held before."""
        return f"sql:{self.proved_on}"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteBranch(Effect):
    """Delete the branch on which a timeline was proved that the primary carries now, or one whose hold has ended.

    What was protected as the primary is unprotected right before, in the same step: never without being deleted then.
    """

    branch: str
    unprotects: bool = False


BranchStep = (
    CreateBranch
    | AwaitBranch
    | AddCompute
    | SetCompute
    | SetHistory
    | ClearExpiry
    | ExpireHeld
    | VerifyBranch
    | FenceBranch
    | LiftFence
    | RenameBranch
    | SetDefaultBranch
    | ProtectBranch
    | UnprotectBranch
    | RestoreBranch
    | DeleteBranch
)
