"""The refusals when a plan of Neon or Cloudflare has no room for more."""

from dataclasses import dataclass

from reconciler.core.model.desired import Desired
from reconciler.core.model.observed import HyperdriveConfig, Project
from reconciler.core.model.provider_limits import PAID_CONFIGS, neon_plan
from reconciler.core.model.refusal import Refusal
from reconciler.core.rules.context.waivers import unwaived


class _Full:
    """What these refusals share: `held` has sentences that say which holds will make room, and when they end."""

    __slots__ = ()
    needed: int
    held: tuple[str, ...]

    @property
    def more(self) -> str:
        """How many more are needed."""
        return f"{self.needed} more {'is' if self.needed == 1 else 'are'}"

    @property
    def ends(self) -> str:
        """When the holds end."""
        if not self.held:
            return ""
        return f"; {', '.join(self.held)}. A shorter primary.hold ends it earlier, unless something else still needs it"


@dataclass(frozen=True, slots=True)
class BranchLimitReached(_Full, Refusal):
    """The project has no room for another branch."""

    rule = "branch-limit"
    before_the_call = "the look, Neon"
    count: int
    limit: int
    needed: int
    held: tuple[str, ...] = ()

    problem = "the project has {count} branches, its limit is {limit}, and {more} needed"
    way_out = "delete a branch that you don't need (never a held one that you may go back to), then run it again{ends}"


@dataclass(frozen=True, slots=True)
class RootBranchLimitReached(_Full, Refusal):
    """The project has as many root branches as its plan allows, and a branch preserved in place is one more.

    Neon's API does not report this limit; it is in its documentation (Plans, "Root branches per project").
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


@dataclass(frozen=True, slots=True)
class ConfigLimitReached(_Full, Refusal):
    """The account has as many Hyperdrive configs as Cloudflare allows (Hyperdrive documentation, Limits)."""

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


def branch_room(desired: Desired, count: int, project: Project, more: int) -> list[Refusal]:
    """Refuse `more` branches if the project's limit is lower."""
    if project.branches_limit is None or count + more <= project.branches_limit:
        return []
    return unwaived(desired, [BranchLimitReached(count, project.branches_limit, more)])


def root_room(desired: Desired, count: int, project: Project, more: int = 1) -> list[Refusal]:
    """Refuse `more` root branches if the project's plan allows fewer."""
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
