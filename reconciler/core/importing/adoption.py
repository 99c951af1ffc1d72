"""How a primary that was restored by hand is recognised from then on: by the name of the branch that keeps its history.

Annotations can't be given to a branch that is there, so a name is the only sign that can be set. A branch that Neon's
Console preserved (`main_old_…`), or that was the primary before another one was renamed into its place, gets the
name that a restore of ours would have given it. That is one rename, so it is done or not, whatever dies in between; no
data is touched, and renaming it back takes it back. Where nothing keeps that history, no name can say it: refused.
"""

from dataclasses import dataclass, field, replace

from reconciler.core.lineage.infer import PrimaryMissing, infer_lineage
from reconciler.core.lineage.lineage import Lineage, accounts_for
from reconciler.core.model.desired import Desired, Restore
from reconciler.core.model.observed import Branch, Observed, known, named
from reconciler.core.model.refusal import Refusal
from reconciler.core.values.lsn import Lsn
from reconciler.core.values.timeline import ORIGIN, HeldName, Timeline


@dataclass(frozen=True, slots=True)
class AdoptionUnclear(Refusal):
    """What is there does not say, without a doubt, that the primary carries this timeline."""

    rule = "adoption-unclear"
    branch: str
    timeline: Timeline
    reason: str

    problem = '"{branch}" can\'t be adopted as {timeline}: {reason}'
    way_out = (
        "use --held NAME to name the branch that holds what the primary held before. If there is none, start over: "
        'see docs/guards.md, "When the live timeline is unknown"'
    )


@dataclass(frozen=True, slots=True)
class Rename:
    """The one rename that records an adoption at Neon, and why. No rule asks for it: it is no step of a plan."""

    branch: str
    to: str
    reason: str = field(compare=False)


@dataclass(frozen=True, slots=True)
class Adoption:
    """What the file is to ask for, and the one rename that makes Neon say it; None where Neon says it already."""

    asked: Desired
    rename: Rename | None


def adoption(
    desired: Desired, observed: Observed, timeline: Timeline, held: str = "", source: Timeline | None = None
) -> Adoption | Refusal:
    """Find the rename after which the primary is known to carry a timeline.

    `held` names what keeps what it had, and `source` the timeline that an LSN belongs to, where that is another one
    than the primary carried before.
    """
    branches = known(observed.branches)
    restore = desired.primary.restore if desired.timeline == timeline else _restore(timeline, source)
    asked = replace(desired, primary=replace(desired.primary, restore=restore))
    primary = named(branches, desired.primary.branch)
    if primary is None:
        found = infer_lineage(asked, branches)
        return found if isinstance(found, PrimaryMissing) else _unclear(desired, timeline, "no branch has its name")
    lineage = _live_already(asked, branches)
    if lineage is not None and not held:
        return _recorded(asked, None, _made_from(lineage))
    if timeline == ORIGIN:
        return _unclear(desired, timeline, f"{_signs(asked, branches)}, and no name can take that back")
    if timeline.moment is not None and timeline.moment > (latest := primary.last_reset_at or primary.created_at):
        return _unclear(desired, timeline, f"it got what it holds at {latest}, before that moment")
    keeper = _keeper(desired, primary, branches, held)
    if isinstance(keeper, str):
        return _unclear(desired, timeline, keeper)
    return _named_so(asked, primary, keeper, branches)


def _restore(timeline: Timeline, source: Timeline | None) -> Restore | None:
    return None if timeline.to is None else Restore(timeline.to, timeline.id, source=source)


def _recorded(asked: Desired, rename: Rename | None, had: Timeline | None) -> Adoption | Refusal:
    """Say which timeline an LSN belongs to: without --from, the one that the primary carried before."""
    restore = asked.primary.restore
    if restore is None or restore.source is not None or not isinstance(restore.to, Lsn):
        return Adoption(asked, rename)
    if had is None:
        return _unclear(
            asked, asked.timeline, f"it is unknown which timeline {restore.to} belongs to: name it with --from"
        )
    return Adoption(replace(asked, primary=replace(asked.primary, restore=replace(restore, source=had))), rename)


def _unclear(desired: Desired, timeline: Timeline, reason: str) -> AdoptionUnclear:
    return AdoptionUnclear(desired.primary.branch, timeline, reason)


def _live_already(asked: Desired, branches: tuple[Branch, ...]) -> Lineage | None:
    """Return the lineage if the desired timeline is live already."""
    lineage = infer_lineage(asked, branches)
    if not isinstance(lineage, Lineage) or lineage.swapping:
        return None
    return lineage if lineage.live.timeline == asked.timeline else None


def _made_from(lineage: Lineage) -> Timeline | None:
    """Find what the live timeline was made from: what it has replaced, or its parent."""
    newest = lineage.newest
    if newest is not None and newest.held is not None and newest.held.before == lineage.live.timeline:
        return newest.timeline
    return lineage.made_from


def _signs(asked: Desired, branches: tuple[Branch, ...]) -> str:
    lineage = infer_lineage(asked, branches)
    return f"it is known to carry {lineage.live.timeline}" if isinstance(lineage, Lineage) else lineage.message


def _keeper(desired: Desired, primary: Branch, branches: tuple[Branch, ...], held: str) -> Branch | str:
    """Find the one branch that keeps what the primary held, or say why it is unknown."""
    strays = [each for each in branches if _may_keep(desired, primary, each)]
    if held:
        strays = [each for each in strays if each.name == held]
        return strays[0] if strays else f'"{held}" is not a branch that was preserved or replaced then'
    if len(strays) == 1:
        return strays[0]
    names = " and ".join(sorted(f'"{each.name}"' for each in strays))
    return f"{names} may each keep what it held" if strays else "no branch keeps what it held before"


def _may_keep(desired: Desired, primary: Branch, branch: Branch) -> bool:
    """Whether a branch was made when the primary was reset; or, where it never was, is what it was made from."""
    if branch.id == primary.id or HeldName.parse(primary.name, branch.name) is not None:
        return False
    if branch.mark is not None and branch.mark.environment != desired.environment:
        return False
    if primary.last_reset_at is not None:
        return accounts_for(primary.last_reset_at, [replace(branch, mark=None)])
    return branch.id == primary.parent_id


def _named_so(asked: Desired, primary: Branch, keeper: Branch, branches: tuple[Branch, ...]) -> Adoption | Refusal:
    """Give it the name that a replacement of ours would have given it, and see that it says what it should."""
    timeline, last = asked.timeline, _last(primary, branches)
    mark = primary.mark if primary.last_reset_at is not None else keeper.mark
    had = last.before if last else mark.timeline if mark else ORIGIN
    if had == timeline:
        return _unclear(asked, timeline, f"{timeline} is what it carried before: give the restore another id")
    in_place, number = primary.last_reset_at is not None, last.sequence + 1 if last else 1
    name = HeldName(primary.name, had, timeline, number, in_place).name
    after = tuple(replace(each, name=name) if each == keeper else each for each in branches)
    if _live_already(asked, after) is None:
        return _unclear(asked, timeline, f'were "{keeper.name}" called "{name}", {_signs(asked, after)}')
    return _recorded(asked, Rename(keeper.name, name, f"it keeps what {had} held"), had)


def _last(primary: Branch, branches: tuple[Branch, ...]) -> HeldName | None:
    names = (HeldName.parse(primary.name, each.name) for each in branches)
    return max((name for name in names if name is not None), key=lambda name: name.sequence, default=None)
