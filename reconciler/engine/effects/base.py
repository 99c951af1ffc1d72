"""The arguments of every effect, and the table of effects by the class of their step."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from reconciler.core.model.desired import Desired
from reconciler.core.model.observed import Branch, Endpoint, HyperdriveConfig, Observed, ObservedWorker, known, named
from reconciler.core.steps import Step
from reconciler.errors import NotConverged
from reconciler.ports import Neon, Ports


@dataclass(frozen=True, slots=True)
class Situation:
    """The desired state, the look that decided the step, and the ports.

    Names are looked up in that look. Raises NotConverged for a name that it does not have.
    """

    desired: Desired
    observed: Observed
    ports: Ports

    @property
    def neon(self) -> Neon:
        """Neon."""
        return self.ports.neon

    @property
    def project(self) -> str:
        """The id of the project."""
        return self.desired.primary.project

    @property
    def branches(self) -> tuple[Branch, ...]:
        """The branches; none if they could not be read."""
        return known(self.observed.branches)

    def branch(self, name: str) -> Branch:
        """Find a branch."""
        branch = named(self.branches, name)
        if branch is None:
            raise NotConverged(f'there is no branch "{name}"')
        return branch

    def endpoint(self, branch: Branch) -> Endpoint:
        """Return the compute of a branch that has one."""
        assert branch.endpoint is not None  # the rules change no branch's compute without one
        return branch.endpoint

    def config(self, name: str) -> HyperdriveConfig:
        """Find a Hyperdrive config."""
        config = named(known(self.observed.configs), name)
        if config is None:
            raise NotConverged(f'there is no Hyperdrive config "{name}"')
        return config

    def worker(self, script: str) -> ObservedWorker:
        """Find a Worker."""
        for worker in self.observed.workers:
            if isinstance(worker, ObservedWorker) and worker.script == script:
                return worker
        raise NotConverged(f'there is no Worker "{script}"')


_Step = TypeVar("_Step", bound=Step)
_Effect = Callable[[_Step, Situation], Awaitable[None]]

EFFECTS: dict[type[Step], _Effect[Any]] = {}


def effect_of(kind: type[_Step]) -> Callable[[_Effect[_Step]], _Effect[_Step]]:
    """Register the effect of a step's class. It returns once the provider is done, and may raise ReconcilerError."""

    def register(effect: _Effect[_Step]) -> _Effect[_Step]:
        EFFECTS[kind] = effect
        return effect

    return register
