"""What a restore needs of Cloudflare and of the wrangler.jsonc files: room, the right origin, bindings, Workers."""

from collections.abc import Iterator

from reconciler.core.health.checks import BY_BRANCH, EITHER, NEITHER, Check, SetUp, State, refused, unknown_check
from reconciler.core.health.neon import lineage_of
from reconciler.core.lineage.hyperdrive import config_name
from reconciler.core.lineage.lineage import Lineage
from reconciler.core.model.desired import Desired, Hyperdrive, Worker
from reconciler.core.model.observed import HyperdriveConfig, Observed, ObservedWorker, Unbound, Unknown, known, named
from reconciler.core.model.provider_limits import FREE_CONFIGS, PAID_CONFIGS
from reconciler.core.rules.context import limits
from reconciler.core.rules.context.limits import ConfigLimitReached
from reconciler.core.rules.context.readable import WorkerNotDeployed
from reconciler.core.rules.hyperdrive import origin
from reconciler.core.rules.retention.room import configs_room, without_ended


def checks(setup: SetUp) -> Iterator[Check]:
    """Check everything at Cloudflare; nothing, where the file has no Hyperdrive config."""
    hyperdrive, configs = setup.desired.hyperdrive, setup.observed.configs
    if hyperdrive is None:
        return
    if isinstance(configs, Unknown):
        yield unknown_check("Hyperdrive configs", configs)
    else:
        yield _room(setup, hyperdrive, configs)
        yield _origin(setup.desired, hyperdrive, setup.observed, configs)
    for (worker, file), seen in zip(setup.bindings, setup.observed.workers, strict=True):
        yield _binding(worker, file, seen, known(configs))
        if not isinstance(file, Unknown):
            yield _worker(worker, seen)


def _room(setup: SetUp, hyperdrive: Hyperdrive, configs: tuple[HyperdriveConfig, ...]) -> Check:
    """Report how many there are, without those that a restore deletes first to make room."""
    name, room = "Hyperdrive configs", configs_room(setup.observed, without_ended(setup.desired, setup.observed))
    count, stay = room.count, room.count - room.going
    if hyperdrive.is_repointed and count:
        return Check(name, State.OK, f"{count} are there, and by the strategy repoint a restore makes none")
    paid, free = PAID_CONFIGS, FREE_CONFIGS
    if limits.config_room(setup.desired, configs[:stay], hyperdrive.name):
        return refused(name, ConfigLimitReached(count, paid, hyperdrive.name), BY_BRANCH)
    seen = f"{count} of {paid} on Workers Paid are there, of {free} on Free{room.leaving}"
    if stay >= free:
        remedy = "on Workers Free, delete one that you don't need (a token can't read which plan the account has)"
        return Check(name, State.WARNING, seen, remedy)
    return Check(name, State.OK, seen)


def _origin(
    desired: Desired, hyperdrive: Hyperdrive, observed: Observed, configs: tuple[HyperdriveConfig, ...]
) -> Check:
    """The config that the live branch has: by the very guard that would refuse it."""
    name, lineage = "Hyperdrive origin", lineage_of(desired, observed)
    if not isinstance(lineage, Lineage) or isinstance(observed.branches, Unknown):
        return Check(name, State.UNKNOWN, "not known without the primary", needed=NEITHER)
    live = lineage.live
    config = named(configs, config_name(desired, live, lineage, observed.branches, configs, observed.workers))
    if config is None:
        seen = f'no config points to "{live.branch.name}", and none is named "{hyperdrive.config_for(live.timeline)}"'
        remedy = "compare hyperdrive.name with `wrangler hyperdrive list`; an apply creates what is missing"
        return Check(name, State.WARNING, seen, remedy)
    if live.branch.endpoint is None:
        return Check(name, State.UNKNOWN, f'"{live.branch.name}" has no compute', "an apply adds one", NEITHER)
    if wrong := origin.config(desired, hyperdrive, config, live.branch):
        return refused(name, wrong[0])
    return Check(name, State.OK, f'"{config.name}" points to {config.host}, the direct host of "{live.branch.name}"')


def _binding(
    worker: Worker, file: str | Unknown, seen: ObservedWorker | Unknown, configs: tuple[HyperdriveConfig, ...]
) -> Check:
    where = f" in env.{worker.environment}" if worker.environment else ""
    name = f"binding {worker.binding}{where}"
    if isinstance(file, Unknown):
        state = State.FAILED if isinstance(file, Unbound) else unknown_check(name, file).state
        return Check(name, state, file.reason, file.hint)
    called = next((f'"{each.name}"' for each in configs if each.id == file), f"config {file}")
    serving = seen.serving if isinstance(seen, ObservedWorker) else None
    if serving is not None and serving.hyperdrive_id != file:
        remedy = "commit what is deployed, or run reconciler plan, which says what it would change"
        return Check(name, State.WARNING, f"{worker.config} names {called}, and what is deployed does not", remedy)
    return Check(name, State.OK, f"{worker.config} names {called}")


def _worker(worker: Worker, seen: ObservedWorker | Unknown) -> Check:
    if isinstance(seen, Unknown):
        return unknown_check(f"Worker of {worker.config}", seen, EITHER)
    name = f"Worker {seen.script}"
    if seen.serving is None:
        return refused(name, WorkerNotDeployed(seen.script))
    return Check(name, State.OK, f"{seen.serving.percentage:g} % on version {seen.serving.id}")
