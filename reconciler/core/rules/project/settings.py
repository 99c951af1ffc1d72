"""The project's settings that the file declares: its history, the protection of the primary, and its compute.

They come after everything that makes a timeline live and named: nothing waits for them. A setting that can't be had is
refused only when nothing else is left to do; until then it is a warning.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from reconciler.core.lineage.lineage import Lineage, TimelineBranch
from reconciler.core.model.desired import Desired
from reconciler.core.model.observed import Observed
from reconciler.core.model.provider_limits import neon_plan
from reconciler.core.model.refusal import Refusal
from reconciler.core.rules.context.planning import Blocked, PlanningContext, read
from reconciler.core.rules.hyperdrive import upkeep as hyperdrive_upkeep
from reconciler.core.rules.project import compute_size, protection
from reconciler.core.steps import Step
from reconciler.core.steps.branch import SetCompute
from reconciler.core.steps.primary import SetHistoryRetention, UnprotectBranch
from reconciler.core.values.duration import for_people
from reconciler.core.values.instant import Instant


@dataclass(frozen=True, slots=True)
class HistoryBeyondPlan(Refusal):
    """The file asks for a longer history window than Neon's plan offers."""

    rule = "history-beyond-plan"
    before_the_call = "Neon"
    about_setting = True
    asked: timedelta
    plan: str
    longest: timedelta
    found: timedelta

    problem = (
        'primary.history_retention asks for {asked}, but Neon\'s plan "{plan}" keeps {longest} at most; the project '
        "keeps {found}"
    )
    way_out = "ask for less in the file, or change the plan"


@dataclass(frozen=True, slots=True)
class HistoryNeeded(Refusal):
    """A shorter history window would lose a moment that is still needed to verify a branch or to create it again."""

    rule = "history-needed"
    before_the_call = "read again"
    about_setting = True
    asked: timedelta
    found: timedelta
    branch: str
    moment: Instant
    age: timedelta

    problem = (
        'the history window stays at {found}, not {asked}: "{branch}" is not verified yet, and its moment {moment}, '
        "{age} ago, must stay in the window until it is"
    )
    way_out = (
        'delete "{branch}" if you don\'t need it (neon branches delete), or ask for a history_retention of more than '
        "{age}"
    )


def steps(context: PlanningContext) -> tuple[Step, ...]:
    """Return the next step to the file's settings, except refused ones; none if they are as declared."""
    return (
        _history(context)
        or _protection(context)
        or compute_size.declared(context.desired, context.project, context.lineage)
    )


def refused(desired: Desired, observed: Observed) -> tuple[Refusal, ...]:
    """Refuse the file's settings that can't be had, those of Hyperdrive included."""
    context = read(desired, observed)
    return () if isinstance(context, Blocked) else tuple(_refusals(context))


def _refusals(context: PlanningContext) -> list[Refusal]:
    beyond_plan = compute_size.beyond_plan(context.desired, context.project)
    return [*_history_refusals(context), *beyond_plan, *hyperdrive_upkeep.beyond_compute(context)]


def _history(context: PlanningContext) -> tuple[SetHistoryRetention, ...]:
    asked, project = context.desired.primary.history_retention, context.project
    if asked is None or asked == project.history or list(_history_refusals(context)):
        return ()
    former, seconds = (int(each.total_seconds()) for each in (project.history, asked))
    reason = f"the file says {for_people(asked)}, and the project keeps {for_people(project.history) or 'none'}"
    return (SetHistoryRetention(project=project.id, former=former, seconds=seconds, reason=reason),)


def _history_refusals(context: PlanningContext) -> Iterator[Refusal]:
    asked, project = context.desired.primary.history_retention, context.project
    if asked is None or asked == project.history:
        return
    plan = neon_plan(project.plan)
    if plan is not None and asked > plan.history:
        yield HistoryBeyondPlan(asked, project.plan, plan.history, project.history)
    at = context.observed.at
    for branch, moment in _unverified(context.lineage):
        if at.before(project.history) <= moment < at.before(asked):
            yield HistoryNeeded(asked, project.history, branch.branch.name, moment, at - moment)


def _unverified(lineage: Lineage) -> Iterator[tuple[TimelineBranch, Instant]]:
    """List the branches whose moment is needed: to read which tables there were, or to try it again.

    A copy of a held branch is verified against that branch.
    """
    held = {each.timeline for each in lineage.held}
    for each in (*lineage.candidates, *lineage.failed):
        moment = each.timeline.moment or each.branch.resolved_at
        if moment is not None and each.timeline not in held and each.timeline != lineage.live.timeline:
            yield each, moment


def _protection(context: PlanningContext) -> tuple[Step, ...]:
    desired, branch = context.desired, context.lineage.live.branch
    if desired.primary.protected is False and branch.protected:
        return (UnprotectBranch(branch=branch.name, for_good=True, reason='the file says "protected": false'),)
    reason = 'the file says "protected": true'
    return protection.protect(desired, context.project, context.branches, context.lineage, reason)


def warnings(desired: Desired, observed: Observed, lineage: Lineage, planned: tuple[Step, ...]) -> Iterator[str]:
    """Say what changes of settings cost, and what will be refused once everything else is done."""
    for step in planned:
        if isinstance(step, SetHistoryRetention):
            yield from _about_history(observed.at, step, lineage)
        elif isinstance(step, SetCompute) and step.branch == lineage.live.branch.name:
            yield (
                f'Neon restarts the compute of "{step.branch}" to change it: connections, also those of Hyperdrive, '
                "drop for a few seconds"
            )
    for refusal in refused(desired, observed) if planned else ():
        yield f"{refusal.message}; {refusal.hint}"


def _about_history(at: Instant, step: SetHistoryRetention, lineage: Lineage) -> Iterator[str]:
    former, asked = timedelta(seconds=step.former), timedelta(seconds=step.seconds)
    if asked > former:
        yield (
            f"a longer history begins now: what is older than {for_people(former)} does not come back. It reaches "
            f"back {for_people(asked)} in {for_people(asked - former)} from now"
        )
        return
    timeline_branches = (lineage.live, *lineage.held, *lineage.superseded)
    begins = max(at.before(former), min(each.branch.created_at for each in timeline_branches))
    ends = at.before(asked)
    if begins < ends:
        yield (
            f"with the history lowered from {for_people(former)} to {for_people(asked)}, moments from {begins} to "
            f"{ends} can no longer be restored, even if you raise it again later. Held branches stay"
        )
