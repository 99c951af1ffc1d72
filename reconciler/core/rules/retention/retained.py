"""The holding pen: what is held, until when, and why it can or cannot go.

A replaced branch and the Hyperdrive configs that lead to it are one unit: kept together, and deleted together. The
Worker versions that are bound to these configs stay where they are, as Cloudflare has no way to delete a version.

A hold ends so long after the replacement as the file says. Neon tells when that was by the time at which it made the
branch, where that was in place, and otherwise by that of the branch's last change: it was renamed then. Any later
change makes a hold longer, and none makes it shorter.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from reconciler.core.lineage.evidence import Signs
from reconciler.core.lineage.lineage import Lineage, TimelineBranch
from reconciler.core.model.declared_branch import needs_parent
from reconciler.core.model.desired import Desired, Hyperdrive
from reconciler.core.model.observed import Branch, HyperdriveConfig, Observed, ObservedWorker, Unknown, known
from reconciler.core.rules.project import protection
from reconciler.core.rules.retention.deletion import kept_by_neon
from reconciler.core.values.duration import for_people
from reconciler.core.values.instant import Instant
from reconciler.core.values.timeline import ORIGIN, Timeline


@dataclass(frozen=True, slots=True)
class RetainedBranch:
    """A held branch with the configs that lead to it.

    `replaced_at` is None where Neon does not tell it, and `until` where the hold has no end. `stays` says why it is not
    deleted even when its hold has ended; who uses its configs is known only where that was asked.
    """

    timeline_branch: TimelineBranch
    configs: tuple[HyperdriveConfig, ...]
    replaced_at: Instant | None
    until: Instant | None
    stays: tuple[str, ...]

    @property
    def branch(self) -> Branch:
        """The branch that is held."""
        return self.timeline_branch.branch

    def has_ended(self, at: Instant) -> bool:
        """Whether its hold is over."""
        return self.until is not None and self.until <= at

    def may_go(self, at: Instant) -> bool:
        """Whether nothing speaks against deleting it, as far as it was asked who uses it."""
        return self.has_ended(at) and not self.stays

    def fate(self, at: Instant) -> str:
        """Say in a sentence what will become of it."""
        expires = self.branch.expires_at
        return self._fate(at) + (f"; Neon deletes it at {expires} by itself" if expires is not None else "")

    def _fate(self, at: Instant) -> str:
        because = "; ".join(self.stays)
        if self.until is None:
            return "kept for ever" if self.replaced_at else "kept: Neon does not tell when it was replaced"
        if not self.has_ended(at):
            held = f"held until {self.until} ({for_people(self.until - at)} left)"
            return f"{held}, and kept then: {because}" if because else held
        ended = f"its hold ended at {self.until}"
        return f"{ended}, and it is kept: {because}" if because else f"{ended}: an apply deletes it"


def units(desired: Desired, observed: Observed, lineage: Lineage) -> tuple[RetainedBranch, ...]:
    """List what is held, also of the timelines that were replaced twice or have failed."""
    if isinstance(observed.branches, Unknown):
        return ()
    signs = Signs(desired, observed, lineage, observed.branches)
    timeline_branches = (*lineage.held, *lineage.superseded, *lineage.failed)
    return tuple(_unit(signs, each) for each in timeline_branches if each.branch != lineage.live.branch)


def kept_at(
    desired: Desired, observed: Observed, lineage: Lineage, unit: RetainedBranch, at: Instant
) -> tuple[str, ...]:
    """Say what will keep a unit at a later moment, as far as that can be told from what there is now."""
    branches = known(observed.branches)
    return _unit(Signs(desired, replace(observed, at=at), lineage, branches), unit.timeline_branch).stays


def _unit(signs: Signs, timeline_branch: TimelineBranch) -> RetainedBranch:
    desired, observed = signs.desired, signs.observed
    replaced_at = timeline_branch.ended or _renamed_at(signs.lineage, timeline_branch)
    hold = desired.primary.hold
    until = None if hold is None or replaced_at is None else replaced_at.after(hold)
    leading = _leading(observed, timeline_branch)
    own = tuple(each for each in leading if made_for(desired.hyperdrive, each) is not None)
    stays = (
        *kept_by_neon(timeline_branch, signs.branches),
        *protection.keeps(desired, timeline_branch.branch),
        *_needed(desired, observed, timeline_branch),
        *_awaited(signs, timeline_branch.branch),
        *signs.needed_of(timeline_branch, replaced_at),
        *_foreign(desired, timeline_branch, [each for each in leading if each not in own]),
        *used(observed, leading),
    )
    return RetainedBranch(timeline_branch, own, replaced_at, until, stays)


def _renamed_at(lineage: Lineage, timeline_branch: TimelineBranch) -> Instant | None:
    """Return when a branch was given its name at the earliest: not before what replaced it was there.

    That a rename moves the time of the last change is not documented, and no hold may end early for that.
    """
    changed = timeline_branch.branch.updated_at
    successor = lineage.timeline_branch(timeline_branch.held.before) if timeline_branch.held else None
    return changed if changed is None or successor is None else max(changed, successor.branch.created_at)


def _leading(observed: Observed, timeline_branch: TimelineBranch) -> list[HyperdriveConfig]:
    endpoint, configs = timeline_branch.branch.endpoint, observed.configs
    if endpoint is None or isinstance(configs, Unknown):
        return []
    found = [each for each in configs if direct_host(each.host) == endpoint.host and each.port == endpoint.port]
    return sorted(found, key=lambda each: each.name)


def direct_host(host: str) -> str:
    """Return a host without the mark of Neon's pooler: both lead to the same branch."""
    label, dot, domain = host.partition(".")
    return f"{label.removesuffix('-pooler')}{dot}{domain}"


def made_for(hyperdrive: Hyperdrive | None, config: HyperdriveConfig) -> Timeline | None:
    """Return the timeline that a config was made for, by its name. The one that the file names was made for none."""
    if hyperdrive is None or not config.name.startswith(f"{hyperdrive.name}-"):
        return None
    name = config.name.removeprefix(f"{hyperdrive.name}-")
    timeline = Timeline.parse(name) or Timeline.parse(re.sub(r"-[0-9]+$", "", name))
    return None if timeline == ORIGIN else timeline


def _needed(desired: Desired, observed: Observed, timeline_branch: TimelineBranch) -> Iterator[str]:
    branch, mark = timeline_branch.branch, timeline_branch.branch.mark
    if timeline_branch.timeline == desired.timeline:
        yield "the file asks for its timeline"
    if mark is not None and mark.environment != desired.environment:
        yield f'it is annotated for environment "{mark.environment}"'
    claims = [c.environment for c in observed.claims if (c.project, c.branch) == (desired.primary.project, branch.name)]
    if claims:
        yield f'it is the primary of environment "{claims[0]}"'
    if not branch.ready:
        yield "Neon is at work on it"


def _awaited(signs: Signs, branch: Branch) -> Iterator[str]:
    """A declared branch needs what it is made from or reset to, until that is done: Neon keeps a parent after that."""
    made = [
        child.name
        for child in signs.desired.branches or ()
        if child.parent == branch.name and needs_parent(child, signs.branches, signs.observed.at)
    ]
    if made:
        yield f"the file makes {', '.join(sorted(made))} from it"


def _foreign(desired: Desired, timeline_branch: TimelineBranch, configs: list[HyperdriveConfig]) -> Iterator[str]:
    if desired.hyperdrive is None and timeline_branch.branch.endpoint is not None:
        yield "the file has no hyperdrive, so nothing tells whether its compute is still used"
    for each in configs:
        yield f'Hyperdrive config "{each.name}" leads to it, and was not made for a timeline'


def used(observed: Observed, configs: list[HyperdriveConfig]) -> Iterator[str]:
    """Say who uses one of the configs, as far as that was asked."""
    names = {each.id: each.name for each in configs}
    workers = [each for each in observed.workers if isinstance(each, ObservedWorker)]
    for seen in workers:
        if seen.file_hyperdrive_id in names:
            yield f'{seen.config} names Hyperdrive config "{names[seen.file_hyperdrive_id]}"'
    bound = [(seen.script, version.hyperdrive_id) for seen in workers for version in seen.deployed]
    bound += [(seen.script, version.hyperdrive_id) for seen in workers for version in seen.uploaded]
    bound += [] if isinstance(observed.uses, Unknown) else [(each.script, each.hyperdrive_id) for each in observed.uses]
    for script, identity in dict.fromkeys(bound):
        if identity in names:
            yield f'Worker {script} is bound to Hyperdrive config "{names[identity]}"'
