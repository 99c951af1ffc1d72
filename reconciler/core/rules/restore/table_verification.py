"""Whether a candidate can still be proved: Neon tells which tables there were only as far back as its history goes.

A candidate that was made in time, and not proved before its moment left the history, may be the only copy of that
moment. It is kept, and a person decides whether it is used.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import ClassVar

from reconciler.core.model.observed import Branch, Project
from reconciler.core.model.refusal import Refusal
from reconciler.core.values.duration import for_people
from reconciler.core.values.instant import Instant
from reconciler.core.values.lsn import Lsn
from reconciler.core.values.timeline import Point


@dataclass(frozen=True, slots=True)
class TablesUnprovable(Refusal):
    """A candidate was not proved, and its moment has left the history: gate "tables" can't run any more."""

    rule: ClassVar[str] = "tables-unprovable"
    branch: str
    moment: Instant
    edge: Instant
    window: timedelta

    @property
    def message(self) -> str:  # noqa: D102  the base class says it
        return (
            f'"{self.branch}" was made and never proved, and {self.moment} has left the history window '
            f"({for_people(self.window)}, from {self.edge}) since: Neon can't tell any more which tables there were, "
            'so gate "tables" can\'t run'
        )

    @property
    def hint(self) -> str:  # noqa: D102
        return (
            "that branch holds the moment, and it can't be made again: never delete it. Look at it by SQL (neon "
            f'connection-string "{self.branch}"). Where its data is right, lift tables-unprovable in the file, with '
            "that as the reason: all other gates still run"
        )


def unprovable(branch: Branch, point: Point, now: Instant, project: Project) -> list[Refusal]:
    """Say that the tables of a moment can't be asked for any more. Of an LSN the branch tells which moment that is."""
    edge, moment = now.before(project.history), branch.resolved_at if isinstance(point, Lsn) else point
    if moment is None or moment >= edge:
        return []
    return [TablesUnprovable(branch.name, moment, edge, project.history)]
