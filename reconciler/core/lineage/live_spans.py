"""Which timeline was live when, according to receipts: a help if Neon's own signs leave it open.

Each receipt says what was live when its apply began, and when it ended. Two that follow each other and agree
show what was live in between. If they disagree, something happened without a receipt, and that time is unknown.
Receipts can be missing, forged or of a machine whose clock is wrong. So they choose among the timelines that Neon
leaves open, as a person does by `from`, and never against what Neon says, nor for what is to be deleted.
"""

from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta

from reconciler.core.model.observed import LiveSpan
from reconciler.core.records.receipt import Receipt, missing
from reconciler.core.values.instant import Instant
from reconciler.core.values.timeline import Timeline


def live_spans(receipts: Iterable[Receipt], environment: str, project: str, live: Timeline) -> tuple[LiveSpan, ...]:
    """Tell from an environment's receipts which timeline was live when; the last ends with what is live, by Neon.

    Nothing is known if one of them is missing. A run that was interrupted does not know what was live at its end: the
    next look does.
    """
    known = [each for each in receipts if each.environment == environment]
    if missing(known):
        return ()
    own = [each for each in known if each.ids.project == project]
    own.sort(key=lambda each: (each.began_at, each.fingerprint))
    found: list[LiveSpan] = []
    for number, one in enumerate(own):
        following = own[number + 1] if number + 1 < len(own) else None
        then = following.before if following else str(live)
        if one.before == one.after:
            _add(found, one.after, one.began_at, _ended(one), one.commit)
        if one.after in ("", then):
            _add(found, then, _ended(one), following.began_at if following else None, one.commit)
    return tuple(found)


def _ended(receipt: Receipt) -> Instant:
    return receipt.began_at.before(-timedelta(seconds=receipt.seconds))


def _add(found: list[LiveSpan], name: str, since: Instant, until: Instant | None, commit: str) -> None:
    """Add a time at which a timeline was live, to the one before it where that goes on."""
    timeline = Timeline.parse(name)
    if timeline is None:
        return
    last = found[-1] if found else None
    if last is not None and (last.timeline, last.until) == (timeline, since):
        found[-1] = replace(last, until=until)
    else:
        found.append(LiveSpan(timeline, since, until, commit))
