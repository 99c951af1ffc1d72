"""The refusals for what is full: a plan of Neon or Cloudflare allows no more of something.

`held` is what the end of a hold would make room of: sentences that say of which, and when.
"""

from dataclasses import dataclass
from typing import ClassVar

from reconciler.core.refusals import Refusal


@dataclass(frozen=True, slots=True)
class BranchLimitReached(Refusal):
    """The project is full."""

    rule: ClassVar[str] = "branch-limit"
    count: int
    limit: int
    needed: int
    held: tuple[str, ...] = ()

    @property
    def message(self) -> str:  # noqa: D102  the base class says it
        needed = f"{self.needed} more {'is' if self.needed == 1 else 'are'} needed"
        return f"the project has {self.count} branches, and its limit is {self.limit}: {needed}"

    @property
    def hint(self) -> str:  # noqa: D102
        way = "delete a branch that nobody needs (never a held one that you may go back to), then run it again"
        return way + _held(self.held)


@dataclass(frozen=True, slots=True)
class RootBranchLimitReached(Refusal):
    """The project has as many root branches as its plan allows, and a branch preserved in place is one more.

    Neon does not tell this limit; it is in its documentation (Plans, "Root branches per project").
    """

    rule: ClassVar[str] = "root-branch-limit"
    count: int
    limit: int
    plan: str
    needed: int
    held: tuple[str, ...] = ()

    @property
    def message(self) -> str:  # noqa: D102  the base class says it
        needed = f"{self.needed} more {'is' if self.needed == 1 else 'are'} needed"
        return (
            f'the project has {self.count} root branches, and Neon\'s plan "{self.plan}" allows {self.limit}: {needed}'
        )

    @property
    def hint(self) -> str:  # noqa: D102
        way = 'delete a root branch that nobody needs, or set "method": "branch": a child takes no root branch'
        return way + _held(self.held)


@dataclass(frozen=True, slots=True)
class ConfigLimitReached(Refusal):
    """The account has as many Hyperdrive configs as Cloudflare gives (Hyperdrive documentation, Limits)."""

    rule: ClassVar[str] = "config-limit"
    count: int
    limit: int
    name: str
    held: tuple[str, ...] = ()

    @property
    def message(self) -> str:  # noqa: D102
        return (
            f"the account has {self.count} Hyperdrive configs, and a paid one gets {self.limit}: there is no room for "
            f'"{self.name}"'
        )

    @property
    def hint(self) -> str:  # noqa: D102
        return (
            "delete a config that no Worker is bound to and no held timeline needs (wrangler hyperdrive delete). Where "
            f"Cloudflare has raised the limit, lift config-limit in the file, with that as the reason{_held(self.held)}"
        )


def _held(held: tuple[str, ...]) -> str:
    if not held:
        return ""
    return f"; {', '.join(held)}: with a shorter primary.hold it goes earlier, where nothing else keeps it"
