"""The receipt of an apply, however it ended. Pure."""

from dataclasses import dataclass

from reconciler import __version__
from reconciler.core.lineage.hyperdrive import config_of
from reconciler.core.model.desired import Desired
from reconciler.core.model.observed import Observed, ObservedWorker, known
from reconciler.core.plan.plan import Plan
from reconciler.core.records.receipt import GateResult, Identities, Receipt, Result, TakenStep, WorkerIdentity
from reconciler.core.records.suspension import Suspension
from reconciler.core.steps import Step
from reconciler.core.values.instant import Instant
from reconciler.core.values.redaction import EVERYWHERE
from reconciler.engine.events import StepFinished
from reconciler.engine.loop import Apply
from reconciler.errors import GateFailed, ReconcilerError, Suspended


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What is known before an apply begins: the commit that asked, who runs it, where, and since when."""

    commit: str
    changed: bool
    actor: str
    run: str
    began: Instant


@dataclass(frozen=True, slots=True)
class End:
    """How an apply ended: the last look, its plan, the error if there was one, and the seconds in all."""

    result: Result
    observed: Observed | None
    final: Plan | None
    error: ReconcilerError | None
    seconds: float


def receipt(desired: Desired, apply: Apply, around: Circumstances, end: End, previous: str) -> Receipt:
    """Write the receipt. `previous` is the digest of the environment's previous receipt, or empty."""
    planned = apply.planned
    return Receipt(
        environment=desired.environment,
        commit=around.commit,
        changed=around.changed,
        began=str(around.began),
        seconds=round(end.seconds, 3),
        before=str(planned.live or "") if planned else "",
        asked=str(desired.timeline),
        after=str(end.final.live or "") if end.final else "",
        digest=planned.digest if planned else "",
        result=end.result,
        detail=_detail(end),
        steps=tuple(_taken(each) for each in apply.taken),
        gates=(*_passed(apply.taken), *_failed(end.error, apply.under_way), *_answered(apply)),
        ids=_identities(desired, end),
        outside=tuple(each.name for each in planned.outside) if planned else (),
        lifted=planned.waived if planned else (),
        rewound=_rewound(desired, apply, end),
        actor=around.actor,
        run=around.run,
        tool=__version__,
        previous=previous,
    )


def _rewound(desired: Desired, apply: Apply, end: End) -> tuple[str, ...]:
    """Name the roles and databases that changed with the timeline; none if it is not live."""
    is_live = end.final is not None and end.final.live == desired.timeline
    return tuple(str(each) for each in apply.role_changes) if is_live else ()


def _detail(end: End) -> str:
    if end.error is not None:
        rule = f"{Suspension.rule}: " if isinstance(end.error, Suspended) else ""
        return EVERYWHERE(f"{rule}{end.error.message}")
    refusals = end.final.refusals if end.final else ()
    return "; ".join(f"{each.rule}: {each.message}" for each in refusals)


def _taken(done: StepFinished) -> TakenStep:
    step = done.step
    return TakenStep(
        step=step.wire_name,
        target=step.target,
        what=step.describe(),
        reason=step.reason,
        began=str(done.began),
        seconds=round(done.seconds, 3),
    )


def _passed(taken: list[StepFinished]) -> tuple[GateResult, ...]:
    steps = [done.step for done in taken]
    return tuple(GateResult(name, step.target, passed=True) for step in steps for name in step.checks)


def _failed(error: ReconcilerError | None, under_way: list[Step]) -> tuple[GateResult, ...]:
    if not isinstance(error, GateFailed):
        return ()
    on = next((step.target for step in under_way if step.checks), "")
    return (GateResult(error.gate, on, passed=False, detail=EVERYWHERE(error.message)),)


def _answered(apply: Apply) -> tuple[GateResult, ...]:
    """List the failed last checks after which the former timeline was put back."""
    return tuple(
        GateResult(error.gate, step.target, passed=False, detail=EVERYWHERE(error.message))
        for step, error in apply.failures
    )


def _identities(desired: Desired, end: End) -> Identities:
    project, observed = desired.primary.project, end.observed
    lineage = end.final.lineage if end.final else None
    if observed is None or lineage is None:
        return Identities(project)
    branch = lineage.live.branch
    configs = known(observed.configs)
    config = config_of(desired, lineage.live, configs)
    return Identities(
        project=project,
        branch=branch.id,
        branch_name=branch.name,
        lsn=branch.lsn,
        endpoint=branch.endpoint.id if branch.endpoint else "",
        hyperdrive=config.id if config else "",
        workers=tuple(
            WorkerIdentity(each.script, each.serving.id, each.serving.hyperdrive_id or "")
            for each in observed.workers
            if isinstance(each, ObservedWorker) and each.serving is not None
        ),
    )
