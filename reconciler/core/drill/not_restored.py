"""What a restore does not rewind, measured against the moment of a drill."""

from collections.abc import Iterable

from reconciler.core.drill.results import Stays
from reconciler.core.model.desired import Outside
from reconciler.core.plan.not_restored import (
    shortfall,
    spelled,
)
from reconciler.core.values.instant import Instant


def measured(outside: Iterable[Outside], target: Instant | None, now: Instant) -> tuple[Stays, ...]:
    """Hold each against the moment that a restore goes back to; without one, nothing is warned of."""
    return tuple(
        Stays(each.name, spelled(each.retention) or "not stated", each.recovery, shortfall(each, target, now))
        for each in outside
    )
