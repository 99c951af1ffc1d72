"""The built-in gates: a branch is what the file asks for, by what Neon reports of it and by its list of tables."""

from reconciler.core.lineage.infer import effective_desired, infer_lineage
from reconciler.core.model.desired import Desired, Method
from reconciler.core.model.observed import Branch, Table
from reconciler.core.model.refusal import Refusal
from reconciler.core.rules.restore import guards
from reconciler.core.values.lsn import Lsn
from reconciler.core.values.timeline import Point
from reconciler.errors import GateFailed

_MOST_NAMED = 5


def check_identity(desired: Desired, branches: tuple[Branch, ...], branch: Branch) -> None:
    """Check that the branch carries the timeline, is a child of the source, and holds nothing later than the moment.

    If the desired timeline has failed its last check, this is about the one that becomes live again.
    Raises GateFailed, also if Neon does not report the moment.
    """
    lineage = infer_lineage(desired, branches)
    if isinstance(lineage, Refusal):
        raise _failed(branch, lineage.message, lineage.hint)
    desired = effective_desired(desired, lineage)
    timeline_branches = (lineage.timeline_branch(desired.timeline), lineage.candidate(desired.timeline))
    target = next((each for each in timeline_branches if each is not None and each.branch.id == branch.id), None)
    if target is None:
        raise _failed(branch, f"it does not carry {desired.timeline}")
    for refusal in guards.candidate(desired.primary.restore, target, lineage):
        raise _failed(branch, refusal.message, refusal.hint)
    if target in lineage.candidates and not _has_known_point(desired, branch):
        raise _failed(branch, "Neon does not report which moment it holds", "run it again in a moment")


def _has_known_point(desired: Desired, branch: Branch) -> bool:
    """Whether Neon reports what a candidate holds: in place, its LSN is what is restored."""
    restore = desired.primary.restore
    if desired.primary.method is Method.IN_PLACE or (restore is not None and isinstance(restore.to, Lsn)):
        return bool(branch.lsn)
    return branch.resolved_at is not None


def check_tables(branch: Branch, at: Point, wanted: frozenset[Table], found: frozenset[Table]) -> None:
    """Check that the branch has every table that its source had at the moment. Raises GateFailed."""
    missing = sorted(wanted - found)
    if missing:
        few = ", ".join(str(each) for each in missing[:_MOST_NAMED])
        more = f" and {len(missing) - _MOST_NAMED} more" if len(missing) > _MOST_NAMED else ""
        message = f'gate "tables" failed: the source had {few}{more} at {at}, but "{branch.name}" does not'
        raise GateFailed(message, gate="tables", hint="it does not hold the data of that moment: look at the branch")


def _failed(branch: Branch, problem: str, hint: str = "") -> GateFailed:
    return GateFailed(f'gate "identity" failed on "{branch.name}": {problem}', gate="identity", hint=hint)
