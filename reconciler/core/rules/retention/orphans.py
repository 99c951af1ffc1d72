"""Hyperdrive configs of ours whose branch is gone: deleted by hand, or by Neon when it expired.

When that was is unknown, so such a config is kept for as long as a hold, counted from its own last change. A new config
is thus safe if the list of branches lags behind. It holds no data. Its name, database and role show that it was created
for a timeline of this environment.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from reconciler.core.lineage.lineage import Lineage
from reconciler.core.model.desired import Desired, Hyperdrive
from reconciler.core.model.observed import HyperdriveConfig, Observed, Unknown
from reconciler.core.rules.hyperdrive.origin import direct
from reconciler.core.rules.retention.retained import made_for, used
from reconciler.core.values.duration import for_people
from reconciler.core.values.instant import Instant
from reconciler.core.values.timeline import Timeline


@dataclass(frozen=True, slots=True)
class Orphan:
    """A config that points to no branch. `until` is None if unknown or for ever; `stays` as in `RetainedBranch`."""

    config: HyperdriveConfig
    until: Instant | None
    stays: tuple[str, ...]

    def may_go(self, at: Instant) -> bool:
        """Whether nothing is known against deleting it."""
        return self.until is not None and self.until <= at and not self.stays

    def fate(self, at: Instant) -> str:
        """Say what will happen to it."""
        because = "; ".join(self.stays)
        if self.until is not None and at < self.until:
            kept = f"kept until {self.until} ({for_people(self.until - at)} left)"
            return f"{kept}, and then: {because}" if because else kept
        return f"kept: {because}" if because else "an apply deletes it"


def orphans(desired: Desired, observed: Observed, lineage: Lineage) -> tuple[Orphan, ...]:
    """List the configs that were created for a timeline and no longer point to a branch of the project."""
    hyperdrive, branches, configs = desired.hyperdrive, observed.branches, observed.configs
    if hyperdrive is None or isinstance(branches, Unknown) or isinstance(configs, Unknown):
        return ()
    places = {(each.endpoint.host, each.endpoint.port) for each in branches if each.endpoint is not None}
    found = []
    for config in sorted(configs, key=lambda each: each.name):
        timeline = made_for(hyperdrive, config)
        if timeline is not None and (direct(config).host, config.port) not in places:
            found.append(_orphan(desired, observed, lineage, config, timeline))
    return tuple(found)


def _orphan(
    desired: Desired, observed: Observed, lineage: Lineage, config: HyperdriveConfig, timeline: Timeline
) -> Orphan:
    hold, changed = desired.primary.hold, config.modified_at
    until = None if hold is None or changed is None else changed.after(hold)
    stays = (
        *(["primary.hold is for ever"] if hold is None else []),
        *(["Cloudflare does not report when it was last changed"] if changed is None else []),
        *_needed(desired, lineage, timeline),
        *_differs(desired.hyperdrive, config),
        *used(observed, [config]),
    )
    return Orphan(config, until, stays)


def _needed(desired: Desired, lineage: Lineage, timeline: Timeline) -> Iterator[str]:
    """Keep a config while its timeline is wanted or carried: a branch without a compute may get one again."""
    if timeline == desired.timeline:
        yield "the file asks for its timeline"
    timeline_branches = (*lineage.all, *lineage.superseded, *lineage.proved)
    if names := sorted({f'"{each.branch.name}"' for each in timeline_branches if each.timeline == timeline}):
        yield f"{', '.join(names)} still carries its timeline"


def _differs(hyperdrive: Hyperdrive | None, config: HyperdriveConfig) -> Iterator[str]:
    """A config with another database or role may belong to others by now."""
    if hyperdrive is not None and (config.database, config.user) != (hyperdrive.database, hyperdrive.role):
        yield f"it is for database {config.database} and role {config.user}, which the file does not name"
