"""Reads which branch carries which timeline, from names and annotations alone.

Signs that are missing or disagree are a refusal, never a guess.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from reconciler.core.lineage.lineage import (
    Lineage,
    TimelineBranch,
    accounts_for,
)
from reconciler.core.model.desired import DeployDriver, Desired, Restore
from reconciler.core.model.observed import Branch, named
from reconciler.core.model.refusal import Refusal
from reconciler.core.values.instant import Instant
from reconciler.core.values.timeline import ORIGIN, HeldName, Timeline, candidate_name, failed_name, proved_name


@dataclass(frozen=True, slots=True)
class PrimaryMissing(Refusal):
    """No branch carries the primary's name, and no swap is under way."""

    rule = "primary-missing"
    before_the_call = "read again"
    branch: str
    default: str
    names: tuple[str, ...]

    problem = 'no branch is named "{branch}"; the default branch is "{default}"'
    way_out = "set primary.branch to the name of your production branch. The project has: {names}"


@dataclass(frozen=True, slots=True)
class ProvenanceUnknown(Refusal):
    """The signs on the branches do not show which timeline is live."""

    rule = "provenance-unknown"
    before_the_call = "read again"
    signs: tuple[str, ...]

    problem = "can't determine which timeline is live: {signs:;}"
    way_out = (
        "a branch was renamed, reset or restored by hand. Undo that (the names above show what was expected), or "
        "delete the branch that you don't need; then run it again. To keep what is live now: reconciler adopt. If "
        "adopt refuses, start over: replace this file with one for a new environment, under another name and with "
        '"restore": null, whose primary.branch has no annotations (a branch made by neon branches create has none)'
    )


def infer_lineage(desired: Desired, branches: tuple[Branch, ...]) -> Lineage | Refusal:
    """Read who carries what. In which order Neon lists the branches makes no difference."""
    branches = tuple(sorted(branches, key=lambda branch: branch.name))
    signs: list[str] = []
    held = [each for branch in branches if (each := _held(desired, branch, branches, signs)) is not None]
    marked = [each for branch in branches if (each := _marked(desired, branch, signs)) is not None]
    candidates = [each for each in marked if not _is_done(desired, each)]
    primary = named(branches, desired.primary.branch)
    live = _primary(desired, primary, branches, signs) if primary else _making_way(held, candidates)
    if live is None:
        return ProvenanceUnknown(tuple(signs)) if signs else _missing(desired, branches)
    standing = [each for each in held if not _is_older(each, live, held)]
    signs += _claimed_twice(live, standing, candidates)
    if signs:
        return ProvenanceUnknown(tuple(signs))
    return Lineage(
        live=live,
        swapping=primary is None,
        held=tuple(standing),
        candidates=tuple(candidates),
        failed=tuple(each for each in marked if _is_called(failed_name, desired, each)),
        superseded=tuple(each for each in held if each not in standing),
        proved=tuple(each for each in marked if _is_called(proved_name, desired, each)),
    )


def effective_desired(desired: Desired, lineage: Lineage) -> Desired:
    """Return what can be made so: what the file asks for, or, where that has failed, what was live before.

    In a branch of its own, what failed was never promoted, so what is live is what was. In place it is live until it
    is replaced. Declared branches wait.
    Going back needs no build and must not wait for one, so it always rebinds the live code.
    """
    if all(each.timeline != desired.timeline for each in lineage.failed):
        return desired
    before = timeline_before(lineage, desired.timeline)
    restore = None if before.to is None else Restore(before.to, before.id)
    workers = tuple(replace(each, deploy=DeployDriver.REBIND) for each in desired.workers)
    return replace(desired, primary=replace(desired.primary, restore=restore), workers=workers, branches=None)


def timeline_before(lineage: Lineage, timeline: Timeline) -> Timeline:
    """Return what is live apart from this timeline: until its promotion, or, where it is live, before that.

    Where it is live and making way already, that is what it makes way for.
    """
    live, newest = lineage.live, lineage.newest
    if live.timeline != timeline:
        return live.timeline
    if lineage.swapping and live.held is not None:
        return live.held.before
    return timeline if newest is None else newest.timeline


def _held(desired: Desired, branch: Branch, branches: tuple[Branch, ...], signs: list[str]) -> TimelineBranch | None:
    """Read a held branch's name.

    It says more than an annotation, which stays what it was when the branch is restored in place, and may be passed on
    to the branch that is preserved then.
    """
    name = HeldName.parse(desired.primary.branch, branch.name)
    if name is None:
        return None
    mark, passed_on = branch.mark, [each.id for each in branches if each.mark is not None and each.mark == branch.mark]
    if mark is not None and mark.timeline != name.held and branch.last_reset_at is None and len(passed_on) == 1:
        signs.append(f'"{branch.name}" is annotated as {mark.timeline}')
    return TimelineBranch(branch, name.held, name, name.in_place or _is_preserved(desired, branch, branches))


def _is_preserved(desired: Desired, branch: Branch, branches: tuple[Branch, ...]) -> bool:
    """Whether a branch was made by a restore in place of another one, also when it has come back since.

    What was made for a timeline is annotated, so of the others only the oldest was not made so: the first primary.
    """
    others = (each for each in branches if each.mark is None and _is_ours(desired, each))
    return branch.mark is None and any(each.created_at < branch.created_at for each in others)


def _is_ours(desired: Desired, branch: Branch) -> bool:
    primary = desired.primary.branch
    return branch.name == primary or HeldName.parse(primary, branch.name) is not None


def _marked(desired: Desired, branch: Branch, signs: list[str]) -> TimelineBranch | None:
    """Read the annotations of a branch that is neither the primary nor held."""
    mark, primary = branch.mark, desired.primary.branch
    if mark is None or mark.environment != desired.environment or branch.name == primary:
        return None
    if HeldName.parse(primary, branch.name) is not None:
        return None
    expected = candidate_name(primary, mark.timeline)
    if branch.name not in (expected, failed_name(primary, mark.timeline), proved_name(primary, mark.timeline)):
        signs.append(f'"{branch.name}" is annotated as {mark.timeline}, whose branch would be "{expected}"')
    return TimelineBranch(branch, mark.timeline)


def _is_done(desired: Desired, timeline_branch: TimelineBranch) -> bool:
    return _is_called(failed_name, desired, timeline_branch) or _is_called(proved_name, desired, timeline_branch)


def _is_called(name: Callable[[str, Timeline], str], desired: Desired, timeline_branch: TimelineBranch) -> bool:
    return timeline_branch.branch.name == name(desired.primary.branch, timeline_branch.timeline)


def _primary(desired: Desired, branch: Branch, branches: tuple[Branch, ...], signs: list[str]) -> TimelineBranch:
    """Tell which timeline the primary carries.

    A branch that was made for a timeline, and never reset, carries that. Of any other, such as the first one, one that
    was restored in place, and one that was preserved then and has come back, the last replacement shows it.
    """
    mark, reset = branch.mark, branch.last_reset_at
    if mark is not None and mark.environment != desired.environment:
        signs.append(f'"{branch.name}" is annotated for environment "{mark.environment}"')
    names = {each.id: HeldName.parse(branch.name, each.name) for each in branches}
    last = max((name for name in names.values() if name), key=lambda name: name.sequence, default=None)
    replaced_by, preserved = last.before if last else ORIGIN, _is_preserved(desired, branch, branches)
    if reset is not None:
        signs += _strays(branch, reset, [each for each in branches if not names[each.id]])
    held = [each for each in branches if names[each.id]]
    if reset is not None and accounts_for(reset, held):
        signs += _made_nearer(branch, reset, held, [each for each in branches if not names[each.id]])
        return TimelineBranch(branch, replaced_by, preserved=preserved)
    carried = mark.timeline if mark else replaced_by if preserved or reset is not None else ORIGIN
    if reset is not None and (carried != ORIGIN or last is not None):
        known = "annotated as" if mark else "by the last replacement"
        signs.append(f'"{branch.name}" is {known} {carried} and was reset or restored since, at {reset}')
    return TimelineBranch(branch, carried, preserved=preserved)


def _strays(primary: Branch, reset: Instant, others: list[Branch]) -> list[str]:
    """Find what a restore in place has preserved under a name of ours, and was renamed since."""
    return [
        f'"{each.name}" was made when "{primary.name}" was restored, and its name does not say what it holds'
        for each in others
        if each.name.startswith(f"{primary.name}.held.") and accounts_for(reset, [each])
    ]


def _made_nearer(primary: Branch, reset: Instant, held: list[Branch], others: list[Branch]) -> list[str]:
    """Find what a restore by hand has preserved within minutes of one of ours.

    A branch that is preserved is made by the very request that resets the primary, so the nearest one was made by it.
    It is a root, or the parent of the primary; what is made of a branch for a preview is neither.
    """
    ours = min(abs(reset - each.created_at) for each in held)
    return [
        f'"{primary.name}" was reset or restored once more, at {reset}: "{each.name}" was made then, and its name does '
        "not say what it holds"
        for each in others
        if each.id != primary.id and each.mark is None and abs(reset - each.created_at) < ours
        if each.parent_id is None or each.id == primary.parent_id
    ]


def _is_older(each: TimelineBranch, live: TimelineBranch, held: list[TimelineBranch]) -> bool:
    """Whether a later branch carries the same timeline on: the one held later, or the live one.

    The last replacement is never older than the live branch: what it holds is not live.
    """
    numbers = [other.held.sequence for other in held if other.held]
    same = [other.held.sequence for other in held if other.held and other.timeline == each.timeline]
    own = each.held.sequence if each.held else 0
    if each.branch.id == live.branch.id:
        return False
    return own < max(same) or (each.timeline == live.timeline and own < max(numbers))


def _making_way(held: list[TimelineBranch], candidates: list[TimelineBranch]) -> TimelineBranch | None:
    """Find what is live in the middle of a swap: what was replaced last, while what replaces it is not yet renamed."""
    names = {each.held: each for each in held if each.held is not None}
    last = max(names, key=lambda name: name.sequence, default=None)
    if last is None or last.in_place:
        return None
    waits = any(each.timeline == last.before for each in (*held, *candidates))
    return names[last] if waits else None


def _claimed_twice(live: TimelineBranch, held: list[TimelineBranch], candidates: list[TimelineBranch]) -> list[str]:
    claims: dict[Timeline, dict[str, str]] = {}
    for each in (live, *held, *(each for each in candidates if not _is_proof(each, live, held))):
        claims.setdefault(each.timeline, {})[each.branch.id] = f'"{each.branch.name}"'
    return [
        f"{' and '.join(sorted(by_id.values()))} both claim {timeline}"
        for timeline, by_id in claims.items()
        if len(by_id) > 1
    ]


def _is_proof(candidate: TimelineBranch, live: TimelineBranch, held: list[TimelineBranch]) -> bool:
    """Whether a candidate is a copy for a restore in place: of what will be restored, or was.

    A second run may make it once more after the first has disposed of it; it is never used, and disposed of again.
    """
    timeline_branches = [each for each in (live, *held) if each.timeline == candidate.timeline]
    return any(each.branch.id == candidate.branch.parent_id or _was_put(each) for each in timeline_branches)


def _was_put(timeline_branch: TimelineBranch) -> bool:
    return timeline_branch.branch.last_reset_at is not None or timeline_branch.preserved


def _missing(desired: Desired, branches: tuple[Branch, ...]) -> PrimaryMissing:
    default = next((branch.name for branch in branches if branch.default), "(none)")
    return PrimaryMissing(desired.primary.branch, default, tuple(sorted(branch.name for branch in branches)))
