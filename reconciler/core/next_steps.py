"""The rules: from what is asked and what is seen to the next safe step.

Read from the top, they are the argument of the product: know who carries what; make the timeline on a branch of its
own; prove it; give it a Hyperdrive config; prepare the Workers beside the live ones and prove them; fence the old one,
where that is asked (`fencing`); switch, or lead the one config that serves to it (`repointing`); check once more, as
users reach it; and only then rename, so that the old history is held under a name that says what it is.

In place (`in_place`) it is the same argument: make the timeline on a branch of its own; prove it; and only then let
Neon put that very point into the primary, which never happens without a branch that keeps what the primary held. Host
and password stay, so what is left is to drop old connections, and to check. The branch that it was proved on is
deleted at the very end. Declared branches besides the primary (`children`) come after all that, and what is refused of
them keeps nothing from being deleted in time, nor from being kept for longer.

What is held is deleted when its hold has ended and nothing uses or needs it (`pruning`): last of all, or first where
a restore has no room without. Where the file asks for that, Neon is told to do it later by itself (`expiry`).

Where that last check fails, the old branch still has the primary's name and every row. The new one is first renamed,
to a name that says that it failed, and only then left: a run that dies in between is continued by leaving it, and no
later run tries it again, as what failed is asked for in vain until the file asks for something else.

Pure: no clock, no input or output, no randomness. Steps that come out together do not depend on each other, and at
most one of them writes to Neon, which locks the whole project for every write.
"""

from collections.abc import Iterable
from dataclasses import replace

from reconciler.core import fencing, guards, in_place, project_settings, rivals, sizing
from reconciler.core.children import rules as children
from reconciler.core.desired import DeployDriver, Desired, Worker
from reconciler.core.holding_pen import expiry, pruning
from reconciler.core.hyperdrive import repointing
from reconciler.core.hyperdrive import upkeep as hyperdrive_upkeep
from reconciler.core.lifting import standing
from reconciler.core.lineage.lineage import Carrier, Lineage
from reconciler.core.lineage.provenance import attainable, timeline_before
from reconciler.core.lineage.source_by_receipts import as_told
from reconciler.core.observed import HyperdriveConfig, Observed, ObservedWorker, UploadedVersion
from reconciler.core.proving import unprovable
from reconciler.core.refusals import TimelineFailed
from reconciler.core.scene import Refused, Scene, read
from reconciler.core.steps import (
    AddCompute,
    AwaitBranch,
    ClearExpiry,
    CreateHyperdrive,
    RenameBranch,
    SetDefaultBranch,
    StageVersion,
    Step,
    SwitchTraffic,
    UploadVersion,
    VerifyBranch,
    VerifyLive,
    VerifyWorker,
    WriteBinding,
)
from reconciler.core.timeline import candidate_name, failed_name


def next_steps(desired: Desired, observed: Observed) -> tuple[Step, ...] | Refused:
    """Return the steps to take now, none where reality is what is asked, or the refusals."""
    desired = as_told(desired, observed)
    steps = _wanted(desired, observed)
    if isinstance(steps, tuple) and (refusals := rivals.overdue(desired, observed, steps)):
        return Refused(tuple(refusals))
    return steps


def _wanted(desired: Desired, observed: Observed) -> tuple[Step, ...] | Refused:
    scene = read(desired, observed)
    if isinstance(scene, Refused):
        return scene
    possible = attainable(desired, scene.lineage)
    if possible is desired:
        steps = _towards(scene)
        if isinstance(steps, Refused) and steps.is_about_children:
            return _clear_up(scene) or steps
        if isinstance(steps, Refused):
            return pruning.make_room(scene, steps)
        return steps or _clear_up(scene)
    paired = tuple((worker, seen) for worker, (_, seen) in zip(possible.workers, scene.workers, strict=True))
    return _towards(replace(scene, desired=possible, workers=paired)) or _refuse_what_failed(desired, scene.lineage)


def _clear_up(scene: Scene) -> tuple[Step, ...]:
    """What comes when the primary is as asked, also where a declared branch is not: the two are nothing to each other.

    Any other refusal is about the primary and what users reach, so that nothing is done at all: what is held is what
    there is to go back to.
    """
    return pruning.prune(scene) or expiry.give(scene)


def _refuse_what_failed(desired: Desired, lineage: Lineage) -> Refused:
    primary, timeline = desired.primary.branch, desired.timeline
    names = failed_name(primary, timeline), candidate_name(primary, timeline)
    return Refused((TimelineFailed(timeline, *names, lineage.live.timeline),))


def _towards(scene: Scene) -> tuple[Step, ...] | Refused:
    """The argument itself: the first step that is missing, from the timeline's branch to its name."""
    carrier = scene.carrier
    if carrier is None or in_place.is_under_way(scene):
        return fencing.leave_writable(scene) or _make_and_put_into_place(scene)
    preparing = _prepare(scene, carrier)
    if carrier == scene.lineage.live or (preparing and not scene.is_serving(carrier)):
        preparing = fencing.leave_writable(scene) or preparing
    return (
        preparing
        or fencing.fence(scene, carrier)
        or repointing.repoint(scene, carrier)
        or _switch_traffic(scene)
        or repointing.let_go(scene, carrier)
        or _verify_live(scene, carrier)
        or _promote(scene, carrier)
        or in_place.dispose_of_proof(scene)
        or fencing.fence_held(scene)
        or hyperdrive_upkeep.keep_up(scene, carrier)
        or project_settings.steps(scene)
        or expiry.take_away(scene)
        or children.converge(scene)
    )


def _make_and_put_into_place(scene: Scene) -> tuple[Step, ...] | Refused:
    """A candidate is made; and in place it is proved, and put into the primary."""
    candidate = scene.lineage.candidate(scene.desired.timeline)
    if candidate is None:
        made = in_place.create_candidate(scene)
        return in_place.protect_again(scene) or (expiry.freed(scene, made) if isinstance(made, Refused) else made)
    if candidate == scene.lineage.spent:
        return in_place.protect_again(scene) or in_place.dispose_of_proof(scene)
    if refusals := guards.in_place(scene.desired, scene.observed, scene.lineage, candidate, scene.project):
        return in_place.protect_again(scene) or Refused(tuple(refusals))
    return _make_usable(scene, candidate) or _verify_branch(scene, candidate) or in_place.restore(scene, candidate)


def _prepare(scene: Scene, carrier: Carrier) -> tuple[Step, ...] | Refused:
    """Everything that users do not feel."""
    if refusals := guards.candidate(scene.desired.primary.restore, carrier, scene.lineage):
        return Refused(tuple(refusals))
    return (
        _make_usable(scene, carrier)
        or in_place.protect_again(scene)
        or _resize(scene, carrier)
        or _verify_branch(scene, carrier)
        or fencing.lift_copy(scene, carrier)
        or _point_hyperdrive(scene, carrier)
        or hyperdrive_upkeep.renew_password(scene, carrier)
        or in_place.restart_pool(scene)
        or _write_bindings(scene)
        or _upload_versions(scene)
        or _stage_versions(scene, carrier)
        or _verify_workers(scene, carrier)
    )


def _resize(scene: Scene, carrier: Carrier) -> tuple[Step, ...]:
    if scene.is_serving(carrier):
        return ()
    return sizing.carry_over(scene.desired, scene.project, scene.lineage, carrier)


def _make_usable(scene: Scene, carrier: Carrier) -> tuple[Step, ...]:
    """A branch must be finished, have a compute, and not expire before anything relies on it."""
    branch = carrier.branch
    if not branch.ready:
        return (AwaitBranch(branch=branch.name, reason="Neon is still making it"),)
    if branch.endpoint is None:
        compute = sizing.for_new(scene.desired, scene.project, scene.lineage)
        return (AddCompute(branch=branch.name, compute=compute, reason="it has no compute, so it cannot be queried"),)
    if branch.expires_at is not None:
        reason = f"it would be deleted at {branch.expires_at}"
        return (ClearExpiry(branch=branch.name, reason=reason),)
    return ()


def _verify_branch(scene: Scene, carrier: Carrier) -> tuple[Step, ...] | Refused:
    """Prove the branch before anything points to it; what already serves has been proved.

    The gates of the file judge a timeline before it is live for the first time. One that was live before comes back
    as it was left, whatever state that is: an undo that its own reason could forbid would be none. What can't be
    proved any more is refused; where a person has looked at it and lifts that, everything else is checked.
    """
    if carrier == scene.lineage.live and scene.lineage.proof is not None:
        return in_place.log_in_again(scene)
    if scene.is_serving(carrier):
        return ()
    gates = tuple(gate.name for gate in scene.desired.verify.sql) if scene.is_new else ()
    reason = f"{carrier.timeline} must be proved before anything points to it"
    restore = scene.desired.primary.restore
    point = restore.to if restore and scene.is_new and scene.desired.verify.role else None
    too_late = unprovable(carrier.branch, point, scene.observed.at, scene.project) if point else []
    tables_at = None if too_late else point
    step = VerifyBranch(branch=carrier.branch.name, gates=gates, tables_at=tables_at, reason=reason)
    if step.key in scene.observed.passed:
        return ()
    refusals = standing(scene.desired, too_late)
    return Refused(tuple(refusals)) if refusals else (step,)


def _point_hyperdrive(scene: Scene, carrier: Carrier) -> tuple[Step, ...] | Refused:
    """A config per timeline: one that is live is never edited, so going back is one deployment.

    By the strategy `repoint` the one that serves is led to the branch later, and made here where there is none.
    """
    hyperdrive, existing = scene.desired.hyperdrive, scene.config
    if hyperdrive is None:
        return ()
    if existing is not None:
        if scene.is_repointed:
            refusals = repointing.refusals(scene, hyperdrive, existing, carrier)
        else:
            refusals = guards.config(scene.desired, hyperdrive, existing, carrier.branch)
        return Refused(tuple(refusals)) if refusals else ()
    if full := guards.config_room(scene.desired, scene.configs, scene.config_name):
        return Refused(tuple(full))
    step = CreateHyperdrive(
        name=scene.config_name,
        branch=carrier.branch.name,
        database=hyperdrive.database,
        role=hyperdrive.role,
        settings=hyperdrive_upkeep.of_new(scene, hyperdrive, carrier.branch),
        reason=f"no Hyperdrive config points to {carrier.timeline}",
    )
    return (step,)


def _write_bindings(scene: Scene) -> tuple[Step, ...]:
    return tuple(
        WriteBinding(
            config=worker.config,
            binding=worker.binding,
            environment=worker.environment,
            hyperdrive=config.name,
            reason=f"it names {_config_called(scene, seen.file_hyperdrive_id)}",
        )
        for worker, seen, config in _bound(scene)
        if seen.file_hyperdrive_id != config.id
    )


def _upload_versions(scene: Scene) -> tuple[Step, ...]:
    return tuple(
        UploadVersion(
            script=seen.script,
            config=worker.config,
            binding=worker.binding,
            environment=worker.environment,
            hyperdrive=config.name,
            driver=worker.deploy,
            label=version_label(scene.desired, worker, seen, scene.observed.commit),
            reason=f"it serves from {_config_called(scene, seen.serving.hyperdrive_id if seen.serving else None)}",
        )
        for worker, seen, config in _not_switched(scene)
        if _upload(scene, worker, seen, config) is None
    )


def _stage_versions(scene: Scene, carrier: Carrier) -> tuple[Step, ...]:
    """Put the new versions beside the live ones at 0 %, where only the gates reach them."""
    if not _request_gates(scene):
        return ()
    steps: list[Step] = []
    for worker, seen, config in _tried_first(scene, carrier):
        upload = _upload(scene, worker, seen, config)
        if upload is not None and upload.id not in {version.id for version in seen.deployed}:
            reason = "users must not see it before the HTTP gates have passed"
            label = upload.label
            steps.append(StageVersion(script=seen.script, hyperdrive=config.name, label=label, reason=reason))
    return tuple(steps)


def _verify_workers(scene: Scene, carrier: Carrier) -> tuple[Step, ...]:
    gates = _request_gates(scene)
    scripts = tuple(seen.script for _, seen, _ in _tried_first(scene, carrier))
    if not gates or not scripts:
        return ()
    reason = "the Worker must answer from the new database before users do"
    step = VerifyWorker(scripts=scripts, gates=gates, hyperdrive=scene.config_name, reason=reason)
    return () if step.key in scene.observed.passed else (step,)


def _request_gates(scene: Scene) -> tuple[str, ...]:
    return tuple(gate.name for gate in scene.desired.verify.http) if scene.is_new else ()


def _switch_traffic(scene: Scene) -> tuple[Step, ...]:
    """0 to 100 % in one call each: traffic is never split between two databases."""
    return tuple(
        SwitchTraffic(
            script=seen.script,
            hyperdrive=config.name,
            label=version_label(scene.desired, worker, seen, scene.observed.commit),
            reason=f"{scene.desired.timeline} is proved, and users are still on another history",
        )
        for worker, seen, config in _not_switched(scene)
    )


def _verify_live(scene: Scene, carrier: Carrier) -> tuple[Step, ...]:
    """Check as users do, while the old branch still has the primary's name: until this has passed, nothing has moved.

    A swap of names that has begun for this timeline says that it has passed; one for another says nothing. What was
    live before is not judged, here as above.
    """
    gates = _request_gates(scene)
    if not gates or not scene.workers or scene.lineage.makes_way_for(carrier):
        return ()
    primary, timeline, proof = scene.desired.primary.branch, carrier.timeline, scene.lineage.proof
    before = timeline_before(scene.lineage, timeline)
    step = VerifyLive(
        scripts=tuple(seen.script for _, seen in scene.workers),
        gates=gates,
        hyperdrive=scene.config_name,
        on_failure=scene.desired.verify.on_failure,
        reason=f"{before} can be put back at once until users are seen to be served by {timeline}",
    )
    if step.key in scene.observed.failed:
        reason = f"the last check of {timeline} has failed, so {before} is put back"
        left = proof.branch.name if proof else carrier.branch.name
        return (RenameBranch(branch=left, to=failed_name(primary, timeline), reason=reason),)
    return () if step.key in scene.observed.passed else (step,)


def _promote(scene: Scene, carrier: Carrier) -> tuple[Step, ...]:
    """Give the branch the primary's name. The old one goes first: names are unique, and its new name holds it."""
    primary, live, branch = scene.desired.primary.branch, scene.lineage.live, carrier.branch
    if live.branch.id != branch.id and not scene.lineage.makes_way_for(carrier):
        held = scene.lineage.held_name(primary, carrier.timeline)
        reason = f"{live.timeline} is held under a name that says what replaced it, so this can be undone"
        return (RenameBranch(branch=live.branch.name, to=held, reason=reason),)
    if branch.name != primary:
        return (RenameBranch(branch=branch.name, to=primary, reason=f"it carries {carrier.timeline}, now live"),)
    if scene.desired.primary.default and not branch.default:
        return (SetDefaultBranch(branch=primary, reason="the primary is the project's default branch"),)
    return ()


def _bound(scene: Scene) -> Iterable[tuple[Worker, ObservedWorker, HyperdriveConfig]]:
    config = scene.config
    return [] if config is None else [(worker, seen, config) for worker, seen in scene.workers]


def _not_switched(scene: Scene) -> list[tuple[Worker, ObservedWorker, HyperdriveConfig]]:
    return [each for each in _bound(scene) if not each[1].serves_only(each[2].id)]


def _tried_first(scene: Scene, carrier: Carrier) -> list[tuple[Worker, ObservedWorker, HyperdriveConfig]]:
    """List the Workers that can be tried at 0 %, beside what serves.

    That is deployed again along with them, which Cloudflare refuses where its config is gone (error 10157): users of
    such a Worker reach no database, and what they get is judged by the last check.
    """
    known = {None, *(config.id for config in scene.configs)}
    if not repointing.is_tried_before(scene, carrier):
        return []
    return [
        each
        for each in _not_switched(scene)
        if all(version.hyperdrive_id in known for version in each[1].deployed if version.percentage > 0)
    ]


def _upload(scene: Scene, worker: Worker, seen: ObservedWorker, config: HyperdriveConfig) -> UploadedVersion | None:
    return seen.uploaded_as(version_label(scene.desired, worker, seen, scene.observed.commit), config.id)


def _config_called(scene: Scene, identity: str | None) -> str:
    """Say which config an id is, by name where it is known."""
    if not identity:
        return "no Hyperdrive config"
    return next((each.name for each in scene.configs if each.id == identity), f"the unknown config {identity}")


def version_label(desired: Desired, worker: Worker, seen: ObservedWorker, commit: str) -> str:
    """Say what an uploaded version is for, and of which code: an interrupted run finds its upload again by this."""
    if worker.deploy is DeployDriver.WRANGLER:
        code = f"commit {commit}"
    else:
        code = f"version {seen.serving.id if seen.serving else 'none'}"
    return f"{label_purpose(desired)}{code}"


def label_purpose(desired: Desired) -> str:
    """Return what every label of this environment and timeline begins with."""
    return f"reconciler: {desired.environment} on {desired.timeline}, code of "
