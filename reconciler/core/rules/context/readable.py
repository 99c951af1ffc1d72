"""Refuses to decide on what could not be read, and on Workers that can't be switched."""

from dataclasses import dataclass

from reconciler.core.model.observed import Observed, ObservedWorker, Unbound, Unknown
from reconciler.core.model.refusal import Refusal


def unreadable(observed: Observed) -> list[Refusal]:
    """Refuse to decide on what could not be read."""
    parts = {
        "Neon project": observed.project,
        "Neon branches": observed.branches,
        "Neon operations": observed.operations,
        "Hyperdrive configs": observed.configs,
    }
    refusals: list[Refusal] = [
        Unreadable(part, value.reason, value.hint) for part, value in parts.items() if isinstance(value, Unknown)
    ]
    refusals += [_without_worker(each) for each in observed.workers if isinstance(each, Unknown)]
    return refusals


def _without_worker(unknown: Unknown) -> Refusal:
    if isinstance(unknown, Unbound):
        return BindingMissing(unknown.reason, unknown.hint)
    return Unreadable("Worker", unknown.reason, unknown.hint)


def workers(observed: tuple[ObservedWorker, ...]) -> list[Refusal]:
    """Refuse Workers that can't be switched."""
    scripts = [each.script for each in observed]
    refusals: list[Refusal] = [SameWorkerTwice(name) for name in sorted({n for n in scripts if scripts.count(n) > 1})]
    refusals += [WorkerNotDeployed(each.script) for each in observed if each.serving is None]
    return refusals


@dataclass(frozen=True, slots=True)
class Unreadable(Refusal):
    """Something could not be read, so nothing can be decided about it."""

    rule = "unreadable"
    before_the_call = "read again"
    part: str
    reason: str
    remedy: str

    problem = "{part}: {reason}"
    way_out = "{next_step}"

    @property
    def next_step(self) -> str:
        """The provider's remedy, or to try again."""
        return self.remedy or "nothing was changed; run it again when this can be read"


@dataclass(frozen=True, slots=True)
class BindingMissing(Refusal):
    """The environment in wrangler.jsonc has no such Hyperdrive binding: its Worker would serve without a database."""

    rule = "binding-missing"
    before_the_call = "the look, and the write"
    reason: str
    remedy: str

    problem = "{reason}"
    way_out = "{remedy}"


@dataclass(frozen=True, slots=True)
class WorkerNotDeployed(Refusal):
    """The Worker has no live version, so there is nothing to rebind."""

    rule = "worker-not-deployed"
    before_the_call = "read again"
    script: str

    problem = 'Worker "{script}" has no deployment, so it can\'t be switched to another database'
    way_out = "deploy it once (wrangler deploy), or correct the name in its wrangler.jsonc"


@dataclass(frozen=True, slots=True)
class SameWorkerTwice(Refusal):
    """Two entries of `worker` name the same script."""

    rule = "same-worker-twice"
    script: str

    problem = 'two entries of "worker" name the same Worker "{script}"'
    way_out = "name each Worker (and each of its wrangler environments) once"
