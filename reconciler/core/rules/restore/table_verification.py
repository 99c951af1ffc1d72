"""Whether a candidate can still be proved: Neon tells which tables there were only as far back as its history goes.

A candidate that was made in time, and not proved before its moment left the history, may be the only copy of that
moment. It is kept, and a person decides whether it is used.
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
    """A candidate was not proved, and its moment has left the history: gate "tables" can't run any more."""

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
    """Say that the tables of a moment can't be asked for any more. Of an LSN the branch tells which moment that is."""
    edge, moment = now.before(project.history), branch.resolved_at if isinstance(point, Lsn) else point
    if moment is None or moment >= edge:
        return []
    return [TablesUnprovable(branch.name, moment, edge, project.history)]
