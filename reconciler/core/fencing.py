"""The rules of a fence: what is left takes no writes from right before the switch, and what is live always does."""

from reconciler.core.desired import Desired
from reconciler.core.fence import FenceUnliftable
from reconciler.core.lineage.lineage import Carrier, Lineage
from reconciler.core.observed import Observed, ObservedWorker, Unknown
from reconciler.core.scene import Refused, Scene
from reconciler.core.steps import FenceBranch, LiftFence, Step


def leave_writable(scene: Scene) -> tuple[Step, ...] | Refused:
    """Lift what an earlier run fenced and did not switch away from: users are on it, and it may be long until then."""
    live = scene.lineage.live
    if scene.lineage.swapping and live.timeline != scene.desired.timeline:
        return ()
    return _lift(scene, live, "it is live, and takes no writes")


def fence(scene: Scene, carrier: Carrier) -> tuple[Step, ...] | Refused:
    """Have no writes to the old history from right before the switch, and let the next one take them.

    The mark says that a fence was begun, so each run makes sure of it once, by SQL; after the renames have begun, no
    more. What comes back was fenced while it was held.
    """
    live = scene.lineage.live
    if carrier == live:
        return ()
    step = FenceBranch(
        branch=live.branch.name,
        database=scene.desired.verify.database,
        served=True,
        reason=f"a write to {live.timeline} from now on would be missed on {carrier.timeline}",
    )
    done = live.branch.fenced and step.key in scene.observed.passed
    if _can_be_fenced(scene, live) and not done and not scene.lineage.swapping:
        return (step,)
    return _lift(scene, carrier, f"{carrier.timeline} was fenced while it was held")


def fence_held(scene: Scene) -> tuple[Step, ...]:
    """Nobody writes to the past by mistake: what is held takes no writes."""
    reason = "what is held is to stay as it was left"
    database = scene.desired.verify.database
    return tuple(
        FenceBranch(branch=each.branch.name, database=database, served=False, reason=reason)
        for each in scene.lineage.held
        if _can_be_fenced(scene, each) and not each.branch.fenced and each.branch.ready
    )[:1]


def _can_be_fenced(scene: Scene, carrier: Carrier) -> bool:
    """Tell whether it is asked, and can be: without a compute, nobody writes anyway."""
    asked = scene.desired.primary.fence and bool(scene.desired.verify.database)
    return asked and carrier.branch.endpoint is not None


def lift_copy(scene: Scene, carrier: Carrier) -> tuple[Step, ...]:
    """What was made from a moment at which its source was fenced is read-only too, and no mark says so.

    That is a candidate, and a primary into which a candidate went in place.
    """
    made = carrier if carrier in scene.lineage.candidates and not scene.is_serving(carrier) else scene.lineage.proof
    database = scene.desired.verify.database
    if made is None or not database:
        return ()
    source = next((each for each in scene.branches if each.id == made.branch.parent_id), None)
    if not scene.desired.primary.fence and (source is None or not source.fenced):
        return ()
    reason = "a copy of what was fenced is fenced too, and nothing but a login tells"
    step = LiftFence(branch=carrier.branch.name, database=database, reason=reason)
    return () if step.key in scene.observed.passed else (step,)


def let_free(desired: Desired, lineage: Lineage) -> tuple[LiftFence, ...]:
    """Lift the fence of the live branch, by what Neon tells alone."""
    branch, database = lineage.live.branch, desired.verify.database
    if not branch.fenced or not database:
        return ()
    return (LiftFence(branch=branch.name, database=database, reason="it may be live, and takes no writes"),)


def let_reached_free(desired: Desired, observed: Observed) -> tuple[LiftFence, ...]:
    """Lift the fence of what users reach, by names and hosts alone; where no host is known, of what is the primary."""
    branches, configs, database = observed.branches, observed.configs, desired.verify.database
    if isinstance(branches, Unknown) or not database:
        return ()
    workers = [each for each in observed.workers if isinstance(each, ObservedWorker)]
    known = () if isinstance(configs, Unknown) else configs
    hosts = {(each.host, each.port) for each in known if any(seen.serves(each.id) for seen in workers)}
    reached = [each for each in branches if each.endpoint and (each.endpoint.host, each.endpoint.port) in hosts]
    primary = [each for each in branches if each.name == desired.primary.branch]
    reason = "users reach it, and it takes no writes"
    return tuple(
        LiftFence(branch=each.name, database=database, reason=reason) for each in reached or primary if each.fenced
    )


def _lift(scene: Scene, carrier: Carrier, reason: str) -> tuple[Step, ...] | Refused:
    database = scene.desired.verify.database
    if not carrier.branch.fenced:
        return ()
    if not database:
        return Refused((FenceUnliftable(carrier.branch.name),))
    return (LiftFence(branch=carrier.branch.name, database=database, reason=reason),)
