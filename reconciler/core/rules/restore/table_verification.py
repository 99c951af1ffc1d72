"""Whether a candidate's tables can still be checked: Neon lists past tables only within its history window.

A candidate that was not verified before its moment left the window may be the only copy of that moment. It is kept, and
you decide whether to use it.
"""

from dataclasses import dataclass
from datetime import timedelta

from reconciler.core.model.observed import Branch, Project
from reconciler.core.model.refusal import Refusal
from reconciler.core.values.instant import Instant
from reconciler.core.values.lsn import Lsn
from reconciler.core.values.timeline import Point


@dataclass(frozen=True, slots=True)
class TablesUnprovable(Refusal):
    """A candidate was not verified, and its moment has left the history: gate "tables" can no longer run."""

    rule = "tables-unprovable"
    before_the_call = "gate `tables`"
    branch: str
    moment: Instant
    edge: Instant
    window: timedelta

    problem = (
        '"{branch}" was never verified, and its moment {moment} has left the history window ({window}, from {edge}): '
        'Neon no longer says which tables existed then, so gate "tables" can\'t run'
    )
    way_out = (
        "never delete that branch: it holds the moment, and can't be created again. Look at it by SQL (neon "
        'connection-string "{branch}"). If its data is right, waive tables-unprovable in the file with that as the '
        "reason: all other gates still run"
    )


def unprovable(branch: Branch, point: Point, now: Instant, project: Project) -> list[Refusal]:
    """Refuse if the tables of a moment can no longer be read. For an LSN, the branch has its moment."""
    edge, moment = now.before(project.history), branch.resolved_at if isinstance(point, Lsn) else point
    if moment is None or moment >= edge:
        return []
    return [TablesUnprovable(branch.name, moment, edge, project.history)]
