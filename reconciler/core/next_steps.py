"""The rules: from what is asked and what is seen to the next safe step.

Read from the top, they are the argument of the product: know who carries what; make the timeline on a branch of its
own; prove it; give it a Hyperdrive config; prepare the Workers beside the live ones and prove them; switch; check once
more, as users reach it; and only then rename, so that the old history is held under a name that says what it is.
Nothing is deleted.

Where that last check fails, the old branch still has the primary's name and every row. The new one is first renamed,
to a name that says that it failed, and only then left: a run that dies in between is continued by leaving it, and no
later run tries it again, as what failed is asked for in vain until the file asks for something else.

Pure: no clock, no input or output, no randomness. Steps that come out together do not depend on each other, and at
most one of them writes to Neon, which locks the whole project for every write.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from reconciler.core import guards, rivals
from reconciler.core.desired import DeployDriver, Desired, Worker
from reconciler.core.lineage import Carrier, Lineage, attainable, trace
from reconciler.core.observed import (
    Branch,
    HyperdriveConfig,
    Observed,
    ObservedWorker,
    Project,
    Unknown,
    UploadedVersion,
    named,
)
from reconciler.core.refusals import Refusal, TimelineFailed
from reconciler.core.steps import (
    AddCompute,
    AwaitBranch,
    ClearExpiry,
    CreateBranch,
    CreateHyperdrive,
    ProtectBranch,
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


@dataclass(frozen=True, slots=True)
class Refused:
    """Nothing may be done, for these reasons."""

    refusals: tuple[Refusal, ...]

    @property
    def is_verdict(self) -> bool:
        """Tell whether it ends a putting back, so that the steps before it are taken all the same."""
        return any(isinstance(each, TimelineFailed) for each in self.refusals)


@dataclass(frozen=True, slots=True)
class _Scene:
    """What was asked and what was seen, once it is known that all of it could be read."""

    desired: Desired
    observed: Observed
    project: Project
    branches: tuple[Branch, ...]
    configs: tuple[HyperdriveConfig, ...]
    workers: tuple[tuple[Worker, ObservedWorker], ...]
    lineage: Lineage

    @property
    def config_name(self) -> str:
        hyperdrive = self.desired.hyperdrive
        return hyperdrive.config_for(self.desired.timeline) if hyperdrive else ""

    @property
    def config(self) -> HyperdriveConfig | None:
        return named(self.configs, self.config_name)


def next_steps(desired: Desired, observed: Observed) -> tuple[Step, ...] | Refused:
    """Return the steps to take now, none where reality is what is asked, or the refusals."""
    steps = _wanted(desired, observed)
    if isinstance(steps, tuple) and (refusals := rivals.overdue(desired, observed, steps)):
        return Refused(tuple(refusals))
    return steps


def _wanted(desired: Desired, observed: Observed) -> tuple[Step, ...] | Refused:
    scene = _read(desired, observed)
    if isinstance(scene, Refused):
        return scene
    possible = attainable(desired, scene.lineage)
    if possible is desired:
        return _towards(scene)
    paired = tuple((worker, seen) for worker, (_, seen) in zip(possible.workers, scene.workers, strict=True))
    return _towards(replace(scene, desired=possible, workers=paired)) or _refuse_what_failed(desired, scene.lineage)


def _refuse_what_failed(desired: Desired, lineage: Lineage) -> Refused:
    primary, timeline = desired.primary.branch, desired.timeline
    names = failed_name(primary, timeline), candidate_name(primary, timeline)
    return Refused((TimelineFailed(timeline, *names, lineage.live.timeline),))


def _towards(scene: _Scene) -> tuple[Step, ...] | Refused:
    """The argument itself: the first step that is missing, from the timeline's branch to its name."""
    desired = scene.desired
    carrier = scene.lineage.carrier(desired.timeline)
    if carrier is None:
        return _create_candidate(scene)
    if refusals := guards.candidate(desired.primary.restore, carrier, scene.lineage):
        return Refused(tuple(refusals))
    return (
        _make_usable(carrier)
        or _verify_branch(scene, carrier)
        or _point_hyperdrive(scene, carrier)
        or _write_bindings(scene)
        or _upload_versions(scene)
        or _stage_versions(scene, carrier)
        or _verify_workers(scene, carrier)
        or _switch_traffic(scene)
        or _verify_live(scene, carrier)
        or _promote(scene, carrier)
    )


def _read(desired: Desired, observed: Observed) -> _Scene | Refused:
    project, branches, configs = observed.project, observed.branches, observed.configs
    unreadable = guards.unreadable(observed)
    if unreadable or isinstance(project, Unknown) or isinstance(branches, Unknown) or isinstance(configs, Unknown):
        return Refused(tuple(unreadable))
    workers = tuple(each for each in observed.workers if isinstance(each, ObservedWorker))
    if refusals := [*guards.workers(workers), *rivals.claimed(desired, observed)]:
        return Refused(tuple(refusals))
    lineage = trace(desired, branches)
    if isinstance(lineage, Refusal):
        return Refused((lineage,))
    paired = tuple(zip(desired.workers, workers, strict=True))
    return _Scene(desired, observed, project, branches, configs, paired, lineage)


def _create_candidate(scene: _Scene) -> tuple[Step, ...] | Refused:
    """Make the timeline, once every guard agrees that it can be made."""
    desired, restore = scene.desired, scene.desired.primary.restore
    source = guards.creation(desired, scene.observed, scene.lineage, scene.project)
    if isinstance(source, list):
        return Refused(tuple(source))
    assert restore is not None  # the guard has refused to make `origin`
    step = CreateBranch(
        name=candidate_name(desired.primary.branch, desired.timeline),
        source=source.branch.name,
        source_timeline=source.timeline,
        at=restore.to,
        timeline=desired.timeline,
        environment=desired.environment,
        reason=f"no branch carries {desired.timeline}, and {source.timeline} was live at {restore.to}",
    )
    return (step,)


def _make_usable(carrier: Carrier) -> tuple[Step, ...]:
    """A branch must be finished, have a compute, and not expire before anything relies on it."""
    branch = carrier.branch
    if not branch.ready:
        return (AwaitBranch(branch=branch.name, reason="Neon is still making it"),)
    if branch.endpoint is None:
        return (AddCompute(branch=branch.name, reason="it has no compute, so it cannot be queried"),)
    if branch.expires_at is not None:
        reason = f"it would be deleted at {branch.expires_at}"
        return (ClearExpiry(branch=branch.name, reason=reason),)
    return ()


def _verify_branch(scene: _Scene, carrier: Carrier) -> tuple[Step, ...]:
    """Prove the branch before anything points to it; what already serves has been proved.

    The gates of the file judge a timeline before it is live for the first time. One that was live before comes back
    as it was left, whatever state that is: an undo that its own reason could forbid would be none.
    """
    if _is_serving(scene, carrier):
        return ()
    gates = () if carrier.held is not None else tuple(gate.name for gate in scene.desired.verify.sql)
    reason = f"{carrier.timeline} must be proved before anything points to it"
    restore, is_new = scene.desired.primary.restore, carrier in scene.lineage.candidates
    moment = restore.to if restore and is_new and scene.desired.verify.role else None
    step = VerifyBranch(branch=carrier.branch.name, gates=gates, tables_at=moment, reason=reason)
    return () if step.key in scene.observed.passed else (step,)


def _is_serving(scene: _Scene, carrier: Carrier) -> bool:
    """Tell whether the branch is the primary, or the switch to it has happened and only renames are missing."""
    if carrier == scene.lineage.live:
        return True
    switched = scene.config is not None and all(seen.serves_only(scene.config.id) for _, seen in scene.workers)
    return switched and bool(scene.workers)


def _point_hyperdrive(scene: _Scene, carrier: Carrier) -> tuple[Step, ...] | Refused:
    """A config per timeline: one that is live is never edited, so going back is one deployment."""
    hyperdrive, existing = scene.desired.hyperdrive, scene.config
    if hyperdrive is None:
        return ()
    if existing is not None:
        refusals = guards.config(scene.desired, hyperdrive, existing, carrier.branch)
        return Refused(tuple(refusals)) if refusals else ()
    if full := guards.config_room(scene.desired, scene.configs, scene.config_name):
        return Refused(tuple(full))
    step = CreateHyperdrive(
        name=scene.config_name,
        branch=carrier.branch.name,
        database=hyperdrive.database,
        role=hyperdrive.role,
        reason=f"no Hyperdrive config points to {carrier.timeline}",
    )
    return (step,)


def _write_bindings(scene: _Scene) -> tuple[Step, ...]:
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


def _upload_versions(scene: _Scene) -> tuple[Step, ...]:
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


def _stage_versions(scene: _Scene, carrier: Carrier) -> tuple[Step, ...]:
    """Put the new versions beside the live ones at 0 %, where only the gates reach them."""
    if not _request_gates(scene, carrier):
        return ()
    steps: list[Step] = []
    for worker, seen, config in _not_switched(scene):
        upload = _upload(scene, worker, seen, config)
        if upload is not None and upload.id not in {version.id for version in seen.deployed}:
            reason = "users must not see it before the HTTP gates have passed"
            label = upload.label
            steps.append(StageVersion(script=seen.script, hyperdrive=config.name, label=label, reason=reason))
    return tuple(steps)


def _verify_workers(scene: _Scene, carrier: Carrier) -> tuple[Step, ...]:
    gates = _request_gates(scene, carrier)
    scripts = tuple(seen.script for _, seen, _ in _not_switched(scene))
    if not gates or not scripts:
        return ()
    reason = "the Worker must answer from the new database before users do"
    step = VerifyWorker(scripts=scripts, gates=gates, hyperdrive=scene.config_name, reason=reason)
    return () if step.key in scene.observed.passed else (step,)


def _request_gates(scene: _Scene, carrier: Carrier) -> tuple[str, ...]:
    was_live = carrier == scene.lineage.live or carrier.held is not None
    return () if was_live else tuple(gate.name for gate in scene.desired.verify.http)


def _switch_traffic(scene: _Scene) -> tuple[Step, ...]:
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


def _verify_live(scene: _Scene, carrier: Carrier) -> tuple[Step, ...]:
    """Check as users do, while the old branch still has the primary's name: until this has passed, nothing has moved.

    A swap of names that has begun for this timeline says that it has passed; one for another says nothing. What was
    live before is not judged, here as above.
    """
    gates = _request_gates(scene, carrier)
    if not gates or not scene.workers or scene.lineage.makes_way_for(carrier):
        return ()
    primary, timeline = scene.desired.primary.branch, carrier.timeline
    step = VerifyLive(
        scripts=tuple(seen.script for _, seen in scene.workers),
        gates=gates,
        hyperdrive=scene.config_name,
        on_failure=scene.desired.verify.on_failure,
        reason=f'"{primary}" keeps its name and {scene.lineage.live.timeline} until users are served by {timeline}',
    )
    if step.key in scene.observed.failed:
        reason = f"the last check of {timeline} has failed, so {scene.lineage.live.timeline} is put back"
        return (RenameBranch(branch=carrier.branch.name, to=failed_name(primary, timeline), reason=reason),)
    return () if step.key in scene.observed.passed else (step,)


def _promote(scene: _Scene, carrier: Carrier) -> tuple[Step, ...]:
    """Give the branch the primary's name. The old one goes first: names are unique, and its new name holds it."""
    primary, live, branch = scene.desired.primary.branch, scene.lineage.live, carrier.branch
    if live.branch.id != branch.id and not scene.lineage.swapping:
        taken = frozenset(each.name for each in scene.branches)
        held = scene.lineage.held_name(primary, carrier, taken)
        reason = f"{live.timeline} is held under a name that says what replaced it, so this can be undone"
        return (RenameBranch(branch=primary, to=held, reason=reason),)
    if branch.name != primary:
        return (RenameBranch(branch=branch.name, to=primary, reason=f"it carries {carrier.timeline}, now live"),)
    if not branch.default:
        return (SetDefaultBranch(branch=primary, reason="the primary is the project's default branch"),)
    predecessor = next((each for each in scene.lineage.held if _was_protected(each, carrier)), None)
    if predecessor is not None and not branch.protected:
        reason = f'"{predecessor.branch.name}" was protected as the primary, and protection does not follow a name'
        return (ProtectBranch(branch=primary, reason=reason),)
    return ()


def _was_protected(each: Carrier, successor: Carrier) -> bool:
    return each.held is not None and each.held.before == successor.timeline and each.branch.protected


def _bound(scene: _Scene) -> Iterable[tuple[Worker, ObservedWorker, HyperdriveConfig]]:
    config = scene.config
    return [] if config is None else [(worker, seen, config) for worker, seen in scene.workers]


def _not_switched(scene: _Scene) -> list[tuple[Worker, ObservedWorker, HyperdriveConfig]]:
    return [each for each in _bound(scene) if not each[1].serves_only(each[2].id)]


def _upload(scene: _Scene, worker: Worker, seen: ObservedWorker, config: HyperdriveConfig) -> UploadedVersion | None:
    return seen.uploaded_as(version_label(scene.desired, worker, seen, scene.observed.commit), config.id)


def _config_called(scene: _Scene, identity: str | None) -> str:
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
