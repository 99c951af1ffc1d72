"""What several predictions share: the observed world with one change.

Ids that only a provider can give are phrases such as "(id of main.candidate.r-...)", never compared with real ones.
"""

from collections.abc import Callable
from dataclasses import replace

from reconciler.core.model.compute import ComputeSettings
from reconciler.core.model.observed import Branch, Endpoint, HyperdriveConfig, Observed, ObservedWorker, known, named
from reconciler.core.values.instant import Instant


def branches_of(observed: Observed) -> tuple[Branch, ...]:
    """Return the branches; none if they could not be read."""
    return known(observed.branches)


def with_branch(observed: Observed, name: str, change: Callable[[Branch], Branch]) -> Observed:
    """Change the branch of that name."""
    branches = tuple(change(each) if each.name == name else each for each in branches_of(observed))
    return replace(observed, branches=branches)


def without_branch(observed: Observed, name: str) -> Observed:
    """Delete the branch of that name."""
    return replace(observed, branches=tuple(each for each in branches_of(observed) if each.name != name))


def with_endpoint(branch: Branch, change: Callable[[Endpoint], Endpoint]) -> Branch:
    """Change the compute of a branch, if it has one."""
    return replace(branch, endpoint=change(branch.endpoint) if branch.endpoint else None)


def new_endpoint(branch: str, settings: ComputeSettings) -> Endpoint:
    """Return the compute that a branch of that name gets."""
    return Endpoint(f"(endpoint of {branch})", f"(host of {branch})", settings=settings)


def host_of(observed: Observed, branch: str) -> Endpoint:
    """Return the compute of the branch of that name, even if there is none yet."""
    found = named(branches_of(observed), branch)
    return found.endpoint if found and found.endpoint else Endpoint("", f"(host of {branch})")


def configs_of(observed: Observed) -> tuple[HyperdriveConfig, ...]:
    """Return the Hyperdrive configs; none if they could not be read."""
    return known(observed.configs)


def config_id(observed: Observed, name: str) -> str:
    """Return the id of the config of that name, even if there is none yet."""
    config = named(configs_of(observed), name)
    return config.id if config else f"(id of {name})"


def with_config(observed: Observed, name: str, change: Callable[[HyperdriveConfig], HyperdriveConfig]) -> Observed:
    """Change a config. By Cloudflare's clock, which is not known here, that is the latest change of all."""
    now = after_all(configs_of(observed))
    configs = tuple(
        replace(change(each), modified_at=now) if each.name == name else each for each in configs_of(observed)
    )
    return replace(observed, configs=configs)


def after_all(configs: tuple[HyperdriveConfig, ...]) -> Instant:
    """Return a moment by Cloudflare's clock that is later than everything it has reported."""
    known = (moment for each in configs for moment in (each.modified_at, each.restarted_at) if moment is not None)
    return Instant(max((moment.milliseconds for moment in known), default=0) + 60_000)


def with_worker(
    observed: Observed, is_it: Callable[[ObservedWorker], bool], change: Callable[[ObservedWorker], ObservedWorker]
) -> Observed:
    """Change a Worker that could be read."""
    workers = tuple(
        change(each) if isinstance(each, ObservedWorker) and is_it(each) else each for each in observed.workers
    )
    return replace(observed, workers=workers)


def with_passed(observed: Observed, key: str) -> Observed:
    """Record a check or a wait as done in this run."""
    return replace(observed, passed=observed.passed | {key})
