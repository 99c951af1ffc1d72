"""The timelines of an environment: which branch carries which, and which of them a moment belongs to."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta

from reconciler.core import lsn_guards
from reconciler.core.desired import Restore
from reconciler.core.instant import Instant
from reconciler.core.lsn import Lsn
from reconciler.core.observed import Branch
from reconciler.core.refusals import BeforeSourceExisted, Refusal, SourceAmbiguous, SourceNotHeld
from reconciler.core.timeline import IN_PLACE, HeldName, Point, Timeline

# A branch that is preserved in place is created by the request that resets the primary, so both bear one time. What is
# reset more than this apart was not reset by that request.
SAME_RESTORE = timedelta(minutes=5)
_BEGINNING = Instant(0)


@dataclass(frozen=True, slots=True)
class Carrier:
    """A branch and the timeline that it carries. `held` is its name read, where it is held.

    `preserved` tells that Neon made the branch when another was restored in place: its history is older than itself.
    """

    branch: Branch
    timeline: Timeline
    held: HeldName | None = None
    preserved: bool = False

    @property
    def ended(self) -> Instant | None:
        """When its timeline was replaced: told by a branch that was made then, and has not come back since."""
        return self.branch.created_at if self.held is not None and self.held.in_place else None


@dataclass(frozen=True, slots=True)
class Lineage:
    """The timelines of an environment.

    `live` is the primary, or, in the middle of a swap, the branch that was the primary until then; `swapping` says
    which. `held` has the newest branch of each replaced timeline, `older` those that were replaced earlier and
    were restored from in place since. `failed` are candidates whose timeline took traffic, failed its last check and
    was left; `proved` are those whose timeline was restored in place and checked: both have done their work.
    """

    live: Carrier
    swapping: bool
    held: tuple[Carrier, ...]
    candidates: tuple[Carrier, ...]
    failed: tuple[Carrier, ...] = ()
    older: tuple[Carrier, ...] = ()
    proved: tuple[Carrier, ...] = ()

    def carrier(self, timeline: Timeline) -> Carrier | None:
        """Find the branch that carries a timeline."""
        return next((each for each in self.all if each.timeline == timeline), None)

    def candidate(self, timeline: Timeline) -> Carrier | None:
        """Find the branch that is prepared for a timeline."""
        return next((each for each in self.candidates if each.timeline == timeline), None)

    @property
    def proof(self) -> Carrier | None:
        """The candidate that the live timeline was proved on before it was restored in place, until all is checked."""
        found = self.candidate(self.live.timeline)
        return None if found is None or found.branch.id == self.live.branch.id else found

    @property
    def spent(self) -> Carrier | None:
        """A candidate that went into a timeline which is held by now: what it holds is older than what is held."""
        held = {each.timeline: each.branch.id for each in self.held}
        return next(
            (c for c in self.candidates if held.get(c.timeline, c.branch.parent_id) != c.branch.parent_id), None
        )

    @property
    def newest(self) -> Carrier | None:
        """What was replaced last."""
        return max((*self.held, *self.older), key=_sequence, default=None)

    @property
    def made_from(self) -> Timeline | None:
        """The timeline that the live branch was made from, where that is held; None where its parent is no held one."""
        parent = self.live.branch.parent_id
        return next((each.timeline for each in self.held if each.branch.id == parent), None)

    @property
    def all(self) -> tuple[Carrier, ...]:
        """The carrier of every timeline, the live one first, none twice."""
        carriers = {self.live.timeline: self.live}
        for each in (*self.held, *self.candidates, *self.failed):
            carriers.setdefault(each.timeline, each)
        return tuple(carriers.values())

    def makes_way_for(self, carrier: Carrier) -> bool:
        """Tell whether a swap of names has begun, and for this one: the live branch says so in its name."""
        held = self.live.held
        return self.swapping and held is not None and held.before == carrier.timeline

    def held_name(self, primary: str, successor: Timeline, *, in_place: bool = False) -> str:
        """Name the live timeline as replaced by its successor, with the next number."""
        begun = _sequence(self.live) if self.swapping else 0
        number = begun or 1 + (_sequence(self.newest) if self.newest else 0)
        return HeldName(primary, self.live.timeline, successor, number, in_place).name

    def source(self, restore: Restore) -> Carrier | Refusal:
        """Find the timeline that was live at the moment asked for, or the one that `from` names.

        Every branch that was live at some time and may have been at that moment is a choice. It is the one of which
        that is known exactly, or the one that began last, provided that it is certain to have been live then: of
        several; or where it is not known since when one was.
        """
        if restore.source is not None:
            chosen = self._of(restore.source, restore.to)
            return chosen or SourceNotHeld(restore.source, tuple(str(each.timeline) for each in self.all))
        if isinstance(restore.to, Lsn):
            return lsn_guards.LsnWithoutSource(restore.to)
        once_live = list(self.once_live())
        choices = [each for each in once_live if self.may_have_been_live(each, restore.to)]
        if not choices:
            return self._nobody(restore.to, once_live)
        last = next((each for each in choices if self.is_exact(each)), max(choices, key=self.began))
        if (len(choices) > 1 or last.ended is not None) and not self._is_certain(last):
            return self._ambiguous(restore.to, choices)
        return last

    def _of(self, timeline: Timeline, point: Point) -> Carrier | None:
        """Find the branch of a timeline that has a moment or an LSN; where none is known to, the newest.

        A timeline that came back in place has two: one ends where it was replaced, and one begins where it came back.
        """
        every = [each for each in (*self.all, *self.older) if each.timeline == timeline]
        found = (each for each in every if self._may_have(each, point))
        return next(found, next(iter(every), None))

    def _may_have(self, carrier: Carrier, point: Point) -> bool:
        if isinstance(point, Lsn):
            return lsn_guards.has(carrier.branch, point)
        return self.may_have_been_live(carrier, point)

    def _nobody(self, moment: Instant, once_live: list[Carrier]) -> Refusal:
        """Say that no branch was live by what is known, and which may have the history of that moment all the same."""
        if older := [each for each in once_live if each.preserved]:
            return self._ambiguous(moment, older)
        oldest = min(once_live, key=self.began).branch
        return BeforeSourceExisted(moment, oldest.name, oldest.created_at)

    def _ambiguous(self, moment: Instant, choices: list[Carrier]) -> SourceAmbiguous:
        """List the choices for `from`, each with when it can have been live."""
        ordered = sorted(choices, key=lambda each: (str(each.timeline), self.began(each)))
        spans = tuple(dict.fromkeys(f"{each.timeline} {self.span(each)}" for each in ordered))
        return SourceAmbiguous(moment, tuple(dict.fromkeys(str(each.timeline) for each in ordered)), spans)

    def span(self, carrier: Carrier) -> str:
        """Say when a branch can have been live, and which it is."""
        began = self.began(carrier)
        since = "since an unknown time" if began == _BEGINNING else f"since {began} at the earliest"
        until = f", until {carrier.ended}" if carrier.ended is not None else ""
        return f'({since}{until}, on "{carrier.branch.name}")'

    def once_live(self) -> Iterator[Carrier]:
        """Give every branch that was live at some time: no candidate was."""
        never = {each.branch.id for each in (*self.candidates, *self.failed)}
        carriers = (*self.all, *self.older)
        return (each for each in carriers if each.branch.id not in never)

    def may_have_been_live(self, carrier: Carrier, moment: Instant) -> bool:
        """Tell whether a branch can have been live at a moment, by what is known of when it began and ended."""
        return self.began(carrier) < moment and (carrier.ended is None or moment <= carrier.ended)

    def began(self, carrier: Carrier) -> Instant:
        """Return the earliest time at which a branch can have become live with what it holds.

        A preserved branch is as old as its end. It began when the replacement before it was made, if that was in place;
        otherwise not before the branch was prepared that first carried its timeline.
        """
        branch, ours = carrier.branch, (self.live, *self.held, *self.older)
        others = [each.branch for each in ours if each.branch.id != branch.id]
        if branch.last_reset_at is not None and accounts_for(branch.last_reset_at, others):
            return branch.last_reset_at
        if not carrier.preserved:
            return branch.created_at
        before = self._before(carrier)
        if before is not None and before.ended is not None:
            return before.ended
        return self.prepared_at(carrier) or _BEGINNING

    def prepared_at(self, carrier: Carrier) -> Instant | None:
        """Return when the branch was made that carried a timeline first, where there is one still.

        Whether Neon passes annotations on to what it preserves is not documented.
        """
        ours = (each.branch for each in (self.live, *self.held, *self.older) if not each.preserved)
        made = (each.created_at for each in ours if each.mark and each.mark.timeline == carrier.timeline)
        return min(made, default=None)

    def replaced_in_place_at(self, carrier: Carrier) -> Instant | None:
        """Return when the primary was given what a preserved branch holds, where that was in place."""
        before = self._before(carrier) if carrier.ended is not None else None
        return None if before is None else before.ended

    def _is_certain(self, carrier: Carrier) -> bool:
        if carrier.ended is not None:
            return self.is_exact(carrier) or self._is_told_when_it_began(carrier)
        newest, reset = self.newest, carrier.branch.last_reset_at
        if carrier == self.live and newest is not None and newest.ended is not None and reset is not None:
            return accounts_for(reset, [newest.branch])
        is_known = self.began(carrier) > _BEGINNING
        return is_known and carrier in self._chain() and not self._came_back(carrier)

    def is_exact(self, carrier: Carrier) -> bool:
        """Tell whether it is known from when to when it was live: from one replacement in place to the next."""
        number, before = _sequence(carrier), self._before(carrier)
        return carrier.ended is not None and (number == 1 or (before is not None and before.ended is not None))

    def _is_told_when_it_began(self, carrier: Carrier) -> bool:
        """Tell whether no replacement before this one brought an older branch back.

        What is brought back by a swap of names leaves its number, and nothing bears the time of the swap.
        """
        numbers = {_sequence(each) for each in (*self.held, *self.older)}
        return numbers.issuperset(range(1, _sequence(carrier)))

    def _before(self, carrier: Carrier) -> Carrier | None:
        number = _sequence(carrier) - 1
        return next((each for each in (*self.held, *self.older) if _sequence(each) == number), None)

    def _chain(self) -> list[Carrier]:
        """List the live branch, the older one that it replaced, the older one that that replaced, and so on."""
        chain = [self.live]
        while (replaced := self._replaced_by(chain[-1])) is not None:
            chain.append(replaced)
        return chain

    def _replaced_by(self, carrier: Carrier) -> Carrier | None:
        older = [each for each in self._made_way_for(carrier) if self.began(each) < self.began(carrier)]
        return max(older, key=self.began, default=None)

    def _came_back(self, carrier: Carrier) -> bool:
        """Tell whether a branch may have been replaced and made live again.

        It has replaced one that began later; or a number below its own is missing: whatever had it came back.
        """
        numbers = {_sequence(each) for each in (*self.held, *self.older)}
        return any(
            self.began(each) > self.began(carrier) or not numbers.issuperset(range(1, _sequence(each)))
            for each in self._made_way_for(carrier)
        )

    def _made_way_for(self, carrier: Carrier) -> list[Carrier]:
        return [each for each in self.held if each.held is not None and each.held.before == carrier.timeline]


def accounts_for(reset: Instant, branches: Iterable[Branch]) -> bool:
    """Tell whether one of these was made by the restore that reset a branch at that time, to keep what it held.

    So whoever resets a branch otherwise is found out, unless it is within minutes of a restore in place and no other
    branch keeps what was there.
    """
    made_so = (each for each in branches if each.mark is None or each.name.endswith(IN_PLACE))
    return any(abs(reset - each.created_at) <= SAME_RESTORE for each in made_so)


def _sequence(carrier: Carrier) -> int:
    return carrier.held.sequence if carrier.held else 0
