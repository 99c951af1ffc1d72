"""The built-in gate: a branch is what was asked, as far as that can be told without looking at its rows.

What is compared was read from Neon; the branch itself is only asked which tables it has.
"""

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
    """Check that the branch is the timeline's own, a child of the source, and holds nothing later than was asked.

    Where the timeline that the file asks for has failed its last check, that is the one that is put back.
    Raises GateFailed, also where Neon does not tell.
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
    if target in lineage.candidates and not _is_told(desired, branch):
        raise _failed(branch, "Neon does not tell which moment it holds", "run it again in a moment")


def _is_told(desired: Desired, branch: Branch) -> bool:
    """Whether it is known what a candidate holds: its place in the history is what is restored in place."""
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
        message = f'gate "tables" failed: the source had {few}{more} at {at}, and "{branch.name}" has not'
        raise GateFailed(message, gate="tables", hint="it is not the data of that moment: look at the branch")


def _failed(branch: Branch, problem: str, hint: str = "") -> GateFailed:
    return GateFailed(f'gate "identity" failed on "{branch.name}": {problem}', gate="identity", hint=hint)
