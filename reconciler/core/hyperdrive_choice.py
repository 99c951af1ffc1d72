"""Which Hyperdrive config belongs to a branch, and what a new one is called.

A config is found by the host that it leads to: after a restore in place the same branch, and so the same config,
carries another timeline than the one that the config is named after.
"""

import re

from reconciler.core.desired import Desired
from reconciler.core.lineage import Carrier, Lineage
from reconciler.core.observed import Branch, HyperdriveConfig, Observed, Unknown, named
from reconciler.core.provenance import trace


def config_of(desired: Desired, carrier: Carrier, configs: tuple[HyperdriveConfig, ...]) -> HyperdriveConfig | None:
    """Find the config of this environment that leads to the carrier's compute; None where there is none."""
    hyperdrive, endpoint = desired.hyperdrive, carrier.branch.endpoint
    if hyperdrive is None or endpoint is None:
        return None
    leading = [each for each in configs if (each.host, each.port) == (endpoint.host, endpoint.port)]
    pattern = rf"{re.escape(hyperdrive.name)}(-r-\S+)?(-[0-9]+)?"
    own = sorted((each for each in leading if re.fullmatch(pattern, each.name)), key=lambda each: each.name)
    return named(own, hyperdrive.config_for(carrier.timeline)) or next(iter(own), None)


def expected_config(desired: Desired, observed: Observed) -> str:
    """Name the config that the Workers are to be bound to; where that cannot be told, what a new one is called."""
    branches = () if isinstance(observed.branches, Unknown) else observed.branches
    configs = () if isinstance(observed.configs, Unknown) else observed.configs
    lineage = trace(desired, branches)
    carrier = lineage.carrier(desired.timeline) if isinstance(lineage, Lineage) else None
    if carrier is not None and isinstance(lineage, Lineage):
        return config_name(desired, carrier, lineage, branches, configs)
    return desired.hyperdrive.config_for(desired.timeline) if desired.hyperdrive else ""


def config_name(
    desired: Desired,
    carrier: Carrier,
    lineage: Lineage,
    branches: tuple[Branch, ...],
    configs: tuple[HyperdriveConfig, ...],
) -> str:
    """Name the config of a carrier: the one there is, or the one that is to be made.

    A timeline's own name may lead to another branch that carried it once, where restores in place were among the
    replacements. Then the next free number is added to the name.
    """
    hyperdrive = desired.hyperdrive
    if hyperdrive is None:
        return ""
    if (existing := config_of(desired, carrier, configs)) is not None:
        return existing.name
    name = wanted = hyperdrive.config_for(carrier.timeline)
    if not any(each.preserved for each in (*lineage.held, *lineage.older)):
        return name
    hosts = {each.endpoint.host for each in branches if each.endpoint is not None and each.id != carrier.branch.id}
    number = 2
    while (taken := named(configs, name)) is not None and taken.host in hosts:
        name, number = f"{wanted}-{number}", number + 1
    return name
