"""What a held branch proves by being there: which branch carries which timeline, and to which one a moment belongs.

It is found out by reading the signs once more without it. A branch whose signs are needed is not deleted.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from reconciler.core.lineage.infer import infer_lineage
from reconciler.core.lineage.lineage import Lineage, TimelineBranch
from reconciler.core.model.desired import Desired, Restore
from reconciler.core.model.observed import Branch, Observed, Project
from reconciler.core.model.refusal import Refusal
from reconciler.core.values.instant import Instant

_JUST_BEFORE = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True)
class Signs:
    """What can be read from all branches, to find out what can be read without one of them."""

    desired: Desired
    observed: Observed
    lineage: Lineage
    branches: tuple[Branch, ...]

    def needed_of(self, timeline_branch: TimelineBranch, replaced_at: Instant | None) -> Iterator[str]:
        """Say why the signs of a branch are needed. `replaced_at` is when its timeline was live last."""
        branch = timeline_branch.branch
        rest = infer_lineage(self.desired, tuple(each for each in self.branches if each.id != branch.id))
        if isinstance(rest, Refusal) or _known(rest, branch) != _known(self.lineage, branch):
            yield "it shows which branch carries which timeline"
            return
        if any(_is_lost(self.lineage.source(each), rest.source(each)) for each in self._restores()):
            yield "without it the source of a restore would be unknown"
        if replaced_at is not None and (end := self._confused_until(rest, replaced_at)) is not None:
            yield f"until {end} a moment at which it was live can be asked for, and would be taken for another branch's"

    def _restores(self) -> list[Restore]:
        """List what may be asked next: a moment of now, and what the file asks for, where no branch carries it yet."""
        asked = self.desired.primary.restore
        is_open = asked is not None and self.lineage.timeline_branch(self.desired.timeline) is None
        return [Restore(self.observed.at), *([asked] if asked is not None and is_open else [])]

    def _confused_until(self, rest: Lineage, replaced_at: Instant) -> Instant | None:
        """Return until when a restore could be made from the wrong branch, where it could."""
        moment = Restore(replaced_at.before(_JUST_BEFORE))
        found, taken = self.lineage.source(moment), rest.source(moment)
        if isinstance(taken, Refusal) or found == taken:
            return None
        project = self.observed.project
        end = replaced_at.after(project.history if isinstance(project, Project) else timedelta())
        return end if self.observed.at < end else None


def _known(lineage: Lineage, without: Branch) -> list[set[TimelineBranch]]:
    groups = ((lineage.live,), lineage.held, lineage.superseded, lineage.candidates, lineage.failed, lineage.proved)
    return [{each for each in group if each.branch.id != without.id} for group in groups]


def _is_lost(before: TimelineBranch | Refusal, after: TimelineBranch | Refusal) -> bool:
    return isinstance(before, TimelineBranch) and before != after
