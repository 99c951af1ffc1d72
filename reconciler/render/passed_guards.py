"""The guards that a plan has passed, with the numbers that they were judged by. Pure.

A plan without refusals has passed all of them. This says what that means here, so that a reviewer
sees what was checked, and not only that nothing was found.
"""

from collections.abc import Iterator

from reconciler.core.lineage.hyperdrive import expected_config
from reconciler.core.model.observed import Branch, Observed, ObservedWorker, Project, Unknown, known, named
from reconciler.core.plan.plan import Plan
from reconciler.core.steps import Phase
from reconciler.core.steps.branch import creation
from reconciler.core.values.duration import for_people
from reconciler.core.values.instant import Instant
from reconciler.core.values.timeline import spelled


def passed(plan: Plan, observed: Observed) -> tuple[str, ...]:
    """List the guards that a plan passed, one sentence each; none if it is refused."""
    if plan.refusals or plan.lineage is None or not isinstance(observed.project, Project):
        return ()
    return (
        *_readable(observed),
        *_provenance(plan),
        *_creation(plan, observed, observed.project),
        *_reuse(plan),
        *_pointers(plan, observed),
    )


def _readable(observed: Observed) -> Iterator[str]:
    counts = {
        "branch(es)": 0 if isinstance(observed.branches, Unknown) else len(observed.branches),
        "Hyperdrive config(s)": 0 if isinstance(observed.configs, Unknown) else len(observed.configs),
        "Worker(s)": len(observed.workers),
    }
    parts = ", ".join(f"{count} {what}" for what, count in counts.items() if count)
    yield f"everything could be read: the Neon project, {parts}"


def _provenance(plan: Plan) -> Iterator[str]:
    assert plan.lineage is not None
    live, others = plan.lineage.live, len(plan.lineage.all) - 1
    yield f'names and annotations agree: "{live.branch.name}" carries {live.timeline}; held or prepared: {others}'


def _creation(plan: Plan, observed: Observed, project: Project) -> Iterator[str]:
    step = creation(plan.steps)
    branches = known(observed.branches)
    source = named(branches, step.source) if step is not None else None
    if step is None or source is None:
        return
    if step.at is None:
        yield f'"{source.name}" still holds {step.source_timeline} as it was left, and does not expire'
        return
    if isinstance(step.at, Instant):
        yield from _of_the_moment(step.at, source, observed, project)
    else:
        at = spelled(step.at)
        yield f'"{source.name}" carries {step.source_timeline}, to which {at} belongs, and does not expire'
    limit = f" of {project.branches_limit}" if project.branches_limit is not None else ""
    yield f'there is room for a branch ({len(branches)}{limit} in use), and the name "{step.name}" is free'


def _of_the_moment(moment: Instant, source: Branch, observed: Observed, project: Project) -> Iterator[str]:
    edge = observed.at.before(project.history)
    yield (
        f"{moment} lies {for_people(observed.at - moment)} back, and {for_people(moment - edge)} inside the "
        f"history window of {for_people(project.history)}"
    )
    if moment > source.created_at:
        yield f'"{source.name}" existed then: it was created at {source.created_at}, and does not expire'
    else:
        yield f'"{source.name}" was preserved at {source.created_at}, with the history from before then'
    if source.last_reset_at is not None:
        yield f'"{source.name}" was last reset before then, at {source.last_reset_at}'


def _reuse(plan: Plan) -> Iterator[str]:
    assert plan.lineage is not None
    timeline_branch = plan.lineage.timeline_branch(plan.desired.timeline)
    if timeline_branch is None or timeline_branch == plan.lineage.live:
        return
    state = "is held" if timeline_branch.held is not None else "was prepared from the right source"
    proved = any(step.phase is Phase.VERIFY_BRANCH for step in plan.steps)
    yield f'"{timeline_branch.branch.name}" {state}' + (
        ", and is verified before anything points to it" if proved else ""
    )


def _pointers(plan: Plan, observed: Observed) -> Iterator[str]:
    configs = known(observed.configs)
    if config := named(configs, expected_config(plan.desired, observed)):
        yield f'Hyperdrive config "{config.name}" points to {config.host}, as {config.user} to {config.database}'
    workers = [each.script for each in observed.workers if isinstance(each, ObservedWorker)]
    if workers:
        yield f"every Worker is deployed, and each is named once: {', '.join(workers)}"
