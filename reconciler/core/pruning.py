"""Deletes what is held, when its hold has ended: the last of all rules, one thing at a time, leaf first.

Nothing is deleted by a run that replaced something, nor by the next ones of that hour: what has just been restored is
looked at by people first, and a run that died and is continued is no other than one that went through. So the primary
must not have been changed in that hour either: a swap of names may end long after it began.
"""

from datetime import timedelta

from reconciler.core.child_refusals import ChildLimitReached
from reconciler.core.observed import Unknown
from reconciler.core.pen import Unit, units
from reconciler.core.scene import Refused, Scene
from reconciler.core.steps import DeleteBranch, DeleteHyperdrive, Step

# The shortest hold that a file may ask for.
QUIET = timedelta(hours=1)
_ROOM = frozenset({"config-limit", "branch-limit", "root-branch-limit"})


def prune(scene: Scene) -> tuple[Step, ...]:
    """Delete the next thing of what is held too long, where nothing was replaced within the last hour."""
    held = units(scene.desired, scene.observed, scene.lineage)
    changed = [scene.lineage.live.branch.updated_at, *(each.replaced_at for each in held)]
    if any(scene.observed.at - each < QUIET for each in changed if each is not None):
        return ()
    return _next(scene, held)


def make_room(scene: Scene, refused: Refused) -> tuple[Step, ...] | Refused:
    """Delete what is held too long where it is only room that is lacking; otherwise the refusal stands.

    A restore does not wait for that. A declared branch does, as anything that is deleted in peace.
    """
    if all(each.rule == ChildLimitReached.rule for each in refused.refusals):
        return prune(scene) or refused
    if any(each.rule not in _ROOM for each in refused.refusals):
        return refused
    return _next(scene, units(scene.desired, scene.observed, scene.lineage)) or refused


def _next(scene: Scene, held: tuple[Unit, ...]) -> tuple[Step, ...]:
    """Name the next step. What is not known to be unused stays."""
    if isinstance(scene.observed.uses, Unknown):
        return ()
    for each in held:
        if each.may_go(scene.observed.at):
            return (_delete(each),)
    return ()


def _delete(unit: Unit) -> Step:
    reason = f"the hold of {unit.carrier.timeline} ended at {unit.until}, and nothing uses it"
    for config in unit.configs:
        return DeleteHyperdrive(name=config.name, branch=unit.branch.name, reason=reason)
    return DeleteBranch(branch=unit.branch.name, reason=reason)
