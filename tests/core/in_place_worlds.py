"""Worlds to restore in place in, and what is asked of them."""

from dataclasses import replace

from reconciler.core.lineage.infer import infer_lineage
from reconciler.core.lineage.lineage import Lineage
from reconciler.core.model.desired import Desired, HttpGate, Method, Restore
from reconciler.core.model.observed import Observed, named
from reconciler.core.plan.plan import plan
from reconciler.core.steps import Step
from reconciler.core.values.timeline import Timeline
from tests.core.worlds import DESIRED, asking, ended, hours_ago

RESTORE = Restore(hours_ago(24), "inc-42")
RESTORED = Timeline(RESTORE.to, RESTORE.id)
OTHER = Restore(hours_ago(30), "other")
IN_PLACE = asking(None, DESIRED, Method.IN_PLACE)
ASKED = asking(RESTORE, IN_PLACE)
BY_BRANCH = asking(RESTORE, DESIRED, Method.BRANCH)
GATED = replace(IN_PLACE, verify=replace(IN_PLACE.verify, http=(HttpGate("health", "https://961tech.example/health"),)))
CANDIDATE, PROVED = f"main.candidate.{RESTORED}", f"main.proved.{RESTORED}"
HELD = f"main.held.origin.before.{RESTORED}.in-place"


def kinds(steps: tuple[Step, ...]) -> list[str]:
    return [step.wire_name for step in steps]


def rules(desired: Desired, observed: Observed) -> list[str]:
    return [each.rule for each in plan(desired, observed).refusals]


def lineage_of(observed: Observed, desired: Desired = IN_PLACE) -> Lineage:
    lineage = infer_lineage(desired, observed.branches)
    assert isinstance(lineage, Lineage)
    return lineage


def names(observed: Observed) -> list[str]:
    return sorted(branch.name for branch in observed.branches)


def changed(observed: Observed, name: str, /, **changes: object) -> Observed:
    """The world with something else about a branch, which there is."""
    assert named(observed.branches, name), names(observed)
    branches = tuple(replace(each, **changes) if each.name == name else each for each in observed.branches)
    return replace(observed, branches=branches)


def without(observed: Observed, name: str) -> Observed:
    assert named(observed.branches, name)
    return replace(observed, branches=tuple(each for each in observed.branches if each.name != name))


def killed_after(desired: Desired, observed: Observed, last: type[Step]) -> Observed:
    """What the next run sees when one was killed right after the first step of a kind."""
    for step in plan(desired, observed).steps:
        observed = step.predict(observed)
        if isinstance(step, last):
            return ended(observed)
    raise AssertionError(f"no {last.__name__} was planned")


def step_of(desired: Desired, observed: Observed, kind: type[Step]) -> Step:
    (step,) = [each for each in plan(desired, observed).steps if isinstance(each, kind)]
    return step
