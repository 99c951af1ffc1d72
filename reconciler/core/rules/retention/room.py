"""How full a project and an account are, and how much of that goes by itself: what is held too long and not needed.

An apply deletes it, and so does a restore that has no room without.
"""

from dataclasses import dataclass

from reconciler.core.model.desired import Desired
from reconciler.core.model.observed import Branch, HyperdriveConfig, Observed, known
from reconciler.core.rules.context.planning import PlanningContext, read
from reconciler.core.rules.retention.pruning import next_to_go


@dataclass(frozen=True, slots=True)
class Room:
    """A count of something, how many of these go by themselves, and the limit, where it is known."""

    what: str
    count: int
    going: int
    limit: int | None = None

    def __str__(self) -> str:
        known = f"{self.count} of {self.limit}" if self.limit is not None else f"{self.count}"
        return f"{known} {self.what}{self.leaving}"

    @property
    def leaving(self) -> str:
        """Say how many go, where any does."""
        if not self.going:
            return ""
        return f", {self.going} of these {'goes by itself' if self.going == 1 else 'go by themselves'}"


def without_ended(desired: Desired, observed: Observed) -> Observed:
    """Return what there is without all that may be deleted by now. What can't be read or told leaves everything."""
    context = read(desired, observed)
    while isinstance(context, PlanningContext) and (steps := next_to_go(context)):
        for step in steps:
            observed = step.predict(observed)
        context = read(desired, observed)
    return observed


def branches_room(observed: Observed, rest: Observed, limit: int | None = None) -> Room:
    """Count the branches that could be read; `rest` is what `without_ended` leaves."""
    before, after = _branches(observed), _branches(rest)
    return Room("branches", len(before), len(before) - len(after), limit)


def roots_room(observed: Observed, rest: Observed) -> Room:
    """Count the root branches."""
    before, after = ([each for each in _branches(seen) if each.parent_id is None] for seen in (observed, rest))
    return Room("root branches", len(before), len(before) - len(after))


def configs_room(observed: Observed, rest: Observed) -> Room:
    """Count the account's Hyperdrive configs. Which limit it has can't be read."""
    before, after = _configs(observed), _configs(rest)
    return Room("Hyperdrive configs", len(before), len(before) - len(after))


def _branches(observed: Observed) -> tuple[Branch, ...]:
    return known(observed.branches)


def _configs(observed: Observed) -> tuple[HyperdriveConfig, ...]:
    return known(observed.configs)
