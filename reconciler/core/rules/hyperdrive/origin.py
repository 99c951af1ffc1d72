"""A Hyperdrive config must point to the branch's own direct host: it is never trusted by its name."""

from dataclasses import dataclass, replace

from reconciler.core.model.desired import Desired, Hyperdrive, Waivable
from reconciler.core.model.observed import Branch, HyperdriveConfig
from reconciler.core.model.refusal import Refusal
from reconciler.core.rules.context.waivers import is_waived


def config(desired: Desired, hyperdrive: Hyperdrive, existing: HyperdriveConfig, branch: Branch) -> list[Refusal]:
    """Refuse a Hyperdrive config that does not point to the branch.

    A pooled host belongs to the same branch as the direct one, so it is compared too if that guard is waived.
    """
    if (unpooled := direct(existing)) != existing:
        if not is_waived(desired, Waivable.POOLED_ORIGIN):
            return [PooledOrigin(existing.host)]
        existing = unpooled
    assert branch.endpoint is not None  # a branch gets a compute before its config is checked
    wanted = {
        "database": hyperdrive.database,
        "user": hyperdrive.role,
        "host": f"{branch.endpoint.host}:{branch.endpoint.port}",
    }
    found = {"database": existing.database, "user": existing.user, "host": f"{existing.host}:{existing.port}"}
    differences = tuple(
        f"{part} is {found[part]}, not {value}" for part, value in sorted(wanted.items()) if found[part] != value
    )
    return [HyperdriveDiffers(existing.name, differences)] if differences else []


def direct(config: HyperdriveConfig) -> HyperdriveConfig:
    """Return a config with the direct host in place of Neon's pooled one: both belong to the same branch."""
    label, dot, domain = config.host.partition(".")
    return replace(config, host=f"{label.removesuffix('-pooler')}{dot}{domain}")


@dataclass(frozen=True, slots=True)
class HyperdriveDiffers(Refusal):
    """The Hyperdrive config of that name points elsewhere."""

    rule = "hyperdrive-differs"
    before_the_call = "read again"
    name: str
    differences: tuple[str, ...]

    problem = 'Hyperdrive config "{name}" does not point to the branch: {differences:;}'
    way_out = (
        "it belongs to something else, or was edited by hand. reconciler does not edit it: correct it (wrangler "
        "hyperdrive update), rename it, or change hyperdrive.name in the file"
    )


@dataclass(frozen=True, slots=True)
class PooledOrigin(Refusal):
    """The config has Neon's pooled host. Hyperdrive pools connections itself and needs the direct host."""

    rule = "pooled-origin"
    before_the_call = "read again"
    host: str

    problem = "{host} is Neon's pooled host, and Hyperdrive needs the direct host"
    way_out = "point the config to the same host without -pooler"
