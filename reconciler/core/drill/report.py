"""The report of a drill, in Markdown: what a manager reads first, and what an auditor reads last. Pure.

Every name in it comes from elsewhere, so each is escaped where it is written.
"""

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta

from reconciler.core.drill import trend
from reconciler.core.drill.history import Done, PastDrill, Unread, done
from reconciler.core.drill.notes import with_notes
from reconciler.core.drill.phases import gantt, phase_table
from reconciler.core.drill.results import Drill, Round, TableProof, Traffic
from reconciler.core.drill.trend import length
from reconciler.core.values.duration import for_people
from reconciler.core.values.escaping import code, printable, prose
from reconciler.core.values.instant import Instant

# A number of 64 bits is shown whole, a longer digest by its beginning.
_CHECKSUM = 20


def file_name(begun: Instant) -> str:
    """Name the report of a drill by the quarter in which it began, in UTC: "2027-Q1-dr-test.md"."""
    return f"{begun.text[:4]}-Q{_quarter(begun)}-dr-test.md"


def report(drill: Drill, earlier: str | None, history: Sequence[PastDrill]) -> str:
    """Write the report. `earlier` is the text that it replaces, whose notes are kept; `history` may have this drill.

    Raises InputError if `earlier` must not be overwritten: `drill.notes.notes_of` checks that before a drill begins.
    """
    parts = [
        _front_matter(drill),
        f"# {prose(_title(drill))}",
        f"**{_verdict(drill)}** {_summary(drill)}",
        *_rounds(drill),
        *(part for number, each in enumerate(drill.rounds, start=1) for part in _round(drill, number, each)),
        *_outside(drill),
        *_over_time(drill, history),
        *_made_with(drill),
    ]
    return with_notes("\n\n".join(part for part in parts if part), earlier)


def environment_of(text: str, mine: str) -> str:
    """Name the environment that a report is about, where it is not mine; empty where it is, or does not say."""
    line = re.search(r"(?m)\A---\n(?:.+\n)*?environment: (.+)$", text)
    return "" if line is None or line[1] == _quoted(mine) else line[1].strip('"')


def _quarter(begun: Instant) -> int:
    return (int(begun.text[5:7]) + 2) // 3


def _title(drill: Drill) -> str:
    return f"Disaster-recovery test of {drill.environment}, Q{_quarter(drill.begun)} {drill.begun.text[:4]}"


def _front_matter(drill: Drill) -> str:
    """Write YAML by hand: every text as JSON writes it, which YAML reads as the same."""
    promised = "null" if drill.promise is None else f"{drill.promise.seconds:g}"
    lines = [
        "---",
        f"title: {_quoted(_title(drill))}",
        f"date: {drill.begun.text[:10]}",
        f"environment: {_quoted(drill.environment)}",
        f"project: {_quoted(drill.project)}",
        f"method: {_quoted(drill.method)}",
        f"commit: {_quoted(drill.commit)}",
        f"rounds: {len(drill.rounds)}",
        f"slowest_seconds: {drill.slowest:.1f}",
        f"promised_seconds: {promised}",
        f"proved: {str(drill.proved).lower()}",
        f"promise_kept: {str(drill.kept).lower() if drill.promise else 'null'}",
        "---",
    ]
    return "\n".join(lines)


def _quoted(text: str) -> str:
    return json.dumps(printable(text), ensure_ascii=False)


def _verdict(drill: Drill) -> str:
    if not drill.proved:
        return "Failed."
    if drill.promise is None:
        return "Proved."
    return "Passed." if drill.kept else "Too slow."


def _summary(drill: Drill) -> str:
    """Say in one sentence how it went, for people who read no further."""
    if drill.failure:
        proved = len([each for each in drill.rounds if each.proved])
        before = f" {proved} of the {len(drill.rounds)} restores before it were proved." if drill.rounds else ""
        return f"The drill of {prose(drill.environment)} ended before its time, in {prose(drill.failure)}.{before}"
    if not drill.rounds:
        return "Nothing was destroyed, so nothing was proved."
    times = "once" if len(drill.rounds) == 1 else f"{len(drill.rounds)} times"
    damaged = f"A copy of the data of {prose(drill.environment)} was damaged on purpose {times}"
    failed = [each for each in drill.rounds if not each.proved]
    if failed:
        names = ", ".join(prose(each.destruction) for each in failed)
        return f"{damaged}, and {len(failed)} of {len(drill.rounds)} restores could not be proved to be whole: {names}."
    one = len(drill.rounds) == 1
    whole, it = ("the restore", "it") if one else ("each restore", "the slowest")
    slowest = f"{it} took {length(drill.slowest)}, {_against(drill)}"
    return f"{damaged}; {whole} was proved, check by check, to bring back what was there, and {slowest}."


def _against(drill: Drill) -> str:
    promise = drill.promise
    if promise is None:
        return "with no promise to measure it against"
    promised = f"the promised {for_people(timedelta(seconds=promise.seconds))} ({prose(promise.where)})"
    if drill.kept:
        return f"within {promised}"
    return f"{length(drill.slowest - promise.seconds)} longer than {promised}"


def _rounds(drill: Drill) -> Iterator[str]:
    if not drill.rounds:
        return
    yield "## How long it took"
    rows = ["| Round | Destroyed | Restored in | Proved |", "|--:|---|--:|---|"]
    rows += [
        f"| {number} | {prose(each.destruction)} | {each.seconds:.1f} s | {'yes' if each.proved else '**no**'} |"
        for number, each in enumerate(drill.rounds, start=1)
    ]
    yield "\n".join(rows)
    promise = drill.promise
    if promise is not None:
        says = "kept" if drill.kept else "**broken**"
        yield f"The promise is {length(promise.seconds)} ({prose(promise.where)}): {says}."
    whole = length(drill.seconds)
    yield f"The drill as a whole, with making its own environment, the damage and the clean-up, took {whole}."


def _round(drill: Drill, number: int, measured: Round) -> Iterator[str]:
    title = f"Round {number}: {measured.destruction}"
    yield f"## {prose(title)}"
    yield f"Restored to {measured.target}, the last good moment, as the timeline {code(measured.timeline)}."
    yield phase_table(measured, drill.promise.seconds if drill.promise else None)
    picture = gantt(measured, title)
    yield f"```mermaid\n{picture}\n```" if picture else ""
    yield from _proof(measured)
    if measured.noticed is not None:
        yield "### Would it have been noticed?"
        yield prose(measured.noticed.said)
    yield "### What a user would have seen"
    yield _traffic(measured)
    yield from _listed("### Ids at the providers", ("What", "Id"), measured.ids)


def _proof(measured: Round) -> Iterator[str]:
    yield "### How it was proved"
    if not measured.checks:
        yield "Nothing was checked."
    else:
        rows = ["| Must be so | Seen | Holds |", "|---|---|---|"]
        rows += [f"| {prose(e.claim)} | {prose(e.seen)} | {'yes' if e.holds else '**no**'} |" for e in measured.checks]
        yield "\n".join(rows)
    damaged = [each for each in measured.tables if each.damaged or not each.same]
    others = [each for each in measured.tables if not (each.damaged or not each.same)]
    if damaged:
        yield _tables(damaged)
    if others:
        yield f"<details><summary>Tables that the damage did not touch: {len(others)}</summary>"
        yield _tables(others)
        yield "</details>"


def _tables(tables: Iterable[TableProof]) -> str:
    rows = [
        "| Table | Rows before | damaged | restored | Checksum before | damaged | restored | Same |",
        "|---|--:|--:|--:|---|---|---|---|",
    ]
    for each in tables:
        counts = [_count(n) for n in (each.rows_before, each.rows_damaged, each.rows_restored)]
        sums = [_sum(text) for text in (each.checksum_before, each.checksum_damaged, each.checksum_restored)]
        same = "yes" if each.same else "**no**"
        rows.append(f"| {' | '.join([prose(each.name), *counts, *sums, same])} |")
    return "\n".join(rows)


def _count(rows: int | None) -> str:
    return "gone" if rows is None else f"{rows:,}"


def _sum(checksum: str | None) -> str:
    return "gone" if checksum is None else code(checksum[:_CHECKSUM])


def _traffic(measured: Round) -> str:
    seen = measured.traffic
    if seen is None:
        return "Not measured: no Worker was asked."
    return (
        f"A client asked {seen.per_second} times a second while traffic was switched: {seen.requests:,} requests, "
        f"{seen.failed:,} failed{_stale(seen)}. "
        f"The longest gap between good answers was {seen.longest_gap:.2f} s."
    )


def _stale(seen: Traffic) -> str:
    if seen.stale is None:
        return "; whether any was stale is unknown, because the answers do not say which database they are from"
    return f", {seen.stale:,} stale (the damaged database answered after the restored one had)"


def _outside(drill: Drill) -> Iterator[str]:
    yield "## What does not rewind"
    if not drill.outside:
        yield "Nothing is known to live outside of the database."
        return
    rows = ["| What | Kept | Recovery | Reaches back |", "|---|---|---|---|"]
    for each in drill.outside:
        reaches = f"**no**: {prose(each.warning)}" if each.warning else "yes, or not known"
        rows.append(f"| {prose(each.name)} | {prose(each.retention)} | {prose(each.recovery)} | {reaches} |")
    yield "\n".join(rows)


def _over_time(drill: Drill, history: Sequence[PastDrill]) -> Iterator[str]:
    """Show the drills of this environment, this one among them whether or not it is recorded yet."""
    this = done(drill)
    past = [each for each in history if isinstance(each, Unread) or each.environment == this.environment]
    if not any(isinstance(each, Done) and each.begun == this.begun for each in past):
        past.append(this)
    yield "## Over time"
    yield f"![How long the slowest restore of each drill took, against the promise]({trend.FILE})"
    yield trend.table(past)


def _made_with(drill: Drill) -> Iterator[str]:
    yield "## Made with"
    asked = f" The last restore was asked for by commit {code(drill.commit)} of the drill's own, temporary repository."
    yield (
        f"The method {prose(drill.method)}, in the Neon project {code(drill.project)}, begun at {drill.begun}."
        f"{asked if drill.commit else ''}"
    )
    yield from _listed("", ("Program", "Version"), drill.versions)


def _listed(title: str, head: tuple[str, str], pairs: Sequence[tuple[str, str]]) -> Iterator[str]:
    if pairs:
        rows = [
            f"| {head[0]} | {head[1]} |",
            "|---|---|",
            *(f"| {prose(name)} | {code(text)} |" for name, text in pairs),
        ]
        yield from (title, "\n".join(rows))
