"""The steps: one class for each effect on the world, in the module of what it acts on.

A step names things by the names that are unique at their provider and known in advance (a branch in its project, a
config in its account). So the plan of a pull request has the same steps as the apply, and one digest binds the two.
Ids are looked up by exact name in the same look that decided the step.
"""

from types import MappingProxyType

from reconciler.core.steps import branch, declared, hyperdrive, primary, worker
from reconciler.core.steps.base import BranchStep, Part, Phase, Step, arguments

__all__ = ["STEPS", "BranchStep", "Part", "Phase", "Step", "arguments"]

_MODULES = (branch, primary, declared, hyperdrive, worker)

# Every step by its wire name.
STEPS = MappingProxyType(
    {
        each.wire_name: each
        for module in _MODULES
        for each in vars(module).values()
        if isinstance(each, type) and issubclass(each, Step) and "wire_name" in vars(each)
    }
)
