"""The refusals for what is full: a plan of Neon or Cloudflare allows no more of something.

`held` is what the end of a hold would make room of: sentences that say of which, and when.
"""

from dataclasses import dataclass

from reconciler.core.model.desired import Desired
from reconciler.core.model.observed import HyperdriveConfig, Project
from reconciler.core.model.provider_limits import PAID_CONFIGS, neon_plan
from reconciler.core.model.refusal import Refusal
from reconciler.core.rules.context.waivers import unwaived


@dataclass(frozen=True, slots=True)
class BranchLimitReached(Refusal):
    """The project is full."""

    rule = "branch-limit"
    before_the_call = "the look, Neon"
    count: int
    limit: int
    needed: int
    held: tuple[str, ...] = ()

    problem = "the project has {count} branches, its limit is {limit}, and {more} needed"
    way_out = "delete a branch that you don't need (never a held one that you may go back to), then run it again{ends}"

    @property
    def more(self) -> str:
        """How many more branches are needed."""
        return _more(self.needed)

    @property
    def ends(self) -> str:
        """Which holds end when."""
        return _ends(self.held)


@dataclass(frozen=True, slots=True)
class RootBranchLimitReached(Refusal):
    """The project has as many root branches as its plan allows, and a branch preserved in place is one more.

    Neon does not tell this limit; it is in its documentation (Plans, "Root branches per project").
    """

    rule = "root-branch-limit"
    before_the_call = "read again, Neon"
    count: int
    limit: int
    plan: str
    needed: int
    held: tuple[str, ...] = ()

    problem = 'the project has {count} root branches, Neon\'s plan "{plan}" allows {limit}, and {more} needed'
    way_out = 'delete a root branch that you don\'t need, or set "method": "branch", which needs no root branch{ends}'

    @property
    def more(self) -> str:
        """How many more branches are needed."""
        return _more(self.needed)

    @property
    def ends(self) -> str:
        """Which holds end when."""
        return _ends(self.held)


@dataclass(frozen=True, slots=True)
class ConfigLimitReached(Refusal):
    """The account has as many Hyperdrive configs as Cloudflare gives (Hyperdrive documentation, Limits)."""

    rule = "config-limit"
    before_the_call = "the look, Cloudflare"
    count: int
    limit: int
    name: str
    held: tuple[str, ...] = ()

    problem = 'the account has {count} Hyperdrive configs, and Workers Paid allows {limit}: no room for "{name}"'
    way_out = (
        "delete a config that no Worker is bound to and no held timeline needs (wrangler hyperdrive delete). If "
        "Cloudflare has raised your limit, waive config-limit in the file and give that as the reason{ends}"
    )

    @property
    def ends(self) -> str:
        """Which holds end when."""
        return _ends(self.held)


def _more(needed: int) -> str:
    return f"{needed} more {'is' if needed == 1 else 'are'}"


def _ends(held: tuple[str, ...]) -> str:
    if not held:
        return ""
    return f"; {', '.join(held)}. A shorter primary.hold ends it earlier, unless something else still needs it"


def branch_room(desired: Desired, count: int, project: Project, more: int) -> list[Refusal]:
    """Refuse so many more branches than there are where the project's limit is lower."""
    if project.branches_limit is None or count + more <= project.branches_limit:
        return []
    return unwaived(desired, [BranchLimitReached(count, project.branches_limit, more)])


def root_room(desired: Desired, count: int, project: Project, more: int = 1) -> list[Refusal]:
    """Refuse so many more root branches than there are where the project's plan allows fewer."""
    limit = root_limit(project)
    if limit is None or count + more <= limit:
        return []
    return unwaived(desired, [RootBranchLimitReached(count, limit, project.plan, more)])


def root_limit(project: Project) -> int | None:
    """Return how many root branches the project's plan allows; None if that is not known."""
    plan = neon_plan(project.plan)
    return plan.root_branches if plan else None


def config_room(desired: Desired, configs: tuple[HyperdriveConfig, ...], name: str) -> list[Refusal]:
    """Refuse one more Hyperdrive config than an account can have."""
    if len(configs) < PAID_CONFIGS:
        return []
    return unwaived(desired, [ConfigLimitReached(len(configs), PAID_CONFIGS, name)])
