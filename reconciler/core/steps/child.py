"""Steps on the branches that the file declares beside the primary."""

from dataclasses import dataclass

from reconciler.core.steps.effect import Effect
from reconciler.core.values.instant import Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateChild(Effect):
    """Create a declared branch from what its parent holds now, or from the schema of that, with annotations."""

    name: str
    source: str
    environment: str
    reset: str
    schema_only: bool
    compute: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ResetChild(Effect):
    """Reset a declared branch to what its parent holds now.

    What it held is kept, always, as a branch of the name `keep_as`, which says which reset this was.
    """

    branch: str
    source: str
    keep_as: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpireChild(Effect):
    """Let a declared branch expire: so many seconds after it was made or reset, or at a moment."""

    branch: str
    seconds: int | None
    at: Instant | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ProtectChild(Effect):
    """Protect a declared branch, or take its protection away."""

    branch: str
    protected: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateDatabase(Effect):
    """Create a database on a declared branch."""

    branch: str
    database: str
    owner: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteChild(Effect):
    """Delete a branch of ours that is not declared any more, or what an older reset of one has kept."""

    branch: str


ChildStep = CreateChild | ResetChild | ExpireChild | ProtectChild | CreateDatabase | DeleteChild
