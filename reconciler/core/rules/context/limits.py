"""The refusals for what is full: a plan of Neon or Cloudflare allows no more of something.

`held` is what the end of a hold would make room of: sentences that say of which, and when.
"""

from dataclasses import dataclass
from typing import ClassVar

from reconciler.core.model.desired import Desired
from reconciler.core.model.observed import (
    HyperdriveConfig,
    Project,
)
from reconciler.core.model.refusal import Refusal
from reconciler.core.rules.context.waivers import standing


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


# Hyperdrive configs of an account on Workers Free and Paid (Hyperdrive documentation, Limits). Which plan an account
# has, the token is not allowed to read.
FREE_CONFIGS = 10


PAID_CONFIGS = 25


# Root branches of a project by plan (Neon documentation, Plans); the kinds of a plan begin with its name.
ROOT_BRANCHES = {"free": 3, "launch": 5, "scale": 25}


def branch_room(desired: Desired, count: int, project: Project, more: int) -> list[Refusal]:
    """Refuse so many more branches than there are where the project's limit is lower."""
    if project.branches_limit is None or count + more <= project.branches_limit:
        return []
    return standing(desired, [BranchLimitReached(count, project.branches_limit, more)])


def root_room(desired: Desired, count: int, project: Project, more: int = 1) -> list[Refusal]:
    """Refuse so many more root branches than there are where the project's plan allows fewer."""
    limit = root_limit(project)
    if limit is None or count + more <= limit:
        return []
    return standing(desired, [RootBranchLimitReached(count, limit, project.plan, more)])


def root_limit(project: Project) -> int | None:
    """Return how many root branches the project's plan allows; None where that is not known."""
    return next((roots for plan, roots in ROOT_BRANCHES.items() if project.plan.startswith(plan)), None)


def config_room(desired: Desired, configs: tuple[HyperdriveConfig, ...], name: str) -> list[Refusal]:
    """Refuse one more Hyperdrive config than an account can have."""
    if len(configs) < PAID_CONFIGS:
        return []
    return standing(desired, [ConfigLimitReached(len(configs), PAID_CONFIGS, name)])
