"""The guard of drills: what may be damaged on purpose. It is asked right before each destruction, of a fresh look.

A drill may damage one thing: the branch that it has made for it, by a login that leads there and nowhere else.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from reconciler.core.drill.names import DrillNames
from reconciler.core.model.desired import Desired
from reconciler.core.model.observed import Branch, HyperdriveConfig, named
from reconciler.core.model.refusal import Refusal
from reconciler.core.rules.hyperdrive.origin import direct
from reconciler.core.values.timeline import ORIGIN


@dataclass(frozen=True, slots=True)
class DamageForbidden(Refusal):
    """A branch that a drill must not damage."""

    rule = "damage-forbidden"
    branch: str
    reasons: tuple[str, ...]

    problem = 'the drill does not damage "{branch}": {reasons:;}'
    way_out = "nothing was destroyed. A drill damages only a branch that it made itself: find out who changed this one"


@dataclass(frozen=True, slots=True)
class Place:
    """Where SQL would be sent: the server that a login reaches."""

    host: str
    port: int


def damage(
    production: Desired,
    names: DrillNames,
    place: Place,
    branches: tuple[Branch, ...],
    configs: tuple[HyperdriveConfig, ...],
) -> list[Refusal]:
    """Refuse to damage the drill's branch where it may be anything else, or anybody else's."""
    branch = named(branches, names.branch)
    if branch is None:
        return [DamageForbidden(names.branch, ("there is no such branch",))]
    reasons = (*_not_its_own(production, names, branch), *_leads_elsewhere(names, place, branch, configs))
    return [DamageForbidden(branch.name, reasons)] if reasons else []


def _not_its_own(production: Desired, names: DrillNames, branch: Branch) -> Iterator[str]:
    if branch.name == production.primary.branch:
        yield f"it is the primary of {production.environment}"
    if branch.default:
        yield "it is the project's default branch"
    if branch.protected:
        yield "it is protected"
    if branch.parent_id is None:
        yield "it is a root branch, and a drill's is made from the primary"
    if branch.mark is None:
        yield "it has no annotation that says that a drill has made it"
    elif (branch.mark.environment, branch.mark.timeline) != (names.environment, ORIGIN):
        yield f'it is annotated for environment "{branch.mark.environment}"'


def _leads_elsewhere(
    names: DrillNames, place: Place, branch: Branch, configs: tuple[HyperdriveConfig, ...]
) -> Iterator[str]:
    endpoint = branch.endpoint
    if endpoint is None or (endpoint.host, endpoint.port) != (place.host, place.port):
        yield f"the login reaches {place.host}:{place.port}, which is not its own"
    for config in configs:
        unpooled = direct(config)
        if (unpooled.host, unpooled.port) == (place.host, place.port) and not names.has_config(config.name):
            yield f'Hyperdrive config "{config.name}" points to it'
