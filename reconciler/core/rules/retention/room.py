"""How full a project and an account are, and how much an apply, or a restore that lacks room, would delete."""

from dataclasses import dataclass

from reconciler.core.model.desired import Desired
from reconciler.core.model.observed import Observed, known
from reconciler.core.rules.context.planning import PlanningContext, read
from reconciler.core.rules.retention.pruning import next_to_go


@dataclass(frozen=True, slots=True)
class Room:
    """A count of something, how many of these will be deleted, and the limit if known."""

    what: str
    count: int
    going: int
    limit: int | None = None

    def __str__(self) -> str:
        count = f"{self.count} of {self.limit}" if self.limit is not None else f"{self.count}"
        return f"{count} {self.what}{self.leaving}"

    @property
    def leaving(self) -> str:
        """Say how many will be deleted, if any."""
        return f", apply deletes {self.going} of these" if self.going else ""


def without_ended(desired: Desired, observed: Observed) -> Observed:
    """Return what is left once all is deleted whose hold has ended; everything, if something can't be read."""
    context = read(desired, observed)
    while isinstance(context, PlanningContext) and (steps := next_to_go(context)):
        for step in steps:
            observed = step.predict(observed)
        context = read(desired, observed)
    return observed


def branches_room(observed: Observed, rest: Observed, limit: int | None = None) -> Room:
    """Count the branches that could be read; `rest` is what `without_ended` leaves."""
    before, after = known(observed.branches), known(rest.branches)
    return Room("branches", len(before), len(before) - len(after), limit)


def roots_room(observed: Observed, rest: Observed) -> Room:
    """Count the root branches."""
    before, after = ([each for each in known(seen.branches) if each.parent_id is None] for seen in (observed, rest))
    return Room("root branches", len(before), len(before) - len(after))


def configs_room(observed: Observed, rest: Observed) -> Room:
    """Count the account's Hyperdrive configs. Its limit can't be read."""
    before, after = known(observed.configs), known(rest.configs)
    return Room("Hyperdrive configs", len(before), len(before) - len(after))
