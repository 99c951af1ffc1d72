"""The rules of the method "in-place": verify a timeline on a candidate, and then restore the primary to its point.

The candidate stays until the end. Its annotations record that the work is not done, and whether the primary was
protected, so the next run can continue one that died at any point.
"""

from collections.abc import Iterator
from datetime import timedelta

from reconciler.core.lineage.hyperdrive import points_to
from reconciler.core.lineage.lineage import Lineage, TimelineBranch
from reconciler.core.model.desired import Desired, Method
from reconciler.core.model.observed import Observed, known, named
from reconciler.core.model.refusal import Refusal
from reconciler.core.rules.context.planning import Blocked, PlanningContext
from reconciler.core.rules.project import compute_size, protection
from reconciler.core.rules.restore import guards
from reconciler.core.rules.restore.guards import NameTaken
from reconciler.core.rules.retention.deletion import undeletable
from reconciler.core.steps import Step
from reconciler.core.steps.branch import CreateBranch
from reconciler.core.steps.hyperdrive import RestartPool
from reconciler.core.steps.primary import DeleteBranch, RenameBranch, RestoreBranch, UnprotectBranch
from reconciler.core.values.timeline import candidate_name, proved_name

# Neon reports when a branch was reset, cut off to the second.
_SECOND = timedelta(seconds=1)


def is_under_way(context: PlanningContext) -> bool:
    """Whether the primary must be restored. What was begun on a branch of its own is finished there first."""
    if context.desired.primary.method is not Method.IN_PLACE or context.lineage.swapping:
        return False
    if context.desired.timeline == context.lineage.live.timeline:
        return False
    target, config = context.target, context.config
    if target is None or config is None:
        return True
    if context.is_repointed:
        return not points_to(config, target.branch)
    return target.held is not None and not any(seen.serves(config.id) for _, seen in context.workers)


def create_candidate(context: PlanningContext) -> tuple[Step, ...] | Blocked:
    """Create a branch for the timeline, once every guard agrees; or a copy of a held branch, to verify that."""
    desired = context.desired
    source = guards.creation(desired, context.observed, context.lineage, context.project)
    taken = _proved_name_taken(context)
    if isinstance(source, list) or taken:
        return Blocked((*taken, *(source if isinstance(source, list) else ())))
    restore = desired.primary.restore if context.target is None else None
    if restore is None:
        reason = f"{desired.timeline} must be verified as it was left, before anything is replaced"
    else:
        why = f"was live at {restore.to}" if restore.moment else f"has {restore.to} in its log, the file says"
        reason = f"no branch carries {desired.timeline}, and {source.timeline} {why}"
    step = CreateBranch(
        name=candidate_name(desired.primary.branch, desired.timeline),
        source=source.branch.name,
        source_timeline=source.timeline,
        at=restore.to if restore else None,
        timeline=desired.timeline,
        environment=desired.environment,
        protects=protection.is_to_return(desired, context.lineage),
        compute=compute_size.for_new(desired, context.project, context.lineage),
        reason=reason,
    )
    return (step,)


def _proved_name_taken(context: PlanningContext) -> tuple[Refusal, ...]:
    """In place, refuse a taken name that is needed at the end, unless its branch will be deleted by then."""
    name = proved_name(context.desired.primary.branch, context.desired.timeline)
    will_go = any(
        each.branch.name == name and not undeletable(each, context.lineage, context.branches)
        for each in context.lineage.proved
    )
    in_place = context.desired.primary.method is Method.IN_PLACE
    return (NameTaken(name),) if in_place and not will_go and named(context.branches, name) is not None else ()


def restore(context: PlanningContext, candidate: TimelineBranch) -> tuple[Step, ...]:
    """Restore the primary to the point that was verified, and keep what it held."""
    lineage, primary = context.lineage, context.lineage.live.branch
    if primary.protected:
        is_noted = candidate.branch.protects or not protection.is_wanted(context.desired, lineage)
        note = "" if is_noted else candidate.branch.name
        reason = "Neon does not restore a protected branch in place"
        return (UnprotectBranch(branch=primary.name, noted_on=note, reason=reason),)
    source = next(each for each in context.branches if each.id == candidate.branch.parent_id)
    step = RestoreBranch(
        branch=primary.name,
        source=source.name,
        proved_on=candidate.branch.name,
        timeline=candidate.timeline,
        keep_as=lineage.held_name(primary.name, candidate.timeline, in_place=True),
        reason=f"{candidate.timeline} is verified, and what {lineage.live.timeline} holds is kept",
    )
    return (step,)


def protect_again(context: PlanningContext) -> tuple[Step, ...]:
    """Protect the primary again, after it was unprotected or replaced by an unprotected branch."""
    reason = "the primary was protected before the restore"
    return protection.restore(context.desired, context.project, context.branches, context.lineage, reason)


def restart_pool(context: PlanningContext) -> tuple[Step, ...]:
    """Drop the connections that Hyperdrive has kept since before the restore."""
    config, reset = context.config, context.lineage.live.branch.last_reset_at
    if config is None or reset is None or context.lineage.proof_branch is None:
        return ()
    step = RestartPool(hyperdrive=config.name, reason="its connections are from before the restore")
    is_restarted = config.restarted_at is not None and config.restarted_at - reset > _SECOND
    return () if is_restarted or step.key in context.observed.passed else (step,)


def delete_proof_branch(context: PlanningContext) -> tuple[Step, ...] | Blocked:
    """Record in the candidate's name that all is checked, and then delete it. One that must stay is left alone."""
    lineage, primary = context.lineage, context.desired.primary.branch
    for each in lineage.proved:
        if not undeletable(each, lineage, context.branches):
            reason = f'"{primary}" carries {each.timeline}, and it was only needed to verify that'
            return (DeleteBranch(branch=each.branch.name, reason=reason),)
    done = lineage.proof_branch or lineage.stale_candidate
    if done is None:
        return ()
    name = proved_name(primary, done.timeline)
    if named(context.branches, name) is not None:
        return Blocked((NameTaken(name),))
    reason = f"{done.timeline} was restored into the primary, and all checks are done"
    return (RenameBranch(branch=done.branch.name, to=name, reason=reason),)


def warnings(desired: Desired, observed: Observed, lineage: Lineage, steps: tuple[Step, ...]) -> Iterator[str]:
    """Say what else a restore in place rewinds, drops and moves."""
    step = next((each for each in steps if isinstance(each, RestoreBranch)), None)
    if step is None:
        return
    primary = lineage.live.branch
    yield (
        f'restoring "{primary.name}" in place rewinds every database and role on it, and drops every connection for '
        "a few seconds; its host and passwords stay"
    )
    if isinstance(observed.configs, tuple) and any(isinstance(each, RestartPool) for each in steps):
        yield (
            "Hyperdrive may answer reads from its query cache after that, for max_age and stale_while_revalidate "
            "together (75 s if the config sets neither)"
        )
    if primary.protected:
        after = ", and protected again right after" if desired.primary.protected is not False else ""
        yield f'"{primary.name}" is unprotected while it is being restored{after}'
    branches = known(observed.branches)
    children = [f'"{each.name}"' for each in branches if each.parent_id == primary.id and each.name != step.proved_on]
    if children:
        yield f'children of "{primary.name}" become children of "{step.keep_as}": {", ".join(children)}'
    if primary.parent_id is None:
        yield f'"{step.keep_as}" becomes a root branch, and Neon\'s plans allow few of them'
    else:
        yield (
            f'"{primary.name}" is not a root branch: Neon documents restores in place for root branches only, and its '
            f'answer decides. It becomes a child of "{step.keep_as if step.source == step.branch else step.source}", '
            "which can't be deleted then"
        )
