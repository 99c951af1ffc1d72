"""The effects: one function for each step, in the module of what it acts on."""

from reconciler.core.lineage.receipts import with_source_from_receipts
from reconciler.core.model.desired import Desired
from reconciler.core.model.observed import Observed
from reconciler.core.steps import Step
from reconciler.engine.effects import branch, declared, hyperdrive, primary, worker
from reconciler.engine.effects.base import EFFECTS, Situation
from reconciler.ports import Ports

__all__ = ["EFFECTS", "branch", "carry_out", "declared", "hyperdrive", "primary", "worker"]


async def carry_out(step: Step, desired: Desired, observed: Observed, ports: Ports) -> None:
    """Do what a step says, and wait until its provider has done it. Raises ReconcilerError."""
    await EFFECTS[type(step)](step, Situation(with_source_from_receipts(desired, observed), observed, ports))
