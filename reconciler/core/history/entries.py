"""Who asked for what and when, and what came of it: a file's changes in Git and the receipts of applies, as one story.

Nothing in old commits or in notes can stop it: a version that does not parse is an entry that says so, a
note that is no receipt and a receipt that is lost are problems beside the story.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from enum import Enum
from typing import assert_never

from reconciler.core.file.versions import DEFAULT_HOLD, Unreadable, Version, differences, read_version
from reconciler.core.history.lanes import Lane, State, lanes
from reconciler.core.records import receipt as receipts_of
from reconciler.core.records.receipt import Receipt, Result
from reconciler.core.values.instant import Instant
from reconciler.core.values.timeline import Timeline


@dataclass(frozen=True, slots=True)
class Change:
    """A change of the desired-state file on its branch. The texts are None where the file was not there.

    `commit` is what `git revert` takes (`is_merge`: with -m 1). `commits` are all that belong to it: the merge that
    brought it and what was merged; a receipt is attached to one of them.
    """

    commit: str
    at: Instant
    author: str
    subject: str
    before: str | None
    after: str | None
    is_merge: bool = False
    commits: tuple[str, ...] = ()

    @property
    def all_commits(self) -> tuple[str, ...]:
        """Every commit that belongs to it."""
        return (self.commit, *self.commits)


class ChangeKind(Enum):
    """What a change of the file asks for."""

    ADDED = "added"
    RESTORE = "restore"
    UNDO = "undo"
    SETTINGS = "settings"
    NOTHING = "nothing"
    UNREADABLE = "unreadable"
    REMOVED = "removed"


class ApplyKind(Enum):
    """What an apply came to."""

    RESTORED = "restored"
    RETURNED = "returned"
    IN_SYNC = "in sync"
    REPAIRED = "drift repaired"
    REFUSED = "refused"
    FAILED = "failed"
    INTERRUPTED = "interrupted"


@dataclass(frozen=True, slots=True)
class Rollback:
    """It is undone by `reconciler rollback`."""


@dataclass(frozen=True, slots=True)
class RollbackTo:
    """What was before it is held: `reconciler rollback --to-timeline`."""

    timeline: Timeline


@dataclass(frozen=True, slots=True)
class Revert:
    """It is undone by `git revert`, and then applied."""

    commit: str
    is_merge: bool


Undo = Rollback | RollbackTo | Revert


@dataclass(frozen=True, slots=True)
class Changed:
    """The desired state was changed. `result` is how its last apply ended, None where there is no receipt of one."""

    change: Change
    kind: ChangeKind
    timeline: Timeline | None = None
    previous: Timeline | None = None
    reason: str = ""
    fields: tuple[str, ...] = ()
    problem: str = ""
    result: Result | None = None
    undo: Undo | None = None

    @property
    def at(self) -> Instant:
        """When it came onto the branch."""
        return self.change.at


@dataclass(frozen=True, slots=True)
class Applied:
    """An apply was run. `commit` is the one its receipt is attached to, `is_here` whether this branch has it."""

    receipt: Receipt
    commit: str
    kind: ApplyKind
    is_here: bool
    undo: Undo | None = None

    @property
    def at(self) -> Instant:
        """When it began."""
        return self.receipt.began_at


Entry = Changed | Applied


@dataclass(frozen=True, slots=True)
class ReceiptMissing:
    """A receipt names one before it that is not there: it was lost, altered, or not fetched."""

    digest: str
    named_by: str


@dataclass(frozen=True, slots=True)
class NotAReceipt:
    """A line of a note is no receipt: it was written by something else, is damaged, or is from a later version."""

    commit: str
    line: str


Problem = ReceiptMissing | NotAReceipt


@dataclass(frozen=True, slots=True)
class History:
    """One environment's story up to `now`, oldest first. `asked` is what the file says in the end.

    `suspended` says that all applying is stopped, or was until lately, and is empty otherwise.
    """

    environment: str
    now: Instant
    entries: tuple[Entry, ...]
    lanes: tuple[Lane, ...]
    asked: Timeline | None
    problems: tuple[Problem, ...]
    suspended: str = ""

    @property
    def live(self) -> Lane | None:
        """The timeline that the last receipt left live."""
        return next((each for each in self.lanes if each.state is State.LIVE), None)

    @property
    def held(self) -> tuple[Lane, ...]:
        """The timelines that are held, the last replaced first."""
        found = [each for each in self.lanes if each.state is State.HELD]
        return tuple(sorted(found, key=lambda each: each.held_since or self.now, reverse=True))


def compile_history(
    environment: str, changes: Iterable[Change], notes: Mapping[str, Iterable[str]], now: Instant
) -> History:
    """Tell the story. `changes` are in the order of the branch, oldest first; `notes` are lines by commit."""
    wanted = _Changes(changes)
    found, garbage = _receipts(environment, notes)
    in_order = [receipt for receipt, _ in found]
    laid_out = lanes(in_order, wanted.sources, wanted.hold, now)
    undo = _Undo(wanted, in_order, laid_out)
    changed = [undo.of_change(each) for each in _with_results(wanted.entries, found)]
    applied = [undo.of_apply(each) for each in _applies(found, wanted.entries)]
    problems: tuple[Problem, ...] = (*_missing(in_order), *garbage)
    return History(environment, now, _in_time_order(changed, applied), laid_out, wanted.asked, problems)


class _Changes:
    """Goes through the versions of the file, and remembers what was asked for before."""

    def __init__(self, changes: Iterable[Change]) -> None:
        self.sources: dict[Timeline, Timeline] = {}
        self.asked: Timeline | None = None
        self.hold: timedelta | None = DEFAULT_HOLD
        self._last: Version | None = None
        self._known: set[Timeline] = set()
        self._read: dict[str, Version | Unreadable] = {}
        self.entries = [self._entry(change) for change in changes]

    def _entry(self, change: Change) -> Changed:
        if change.after is None:
            self.asked = None
            return Changed(change, ChangeKind.REMOVED)
        version = self._version(change.after)
        if isinstance(version, Unreadable):
            self.asked = None
            return Changed(change, ChangeKind.UNREADABLE, problem=version.problem)
        entry = self._readable(change, version)
        self._remember(version)
        return entry

    def _readable(self, change: Change, version: Version) -> Changed:
        last = self._last
        asks = Changed(change, ChangeKind.ADDED, version.timeline, None, version.reason)
        if last is None:
            return asks
        if version.timeline != last.timeline:
            kind = ChangeKind.UNDO if version.timeline in self._known else ChangeKind.RESTORE
            return Changed(change, kind, version.timeline, last.timeline, version.reason)
        fields = differences(last, version)
        kind = ChangeKind.SETTINGS if fields else ChangeKind.NOTHING
        return Changed(change, kind, version.timeline, version.timeline, fields=fields)

    def _remember(self, version: Version) -> None:
        self._last, self.asked, self.hold = version, version.timeline, version.hold
        self._known.add(version.timeline)
        if version.source is not None:
            self.sources[version.timeline] = version.source

    def _version(self, text: str) -> Version | Unreadable:
        if text not in self._read:
            self._read[text] = read_version(text)
        return self._read[text]


class _Undo:
    """Says how an entry is undone, for those that can be: what was before it must still be held."""

    def __init__(self, wanted: _Changes, receipts: list[Receipt], laid_out: tuple[Lane, ...]) -> None:
        self._held = {each.timeline for each in laid_out if each.state is State.HELD}
        live = next((each.timeline for each in laid_out if each.state is State.LIVE), None)
        self._settled = live is not None and live == wanted.asked
        self._last_switch = next((each for each in reversed(receipts) if _switched(each)), None)
        asking = [each for each in wanted.entries if each.kind in (ChangeKind.RESTORE, ChangeKind.UNDO)]
        last = [*(asking[-1:] if wanted.asked is not None else []), *wanted.entries[-1:]]
        self._revertible = {each.change.commit for each in last if each.kind is not ChangeKind.ADDED}

    def of_change(self, entry: Changed) -> Changed:
        """Complete an entry. The last change that named a timeline can be reverted, and the last of all."""
        change = entry.change
        if change.commit not in self._revertible:
            return entry
        return replace(entry, undo=Revert(change.commit, change.is_merge))

    def of_apply(self, entry: Applied) -> Applied:
        """Complete an entry: an apply that made another timeline live is undone by going back to the one before."""
        before = Timeline.parse(entry.receipt.before)
        if not _switched(entry.receipt) or before is None or before not in self._held:
            return entry
        last = self._settled and entry.receipt is self._last_switch
        return replace(entry, undo=Rollback() if last else RollbackTo(before))


def _switched(receipt: Receipt) -> bool:
    """Whether an apply made another timeline live, however it ended."""
    return bool(receipt.before) and bool(receipt.after) and receipt.before != receipt.after


def _receipts(
    environment: str, notes: Mapping[str, Iterable[str]]
) -> tuple[list[tuple[Receipt, str]], tuple[NotAReceipt, ...]]:
    """Sort the lines: an environment's receipts in time order, each once and with its commit, and what is none."""
    own: dict[str, tuple[Receipt, str]] = {}
    garbage: list[NotAReceipt] = []
    for commit, lines in notes.items():
        for line in lines:
            try:
                receipt = receipts_of.parse(line)
            except ValueError:
                garbage.append(NotAReceipt(commit, line))
                continue
            if receipt.environment == environment:
                own.setdefault(receipt.fingerprint, (receipt, commit))
    in_order = sorted(own.items(), key=lambda item: (item[1][0].began_at, item[0]))
    return [found for _, found in in_order], tuple(garbage)


def _with_results(entries: list[Changed], found: list[tuple[Receipt, str]]) -> Iterator[Changed]:
    """Add how the last apply of each change ended; one that converged remains, whatever came after."""
    results: dict[str, Result] = {}
    for receipt, commit in found:
        if results.get(commit) is not Result.CONVERGED:
            results[commit] = receipt.result
    for entry in entries:
        own = [results[commit] for commit in entry.change.all_commits if commit in results]
        converged = Result.CONVERGED in own
        yield replace(entry, result=Result.CONVERGED if converged else (own[-1] if own else None))


def _applies(found: list[tuple[Receipt, str]], entries: list[Changed]) -> Iterator[Applied]:
    here = {commit for each in entries for commit in each.change.all_commits}
    once_live: set[str] = set()
    for receipt, commit in found:
        once_live.add(receipt.before)
        yield Applied(receipt, commit, _apply_kind(receipt, once_live), commit in here)
        once_live.add(receipt.after)


def _apply_kind(receipt: Receipt, once_live: set[str]) -> ApplyKind:
    match receipt.result:
        case Result.REFUSED:
            return ApplyKind.REFUSED
        case Result.FAILED:
            return ApplyKind.FAILED
        case Result.INTERRUPTED:
            return ApplyKind.INTERRUPTED
        case Result.CONVERGED if _switched(receipt):
            return ApplyKind.RETURNED if receipt.after in once_live else ApplyKind.RESTORED
        case Result.CONVERGED:
            return ApplyKind.REPAIRED if receipt.steps else ApplyKind.IN_SYNC
        case _:
            assert_never(receipt.result)


def _missing(receipts: list[Receipt]) -> Iterator[ReceiptMissing]:
    lost = receipts_of.missing(receipts)
    yield from (ReceiptMissing(each.previous, each.began) for each in receipts if each.previous in lost)


def _in_time_order(changed: list[Changed], applied: list[Applied]) -> tuple[Entry, ...]:
    """Put both in one order. Clocks differ: no change moves before its ancestor, no apply before what it applied."""
    placed: list[tuple[int, int, int, Entry]] = []
    landed: dict[str, tuple[int, int]] = {}
    latest = 0
    for number, change in enumerate(changed):
        latest = max(latest, change.at.milliseconds)
        landed |= dict.fromkeys(change.change.all_commits, (latest, number))
        placed.append((latest, number, 0, change))
    for number, apply in enumerate(applied, start=1):
        earliest, after = landed.get(apply.commit, (0, len(changed)))
        placed.append((max(apply.at.milliseconds, earliest), after, number, apply))
    return tuple(entry for *_, entry in sorted(placed, key=lambda each: each[:3]))
