"""The size and the suspension of the primary's compute: as the file says, or carried over to what becomes the primary.

What becomes the primary gets them before it is proved and before users are on it, as Neon restarts a compute for them.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from reconciler.core.lineage.lineage import Lineage, TimelineBranch
from reconciler.core.model.compute import UNSAID, ComputeSettings
from reconciler.core.model.desired import Desired
from reconciler.core.model.observed import Project
from reconciler.core.model.provider_limits import neon_plan
from reconciler.core.model.refusal import Refusal
from reconciler.core.steps.branch import SetCompute


@dataclass(frozen=True, slots=True)
class ComputeBeyondPlan(Refusal):
    """The file asks for a compute that Neon's plan does not offer. Nothing waits for it but the compute itself."""

    rule = "compute-beyond-plan"
    before_the_call = "Neon"
    about_setting = True
    what: str
    plan: str
    offers: str

    problem = 'primary.compute asks for {what}, and Neon\'s plan "{plan}" offers {offers}'
    way_out = "change it in the file, or leave it out to keep the compute as it is; or change the plan"


def beyond_plan(desired: Desired, project: Project) -> list[ComputeBeyondPlan]:
    """Refuse what the project's plan is known not to offer; of any other, Neon has the last word."""
    return list(_beyond_plan(desired.primary.compute, project))


def _beyond_plan(asked: ComputeSettings, project: Project) -> Iterator[ComputeBeyondPlan]:
    plan = neon_plan(project.plan)
    if plan is None:
        return
    largest, suspensions = plan.largest_compute, plan.suspensions
    if largest is not None and asked.maximum is not None and asked.maximum > largest:
        what = str(ComputeSettings(asked.minimum, asked.maximum))
        yield ComputeBeyondPlan(what, project.plan, f"up to {largest:g} CU")
    if suspensions is not None and asked.suspend is not None and asked.suspend not in suspensions:
        offers = " or ".join(str(ComputeSettings(suspend=each)) for each in suspensions)
        yield ComputeBeyondPlan(f"a compute {ComputeSettings(suspend=asked.suspend)}", project.plan, f"one {offers}")


def for_new(desired: Desired, project: Project, lineage: Lineage) -> ComputeSettings:
    """Return what a compute gets that is made for what is to be the primary."""
    return _wanted(desired, project, lineage).for_new_compute


def carry_over(desired: Desired, project: Project, lineage: Lineage, target: TimelineBranch) -> tuple[SetCompute, ...]:
    """Give the compute of what becomes the primary what the primary's has."""
    is_declared = _set(target, _asked(desired, project), "")
    why = "of which the file says so" if is_declared else "whose compute is so"
    return _set(target, _wanted(desired, project, lineage), f"it becomes the primary, {why}")


def declared(desired: Desired, project: Project, lineage: Lineage) -> tuple[SetCompute, ...]:
    """Give the primary's compute what the file says of it."""
    return _set(lineage.live, _asked(desired, project), "the file says so")


def _wanted(desired: Desired, project: Project, lineage: Lineage) -> ComputeSettings:
    endpoint = lineage.live.branch.endpoint
    return _asked(desired, project).over(endpoint.settings if endpoint else UNSAID)


def _asked(desired: Desired, project: Project) -> ComputeSettings:
    return UNSAID if beyond_plan(desired, project) else desired.primary.compute


def _set(target: TimelineBranch, wanted: ComputeSettings, reason: str) -> tuple[SetCompute, ...]:
    found = target.branch.endpoint.settings if target.branch.endpoint else UNSAID
    diff = wanted.diff(found)
    if diff == UNSAID:
        return ()
    return (SetCompute(branch=target.branch.name, compute=diff, reason=f"{reason}, and it is {found}"),)
