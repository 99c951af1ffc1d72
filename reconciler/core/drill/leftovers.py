"""What a drill created and may delete again: known by names and annotations, and used by nothing else.

In doubt a thing stays, and the reasons are said. What is empty may go.
"""

from collections.abc import Iterable, Iterator

from reconciler.core.drill.names import DrillNames, is_of_a_drill, lent
from reconciler.core.model.desired import Desired
from reconciler.core.model.observed import Branch, DeployedVersion, HyperdriveConfig, UploadedVersion, Use
from reconciler.core.rules.hyperdrive.origin import direct


def worker_stays(
    names: DrillNames, deployed: tuple[DeployedVersion, ...], configs: tuple[HyperdriveConfig, ...]
) -> tuple[str, ...]:
    """Say why a Worker that is named as a drill's stays: all that is live must be bound to configs of this drill."""
    bound = _bound(deployed, configs)
    if bound and all(names.has_config(name) for name in bound):
        return ()
    return ("it is bound to something else than a drill's Hyperdrive config",)


def is_another_drills(
    production: Desired,
    names: DrillNames,
    deployed: tuple[DeployedVersion, ...],
    configs: tuple[HyperdriveConfig, ...],
) -> bool:
    """Whether a Worker belongs to another drill, which may be under way: Workers' names do not say which."""
    bound = _bound(deployed, configs)
    return bool(bound) and all(is_of_a_drill(production, name) and not names.has_config(name) for name in bound)


def to_serve_again(uploaded: tuple[UploadedVersion, ...]) -> str:
    """Name the version that served before a Worker was borrowed; empty if unknown. Newest first."""
    return next((version for each in uploaded if (version := lent(each.label))), "")


def config_stays(
    names: DrillNames,
    config: HyperdriveConfig,
    branches: tuple[Branch, ...],
    uses: tuple[Use, ...],
    own: Iterable[str],
) -> tuple[str, ...]:
    """Say why a config stays that is named as a drill's. `own` are the names of the drill's Workers."""
    scripts = frozenset(own)
    return (
        *(f"Worker {each.script} is bound to it" for each in uses if _is_foreign(each, config, scripts)),
        *(
            f'it points to branch "{branch.name}"'
            for branch in branches
            if _points_to(config, branch) and not names.has_branch(branch)
        ),
    )


def branch_stays(
    names: DrillNames, branch: Branch, branches: tuple[Branch, ...], configs: tuple[HyperdriveConfig, ...]
) -> tuple[str, ...]:
    """Say why a branch stays whose name and annotation are a drill's."""
    return tuple(_kept(names, branch, branches, configs))


def _kept(
    names: DrillNames, branch: Branch, branches: tuple[Branch, ...], configs: tuple[HyperdriveConfig, ...]
) -> Iterator[str]:
    if not names.has_branch(branch):
        yield "no drill has made it"
    if branch.default:
        yield "it is the project's default branch"
    if branch.protected:
        yield "it is protected"
    for child in branches:
        if child.parent_id == branch.id:
            yield f'"{child.name}" was made from it'
    for config in configs:
        if _points_to(config, branch):
            yield f'Hyperdrive config "{config.name}" points to it'


def _bound(deployed: tuple[DeployedVersion, ...], configs: tuple[HyperdriveConfig, ...]) -> tuple[str, ...]:
    names = {each.id: each.name for each in configs}
    return tuple(names.get(each.hyperdrive_id or "", "") for each in deployed)


def _is_foreign(use: Use, config: HyperdriveConfig, own: frozenset[str]) -> bool:
    return use.hyperdrive_id == config.id and use.script not in own


def _points_to(config: HyperdriveConfig, branch: Branch) -> bool:
    unpooled, endpoint = direct(config), branch.endpoint
    return endpoint is not None and (unpooled.host, unpooled.port) == (endpoint.host, endpoint.port)
