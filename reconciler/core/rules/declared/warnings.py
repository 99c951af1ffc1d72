"""What a person should know about declared branches before saying yes."""

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
    """List what is left to people, and what the steps cost, one sentence each."""
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
            f"the file says nothing of branches, and {', '.join(made)} was made for this environment: it is left "
            'alone, and "branches": [] would delete it'
        )


def _past(desired: Desired, observed: Observed, branches: tuple[Branch, ...]) -> Iterator[str]:
    for child in desired.branches or ():
        gone = named(branches, child.name) is None
        if gone and isinstance(child.expires, Instant) and child.expires <= observed.at:
            yield f'"{child.name}" was to be there until {child.expires}, and is not made any more'


def _left_behind(desired: Desired, branches: tuple[Branch, ...], lineage: Lineage) -> Iterator[str]:
    """Say which branches hold what was made from a timeline that is not live any more: none is reset by itself."""
    timelines = {each.branch.id: each.timeline for each in (lineage.live, *lineage.held, *lineage.superseded)}
    for child in desired.branches or ():
        branch = named(branches, child.name)
        made_from = timelines.get(branch.parent_id or "") if branch else None
        if child.parent is None and made_from is not None and made_from != desired.timeline:
            yield (
                f'"{child.name}" was made from {made_from} and stays so: give its reset another id to have it take '
                f"{desired.timeline}"
            )


def _kept(context: PlanningContext) -> Iterator[str]:
    """Say what is not deleted, although nobody declares or needs it."""
    older = [
        each.branch for child in context.desired.branches or () for each in records(child.name, context.branches)[:-1]
    ]
    for branch in (*disposable(context), *older):
        if reasons := undeletable(context, branch):
            what = "was kept at an older reset" if record(branch) else "is not declared any more"
            yield f'"{branch.name}" {what} and is not deleted: {"; ".join(reasons)}'


def _about(step: Step, branches: tuple[Branch, ...]) -> Iterator[str]:
    if isinstance(step, CreateDeclaredBranch) and (source := named(branches, step.source)) and source.protected:
        yield f'"{step.source}" is protected, so every role has a new password on "{step.name}"'
    if isinstance(step, ResetDeclaredBranch):
        moved = sorted(
            f'"{each.name}"'
            for each in branches
            if (branch := named(branches, step.branch)) and each.parent_id == branch.id
        )
        children = f"; {', '.join(moved)} becomes a child of that" if moved else ""
        yield (
            f'resetting "{step.branch}" drops its connections for some seconds; what it holds is kept as '
            f'"{step.keep_as}" until it is reset again{children}'
        )
