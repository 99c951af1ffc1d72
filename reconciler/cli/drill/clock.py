"""Measures a drill's restore: the engine's events and the first login, on one monotonic clock."""

from dataclasses import replace

from reconciler.cli.console.progress import Progress
from reconciler.core.drill.marks import Annotation, measured, phase_of
from reconciler.core.drill.results import Measured, Phase
from reconciler.core.model.desired import HttpGate, SqlGate
from reconciler.core.model.observed import Table
from reconciler.core.steps import Phase as StepPhase
from reconciler.engine.events import Event, StepFinished, StepStarted
from reconciler.ports import Clock, Gates, Origin, Ports


class DrillClock:
    """One restore's clock. It runs from its making until `stop`. `switching` is when traffic began to be switched."""

    def __init__(self, clock: Clock, progress: Progress, first: Phase = Phase.DECIDE) -> None:
        self._clock = clock
        self._progress = progress
        self._marks = [Annotation(first, clock.elapsed())]
        self._ended: float | None = None
        self.switching = float("inf")

    def enter(self, phase: Phase) -> None:
        """Begin a phase; the one before ends."""
        self._marks.append(Annotation(phase, self._clock.elapsed()))

    def stop(self) -> None:
        """End the last phase: users are served."""
        self._ended = self._clock.elapsed()

    def report(self, event: Event) -> None:
        """Take an event of the engine. From the creation of the branch to the first login, the compute is awaited."""
        if isinstance(event, StepStarted):
            if event.step.switches:
                self.switching = min(self.switching, self._clock.elapsed())
            self.enter(Phase.COMPUTE if event.step.phase is StepPhase.VERIFY_BRANCH else phase_of(event.step))
        elif isinstance(event, StepFinished) and event.step.phase is StepPhase.BRANCH:
            self.enter(Phase.COMPUTE)
        self._progress.report(event)

    def listening(self, ports: Ports) -> Ports:
        """Return the ports, with the first login on the new branch heard."""
        return replace(ports, gates=_Heard(ports.gates, self))

    @property
    def measured(self) -> tuple[Measured, ...]:
        """How long each phase took."""
        return measured(self._marks, self._clock.elapsed() if self._ended is None else self._ended)


class _Heard:
    """Gates that say when the first login has succeeded: the compute is ready then, and verifying begins."""

    def __init__(self, gates: Gates, clock: DrillClock) -> None:
        self._gates = gates
        self._clock = clock

    async def login(self, origin: Origin) -> None:
        """Log in, and say so."""
        await self._gates.login(origin)
        self._clock.enter(Phase.VERIFY)

    async def sql(self, origin: Origin, gate: SqlGate) -> None:
        """Run a query gate."""
        await self._gates.sql(origin, gate)

    async def tables(self, origin: Origin) -> frozenset[Table]:
        """List the tables."""
        return await self._gates.tables(origin)

    async def http(self, gate: HttpGate, versions: dict[str, str], *, staged: bool = True) -> None:
        """Run a request gate."""
        await self._gates.http(gate, versions, staged=staged)
