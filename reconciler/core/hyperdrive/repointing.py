"""The rules of the strategy "repoint": one Hyperdrive config serves, and a restore leads it to another branch.

The order is that of a switch, and so is the care: everything that can be proved on the branch is proved before, and
what is left is fenced before, where that is asked. After it the pool is restarted, as Hyperdrive goes on using the
connections that it has, and cached answers of the other branch are waited out, as nothing purges them (Hyperdrive
documentation, Rotate credentials, Query caching). Only then is it checked as users reach it.

That a pool was not restarted since is told by Cloudflare's own clock: the config was changed after it.
"""

from datetime import timedelta

from reconciler.core import guards
from reconciler.core.desired import Desired, Hyperdrive, Liftable
from reconciler.core.hyperdrive.choice import leads_to, shared_config
from reconciler.core.lifting import is_lifted
from reconciler.core.lineage.lineage import Carrier, Lineage
from reconciler.core.lineage.provenance import attainable, trace
from reconciler.core.observed import Branch, HyperdriveConfig, Observed, Unknown
from reconciler.core.refusals import Refusal, Unreadable
from reconciler.core.scene import Refused, Scene
from reconciler.core.steps import AwaitCache, RepointHyperdrive, RestartPool, Step

# Whether a restart counts as a change of the config, Cloudflare does not tell.
_SAME_CHANGE = timedelta(milliseconds=200)


def refusals(scene: Scene, hyperdrive: Hyperdrive, config: HyperdriveConfig, carrier: Carrier) -> list[Refusal]:
    """Refuse a config that leads to no timeline of ours: it may be somebody else's, and would be taken from them."""
    left = _left(scene, config)
    return guards.config(scene.desired, hyperdrive, config, left or carrier.branch)


def repoint(scene: Scene, carrier: Carrier) -> tuple[Step, ...] | Refused:
    """Lead the config that serves to the branch, now that everything is proved that can be."""
    hyperdrive, config = scene.desired.hyperdrive, scene.config
    if hyperdrive is None or config is None or not scene.is_repointed:
        return ()
    left = _left(scene, config)
    if left is None or left.id == carrier.branch.id:
        return ()
    if isinstance(sharers := scene.observed.sharers, Unknown):
        part = f'Workers bound to Hyperdrive config "{config.name}", which move with it'
        return Refused((Unreadable(part, sharers.reason, sharers.hint),))
    step = RepointHyperdrive(
        hyperdrive=config.name,
        leaves=left.name,
        branch=carrier.branch.name,
        database=hyperdrive.database,
        role=hyperdrive.role,
        reason=f'it leads to "{left.name}", and {carrier.timeline} is proved',
    )
    return (step,)


def is_tried_before(scene: Scene, carrier: Carrier) -> bool:
    """Tell whether a version can be tried on the branch before users are on it.

    Not while the config that it is bound to leads to another branch, nor once it was led away from that: then it may
    answer with what it holds of that one, and users are on it anyway.
    """
    config = scene.config
    if config is None or not scene.is_repointed or carrier == scene.lineage.live:
        return True
    was_moved = f"repoint:{config.name}" in scene.observed.passed
    return leads_to(config, carrier.branch) and not was_moved and not _is_served(scene, config)


def _is_served(scene: Scene, config: HyperdriveConfig) -> bool:
    return any(seen.serves(config.id) for _, seen in scene.workers)


def let_go(scene: Scene, carrier: Carrier) -> tuple[Step, ...]:
    """Have Hyperdrive let go of what it holds of the other branch: its connections, and then its cached answers."""
    config = scene.config
    if config is None or not scene.is_repointed:
        return ()
    moved = carrier != scene.lineage.live or f"repoint:{config.name}" in scene.observed.passed
    return _restart(scene, config, moved=moved) or (_await_cache(scene, config, carrier) if moved else ())


def _restart(scene: Scene, config: HyperdriveConfig, *, moved: bool) -> tuple[Step, ...]:
    changed, restarted = config.modified_at, config.restarted_at
    is_due = moved if changed is None or restarted is None else changed - restarted > _SAME_CHANGE
    step = RestartPool(hyperdrive=config.name, reason="it was changed since, and goes on using the connections it has")
    return (step,) if is_due and step.key not in scene.observed.passed else ()


def _await_cache(scene: Scene, config: HyperdriveConfig, carrier: Carrier) -> tuple[Step, ...]:
    """A swap of names that has begun says that this was waited for."""
    seconds = config.caching.outlasts
    if not seconds or scene.lineage.makes_way_for(carrier):
        return ()
    reason = "until then it may answer with what another branch has said"
    step = AwaitCache(hyperdrive=config.name, seconds=seconds, reason=reason)
    return () if step.key in scene.observed.passed else (step,)


def about_to_move(desired: Desired, observed: Observed) -> HyperdriveConfig | None:
    """Find the config that is to be repointed, so that it can be read who is bound to it; None where none is."""
    branches, configs, hyperdrive = observed.branches, observed.configs, desired.hyperdrive
    if hyperdrive is None or not hyperdrive.is_repointed:
        return None
    lineage = trace(desired, branches) if isinstance(branches, tuple) else None
    if not isinstance(lineage, Lineage) or isinstance(configs, Unknown):
        return None
    wanted = attainable(desired, lineage).timeline
    config = shared_config(hyperdrive, lineage.carrier(wanted), lineage, configs, observed.workers)
    if config is None or (wanted == lineage.live.timeline and leads_to(config, lineage.live.branch)):
        return None
    return config


def _left(scene: Scene, config: HyperdriveConfig) -> Branch | None:
    """Find the branch of ours that a config leads to."""
    lineage = scene.lineage
    groups = (lineage.all, lineage.older, lineage.failed, lineage.candidates, lineage.proved)
    branches = [each.branch for group in groups for each in group]
    direct = _direct(scene.desired, config)
    return next((branch for branch in branches if leads_to(direct, branch)), None)


def _direct(desired: Desired, config: HyperdriveConfig) -> HyperdriveConfig:
    return guards.direct(config) if is_lifted(desired, Liftable.POOLED_ORIGIN) else config
