"""What is planned, and the world once that has been carried out."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from reconciler.core.lineage.infer import infer_lineage
from reconciler.core.lineage.lineage import Lineage
from reconciler.core.model.desired import Desired
from reconciler.core.model.observed import Observed
from reconciler.core.plan.plan import plan
from reconciler.core.steps import Step
from reconciler.core.values.instant import Instant
from tests.core.files import DESIRED


def killed_after(desired: Desired, observed: Observed, last: str) -> Observed:
    """What the next run sees when one was killed right after the first step of a kind."""
    return ended(taken_until(desired, observed, last))


def taken_until(desired: Desired, observed: Observed, last: str) -> Observed:
    """The world right after the first step of a kind, and the run still going."""
    for step in plan(desired, observed).steps:
        observed = step.predict(observed)
        if step.wire_name == last:
            return observed
    raise AssertionError(f"no {last} was planned")


def after(desired: Desired, observed: Observed) -> Observed:
    """The world once the whole plan has been carried out, by a run that has ended since."""
    return ended(carried_out(plan(desired, observed).steps, observed))


def carried_out(steps: Iterable[Step], observed: Observed) -> Observed:
    """The world after these steps, and the run still going."""
    for step in steps:
        observed = step.predict(observed)
    return observed


def ended(observed: Observed) -> Observed:
    """What the next run sees: gates are not remembered, and the next look is later."""
    return replace(observed, passed=frozenset(), failed=frozenset(), at=Instant(observed.at.milliseconds + 60_000))


def kinds(steps: Iterable[Step]) -> list[str]:
    return [step.wire_name for step in steps]


def planned(desired: Desired, observed: Observed) -> list[str]:
    return kinds(plan(desired, observed).steps)


def rules(desired: Desired, observed: Observed) -> list[str]:
    return [each.rule for each in plan(desired, observed).refusals]


def warnings(desired: Desired, observed: Observed, words: str = "") -> list[str]:
    """The warnings of a plan that have these words."""
    return [each for each in plan(desired, observed).warnings if words in each]


def step_of(desired: Desired, observed: Observed, kind: str) -> Any:
    """The only step of a kind in the plan."""
    (step,) = [each for each in plan(desired, observed).steps if each.wire_name == kind]
    return step


def lineage_of(observed: Observed, desired: Desired = DESIRED) -> Lineage:
    lineage = infer_lineage(desired, observed.branches)
    assert isinstance(lineage, Lineage)
    return lineage
