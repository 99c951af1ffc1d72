"""What a person should know about declared branches before saying yes."""

from collections.abc import Iterator

from reconciler.core.children.child import is_ours, record, records
from reconciler.core.children.guards import disposable, undeletable
from reconciler.core.desired import Desired
from reconciler.core.instant import Instant
from reconciler.core.lineage.lineage import Lineage
from reconciler.core.observed import Branch, Observed, named
from reconciler.core.scene import Scene, read
from reconciler.core.steps import CreateChild, ResetChild, Step


def warnings(desired: Desired, observed: Observed, lineage: Lineage, steps: tuple[Step, ...]) -> Iterator[str]:
    """List what is left to people, and what the steps cost, one sentence each."""
    branches = observed.branches if isinstance(observed.branches, tuple) else ()
    if desired.branches is None:
        yield from _undeclared(desired, branches)
        return
    yield from _past(desired, observed, branches)
    yield from _left_behind(desired, branches, lineage)
    scene = read(desired, observed)
    if isinstance(scene, Scene):
        yield from _kept(scene)
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
    timelines = {each.branch.id: each.timeline for each in (lineage.live, *lineage.held, *lineage.older)}
    for child in desired.branches or ():
        branch = named(branches, child.name)
        made_from = timelines.get(branch.parent_id or "") if branch else None
        if child.parent is None and made_from is not None and made_from != desired.timeline:
            yield (
                f'"{child.name}" was made from {made_from} and stays so: give its reset another id to have it take '
                f"{desired.timeline}"
            )


def _kept(scene: Scene) -> Iterator[str]:
    """Say what is not deleted, although nobody declares or needs it."""
    older = [each.branch for child in scene.desired.branches or () for each in records(child.name, scene.branches)[:-1]]
    for branch in (*disposable(scene), *older):
        if reasons := undeletable(scene, branch):
            what = "was kept at an older reset" if record(branch) else "is not declared any more"
            yield f'"{branch.name}" {what} and is not deleted: {"; ".join(reasons)}'


def _about(step: Step, branches: tuple[Branch, ...]) -> Iterator[str]:
    if isinstance(step, CreateChild) and (source := named(branches, step.source)) and source.protected:
        yield f'"{step.source}" is protected, so every role has a new password on "{step.name}"'
    if isinstance(step, ResetChild):
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
