"""Which branch carries which timeline, read from names and annotations alone."""

from dataclasses import dataclass, replace

from reconciler.core.desired import DeployDriver, Desired, Restore
from reconciler.core.observed import Branch, named
from reconciler.core.refusals import (
    BeforeSourceExisted,
    PrimaryMissing,
    ProvenanceUnknown,
    Refusal,
    SourceAmbiguous,
    SourceNotHeld,
)
from reconciler.core.timeline import ORIGIN, HeldName, Timeline, candidate_name, failed_name, free_held_name


@dataclass(frozen=True, slots=True)
class Carrier:
    """A branch and the timeline that it carries. `held` is its name read, where it is held."""

    branch: Branch
    timeline: Timeline
    held: HeldName | None = None


@dataclass(frozen=True, slots=True)
class Lineage:
    """The timelines of an environment.

    `live` is the primary, or, in the middle of a swap, the branch that is still the project's default; `swapping`
    says which. `failed` are candidates that took traffic, failed their last check and were put back.
    """

    live: Carrier
    swapping: bool
    held: tuple[Carrier, ...]
    candidates: tuple[Carrier, ...]
    failed: tuple[Carrier, ...] = ()

    def carrier(self, timeline: Timeline) -> Carrier | None:
        """Find the branch that carries a timeline."""
        return next((each for each in self.all if each.timeline == timeline), None)

    @property
    def all(self) -> tuple[Carrier, ...]:
        """Every carrier, the live one first, none twice."""
        others = (*self.held, *self.candidates, *self.failed)
        return (self.live, *(each for each in others if each.branch.id != self.live.branch.id))

    def makes_way_for(self, carrier: Carrier) -> bool:
        """Tell whether a swap of names has begun, and for this one: the live branch says so in its name."""
        held = self.live.held
        return self.swapping and held is not None and held.before == carrier.timeline

    def source(self, restore: Restore) -> Carrier | Refusal:
        """Find the timeline that was live at the moment asked for, or the one that `from` names.

        Every branch that was ever live and existed at that moment is a choice. One choice needs no thought; of
        several, the youngest was live, provided that the live branch descends from it through plain replacements
        and that it did not come back after having been replaced (a restore that was undone): when those came and
        went is not written in Neon.
        """
        if restore.source is not None:
            chosen = self.carrier(restore.source)
            return chosen or SourceNotHeld(restore.source, tuple(str(each.timeline) for each in self.all))
        once_live = [each for each in self.all if each not in (*self.candidates, *self.failed)]
        existed = [each for each in once_live if each.branch.created_at < restore.to]
        if not existed:
            oldest = min(once_live, key=lambda each: each.branch.created_at).branch
            return BeforeSourceExisted(restore.to, oldest.name, oldest.created_at)
        youngest = max(existed, key=lambda each: each.branch.created_at)
        if len(existed) > 1 and (self._came_back(youngest) or youngest not in self._chain()):
            return SourceAmbiguous(restore.to, tuple(str(each.timeline) for each in existed))
        return youngest

    def _chain(self) -> list[Carrier]:
        """List the live branch, the older one that it replaced, the older one that that replaced, and so on."""
        chain = [self.live]
        while (replaced := self._replaced_by(chain[-1])) is not None:
            chain.append(replaced)
        return chain

    def _replaced_by(self, carrier: Carrier) -> Carrier | None:
        older = [each for each in self._made_way_for(carrier) if each.branch.created_at < carrier.branch.created_at]
        return max(older, key=lambda each: each.branch.created_at, default=None)

    def _came_back(self, carrier: Carrier) -> bool:
        """Tell whether a branch was replaced and made live again: it replaced a younger one, or a pair repeats."""
        return any(
            each.branch.created_at > carrier.branch.created_at or (each.held is not None and each.held.count > 1)
            for each in self._made_way_for(carrier)
        )

    def _made_way_for(self, carrier: Carrier) -> list[Carrier]:
        return [each for each in self.held if each.held is not None and each.held.before == carrier.timeline]

    def held_name(self, primary: str, successor: Carrier, taken: frozenset[str]) -> str:
        """Name the live branch as held before its successor.

        The count goes up when the same pair repeats: when a younger branch that made way for the live one returns.
        """
        returning = successor.held is not None and successor.held.before == self.live.timeline
        count = successor.held.count if returning and successor.held is not None else 1
        if returning and successor.branch.created_at > self.live.branch.created_at:
            count += 1
        return free_held_name(HeldName(primary, self.live.timeline, successor.timeline, count), taken)


def trace(desired: Desired, branches: tuple[Branch, ...]) -> Lineage | Refusal:
    """Read who carries what. Signs that are missing or disagree are a refusal, never a guess."""
    signs: list[str] = []
    held: list[Carrier] = []
    candidates: list[Carrier] = []
    failed: list[Carrier] = []
    for branch in branches:
        if (carrier := _held(desired, branch, signs)) is not None:
            held.append(carrier)
        elif (carrier := _candidate(desired, branch, signs)) is not None:
            has_failed = branch.name == failed_name(desired.primary.branch, carrier.timeline)
            (failed if has_failed else candidates).append(carrier)
    primary = named(branches, desired.primary.branch)
    live = _primary(desired, primary, signs) if primary else _default_among([*held, *candidates])
    if live is not None:
        signs += _claimed_twice([live, *held, *candidates, *failed])
    if signs:
        return ProvenanceUnknown(tuple(signs))
    if live is None:
        return _missing(desired, branches)
    return Lineage(live, primary is None, tuple(held), tuple(candidates), tuple(failed))


def attainable(desired: Desired, lineage: Lineage) -> Desired:
    """Return what can be made so: what the file asks for, or what is live, where that was tried and has failed.

    Going back needs no build and must not wait for one, so it is always the live code that is bound anew.
    """
    if all(each.timeline != desired.timeline for each in lineage.failed):
        return desired
    live = lineage.live.timeline
    restore = None if live.to is None else Restore(live.to, live.id)
    workers = tuple(replace(each, deploy=DeployDriver.REBIND) for each in desired.workers)
    return replace(desired, primary=replace(desired.primary, restore=restore), workers=workers)


def _held(desired: Desired, branch: Branch, signs: list[str]) -> Carrier | None:
    name = HeldName.parse(desired.primary.branch, branch.name)
    if name is None:
        return None
    if branch.mark is not None and branch.mark.timeline != name.held:
        signs.append(f'"{branch.name}" is annotated as {branch.mark.timeline}')
    return Carrier(branch, name.held, name)


def _candidate(desired: Desired, branch: Branch, signs: list[str]) -> Carrier | None:
    mark = branch.mark
    if mark is None or mark.environment != desired.environment or branch.name == desired.primary.branch:
        return None
    expected = candidate_name(desired.primary.branch, mark.timeline)
    if branch.name not in (expected, failed_name(desired.primary.branch, mark.timeline)):
        signs.append(f'"{branch.name}" is annotated as {mark.timeline}, whose branch would be "{expected}"')
    return Carrier(branch, mark.timeline)


def _primary(desired: Desired, branch: Branch, signs: list[str]) -> Carrier:
    mark = branch.mark
    if mark is None:
        return Carrier(branch, ORIGIN)
    if mark.environment != desired.environment:
        signs.append(f'"{branch.name}" is annotated for environment "{mark.environment}"')
    if branch.last_reset_at is not None:
        signs.append(
            f'"{branch.name}" is annotated as {mark.timeline} and was reset or restored since, '
            f"at {branch.last_reset_at}"
        )
    return Carrier(branch, mark.timeline)


def _default_among(carriers: list[Carrier]) -> Carrier | None:
    return next((each for each in carriers if each.branch.default), None)


def _claimed_twice(carriers: list[Carrier]) -> list[str]:
    claims: dict[Timeline, dict[str, str]] = {}
    for each in carriers:
        claims.setdefault(each.timeline, {})[each.branch.id] = f'"{each.branch.name}"'
    return [
        f"{' and '.join(sorted(by_id.values()))} both claim {timeline}"
        for timeline, by_id in claims.items()
        if len(by_id) > 1
    ]


def _missing(desired: Desired, branches: tuple[Branch, ...]) -> PrimaryMissing:
    default = next((branch.name for branch in branches if branch.default), "(none)")
    return PrimaryMissing(desired.primary.branch, default, tuple(sorted(branch.name for branch in branches)))
