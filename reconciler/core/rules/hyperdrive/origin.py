"""A Hyperdrive config must point to the branch's own direct host: it is never trusted by its name."""

from dataclasses import dataclass, replace
from typing import ClassVar

from reconciler.core.model.desired import Desired, Hyperdrive, Liftable
from reconciler.core.model.observed import (
    Branch,
    HyperdriveConfig,
)
from reconciler.core.model.refusal import Refusal
from reconciler.core.rules.context.waivers import is_lifted


def config(desired: Desired, hyperdrive: Hyperdrive, existing: HyperdriveConfig, branch: Branch) -> list[Refusal]:
    """Refuse a Hyperdrive config that does not point to the branch: it is never edited, nor trusted by its name.

    A pooled host leads to the same branch as the direct one: where that guard is lifted, this is still asked.
    """
    if (unpooled := direct(existing)) != existing:
        if not is_lifted(desired, Liftable.POOLED_ORIGIN):
            return [PooledOrigin(existing.host)]
        existing = unpooled
    assert branch.endpoint is not None  # a branch gets a compute before anything is asked of its config
    wanted = {
        "database": hyperdrive.database,
        "user": hyperdrive.role,
        "host": f"{branch.endpoint.host}:{branch.endpoint.port}",
    }
    found = {
        "database": existing.database,
        "user": existing.user,
        "host": f"{existing.host}:{existing.port}",
    }
    differences = tuple(
        f"{part} is {found[part]}, not {value}" for part, value in sorted(wanted.items()) if found[part] != value
    )
    return [HyperdriveDiffers(existing.name, differences)] if differences else []


def direct(config: HyperdriveConfig) -> HyperdriveConfig:
    """Return a config as if it led past Neon's pooler, which the first part of a host name says."""
    label, dot, domain = config.host.partition(".")
    return replace(config, host=f"{label.removesuffix('-pooler')}{dot}{domain}")


@dataclass(frozen=True, slots=True)
class HyperdriveDiffers(Refusal):
    """The Hyperdrive config of that name points elsewhere."""

    rule: ClassVar[str] = "hyperdrive-differs"
    name: str
    differences: tuple[str, ...]

    @property
    def message(self) -> str:  # noqa: D102
        return f'Hyperdrive config "{self.name}" does not point to the branch: {"; ".join(self.differences)}'

    @property
    def hint(self) -> str:  # noqa: D102
        return (
            "it is somebody else's, or was edited by hand. Put it right (wrangler hyperdrive update), rename it, "
            "or change hyperdrive.name in the file; it is not led elsewhere from here"
        )


@dataclass(frozen=True, slots=True)
class PooledOrigin(Refusal):
    """Hyperdrive pools by itself and needs the direct host."""

    rule: ClassVar[str] = "pooled-origin"
    host: str

    @property
    def message(self) -> str:  # noqa: D102
        return f"{self.host} is Neon's pooled host, and Hyperdrive needs the direct one"

    @property
    def hint(self) -> str:  # noqa: D102
        return "point the config to the same host without -pooler"
