"""Hyperdrive configs of ours whose branch is gone: deleted by hand, or by Neon when it expired.

Nothing tells when that was, so such a config is kept for as long as a hold, from its own last change on: a list of
branches that lags behind does not make an orphan of what has just been made. It holds no data. Which branch it led to
its host does not tell any more; that it was made for a timeline of this environment is told by its name, and by its
database and role.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from reconciler.core.lineage.lineage import Lineage
from reconciler.core.model.desired import Desired, Hyperdrive
from reconciler.core.model.observed import HyperdriveConfig, Observed, Unknown
from reconciler.core.rules.retention.retained import direct_host, made_for, used
from reconciler.core.values.duration import for_people
from reconciler.core.values.instant import Instant
from reconciler.core.values.timeline import Timeline


@dataclass(frozen=True, slots=True)
class Orphan:
    """A config that leads to no branch. `until` is None where that is not told or for ever; `stays` is as in `Unit`."""

    config: HyperdriveConfig
    until: Instant | None
    stays: tuple[str, ...]

    def may_go(self, at: Instant) -> bool:
        """Whether nothing speaks against deleting it, as far as it was asked who uses it."""
        return self.until is not None and self.until <= at and not self.stays

    def fate(self, at: Instant) -> str:
        """Say in a sentence what will become of it."""
        because = "; ".join(self.stays)
        if self.until is not None and at < self.until:
            kept = f"kept until {self.until} ({for_people(self.until - at)} left)"
            return f"{kept}, and then: {because}" if because else kept
        return f"kept: {because}" if because else "an apply deletes it"


def orphans(desired: Desired, observed: Observed, lineage: Lineage) -> tuple[Orphan, ...]:
    """List the configs that were made for a timeline and lead to no branch of the project any more."""
    hyperdrive, branches, configs = desired.hyperdrive, observed.branches, observed.configs
    if hyperdrive is None or isinstance(branches, Unknown) or isinstance(configs, Unknown):
        return ()
    places = {(each.endpoint.host, each.endpoint.port) for each in branches if each.endpoint is not None}
    found = []
    for config in sorted(configs, key=lambda each: each.name):
        timeline = made_for(hyperdrive, config)
        if timeline is not None and (direct_host(config.host), config.port) not in places:
            found.append(_orphan(desired, observed, lineage, config, timeline))
    return tuple(found)


def _orphan(
    desired: Desired, observed: Observed, lineage: Lineage, config: HyperdriveConfig, timeline: Timeline
) -> Orphan:
    hold, changed = desired.primary.hold, config.modified_at
    until = None if hold is None or changed is None else changed.after(hold)
    stays = (
        *(["primary.hold is for ever"] if hold is None else []),
        *(["Cloudflare does not tell when it was last changed"] if changed is None else []),
        *_needed(desired, lineage, timeline),
        *_differs(desired.hyperdrive, config),
        *used(observed, [config]),
    )
    return Orphan(config, until, stays)


def _needed(desired: Desired, lineage: Lineage, timeline: Timeline) -> Iterator[str]:
    """A branch without a compute may get one again: what carries the timeline keeps what was made for it."""
    if timeline == desired.timeline:
        yield "the file asks for its timeline"
    timeline_branches = (*lineage.all, *lineage.superseded, *lineage.proved)
    if names := sorted({f'"{each.branch.name}"' for each in timeline_branches if each.timeline == timeline}):
        yield f"{', '.join(names)} still carries its timeline"


def _differs(hyperdrive: Hyperdrive | None, config: HyperdriveConfig) -> Iterator[str]:
    """What was made here has the file's database and role; anything else may be somebody's by now."""
    if hyperdrive is not None and (config.database, config.user) != (hyperdrive.database, hyperdrive.role):
        yield f"it is for database {config.database} and role {config.user}, which the file does not name"
