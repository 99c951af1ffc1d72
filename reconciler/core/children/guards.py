"""What must hold before a declared branch is made, reset, protected, expired or deleted."""

from collections.abc import Iterator
from datetime import timedelta

from reconciler.core import guards
from reconciler.core.children.child import is_ours, record, records
from reconciler.core.children.refusals import (
    ChildDiffers,
    ChildKept,
    ChildLimitReached,
    ChildNotOurs,
    ChildParentUnusable,
)
from reconciler.core.desired import Child
from reconciler.core.instant import Instant
from reconciler.core.observed import Branch, HyperdriveConfig, named
from reconciler.core.protection import PROTECTED_BRANCHES, has_room
from reconciler.core.refusals import Refusal
from reconciler.core.scene import Scene

# Neon sets an expiry again at a reset, from a length that it has rounded.
NEAR = timedelta(minutes=5)
# Neon documentation, Branch expiration.
_LONGEST_LIFE = timedelta(days=30)


def parent_name(scene: Scene, child: Child) -> str:
    """Return the name of what a branch is made from and reset to; the primary is what carries that name now."""
    return child.parent or scene.desired.primary.branch


def identity(scene: Scene, child: Child, branch: Branch) -> list[Refusal]:
    """Refuse what could harm a branch of somebody else's, and what can't be changed of one of ours."""
    if not is_ours(scene.desired.environment, branch):
        asked = (
            *(["reset"] if child.reset else []),
            *(["expires"] if child.expires is not None else []),
            *(["protected: false"] if child.protected is False else []),
            *(["schema_only"] if child.schema_only else []),
        )
        return [ChildNotOurs(branch.name, asked)] if asked else []
    if branch.child is not None and branch.child.schema_only is not child.schema_only:
        has, declared = ("the schema only", "data") if branch.child.schema_only else ("data", "the schema only")
        return [ChildDiffers(branch.name, f"it was made with {has}, and is declared with {declared}")]
    return []


def creation(scene: Scene, child: Child) -> list[Refusal]:
    """Refuse to make a branch that has no parent to be made from, or no room."""
    refusals = [*_parent(scene, child), *_room(scene, child.name)]
    if child.schema_only:
        roots = sum(branch.parent_id is None for branch in scene.branches)
        limit = guards.root_limit(scene.project)
        if limit is not None and guards.root_room(scene.desired, roots, scene.project):
            refusals.append(ChildLimitReached(child.name, "root branches", roots, limit))
    return refusals


def reset(scene: Scene, child: Child, branch: Branch) -> list[Refusal]:
    """Refuse to reset what users are on, what Neon does not reset, and what may have had this very reset."""
    reasons = tuple(_in_use(scene, branch))
    kept: list[Refusal] = [ChildKept(branch.name, "be reset", reasons)] if reasons else []
    if branch.last_reset_at is not None and not records(child.name, scene.branches):
        difference = (
            f"it was reset at {branch.last_reset_at}, and no branch keeps what it held before, so it can't be told "
            f'whether that was reset "{child.reset}"'
        )
        kept.append(ChildDiffers(branch.name, difference))
    return [*kept, *_parent(scene, child), *_room(scene, child.name)]


def expiry(scene: Scene, branch: Branch, at: Instant) -> list[Refusal]:
    """Refuse an expiry that Neon does not take (documentation, Branch expiration)."""
    children = sorted(each.name for each in scene.branches if each.parent_id == branch.id)
    reasons = (
        *(["it is the default branch"] if branch.default else []),
        *(["it is protected"] if branch.protected else []),
        *([f"{', '.join(children)} was made from it"] if children else []),
        *([f"{at} has passed"] if at <= scene.observed.at else []),
        *([f"{at} is more than 30 days ahead"] if at - scene.observed.at > _LONGEST_LIFE else []),
    )
    return [ChildKept(branch.name, "expire", reasons)] if reasons else []


def protection(scene: Scene, branch: Branch) -> list[Refusal]:
    """Refuse one more protected branch than Neon's plan allows."""
    if has_room(scene.project, scene.branches):
        return []
    limit = next(room for plan, room in PROTECTED_BRANCHES.items() if scene.project.plan.startswith(plan))
    count = sum(each.protected for each in scene.branches)
    return [ChildLimitReached(branch.name, "protected branches", count, limit)]


def undeletable(scene: Scene, branch: Branch) -> tuple[str, ...]:
    """Say why a branch that is not declared any more must stay all the same."""
    children = sorted(each.name for each in scene.branches if each.parent_id == branch.id)
    waiting = sorted(each.name for each in scene.desired.branches or () if each.parent == branch.name)
    configs = sorted(each.name for each in scene.configs if _leads_to(each, branch))
    claimed = scene.project.id, branch.name
    claims = sorted(each.environment for each in scene.observed.claims if (each.project, each.branch) == claimed)
    return (
        *(["it is the default branch"] if branch.default else []),
        *(["it is protected"] if branch.protected else []),
        *(["somebody has given it a compute"] if record(branch) and branch.endpoint else []),
        *([f"{', '.join(children)} was made from it"] if children else []),
        *([f"the file makes {', '.join(waiting)} from it"] if waiting else []),
        *([f"Hyperdrive leads to it ({', '.join(configs)})"] if configs else []),
        *([f"it is the primary of {', '.join(claims)}"] if claims else []),
    )


def disposable(scene: Scene) -> tuple[Branch, ...]:
    """List what we made and the file does not declare any more; what its resets have kept comes first."""
    declared = {each.name for each in scene.desired.branches or ()}
    carriers = {each.branch.id for each in scene.lineage.all}
    gone = [
        each
        for each in scene.branches
        if is_ours(scene.desired.environment, each) and each.name not in declared and each.id not in carriers
    ]
    names = {each.name for each in gone}
    kept = [each for each in scene.branches if (found := record(each)) is not None and found.of in names]
    return (*sorted(kept, key=_name), *sorted(gone, key=_name))


def _name(branch: Branch) -> str:
    return branch.name


def _parent(scene: Scene, child: Child) -> list[Refusal]:
    name = parent_name(scene, child)
    parent = named(scene.branches, name)
    if parent is None:
        return [ChildParentUnusable(child.name, name, "there is no such branch")]
    if parent.expires_at is not None:
        reason = f"it expires at {parent.expires_at}, and Neon makes no branch from such a one"
        return [ChildParentUnusable(child.name, name, reason)]
    return []


def _room(scene: Scene, name: str) -> list[Refusal]:
    """A reset needs as much room as a new branch: what was there is kept."""
    count, limit = len(scene.branches), scene.project.branches_limit
    if limit is None or not guards.branch_room(scene.desired, count, scene.project, 1):
        return []
    return [ChildLimitReached(name, "branches", count, limit)]


def _in_use(scene: Scene, branch: Branch) -> Iterator[str]:
    carriers = {each.branch.id: each.timeline for each in scene.lineage.all}
    if branch.id in carriers:
        yield f"it carries {carriers[branch.id]}"
    if branch.default:
        yield "it is the default branch"
    if branch.protected:
        yield "it is protected, and Neon resets no such branch"
    for config in scene.configs:
        if _leads_to(config, branch) and any(seen.serves(config.id) for _, seen in scene.workers):
            yield f'users are served from it, by Hyperdrive config "{config.name}"'


def _leads_to(config: HyperdriveConfig, branch: Branch) -> bool:
    endpoint = branch.endpoint
    return endpoint is not None and (config.host, config.port) == (endpoint.host, endpoint.port)
