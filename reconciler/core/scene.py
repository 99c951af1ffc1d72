"""What the rules decide on: what was asked and what was seen, once it is known that all of it could be read."""

from dataclasses import dataclass

from reconciler.core import guards, rivals
from reconciler.core.desired import Desired, Worker
from reconciler.core.hyperdrive.choice import config_name, leads_to
from reconciler.core.lineage.lineage import Carrier, Lineage
from reconciler.core.lineage.provenance import trace
from reconciler.core.observed import Branch, HyperdriveConfig, Observed, ObservedWorker, Project, Unknown, named
from reconciler.core.refusals import Refusal, TimelineFailed


@dataclass(frozen=True, slots=True)
class Refused:
    """Nothing may be done, for these reasons."""

    refusals: tuple[Refusal, ...]

    @property
    def is_about_children(self) -> bool:
        """Tell whether all that is refused is about declared branches."""
        return all(each.about_child for each in self.refusals)

    @property
    def is_verdict(self) -> bool:
        """Tell whether the steps before it are taken all the same: it ends a putting back, or is about children."""
        return self.is_about_children or any(isinstance(each, TimelineFailed) for each in self.refusals)


@dataclass(frozen=True, slots=True)
class Scene:
    """One environment: what is asked of it, what is there, and who carries what."""

    desired: Desired
    observed: Observed
    project: Project
    branches: tuple[Branch, ...]
    configs: tuple[HyperdriveConfig, ...]
    workers: tuple[tuple[Worker, ObservedWorker], ...]
    lineage: Lineage

    @property
    def carrier(self) -> Carrier | None:
        """The branch that carries the timeline that is asked for."""
        return self.lineage.carrier(self.desired.timeline)

    @property
    def config_name(self) -> str:
        """The name of its Hyperdrive config, whether there is one or not."""
        carrier, seen = self.carrier, self.observed.workers
        return config_name(self.desired, carrier, self.lineage, self.branches, self.configs, seen) if carrier else ""

    @property
    def config(self) -> HyperdriveConfig | None:
        """Its Hyperdrive config, or the one that is to be led to it."""
        return named(self.configs, self.config_name)

    @property
    def is_repointed(self) -> bool:
        """Whether a restore leads the Hyperdrive config that serves to another branch, instead of making one."""
        return self.desired.hyperdrive is not None and self.desired.hyperdrive.is_repointed

    def is_serving(self, carrier: Carrier) -> bool:
        """Tell whether the branch is the primary, or the switch to it has happened and only renames are missing."""
        if carrier == self.lineage.live:
            return True
        config = self.config
        switched = config is not None and all(seen.serves_only(config.id) for _, seen in self.workers)
        if config is not None and self.is_repointed:
            return switched and leads_to(config, carrier.branch)
        return switched and bool(self.workers)

    @property
    def is_new(self) -> bool:
        """Whether the timeline was never live before this restore: the file's gates judge only such a one."""
        timeline, lineage = self.desired.timeline, self.lineage
        was_replaced = any(each.timeline == timeline for each in (*lineage.held, *lineage.older))
        return not was_replaced and (timeline != lineage.live.timeline or lineage.proof is not None)


def read(desired: Desired, observed: Observed) -> Scene | Refused:
    """Bring together what is needed to decide, or say why nothing can be decided."""
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
    return Scene(desired, observed, project, branches, configs, paired, lineage)
