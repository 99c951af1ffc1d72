"""The size and the suspension of the primary's compute: as the file says, or carried over to the new primary.

The new primary gets them before it is verified and before users are on it, because Neon restarts the compute for them.
"""

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
    """The file asks for a compute that Neon's plan does not offer. Nothing else waits for it."""

    rule = "compute-beyond-plan"
    before_the_call = "Neon"
    about_setting = True
    what: str
    plan: str
    offers: str

    problem = 'primary.compute asks for {what}, and Neon\'s plan "{plan}" offers {offers}'
    way_out = "change it in the file, or leave it out to keep the compute as it is; or change the plan"


def beyond_plan(desired: Desired, project: Project) -> list[ComputeBeyondPlan]:
    """Refuse what the project's plan is known not to offer. On an unknown plan, Neon decides."""
    plan, wanted, refusals = neon_plan(project.plan), desired.primary.compute, []
    if plan is None:
        return []
    largest, suspensions = plan.largest_compute, plan.suspensions
    if largest is not None and wanted.maximum is not None and wanted.maximum > largest:
        what = str(ComputeSettings(wanted.minimum, wanted.maximum))
        refusals.append(ComputeBeyondPlan(what, project.plan, f"up to {largest:g} CU"))
    if suspensions is not None and wanted.suspend is not None and wanted.suspend not in suspensions:
        what = f"a compute {ComputeSettings(suspend=wanted.suspend)}"
        offers = " or ".join(str(ComputeSettings(suspend=each)) for each in suspensions)
        refusals.append(ComputeBeyondPlan(what, project.plan, f"one {offers}"))
    return refusals


def for_new(desired: Desired, project: Project, lineage: Lineage) -> ComputeSettings:
    """Return the settings of a new compute for a branch that becomes the primary."""
    return _wanted(desired, project, lineage).for_new_compute


def carry_over(desired: Desired, project: Project, lineage: Lineage, target: TimelineBranch) -> tuple[SetCompute, ...]:
    """Give the compute of the new primary the settings of the old one's."""
    is_declared = _set(target, _declared(desired, project), "")
    why = "and the file says so" if is_declared else "whose compute has these"
    return _set(target, _wanted(desired, project, lineage), f"it becomes the primary, {why}")


def declared(desired: Desired, project: Project, lineage: Lineage) -> tuple[SetCompute, ...]:
    """Give the primary's compute what the file declares."""
    return _set(lineage.live, _declared(desired, project), "the file says so")


def _wanted(desired: Desired, project: Project, lineage: Lineage) -> ComputeSettings:
    endpoint = lineage.live.branch.endpoint
    return _declared(desired, project).over(endpoint.settings if endpoint else UNSAID)


def _declared(desired: Desired, project: Project) -> ComputeSettings:
    return UNSAID if beyond_plan(desired, project) else desired.primary.compute


def _set(target: TimelineBranch, wanted: ComputeSettings, reason: str) -> tuple[SetCompute, ...]:
    found = target.branch.endpoint.settings if target.branch.endpoint else UNSAID
    diff = wanted.diff(found)
    if diff == UNSAID:
        return ()
    return (SetCompute(branch=target.branch.name, compute=diff, reason=f"{reason}, and it is {found}"),)
