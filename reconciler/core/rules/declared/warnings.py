"""What you should know about declared branches before you approve a plan."""

from collections.abc import Iterator

from reconciler.core.lineage.lineage import Lineage
from reconciler.core.model.declared_branch import is_ours, record, records
from reconciler.core.model.desired import Desired
from reconciler.core.model.observed import Branch, Observed, known, named
from reconciler.core.rules.context.planning import PlanningContext, read
from reconciler.core.rules.declared.guards import disposable, undeletable
from reconciler.core.steps import Step
from reconciler.core.steps.declared import CreateDeclaredBranch, ResetDeclaredBranch
from reconciler.core.values.instant import Instant


def warnings(desired: Desired, observed: Observed, lineage: Lineage, steps: tuple[Step, ...]) -> Iterator[str]:
    """List what is left to you, and what the steps cost, one sentence each."""
    branches = known(observed.branches)
    if desired.branches is None:
        yield from _undeclared(desired, branches)
        return
    yield from _past(desired, observed, branches)
    yield from _left_behind(desired, branches, lineage)
    context = read(desired, observed)
    if isinstance(context, PlanningContext):
        yield from _kept(context)
    for step in steps:
        yield from _about(step, branches)


def _undeclared(desired: Desired, branches: tuple[Branch, ...]) -> Iterator[str]:
    made = sorted(f'"{each.name}"' for each in branches if is_ours(desired.environment, each))
    if made:
        yield (
            f"the file has no branches, and {', '.join(made)} was created for this environment: it is left alone; "
            'set "branches": [] to delete it'
        )


def _past(desired: Desired, observed: Observed, branches: tuple[Branch, ...]) -> Iterator[str]:
    for child in desired.branches or ():
        gone = named(branches, child.name) is None
        if gone and isinstance(child.expires, Instant) and child.expires <= observed.at:
            yield f'"{child.name}" expired at {child.expires}, so it is not created: remove it from the file'


def _left_behind(desired: Desired, branches: tuple[Branch, ...], lineage: Lineage) -> Iterator[str]:
    """Say which branches were created from a timeline that is no longer live: none is reset by itself."""
    timelines = {each.branch.id: each.timeline for each in (lineage.live, *lineage.held, *lineage.superseded)}
    for child in desired.branches or ():
        branch = named(branches, child.name)
        made_from = timelines.get(branch.parent_id or "") if branch else None
        if child.parent is None and made_from is not None and made_from != desired.timeline:
            yield (
                f'"{child.name}" was created from {made_from} and still holds that: to reset it to '
                f"{desired.timeline}, give its reset another id"
            )


def _kept(context: PlanningContext) -> Iterator[str]:
    """Say what is not deleted, although the file does not declare it."""
    older = [
        each.branch for child in context.desired.branches or () for each in records(child.name, context.branches)[:-1]
    ]
    for branch in (*disposable(context), *older):
        if reasons := undeletable(context, branch):
            what = "was kept at an older reset" if record(branch) else "is no longer declared"
            yield f'"{branch.name}" {what}, but it is not deleted: {"; ".join(reasons)}'


def _about(step: Step, branches: tuple[Branch, ...]) -> Iterator[str]:
    if isinstance(step, CreateDeclaredBranch) and (source := named(branches, step.source)) and source.protected:
        yield f'"{step.source}" is protected, so every role has a new password on "{step.name}"'
    if isinstance(step, ResetDeclaredBranch):
        moved = sorted(
            f'"{each.name}"'
            for each in branches
            if (branch := named(branches, step.branch)) and each.parent_id == branch.id
        )
        children = f"; {', '.join(moved)} becomes a child of that branch" if moved else ""
        yield (
            f'resetting "{step.branch}" drops its connections for a few seconds; what it holds is kept as '
            f'"{step.keep_as}" until it is reset again{children}'
        )
