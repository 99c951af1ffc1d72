"""The timelines of an environment: which branch carries which, and which of them a moment belongs to."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta

from reconciler.core.lineage import lsn
from reconciler.core.model.desired import Restore
from reconciler.core.model.observed import Branch
from reconciler.core.model.refusal import Refusal
from reconciler.core.values.instant import Instant
from reconciler.core.values.lsn import Lsn
from reconciler.core.values.timeline import IN_PLACE, HeldName, Point, Timeline


@dataclass(frozen=True, slots=True)
class BeforeSourceExisted(Refusal):
    """No branch that was ever live existed at that moment, or the source that was named did not."""

    rule = "before-source-existed"
    before_the_call = "the look, gate `identity`"
    to: Instant
    source: str
    created_at: Instant

    problem = '{to} is before branch "{source}" was created ({created_at})'
    way_out = "ask for a later moment, or name the timeline that was live then in primary.restore.from"


@dataclass(frozen=True, slots=True)
class SourceAmbiguous(Refusal):
    """More than one timeline may have been live at that moment. `spans` says when each may have been."""

    rule = "source-ambiguous"
    to: Instant
    choices: tuple[str, ...]
    spans: tuple[str, ...]

    problem = "can't determine which timeline was live at {to}: {either}"
    way_out = "name it in primary.restore: {named}"

    @property
    def either(self) -> str:
        """The timelines that may have been live, each with its time."""
        return " or ".join(self.spans)

    @property
    def named(self) -> str:
        """The lines to choose from."""
        return " or ".join(f'"from": "{each}"' for each in self.choices)


@dataclass(frozen=True, slots=True)
class SourceNotHeld(Refusal):
    """`from` names a timeline that no branch carries."""

    rule = "source-not-held"
    source: Timeline
    carried: tuple[str, ...]

    problem = 'primary.restore.from names timeline "{source}", and no branch carries it'
    way_out = "choose one of: {carried}"


# A branch that is preserved in place is created by the request that resets the primary, so both bear one time. What is
# reset more than this apart was not reset by that request.
SAME_RESTORE = timedelta(minutes=5)
_BEGINNING = Instant(0)


@dataclass(frozen=True, slots=True)
class TimelineBranch:
    """A branch and the timeline that it carries. `held` is its name read, where it is held.

    `preserved`: Neon made the branch when another was restored in place, so its history is older than itself.
    """

    branch: Branch
    timeline: Timeline
    held: HeldName | None = None
    preserved: bool = False

    @property
    def ended(self) -> Instant | None:
        """When its timeline was replaced, known from a branch that was made then and has not come back since."""
        return self.branch.created_at if self.held is not None and self.held.in_place else None


@dataclass(frozen=True, slots=True)
class Lineage:
    """The timelines of an environment.

    `live` is the primary, or, in the middle of a swap, the branch that was the primary until then; `swapping` says
    which. `held` has the newest branch of each replaced timeline, `older` those that were replaced earlier and
    were restored from in place since. `failed` are candidates whose timeline took traffic, failed its last check and
    was left; `proved` are those whose timeline was restored in place and checked: both have done their work.
    """

    live: TimelineBranch
    swapping: bool
    held: tuple[TimelineBranch, ...]
    candidates: tuple[TimelineBranch, ...]
    failed: tuple[TimelineBranch, ...] = ()
    superseded: tuple[TimelineBranch, ...] = ()
    proved: tuple[TimelineBranch, ...] = ()

    def timeline_branch(self, timeline: Timeline) -> TimelineBranch | None:
        """Find the branch that carries a timeline."""
        return next((each for each in self.all if each.timeline == timeline), None)

    def candidate(self, timeline: Timeline) -> TimelineBranch | None:
        """Find the branch that is prepared for a timeline."""
        return next((each for each in self.candidates if each.timeline == timeline), None)

    @property
    def proof_branch(self) -> TimelineBranch | None:
        """The candidate that the live timeline was proved on before it was restored in place, until all is checked."""
        found = self.candidate(self.live.timeline)
        return None if found is None or found.branch.id == self.live.branch.id else found

    @property
    def stale_candidate(self) -> TimelineBranch | None:
        """A candidate that went into a timeline which is held by now: what it holds is older than what is held."""
        held = {each.timeline: each.branch.id for each in self.held}
        return next(
            (c for c in self.candidates if held.get(c.timeline, c.branch.parent_id) != c.branch.parent_id), None
        )

    @property
    def newest(self) -> TimelineBranch | None:
        """What was replaced last."""
        return max((*self.held, *self.superseded), key=_sequence, default=None)

    @property
    def made_from(self) -> Timeline | None:
        """The timeline that the live branch was made from, where that is held; None where its parent is no held one."""
        parent = self.live.branch.parent_id
        return next((each.timeline for each in self.held if each.branch.id == parent), None)

    @property
    def all(self) -> tuple[TimelineBranch, ...]:
        """The carrier of every timeline, the live one first, none twice."""
        timeline_branches = {self.live.timeline: self.live}
        for each in (*self.held, *self.candidates, *self.failed):
            timeline_branches.setdefault(each.timeline, each)
        return tuple(timeline_branches.values())

    def makes_way_for(self, timeline_branch: TimelineBranch) -> bool:
        """Whether a swap of names has begun, and for this one: the live branch says so in its name."""
        held = self.live.held
        return self.swapping and held is not None and held.before == timeline_branch.timeline

    def held_name(self, primary: str, successor: Timeline, *, in_place: bool = False) -> str:
        """Name the live timeline as replaced by its successor, with the next number."""
        begun = _sequence(self.live) if self.swapping else 0
        number = begun or 1 + (_sequence(self.newest) if self.newest else 0)
        return HeldName(primary, self.live.timeline, successor, number, in_place).name

    def source(self, restore: Restore) -> TimelineBranch | Refusal:
        """Find the timeline that was live at the moment asked for, or the one that `from` names.

        Every branch that was live at some time and may have been at that moment is a choice. It is the one of which
        that is known exactly, or the one that began last, provided that it is certain to have been live then: of
        several; or where it is not known since when one was.
        """
        if restore.source is not None:
            chosen = self._of(restore.source, restore.to)
            return chosen or SourceNotHeld(restore.source, tuple(str(each.timeline) for each in self.all))
        if isinstance(restore.to, Lsn):
            return lsn.LsnWithoutSource(restore.to)
        once_live = list(self.once_live())
        choices = [each for each in once_live if self.may_have_been_live(each, restore.to)]
        if not choices:
            return self._nobody(restore.to, once_live)
        last = next((each for each in choices if self.is_exact(each)), max(choices, key=self.began))
        if (len(choices) > 1 or last.ended is not None) and not self._is_certain(last):
            return self._ambiguous(restore.to, choices)
        return last

    def _of(self, timeline: Timeline, point: Point) -> TimelineBranch | None:
        """Find the branch of a timeline that has a moment or an LSN; where none is known to, the newest.

        A timeline that came back in place has two: one ends where it was replaced, and one begins where it came back.
        """
        every = [each for each in (*self.all, *self.superseded) if each.timeline == timeline]
        found = (each for each in every if self._may_have(each, point))
        return next(found, next(iter(every), None))

    def _may_have(self, timeline_branch: TimelineBranch, point: Point) -> bool:
        if isinstance(point, Lsn):
            return lsn.has(timeline_branch.branch, point)
        return self.may_have_been_live(timeline_branch, point)

    def _nobody(self, moment: Instant, once_live: list[TimelineBranch]) -> Refusal:
        """Say that no branch was live by what is known, and which may have the history of that moment all the same."""
        if superseded := [each for each in once_live if each.preserved]:
            return self._ambiguous(moment, superseded)
        oldest = min(once_live, key=self.began).branch
        return BeforeSourceExisted(moment, oldest.name, oldest.created_at)

    def _ambiguous(self, moment: Instant, choices: list[TimelineBranch]) -> SourceAmbiguous:
        """List the choices for `from`, each with when it can have been live."""
        ordered = sorted(choices, key=lambda each: (str(each.timeline), self.began(each)))
        spans = tuple(dict.fromkeys(f"{each.timeline} {self.span(each)}" for each in ordered))
        return SourceAmbiguous(moment, tuple(dict.fromkeys(str(each.timeline) for each in ordered)), spans)

    def span(self, timeline_branch: TimelineBranch) -> str:
        """Say when a branch can have been live, and which it is."""
        began = self.began(timeline_branch)
        since = "since an unknown time" if began == _BEGINNING else f"since {began} at the earliest"
        until = f", until {timeline_branch.ended}" if timeline_branch.ended is not None else ""
        return f'({since}{until}, on "{timeline_branch.branch.name}")'

    def once_live(self) -> Iterator[TimelineBranch]:
        """Give every branch that was live at some time: no candidate was."""
        never = {each.branch.id for each in (*self.candidates, *self.failed)}
        timeline_branches = (*self.all, *self.superseded)
        return (each for each in timeline_branches if each.branch.id not in never)

    def may_have_been_live(self, timeline_branch: TimelineBranch, moment: Instant) -> bool:
        """Whether a branch can have been live at a moment, by what is known of when it began and ended."""
        return self.began(timeline_branch) < moment and (
            timeline_branch.ended is None or moment <= timeline_branch.ended
        )

    def began(self, timeline_branch: TimelineBranch) -> Instant:
        """Return the earliest time at which a branch can have become live with what it holds.

        A preserved branch is as old as its end. It began when the replacement before it was made, if that was in place;
        otherwise not before the branch was prepared that first carried its timeline.
        """
        branch, ours = timeline_branch.branch, (self.live, *self.held, *self.superseded)
        others = [each.branch for each in ours if each.branch.id != branch.id]
        if branch.last_reset_at is not None and accounts_for(branch.last_reset_at, others):
            return branch.last_reset_at
        if not timeline_branch.preserved:
            return branch.created_at
        before = self._before(timeline_branch)
        if before is not None and before.ended is not None:
            return before.ended
        return self.prepared_at(timeline_branch) or _BEGINNING

    def prepared_at(self, timeline_branch: TimelineBranch) -> Instant | None:
        """Return when the branch was made that carried a timeline first, where there is one still.

        Whether Neon passes annotations on to what it preserves is not documented.
        """
        ours = (each.branch for each in (self.live, *self.held, *self.superseded) if not each.preserved)
        made = (each.created_at for each in ours if each.mark and each.mark.timeline == timeline_branch.timeline)
        return min(made, default=None)

    def replaced_in_place_at(self, timeline_branch: TimelineBranch) -> Instant | None:
        """Return when the primary was given what a preserved branch holds, where that was in place."""
        before = self._before(timeline_branch) if timeline_branch.ended is not None else None
        return None if before is None else before.ended

    def _is_certain(self, timeline_branch: TimelineBranch) -> bool:
        if timeline_branch.ended is not None:
            return self.is_exact(timeline_branch) or self._is_told_when_it_began(timeline_branch)
        newest, reset = self.newest, timeline_branch.branch.last_reset_at
        if timeline_branch == self.live and newest is not None and newest.ended is not None and reset is not None:
            return accounts_for(reset, [newest.branch])
        is_known = self.began(timeline_branch) > _BEGINNING
        return is_known and timeline_branch in self._chain() and not self._came_back(timeline_branch)

    def is_exact(self, timeline_branch: TimelineBranch) -> bool:
        """Whether it is known from when to when it was live: from one replacement in place to the next."""
        number, before = _sequence(timeline_branch), self._before(timeline_branch)
        return timeline_branch.ended is not None and (number == 1 or (before is not None and before.ended is not None))

    def _is_told_when_it_began(self, timeline_branch: TimelineBranch) -> bool:
        """Whether no replacement before this one brought an older branch back.

        What is brought back by a swap of names leaves its number, and nothing bears the time of the swap.
        """
        numbers = {_sequence(each) for each in (*self.held, *self.superseded)}
        return numbers.issuperset(range(1, _sequence(timeline_branch)))

    def _before(self, timeline_branch: TimelineBranch) -> TimelineBranch | None:
        number = _sequence(timeline_branch) - 1
        return next((each for each in (*self.held, *self.superseded) if _sequence(each) == number), None)

    def _chain(self) -> list[TimelineBranch]:
        """List the live branch, the older one that it replaced, the older one that that replaced, and so on."""
        chain = [self.live]
        while (replaced := self._replaced_by(chain[-1])) is not None:
            chain.append(replaced)
        return chain

    def _replaced_by(self, timeline_branch: TimelineBranch) -> TimelineBranch | None:
        superseded = [
            each for each in self._made_way_for(timeline_branch) if self.began(each) < self.began(timeline_branch)
        ]
        return max(superseded, key=self.began, default=None)

    def _came_back(self, timeline_branch: TimelineBranch) -> bool:
        """Whether a branch may have been replaced and made live again.

        It has replaced one that began later; or a number below its own is missing: whatever had it came back.
        """
        numbers = {_sequence(each) for each in (*self.held, *self.superseded)}
        return any(
            self.began(each) > self.began(timeline_branch) or not numbers.issuperset(range(1, _sequence(each)))
            for each in self._made_way_for(timeline_branch)
        )

    def _made_way_for(self, timeline_branch: TimelineBranch) -> list[TimelineBranch]:
        return [each for each in self.held if each.held is not None and each.held.before == timeline_branch.timeline]


def accounts_for(reset: Instant, branches: Iterable[Branch]) -> bool:
    """Whether one of these was made by the restore that reset a branch at that time, to keep what it held.

    So whoever resets a branch otherwise is found out, unless it is within minutes of a restore in place and no other
    branch keeps what was there.
    """
    made_so = (each for each in branches if each.mark is None or each.name.endswith(IN_PLACE))
    return any(abs(reset - each.created_at) <= SAME_RESTORE for each in made_so)


def _sequence(timeline_branch: TimelineBranch) -> int:
    return timeline_branch.held.sequence if timeline_branch.held else 0
