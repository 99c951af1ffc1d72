"""The rules of the method "in-place": a timeline is proved on a branch of its own, and then put into the primary.

Until the very end that branch stays: it says by its annotations that the work is not done, and whether the primary
was protected. So a run that dies at any point is continued from what is there.
"""

from datetime import timedelta

from reconciler.core import guards, protection, sizing
from reconciler.core.desired import Method
from reconciler.core.holding_pen.deletion import undeletable
from reconciler.core.hyperdrive.choice import leads_to
from reconciler.core.lineage.lineage import Carrier
from reconciler.core.observed import named
from reconciler.core.refusals import NameTaken, Refusal
from reconciler.core.scene import Refused, Scene
from reconciler.core.steps import (
    CreateBranch,
    DeleteBranch,
    RenameBranch,
    RestartPool,
    RestoreBranch,
    Step,
    UnprotectBranch,
    VerifyBranch,
)
from reconciler.core.timeline import candidate_name, proved_name

# Neon tells when a branch was reset to the second, cut off.
_SECOND = timedelta(seconds=1)


def is_under_way(scene: Scene) -> bool:
    """Tell whether the primary is to be restored. What was begun in a branch of its own is finished there first."""
    if scene.desired.primary.method is not Method.IN_PLACE or scene.lineage.swapping:
        return False
    if scene.desired.timeline == scene.lineage.live.timeline:
        return False
    carrier, config = scene.carrier, scene.config
    if carrier is None or config is None:
        return True
    if scene.is_repointed:
        return not leads_to(config, carrier.branch)
    return carrier.held is not None and not any(seen.serves(config.id) for _, seen in scene.workers)


def create_candidate(scene: Scene) -> tuple[Step, ...] | Refused:
    """Make the timeline, once every guard agrees that it can be made; or a copy of what is held, to prove that."""
    desired = scene.desired
    source = guards.creation(desired, scene.observed, scene.lineage, scene.project)
    taken = _proved_name_taken(scene)
    if isinstance(source, list) or taken:
        return Refused((*taken, *(source if isinstance(source, list) else ())))
    restore = desired.primary.restore if scene.carrier is None else None
    if restore is None:
        reason = f"{desired.timeline} is proved as it was left, before anything is replaced"
    else:
        why = f"was live at {restore.to}" if restore.moment else f"has {restore.to} in its log, by the file"
        reason = f"no branch carries {desired.timeline}, and {source.timeline} {why}"
    step = CreateBranch(
        name=candidate_name(desired.primary.branch, desired.timeline),
        source=source.branch.name,
        source_timeline=source.timeline,
        at=restore.to if restore else None,
        timeline=desired.timeline,
        environment=desired.environment,
        protects=protection.is_to_return(desired, scene.lineage),
        compute=sizing.for_new(desired, scene.project, scene.lineage),
        reason=reason,
    )
    return (step,)


def _proved_name_taken(scene: Scene) -> tuple[Refusal, ...]:
    """Refuse a name that is needed at the very end before anything is overwritten, unless its branch is deleted then.

    A branch of its own needs no such name.
    """
    name = proved_name(scene.desired.primary.branch, scene.desired.timeline)
    goes = any(
        each.branch.name == name and not undeletable(each, scene.lineage, scene.branches)
        for each in scene.lineage.proved
    )
    in_place = scene.desired.primary.method is Method.IN_PLACE
    return (NameTaken(name),) if in_place and not goes and named(scene.branches, name) is not None else ()


def restore(scene: Scene, candidate: Carrier) -> tuple[Step, ...]:
    """Put the point that was proved into the primary, and keep what the primary held."""
    lineage, primary = scene.lineage, scene.lineage.live.branch
    if primary.protected:
        is_said = candidate.branch.protects or not protection.is_wanted(scene.desired, lineage)
        note = "" if is_said else candidate.branch.name
        reason = "Neon restores no protected branch in place"
        return (UnprotectBranch(branch=primary.name, noted_on=note, reason=reason),)
    source = next(each for each in scene.branches if each.id == candidate.branch.parent_id)
    step = RestoreBranch(
        branch=primary.name,
        source=source.name,
        proved_on=candidate.branch.name,
        timeline=candidate.timeline,
        keep_as=lineage.held_name(primary.name, candidate.timeline, in_place=True),
        reason=f"{candidate.timeline} is proved, and what {lineage.live.timeline} holds is kept",
    )
    return (step,)


def protect_again(scene: Scene) -> tuple[Step, ...]:
    """Protect the primary again, after it had to be unprotected, or was replaced by a branch that never was."""
    reason = "the primary was protected before the restore"
    return protection.restore(scene.desired, scene.project, scene.branches, scene.lineage, reason)


def log_in_again(scene: Scene) -> tuple[Step, ...]:
    """Wake the primary's compute, which a restore leaves asleep, and log in to it as Hyperdrive does."""
    reason = "its compute sleeps after a restore, and Hyperdrive's role must be able to log in"
    step = VerifyBranch(branch=scene.lineage.live.branch.name, gates=(), reason=reason)
    return () if step.key in scene.observed.passed else (step,)


def restart_pool(scene: Scene) -> tuple[Step, ...]:
    """Drop the connections that Hyperdrive has kept since before the restore."""
    config, reset = scene.config, scene.lineage.live.branch.last_reset_at
    if config is None or reset is None or scene.lineage.proof is None:
        return ()
    step = RestartPool(hyperdrive=config.name, reason="its connections are from before the restore")
    is_restarted = config.restarted_at is not None and config.restarted_at - reset > _SECOND
    return () if is_restarted or step.key in scene.observed.passed else (step,)


def dispose_of_proof(scene: Scene) -> tuple[Step, ...] | Refused:
    """Say that all is checked, and delete the branch that it was proved on. A branch that must stay is left alone."""
    lineage, primary = scene.lineage, scene.desired.primary.branch
    for each in lineage.proved:
        if not undeletable(each, lineage, scene.branches):
            reason = f'"{primary}" carries {each.timeline}, and it was only there to prove that'
            return (DeleteBranch(branch=each.branch.name, reason=reason),)
    done = lineage.proof or lineage.spent
    if done is None:
        return ()
    name = proved_name(primary, done.timeline)
    if named(scene.branches, name) is not None:
        return Refused((NameTaken(name),))
    reason = f"{done.timeline} went into the primary, and nothing has to be checked any more"
    return (RenameBranch(branch=done.branch.name, to=name, reason=reason),)
