"""What must hold before a declared branch is made, reset, protected, expired or deleted."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from reconciler.core.model.declared_branch import is_ours, record, records
from reconciler.core.model.desired import DeclaredBranch
from reconciler.core.model.observed import Branch, HyperdriveConfig, named
from reconciler.core.model.provider_limits import LONGEST_EXPIRY
from reconciler.core.model.refusal import Refusal
from reconciler.core.rules.context import limits
from reconciler.core.rules.context.planning import PlanningContext
from reconciler.core.rules.project.protection import has_room, limit
from reconciler.core.values.instant import Instant


@dataclass(frozen=True, slots=True)
class DeclaredParentUnusable(Refusal):
    """A declared branch can't be made from its parent, or reset to it."""

    rule = "child-parent"
    before_the_call = "the look, Neon"
    about_declared_branch = True
    branch: str
    parent: str
    reason: str

    problem = '"{branch}" can\'t be created from "{parent}" or reset to it: {reason}'
    way_out = "name another parent in branches; without one, the parent is the primary"


@dataclass(frozen=True, slots=True)
class DeclaredBranchNotOurs(Refusal):
    """A branch of a declared name was made by somebody else, and something is asked that could harm it."""

    rule = "child-not-ours"
    before_the_call = "read again"
    about_declared_branch = True
    branch: str
    asked: tuple[str, ...]

    problem = (
        '"{branch}" was not created by this environment (it lacks the annotations), and {asked} could cost its owner '
        "data: it is left alone"
    )
    way_out = "give the declared branch another name, remove that setting, or delete the branch if you don't need it"


@dataclass(frozen=True, slots=True)
class DeclaredBranchDiffers(Refusal):
    """A declared branch of ours is not what is declared, and can't be made so; or it can't be told what it is."""

    rule = "child-differs"
    before_the_call = "read again"
    about_declared_branch = True
    branch: str
    difference: str

    problem = '"{branch}" is left as it is: {difference}'
    way_out = "change the file to match, or delete the branch (neon branches delete): apply then creates it again"


@dataclass(frozen=True, slots=True)
class DeclaredBranchKept(Refusal):
    """A declared branch must not be reset, or expire, as it is now: Neon forbids it, or too much hangs on it."""

    rule = "child-kept"
    before_the_call = "read again, Neon"
    about_declared_branch = True
    branch: str
    action: str
    reasons: tuple[str, ...]

    problem = '"{branch}" must not {action}: {reasons:;}'
    way_out = "change that, or remove the setting from the branch's entry in the file"


@dataclass(frozen=True, slots=True)
class DeclaredBranchLimitReached(Refusal):
    """There is no room for what a declared branch needs (Neon documentation, Plans)."""

    rule = "child-limit"
    before_the_call = "the look, Neon"
    about_declared_branch = True
    branch: str
    kind: str
    count: int
    limit: int

    problem = 'no room for "{branch}": the project has {count} {kind}, and its limit is {limit}'
    way_out = "delete what you don't need, or remove the entry from branches. The primary does not wait for this"


@dataclass(frozen=True, slots=True)
class DeclaredDatabasesUnknown(Refusal):
    """It could not be read which databases a declared branch has."""

    rule = "child-databases-unknown"
    about_declared_branch = True
    branch: str
    reason: str

    problem = 'can\'t read which databases "{branch}" has: {reason}'
    way_out = "nothing was changed on it; run it again when this can be read"


# Neon sets an expiry again at a reset, from a length that it has rounded.
NEAR = timedelta(minutes=5)


def parent_name(context: PlanningContext, child: DeclaredBranch) -> str:
    """Return the name of what a branch is made from and reset to; the primary is what carries that name now."""
    return child.parent or context.desired.primary.branch


def identity(context: PlanningContext, child: DeclaredBranch, branch: Branch) -> list[Refusal]:
    """Refuse what could harm a branch of somebody else's, and what can't be changed of one of ours."""
    if not is_ours(context.desired.environment, branch):
        asked = (
            *(["reset"] if child.reset else []),
            *(["expires"] if child.expires is not None else []),
            *(["protected: false"] if child.protected is False else []),
            *(["schema_only"] if child.schema_only else []),
        )
        return [DeclaredBranchNotOurs(branch.name, asked)] if asked else []
    if branch.child is not None and branch.child.schema_only is not child.schema_only:
        has, declared = ("the schema only", "data") if branch.child.schema_only else ("data", "the schema only")
        return [DeclaredBranchDiffers(branch.name, f"it was made with {has}, and is declared with {declared}")]
    return []


def creation(context: PlanningContext, child: DeclaredBranch) -> list[Refusal]:
    """Refuse to make a branch that has no parent to be made from, or no room."""
    refusals = [*_parent(context, child), *_room(context, child.name)]
    if child.schema_only:
        roots = sum(branch.parent_id is None for branch in context.branches)
        limit = limits.root_limit(context.project)
        if limit is not None and limits.root_room(context.desired, roots, context.project):
            refusals.append(DeclaredBranchLimitReached(child.name, "root branches", roots, limit))
    return refusals


def reset(context: PlanningContext, child: DeclaredBranch, branch: Branch) -> list[Refusal]:
    """Refuse to reset what users are on, what Neon does not reset, and what may have had this very reset."""
    reasons = tuple(_in_use(context, branch))
    kept: list[Refusal] = [DeclaredBranchKept(branch.name, "be reset", reasons)] if reasons else []
    if branch.last_reset_at is not None and not records(child.name, context.branches):
        difference = (
            f"it was reset at {branch.last_reset_at}, and no branch keeps what it held before, so it can't be told "
            f'whether that was reset "{child.reset}"'
        )
        kept.append(DeclaredBranchDiffers(branch.name, difference))
    return [*kept, *_parent(context, child), *_room(context, child.name)]


def expiry(context: PlanningContext, branch: Branch, at: Instant) -> list[Refusal]:
    """Refuse an expiry that Neon does not take (documentation, Branch expiration)."""
    children = sorted(each.name for each in context.branches if each.parent_id == branch.id)
    reasons = (
        *(["it is the default branch"] if branch.default else []),
        *(["it is protected"] if branch.protected else []),
        *([f"{', '.join(children)} was made from it"] if children else []),
        *([f"{at} has passed"] if at <= context.observed.at else []),
        *([f"{at} is more than 30 days ahead"] if at - context.observed.at > LONGEST_EXPIRY else []),
    )
    return [DeclaredBranchKept(branch.name, "expire", reasons)] if reasons else []


def protection(context: PlanningContext, branch: Branch) -> list[Refusal]:
    """Refuse one more protected branch than Neon's plan allows."""
    room = limit(context.project)
    if room is None or has_room(context.project, context.branches):
        return []
    count = sum(each.protected for each in context.branches)
    return [DeclaredBranchLimitReached(branch.name, "protected branches", count, room)]


def undeletable(context: PlanningContext, branch: Branch) -> tuple[str, ...]:
    """Say why a branch that is not declared any more must stay all the same."""
    children = sorted(each.name for each in context.branches if each.parent_id == branch.id)
    waiting = sorted(each.name for each in context.desired.branches or () if each.parent == branch.name)
    configs = sorted(each.name for each in context.configs if _points_to(each, branch))
    claimed = context.project.id, branch.name
    claims = sorted(each.environment for each in context.observed.claims if (each.project, each.branch) == claimed)
    return (
        *(["it is the default branch"] if branch.default else []),
        *(["it is protected"] if branch.protected else []),
        *(["somebody has given it a compute"] if record(branch) and branch.endpoint else []),
        *([f"{', '.join(children)} was made from it"] if children else []),
        *([f"the file makes {', '.join(waiting)} from it"] if waiting else []),
        *([f"Hyperdrive leads to it ({', '.join(configs)})"] if configs else []),
        *([f"it is the primary of {', '.join(claims)}"] if claims else []),
    )


def disposable(context: PlanningContext) -> tuple[Branch, ...]:
    """List what we made and the file does not declare any more; what its resets have kept comes first."""
    declared = {each.name for each in context.desired.branches or ()}
    timeline_branches = {each.branch.id for each in context.lineage.all}
    gone = [
        each
        for each in context.branches
        if is_ours(context.desired.environment, each) and each.name not in declared and each.id not in timeline_branches
    ]
    names = {each.name for each in gone}
    kept = [each for each in context.branches if (found := record(each)) is not None and found.of in names]
    return (*sorted(kept, key=_name), *sorted(gone, key=_name))


def _name(branch: Branch) -> str:
    return branch.name


def _parent(context: PlanningContext, child: DeclaredBranch) -> list[Refusal]:
    name = parent_name(context, child)
    parent = named(context.branches, name)
    if parent is None:
        return [DeclaredParentUnusable(child.name, name, "there is no such branch")]
    if parent.expires_at is not None:
        reason = f"it expires at {parent.expires_at}, and Neon makes no branch from such a one"
        return [DeclaredParentUnusable(child.name, name, reason)]
    return []


def _room(context: PlanningContext, name: str) -> list[Refusal]:
    """A reset needs as much room as a new branch: what was there is kept."""
    count, limit = len(context.branches), context.project.branches_limit
    if limit is None or not limits.branch_room(context.desired, count, context.project, 1):
        return []
    return [DeclaredBranchLimitReached(name, "branches", count, limit)]


def _in_use(context: PlanningContext, branch: Branch) -> Iterator[str]:
    timeline_branches = {each.branch.id: each.timeline for each in context.lineage.all}
    if branch.id in timeline_branches:
        yield f"it carries {timeline_branches[branch.id]}"
    if branch.default:
        yield "it is the default branch"
    if branch.protected:
        yield "it is protected, and Neon resets no such branch"
    for config in context.configs:
        if _points_to(config, branch) and any(seen.serves(config.id) for _, seen in context.workers):
            yield f'users are served from it, by Hyperdrive config "{config.name}"'


def _points_to(config: HyperdriveConfig, branch: Branch) -> bool:
    endpoint = branch.endpoint
    return endpoint is not None and (config.host, config.port) == (endpoint.host, endpoint.port)
