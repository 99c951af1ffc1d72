"""Which Hyperdrive config belongs to a branch, and what a new one is called.

A config is found by the host that it points to: after a restore in place the same branch, and so the same config,
carries another timeline than the one that the config is named after. By the strategy `repoint` it is the one config
that serves, wherever it leads now.
"""

import re
from collections.abc import Iterable

from reconciler.core.lineage.infer import infer_lineage
from reconciler.core.lineage.lineage import Lineage, TimelineBranch
from reconciler.core.model.desired import Desired, Hyperdrive
from reconciler.core.model.observed import Branch, HyperdriveConfig, Observed, ObservedWorker, Unknown, known, named
from reconciler.core.values.timeline import RESTORED_NAME

_Workers = Iterable[ObservedWorker | Unknown]


def config_of(
    desired: Desired, timeline_branch: TimelineBranch, configs: tuple[HyperdriveConfig, ...]
) -> HyperdriveConfig | None:
    """Find the config of this environment that points to the branch's compute; None if there is none."""
    hyperdrive, endpoint = desired.hyperdrive, timeline_branch.branch.endpoint
    if hyperdrive is None or endpoint is None:
        return None
    own = [each for each in _own(hyperdrive, configs) if points_to(each, timeline_branch.branch)]
    return named(own, hyperdrive.config_for(timeline_branch.timeline)) or next(iter(own), None)


def points_to(config: HyperdriveConfig, branch: Branch) -> bool:
    """Whether a config points to a branch's compute, by its direct host."""
    endpoint = branch.endpoint
    return endpoint is not None and (config.host, config.port) == (endpoint.host, endpoint.port)


def shared_config(
    hyperdrive: Hyperdrive,
    timeline_branch: TimelineBranch | None,
    lineage: Lineage,
    configs: tuple[HyperdriveConfig, ...],
    workers: _Workers,
) -> HyperdriveConfig | None:
    """Find the one config that is repointed: the one that serves. None if there is none.

    It points to the live branch, to the desired timeline's branch, or to what has just failed, and Workers serve from
    it. If none serves, or no Worker is known, it is the config of the live branch or of the desired timeline's branch;
    then any that serves; then the one of that very name. Of several, it is the one changed last, because each restore
    changes the config that it repoints.
    """
    own = _own(hyperdrive, configs)
    served = {
        version.hyperdrive_id
        for worker in workers
        if isinstance(worker, ObservedWorker)
        for version in worker.deployed
        if version.percentage > 0
    }
    current = [lineage.live.branch, *([timeline_branch.branch] if timeline_branch else [])]
    near = [each for each in own if any(points_to(each, branch) for branch in current)]
    failed = [each for each in own if any(points_to(each, left.branch) for left in lineage.failed)]
    choices = (
        [each for each in (*near, *failed) if each.id in served],
        near,
        [each for each in own if each.id in served],
        [each for each in own if each.name == hyperdrive.name],
    )
    return max(next((each for each in choices if each), []), key=_changed, default=None)


def _changed(config: HyperdriveConfig) -> tuple[int, str]:
    return (config.modified_at.milliseconds if config.modified_at else 0), config.name


def _own(hyperdrive: Hyperdrive, configs: tuple[HyperdriveConfig, ...]) -> list[HyperdriveConfig]:
    """List the configs of this environment, by their names."""
    pattern = rf"{re.escape(hyperdrive.name)}(-{RESTORED_NAME}\S*)?(-[0-9]+)?"
    return sorted((each for each in configs if re.fullmatch(pattern, each.name)), key=lambda each: each.name)


def expected_config(desired: Desired, observed: Observed) -> str:
    """Name the config that the Workers are to be bound to; if that is unknown, the name of a new one."""
    branches = known(observed.branches)
    configs = known(observed.configs)
    lineage = infer_lineage(desired, branches)
    timeline_branch = lineage.timeline_branch(desired.timeline) if isinstance(lineage, Lineage) else None
    if timeline_branch is not None and isinstance(lineage, Lineage):
        return config_name(desired, timeline_branch, lineage, branches, configs, observed.workers)
    return desired.hyperdrive.config_for(desired.timeline) if desired.hyperdrive else ""


def config_name(
    desired: Desired,
    timeline_branch: TimelineBranch,
    lineage: Lineage,
    branches: tuple[Branch, ...],
    configs: tuple[HyperdriveConfig, ...],
    workers: _Workers,
) -> str:
    """Name the config of a timeline's branch: the existing one, or the one to create.

    A config with the timeline's name may point to another branch of ours: to one that carried the timeline before a
    restore in place, or to the one that the config was repointed to. Then the name gets the next free number.
    """
    hyperdrive = desired.hyperdrive
    if hyperdrive is None:
        return ""
    if hyperdrive.is_repointed:
        shared = shared_config(hyperdrive, timeline_branch, lineage, configs, workers)
        return shared.name if shared else hyperdrive.name
    if (existing := config_of(desired, timeline_branch, configs)) is not None:
        return existing.name
    name = wanted = hyperdrive.config_for(timeline_branch.timeline)
    ours, was_in_place = _ours(lineage), any(each.preserved for each in (*lineage.held, *lineage.superseded))
    others = branches if was_in_place else ours if timeline_branch.held is not None else ()
    hosts = {
        each.endpoint.host for each in others if each.endpoint is not None and each.id != timeline_branch.branch.id
    }
    number = 2
    while (taken := named(configs, name)) is not None and taken.host in hosts:
        name, number = f"{wanted}-{number}", number + 1
    return name


def _ours(lineage: Lineage) -> tuple[Branch, ...]:
    return tuple(each.branch for each in (lineage.live, *lineage.held, *lineage.superseded))
