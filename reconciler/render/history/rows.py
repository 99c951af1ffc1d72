"""A history in words: one row for each change of the desired state and each apply, newest first. Pure."""

from dataclasses import dataclass
from datetime import timedelta
from typing import assert_never

from reconciler.core.history.entries import (
    Applied,
    ApplyKind,
    Changed,
    ChangeKind,
    Entry,
    History,
    NotAReceipt,
    Problem,
    ReceiptMissing,
    Revert,
    Rollback,
    RollbackTo,
    Undo,
)
from reconciler.core.history.lanes import Lane, State
from reconciler.core.records.receipt import Result
from reconciler.core.values.duration import for_people
from reconciler.core.values.instant import Instant
from reconciler.core.values.timeline import Timeline
from reconciler.render.wording import counted

SHORT_COMMIT = 10

_DOES_NOT_PARSE = "the file does not parse"

_CHANGES = {
    ChangeKind.ADDED: "file added",
    ChangeKind.RESTORE: "restore",
    ChangeKind.UNDO: "undo",
    ChangeKind.SETTINGS: "settings changed",
    ChangeKind.NOTHING: "no setting changed",
    ChangeKind.UNREADABLE: _DOES_NOT_PARSE,
    ChangeKind.REMOVED: "file removed",
}
_APPLIES = {
    ApplyKind.RESTORED: "restored",
    ApplyKind.RETURNED: "undone: live again",
    ApplyKind.IN_SYNC: "nothing to do",
    ApplyKind.REPAIRED: "drift repaired",
    ApplyKind.REFUSED: "apply",
    ApplyKind.FAILED: "apply",
    ApplyKind.INTERRUPTED: "apply",
}
_NOT_ASKING = (ChangeKind.NOTHING, ChangeKind.UNREADABLE, ChangeKind.REMOVED)


@dataclass(frozen=True, slots=True)
class Row:
    """An entry in words. `did` is `what` without the timeline.

    `asked` is the moment that was asked for, empty for `origin`. `notes` are sentences: why it was asked for, why it
    failed. `run` is the address of the log. Names and reasons are not escaped: the formatter
    does that.
    """

    part: str
    at: Instant
    who: str
    what: str
    did: str
    asked: str
    timeline: str
    outcome: str
    seconds: float | None
    notes: tuple[str, ...]
    undo: str
    commit: str
    run: str = ""

    @property
    def took(self) -> str:
        """How long it took, for people; empty for a change."""
        return "" if self.seconds is None else for_people(timedelta(seconds=self.seconds))

    @property
    def went_wrong(self) -> bool:
        """Whether it needs attention."""
        return self.outcome in ("refused", "failed", "interrupted") or self.what == _DOES_NOT_PARSE


def rows(history: History, limit: int | None = None) -> tuple[Row, ...]:
    """Put the newest entries into words, newest first: all of them, or `limit`."""
    newest_first = history.entries[::-1]
    return tuple(row(history.environment, each) for each in newest_first[:limit])


def row(environment: str, entry: Entry) -> Row:
    """Put one entry into words."""
    return _changed(environment, entry) if isinstance(entry, Changed) else _applied(environment, entry)


def undo_command(environment: str, undo: Undo | None) -> str:
    """Return the command that undoes an entry, or nothing."""
    match undo:
        case None:
            return ""
        case Rollback():
            return f"reconciler rollback {environment}"
        case RollbackTo():
            return f"reconciler rollback {environment} --to-timeline {undo.timeline}"
        case Revert():
            return f"git revert {'-m 1 ' if undo.is_merge else ''}{undo.commit[:SHORT_COMMIT]}"
        case _:
            assert_never(undo)


def problem_sentence(problem: Problem) -> str:
    """Say what is wrong with the receipts."""
    match problem:
        case ReceiptMissing():
            return (
                f"the receipt before that of {problem.named_by} is missing ({problem.digest[:16]}…): "
                "it was altered, lost, or not fetched"
            )
        case NotAReceipt():
            return f"a line of the note on {problem.commit[:SHORT_COMMIT]} is no receipt: {problem.line[:60]}"
        case _:
            assert_never(problem)


def moment(instant: Instant) -> str:
    """Write a moment for people, in UTC; milliseconds only where there are some."""
    return instant.text[:-1].replace("T", " ").removesuffix(".000")


def minute(instant: Instant | None) -> str:
    """Write a moment to the minute, in UTC."""
    return instant.text[:16].replace("T", " ") if instant else "?"


def timeline_words(timeline: Timeline | None) -> str:
    """Name a timeline by its moment, as people think of it."""
    if timeline is None:
        return "an unknown timeline"
    return str(timeline) if timeline.moment is None else moment(timeline.moment)


def live_sentence(history: History) -> str:
    """Say what the receipts say is live, and whether the file asks for something else."""
    lane = history.live
    if lane is None:
        asks = f", and the file asks for {history.asked}" if history.asked else ""
        return f"no receipt says what is live{asks}"
    since = lane.spans[-1].start
    text = f"{lane.timeline} is live"
    if since is not None:
        text += f" since {minute(since)} ({for_people(history.now - since)})"
    if history.asked is not None and history.asked != lane.timeline:
        text += f"; the file asks for {history.asked}"
    return text


def fate(lane: Lane, now: Instant) -> str:
    """Say what became of a timeline: live, held until when, or its hold ended."""
    if lane.state is State.LIVE:
        since = lane.spans[-1].start
        return f"live since {minute(since)}" if since else "live"
    if lane.hold_ends is None:
        return f"held since {minute(lane.held_since)}, for ever"
    if lane.state is State.HELD:
        return f"held until {minute(lane.hold_ends)} at least ({for_people(lane.hold_ends - now)} left)"
    return f"hold ended {minute(lane.hold_ends)} or later"


def _changed(environment: str, entry: Changed) -> Row:
    change, timeline = entry.change, entry.timeline
    return Row(
        part="file",
        at=change.at,
        who=change.author,
        what=_change_words(entry),
        did=_CHANGES[entry.kind],
        asked=str(timeline.to) if timeline and timeline.to and entry.kind is not ChangeKind.SETTINGS else "",
        timeline=str(timeline or ""),
        outcome=_change_outcome(entry),
        seconds=None,
        notes=_change_notes(entry),
        undo=undo_command(environment, entry.undo),
        commit=change.commit,
    )


def _change_words(entry: Changed) -> str:
    match entry.kind:
        case ChangeKind.ADDED:
            return f"file added: {timeline_words(entry.timeline)}"
        case ChangeKind.RESTORE:
            return f"restore to {timeline_words(entry.timeline)}"
        case ChangeKind.UNDO:
            return f"undo: back to {timeline_words(entry.timeline)}"
        case _:
            return _CHANGES[entry.kind]


def _change_outcome(entry: Changed) -> str:
    match entry.result:
        case None:
            return "" if entry.kind in _NOT_ASKING else "no receipt"
        case Result.CONVERGED:
            return "applied"
        case _:
            return str(entry.result.value)


def _change_notes(entry: Changed) -> tuple[str, ...]:
    if entry.kind is ChangeKind.UNREADABLE:
        return (entry.problem,)
    if entry.kind is ChangeKind.SETTINGS:
        return (f"{', '.join(entry.fields)}: {entry.change.subject}",)
    if entry.kind not in (ChangeKind.RESTORE, ChangeKind.UNDO, ChangeKind.ADDED) or entry.timeline is None:
        return (entry.change.subject,)
    said = ": ".join(part for part in (entry.timeline.id, entry.reason) if part)
    return (said or entry.change.subject,)


def _applied(environment: str, entry: Applied) -> Row:
    receipt = entry.receipt
    asked = Timeline.parse(receipt.asked)
    return Row(
        part="apply",
        at=entry.at,
        who=receipt.actor,
        what=_apply_words(entry, asked),
        did=_APPLIES[entry.kind],
        asked=str(asked.to) if asked and asked.to else "",
        timeline=receipt.asked,
        outcome="in sync" if entry.kind is ApplyKind.IN_SYNC else receipt.result.value,
        seconds=receipt.seconds,
        notes=_apply_notes(entry),
        undo=undo_command(environment, entry.undo),
        commit=entry.commit,
        run=receipt.run,
    )


def _apply_words(entry: Applied, asked: Timeline | None) -> str:
    match entry.kind:
        case ApplyKind.RESTORED:
            return f"live: {timeline_words(asked)}"
        case ApplyKind.RETURNED:
            return f"undone, live: {timeline_words(asked)}"
        case ApplyKind.IN_SYNC:
            return "nothing to do"
        case ApplyKind.REPAIRED:
            return f"drift repaired ({counted(len(entry.receipt.steps))})"
        case ApplyKind.REFUSED | ApplyKind.FAILED | ApplyKind.INTERRUPTED:
            same = entry.receipt.before == entry.receipt.asked
            return f"{'apply of' if same else 'restore to'} {timeline_words(asked)}"
        case _:
            assert_never(entry.kind)


def _apply_notes(entry: Applied) -> tuple[str, ...]:
    receipt = entry.receipt
    notes = [receipt.detail] if receipt.detail else []
    if receipt.changed:
        notes.append("the file differed from the commit: it was not committed")
    if not entry.is_here:
        notes.append(f"of commit {entry.commit[:SHORT_COMMIT]}, which did not change the file on this branch")
    return tuple(notes)
