"""What must hold before a declared branch is created, reset, protected, expired or deleted."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from operator import attrgetter

from reconciler.core.lineage.hyperdrive import points_to
from reconciler.core.model.declared_branch import is_ours, record, records
from reconciler.core.model.desired import DeclaredBranch
from reconciler.core.model.observed import Branch, named
from reconciler.core.model.provider_limits import LONGEST_EXPIRY
from reconciler.core.model.refusal import Refusal
from reconciler.core.rules.context import limits
from reconciler.core.rules.context.planning import PlanningContext
from reconciler.core.rules.project.protection import has_room, limit
from reconciler.core.rules.retention.deletion import default_or_protected, has_children
from reconciler.core.values.instant import Instant


@dataclass(frozen=True, slots=True)
class DeclaredParentUnusable(Refusal):
    """A declared branch can't be created from its parent, or reset to it."""

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
    """A declared branch was not created by this environment, and a setting in the file could cost its data."""

    rule = "child-not-ours"
    before_the_call = "read again"
    about_declared_branch = True
    branch: str
    settings: tuple[str, ...]

    problem = (
        '"{branch}" was not created by this environment (it lacks the annotations), and {settings} could cost its '
        "owner data: it is left alone"
    )
    way_out = "give the declared branch another name, remove that setting, or delete the branch if you don't need it"


@dataclass(frozen=True, slots=True)
class DeclaredBranchDiffers(Refusal):
    """A declared branch of ours differs from the file in a way that can't be changed or can't be determined."""

    rule = "child-differs"
    before_the_call = "read again"
    about_declared_branch = True
    branch: str
    difference: str

    problem = '"{branch}" is left as it is: {difference}'
    way_out = "change the file to match, or delete the branch (neon branches delete): apply then creates it again"


@dataclass(frozen=True, slots=True)
class DeclaredBranchKept(Refusal):
    """A declared branch must not be reset, or expire, now: Neon forbids it, or users or a timeline need it."""

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
    """The project has no room for what a declared branch needs (Neon documentation, Plans)."""

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
    """The databases of a declared branch could not be read."""

    rule = "child-databases-unknown"
    about_declared_branch = True
    branch: str
    reason: str

    problem = 'can\'t read which databases "{branch}" has: {reason}'
    way_out = "nothing was changed on it; run it again when this can be read"


# A reset makes Neon set the expiry again, from a rounded length.
NEAR = timedelta(minutes=5)


def parent_name(context: PlanningContext, child: DeclaredBranch) -> str:
    """Return the name of the branch that it is created from and reset to: without one in the file, the primary."""
    return child.parent or context.desired.primary.branch


def identity(context: PlanningContext, child: DeclaredBranch, branch: Branch) -> list[Refusal]:
    """Refuse what could harm a branch that is not ours, and what can't be changed on one of ours."""
    if not is_ours(context.desired.environment, branch):
        settings = (
            *(["reset"] if child.reset else []),
            *(["expires"] if child.expires is not None else []),
            *(["protected: false"] if child.protected is False else []),
            *(["schema_only"] if child.schema_only else []),
        )
        return [DeclaredBranchNotOurs(branch.name, settings)] if settings else []
    if branch.child is not None and branch.child.schema_only is not child.schema_only:
        has, declared = ("the schema only", "data") if branch.child.schema_only else ("data", "the schema only")
        return [DeclaredBranchDiffers(branch.name, f"it was created with {has}, and the file declares {declared}")]
    return []


def creation(context: PlanningContext, child: DeclaredBranch) -> list[Refusal]:
    """Refuse to create a branch without a usable parent, or without room."""
    refusals = [*_parent(context, child), *_room(context, child.name)]
    if child.schema_only:
        roots = sum(branch.parent_id is None for branch in context.branches)
        limit = limits.root_limit(context.project)
        if limit is not None and limits.root_room(context.desired, roots, context.project):
            refusals.append(DeclaredBranchLimitReached(child.name, "root branches", roots, limit))
    return refusals


def reset(context: PlanningContext, child: DeclaredBranch, branch: Branch) -> list[Refusal]:
    """Refuse to reset a branch that is in use, that Neon does not reset, or that may have had this very reset."""
    reasons = tuple(_in_use(context, branch))
    kept: list[Refusal] = [DeclaredBranchKept(branch.name, "be reset", reasons)] if reasons else []
    if branch.last_reset_at is not None and not records(child.name, context.branches):
        difference = (
            f"it was reset at {branch.last_reset_at}, and no branch keeps what it held before, so whether that was "
            f'reset "{child.reset}" is unknown'
        )
        kept.append(DeclaredBranchDiffers(branch.name, difference))
    return [*kept, *_parent(context, child), *_room(context, child.name)]


def expiry(context: PlanningContext, branch: Branch, at: Instant) -> list[Refusal]:
    """Refuse an expiry that Neon does not accept (documentation, Branch expiration)."""
    reasons = (
        *default_or_protected(branch),
        *has_children(branch, context.branches),
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
    """Return the reasons why a branch that is no longer declared must stay."""
    waiting = sorted(each.name for each in context.desired.branches or () if each.parent == branch.name)
    configs = sorted(each.name for each in context.configs if points_to(each, branch))
    claimed = context.project.id, branch.name
    claims = sorted(each.environment for each in context.observed.claims if (each.project, each.branch) == claimed)
    return (
        *default_or_protected(branch),
        *(["it was given a compute"] if record(branch) and branch.endpoint else []),
        *has_children(branch, context.branches),
        *([f"the file creates {', '.join(waiting)} from it"] if waiting else []),
        *([f"Hyperdrive points to it ({', '.join(configs)})"] if configs else []),
        *([f"it is the primary of {', '.join(claims)}"] if claims else []),
    )


def disposable(context: PlanningContext) -> tuple[Branch, ...]:
    """List the branches that we created and the file no longer declares, after those that their resets kept."""
    declared = {each.name for each in context.desired.branches or ()}
    timeline_branches = {each.branch.id for each in context.lineage.all}
    gone = [
        each
        for each in context.branches
        if is_ours(context.desired.environment, each) and each.name not in declared and each.id not in timeline_branches
    ]
    names = {each.name for each in gone}
    kept = [each for each in context.branches if (found := record(each)) is not None and found.of in names]
    return (*sorted(kept, key=attrgetter("name")), *sorted(gone, key=attrgetter("name")))


def _parent(context: PlanningContext, child: DeclaredBranch) -> list[Refusal]:
    name = parent_name(context, child)
    parent = named(context.branches, name)
    if parent is None:
        return [DeclaredParentUnusable(child.name, name, "there is no such branch")]
    if parent.expires_at is not None:
        reason = f"it expires at {parent.expires_at}, and Neon creates no child of a branch that expires"
        return [DeclaredParentUnusable(child.name, name, reason)]
    return []


def _room(context: PlanningContext, name: str) -> list[Refusal]:
    """A reset needs room for a branch too: it keeps what was there."""
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
        yield "it is protected, and Neon does not reset protected branches"
    for config in context.configs:
        if points_to(config, branch) and any(seen.serves(config.id) for _, seen in context.workers):
            yield f'users are served from it, through Hyperdrive config "{config.name}"'
