"""Which timeline a restore is made from, if Neon's signs leave it open and receipts decide it."""

from dataclasses import replace

from reconciler.core.lineage.infer import infer_lineage
from reconciler.core.lineage.lineage import Lineage, SourceAmbiguous
from reconciler.core.model.desired import Desired
from reconciler.core.model.observed import Branch, LiveSpan, Observed, Unknown
from reconciler.core.values.timeline import Timeline


def live_and_open(desired: Desired, branches: tuple[Branch, ...] | Unknown) -> tuple[Timeline, SourceAmbiguous] | None:
    """Return what is live, and what may have been at the moment asked for, where that is left open; None elsewhere."""
    restore = desired.primary.restore
    lineage = None if isinstance(branches, Unknown) else infer_lineage(desired, branches)
    if restore is None or not isinstance(lineage, Lineage) or lineage.live.timeline == desired.timeline:
        return None
    found = lineage.source(restore)
    return (lineage.live.timeline, found) if isinstance(found, SourceAmbiguous) else None


def choice(desired: Desired, observed: Observed) -> LiveSpan | None:
    """Find what the receipts say about the desired moment, if Neon leaves its timeline open."""
    left = live_and_open(desired, observed.branches) if observed.live_spans else None
    if left is None:
        return None
    told = [each for each in observed.live_spans if each.covers(left[1].to)]
    return told[0] if len(told) == 1 and str(told[0].timeline) in left[1].choices else None


def with_source_from_receipts(desired: Desired, observed: Observed) -> Desired:
    """Return the desired state with the source from receipts if Neon leaves it open, unchanged otherwise."""
    told, restore = choice(desired, observed), desired.primary.restore
    if told is None or restore is None:
        return desired
    return replace(desired, primary=replace(desired.primary, restore=replace(restore, source=told.timeline)))
