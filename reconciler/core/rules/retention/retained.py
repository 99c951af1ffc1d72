"""Retention: what is held, until when, and why it can or can't be deleted.

A replaced branch and the Hyperdrive configs that point to it are kept together and deleted together. The Worker
versions that are bound to these configs stay, because Cloudflare has no way to delete a version.

A hold lasts as long as the file says, from the replacement on. In place, that is when Neon created the branch;
otherwise it is the branch's last change, its rename. Any later change makes a hold longer; none makes it shorter.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from reconciler.core.lineage.evidence import Signs
from reconciler.core.lineage.hyperdrive import points_to
from reconciler.core.lineage.lineage import Lineage, TimelineBranch
from reconciler.core.model.declared_branch import needs_parent
from reconciler.core.model.desired import Desired, Hyperdrive
from reconciler.core.model.observed import Branch, HyperdriveConfig, Observed, ObservedWorker, Unknown, known
from reconciler.core.rules.hyperdrive.origin import direct
from reconciler.core.rules.project import protection
from reconciler.core.rules.retention.deletion import kept_by_neon
from reconciler.core.values.duration import for_people
from reconciler.core.values.instant import Instant
from reconciler.core.values.timeline import ORIGIN, Timeline


@dataclass(frozen=True, slots=True)
class RetainedBranch:
    """A held branch with the configs that point to it.

    `replaced_at` is None if Neon does not report it, and `until` if the hold has no end. `stays` has the reasons why it
    is kept even after its hold; the uses of its configs are known only if they were read.
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
        """Whether nothing is known against deleting it."""
        return self.has_ended(at) and not self.stays

    def fate(self, at: Instant) -> str:
        """Say what will happen to it."""
        expires = self.branch.expires_at
        return self._fate(at) + (f"; Neon deletes it at {expires} by itself" if expires is not None else "")

    def _fate(self, at: Instant) -> str:
        because = "; ".join(self.stays)
        if self.until is None:
            return "kept for ever" if self.replaced_at else "kept: Neon does not report when it was replaced"
        if not self.has_ended(at):
            held = f"held until {self.until} ({for_people(self.until - at)} left)"
            return f"{held}, and kept then: {because}" if because else held
        ended = f"its hold ended at {self.until}"
        return f"{ended}, and it is kept: {because}" if because else f"{ended}: an apply deletes it"


def units(desired: Desired, observed: Observed, lineage: Lineage) -> tuple[RetainedBranch, ...]:
    """List what is held, including timelines that were replaced twice or have failed."""
    if isinstance(observed.branches, Unknown):
        return ()
    signs = Signs(desired, observed, lineage, observed.branches)
    timeline_branches = (*lineage.held, *lineage.superseded, *lineage.failed)
    return tuple(_unit(signs, each) for each in timeline_branches if each.branch != lineage.live.branch)


def kept_at(
    desired: Desired, observed: Observed, lineage: Lineage, unit: RetainedBranch, at: Instant
) -> tuple[str, ...]:
    """Return what will keep it at a later moment, by what is known now."""
    branches = known(observed.branches)
    return _unit(Signs(desired, replace(observed, at=at), lineage, branches), unit.timeline_branch).stays


def _unit(signs: Signs, timeline_branch: TimelineBranch) -> RetainedBranch:
    desired, observed = signs.desired, signs.observed
    replaced_at = timeline_branch.ended or _renamed_at(signs.lineage, timeline_branch)
    hold = desired.primary.hold
    until = None if hold is None or replaced_at is None else replaced_at.after(hold)
    configs = _configs_of(observed, timeline_branch)
    own = tuple(each for each in configs if made_for(desired.hyperdrive, each) is not None)
    stays = (
        *kept_by_neon(timeline_branch, signs.branches),
        *protection.keeps(desired, timeline_branch.branch),
        *_needed(desired, observed, timeline_branch),
        *_awaited(signs, timeline_branch.branch),
        *signs.needed_of(timeline_branch, replaced_at),
        *_foreign(desired, timeline_branch, [each for each in configs if each not in own]),
        *used(observed, configs),
    )
    return RetainedBranch(timeline_branch, own, replaced_at, until, stays)


def _renamed_at(lineage: Lineage, timeline_branch: TimelineBranch) -> Instant | None:
    """Return when a branch got its name at the earliest: not before the branch that replaced it existed.

    Whether a rename moves the time of the last change is undocumented, and no hold may end early because of that.
    """
    changed = timeline_branch.branch.updated_at
    successor = lineage.timeline_branch(timeline_branch.held.before) if timeline_branch.held else None
    return changed if changed is None or successor is None else max(changed, successor.branch.created_at)


def _configs_of(observed: Observed, timeline_branch: TimelineBranch) -> list[HyperdriveConfig]:
    found = (each for each in known(observed.configs) if points_to(direct(each), timeline_branch.branch))
    return sorted(found, key=lambda each: each.name)


def made_for(hyperdrive: Hyperdrive | None, config: HyperdriveConfig) -> Timeline | None:
    """Return the timeline that a config was created for, by its name; None for the config that the file names."""
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
        yield "Neon is running an operation on it"


def _awaited(signs: Signs, branch: Branch) -> Iterator[str]:
    """A declared branch needs its parent until it is created or reset; after that, Neon keeps the parent."""
    children = [
        child.name
        for child in signs.desired.branches or ()
        if child.parent == branch.name and needs_parent(child, signs.branches, signs.observed.at)
    ]
    if children:
        yield f"the file creates {', '.join(sorted(children))} from it"


def _foreign(desired: Desired, timeline_branch: TimelineBranch, configs: list[HyperdriveConfig]) -> Iterator[str]:
    if desired.hyperdrive is None and timeline_branch.branch.endpoint is not None:
        yield "the file has no hyperdrive, so whether its compute is still used is unknown"
    for each in configs:
        yield f'Hyperdrive config "{each.name}" points to it, and was not created for a timeline'


def used(observed: Observed, configs: list[HyperdriveConfig]) -> Iterator[str]:
    """Say who is known to use one of the configs."""
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
