"""What the rules decide on: the desired and the observed state, once all of it could be read."""

from dataclasses import dataclass

from reconciler.core.lineage.hyperdrive import config_name, points_to
from reconciler.core.lineage.infer import infer_lineage
from reconciler.core.lineage.lineage import Lineage, TimelineBranch
from reconciler.core.model.desired import Desired, Worker
from reconciler.core.model.observed import Branch, HyperdriveConfig, Observed, ObservedWorker, Project, Unknown, named
from reconciler.core.model.refusal import Refusal
from reconciler.core.rules.context import concurrency, readable
from reconciler.core.values.timeline import Timeline


@dataclass(frozen=True, slots=True)
class TimelineFailed(Refusal):
    """The timeline took traffic, failed its last check, and was rolled back. No run tries it again by itself."""

    rule = "timeline-failed"
    before_the_call = "read again"
    timeline: Timeline
    branch: str
    candidate: str
    live: Timeline

    problem = 'timeline "{timeline}" took traffic and failed its last check; "{live}" is live again, unchanged'
    way_out = (
        '"{branch}" holds it, with what users wrote to it meanwhile. To cancel, run git revert. To retry from the same '
        'moment, use a new id. If the cause was elsewhere, rename that branch to "{candidate}" to try it again'
    )


@dataclass(frozen=True, slots=True)
class Blocked:
    """Nothing may be done, for these reasons."""

    refusals: tuple[Refusal, ...]

    @property
    def is_about_declared_branches(self) -> bool:
        """Whether all that is refused is about declared branches."""
        return all(each.about_declared_branch for each in self.refusals)

    @property
    def is_verdict(self) -> bool:
        """Whether the steps before it are taken anyway: it completes a rollback, or is about declared branches."""
        return self.is_about_declared_branches or any(isinstance(each, TimelineFailed) for each in self.refusals)


@dataclass(frozen=True, slots=True)
class PlanningContext:
    """One environment: its desired state, what was observed, and which branch carries which timeline."""

    desired: Desired
    observed: Observed
    project: Project
    branches: tuple[Branch, ...]
    configs: tuple[HyperdriveConfig, ...]
    workers: tuple[tuple[Worker, ObservedWorker], ...]
    lineage: Lineage

    @property
    def target(self) -> TimelineBranch | None:
        """The branch that carries the desired timeline."""
        return self.lineage.timeline_branch(self.desired.timeline)

    @property
    def config_name(self) -> str:
        """The name of the target's Hyperdrive config, even if there is none yet."""
        target, seen = self.target, self.observed.workers
        return config_name(self.desired, target, self.lineage, self.branches, self.configs, seen) if target else ""

    @property
    def config(self) -> HyperdriveConfig | None:
        """The target's Hyperdrive config, or the one that will be pointed to it."""
        return named(self.configs, self.config_name)

    @property
    def is_repointed(self) -> bool:
        """Whether a restore points the config that serves to another branch, instead of creating one."""
        return self.desired.hyperdrive is not None and self.desired.hyperdrive.is_repointed

    def is_serving(self, target: TimelineBranch) -> bool:
        """Whether the branch is the primary, or users were switched to it and only renames are missing."""
        if target == self.lineage.live:
            return True
        config = self.config
        switched = config is not None and all(seen.serves_only(config.id) for _, seen in self.workers)
        if config is not None and self.is_repointed:
            return switched and points_to(config, target.branch)
        return switched and bool(self.workers)

    @property
    def is_new(self) -> bool:
        """Whether the timeline was never live before this restore: only then are the file's gates run."""
        timeline, lineage = self.desired.timeline, self.lineage
        was_replaced = any(each.timeline == timeline for each in (*lineage.held, *lineage.superseded))
        return not was_replaced and (timeline != lineage.live.timeline or lineage.proof_branch is not None)


def read(desired: Desired, observed: Observed) -> PlanningContext | Blocked:
    """Return what the rules decide on, or say why nothing can be decided."""
    project, branches, configs = observed.project, observed.branches, observed.configs
    unreadable = readable.unreadable(observed)
    if unreadable or isinstance(project, Unknown) or isinstance(branches, Unknown) or isinstance(configs, Unknown):
        return Blocked(tuple(unreadable))
    workers = tuple(each for each in observed.workers if isinstance(each, ObservedWorker))
    if refusals := [*readable.workers(workers), *concurrency.claimed(desired, observed)]:
        return Blocked(tuple(refusals))
    lineage = infer_lineage(desired, branches)
    if isinstance(lineage, Refusal):
        return Blocked((lineage,))
    paired = tuple(zip(desired.workers, workers, strict=True))
    return PlanningContext(desired, observed, project, branches, configs, paired, lineage)
