"""The refusals that are about a declared branch alone. None of them keeps the primary from being restored."""

from dataclasses import dataclass
from typing import ClassVar

from reconciler.core.refusals import Refusal


@dataclass(frozen=True, slots=True)
class ChildParentUnusable(Refusal):
    """A declared branch can't be made from its parent, or reset to it."""

    rule: ClassVar[str] = "child-parent"
    about_child: ClassVar[bool] = True
    branch: str
    parent: str
    reason: str

    @property
    def message(self) -> str:  # noqa: D102  the base class says it
        return f'"{self.branch}" can\'t be made from "{self.parent}" or reset to it: {self.reason}'

    @property
    def hint(self) -> str:  # noqa: D102
        return "name another parent in branches; without one it is the primary"


@dataclass(frozen=True, slots=True)
class ChildNotOurs(Refusal):
    """A branch of a declared name was made by somebody else, and something is asked that could harm it."""

    rule: ClassVar[str] = "child-not-ours"
    about_child: ClassVar[bool] = True
    branch: str
    asked: tuple[str, ...]

    @property
    def message(self) -> str:  # noqa: D102
        return (
            f'"{self.branch}" was not made for this environment (its annotations would say so), and '
            f"{', '.join(self.asked)} could cost its owner data: it is left alone"
        )

    @property
    def hint(self) -> str:  # noqa: D102
        return "give the declared branch another name, leave that out, or delete the branch if nobody needs it"


@dataclass(frozen=True, slots=True)
class ChildDiffers(Refusal):
    """A declared branch of ours is not what is declared, and can't be made so; or it can't be told what it is."""

    rule: ClassVar[str] = "child-differs"
    about_child: ClassVar[bool] = True
    branch: str
    difference: str

    @property
    def message(self) -> str:  # noqa: D102
        return f'"{self.branch}" is left as it is: {self.difference}'

    @property
    def hint(self) -> str:  # noqa: D102
        return "change the file to what it is, or delete the branch (neon branches delete): it is made anew then"


@dataclass(frozen=True, slots=True)
class ChildKept(Refusal):
    """A declared branch must not be reset, or expire, as it is now: Neon forbids it, or too much hangs on it."""

    rule: ClassVar[str] = "child-kept"
    about_child: ClassVar[bool] = True
    branch: str
    action: str
    reasons: tuple[str, ...]

    @property
    def message(self) -> str:  # noqa: D102
        return f'"{self.branch}" must not {self.action}: {"; ".join(self.reasons)}'

    @property
    def hint(self) -> str:  # noqa: D102
        return "change that, or take it out of the branch's entry in the file"


@dataclass(frozen=True, slots=True)
class ChildLimitReached(Refusal):
    """There is no room for what a declared branch needs (Neon documentation, Plans)."""

    rule: ClassVar[str] = "child-limit"
    about_child: ClassVar[bool] = True
    branch: str
    kind: str
    count: int
    limit: int

    @property
    def message(self) -> str:  # noqa: D102
        return (
            f'there is no room for "{self.branch}": the project has {self.count} {self.kind}, and may have {self.limit}'
        )

    @property
    def hint(self) -> str:  # noqa: D102
        return "delete what nobody needs, or take the entry out of branches; the primary does not wait for this"


@dataclass(frozen=True, slots=True)
class ChildDatabasesUnknown(Refusal):
    """It could not be read which databases a declared branch has."""

    rule: ClassVar[str] = "child-databases-unknown"
    about_child: ClassVar[bool] = True
    branch: str
    reason: str

    @property
    def message(self) -> str:  # noqa: D102
        return f'which databases "{self.branch}" has could not be read: {self.reason}'

    @property
    def hint(self) -> str:  # noqa: D102
        return "nothing was changed on it; run it again when this can be read"
