"""The restore in the desired-state file: what it says, and what in it contradicts itself."""

from collections.abc import Iterator
from typing import Any

from reconciler.core.file.model import RestoreModel
from reconciler.core.model.desired import Restore
from reconciler.core.values.instant import Instant
from reconciler.core.values.lsn import Lsn
from reconciler.core.values.timeline import Point, Timeline

_RESTORE = ("primary", "restore")


def restore(model: RestoreModel) -> Restore:
    """Return the restore that was asked for."""
    source = Timeline.parse(model.source) if model.source else None
    return Restore(_point(model), model.id or "", model.reason, source)


def _point(model: RestoreModel) -> Point:
    return Lsn.parse_strict(model.to_lsn) if model.to_lsn is not None else Instant.parse_strict(model.to or "")


def contradictions(value: dict[str, Any]) -> Iterator[tuple[tuple[int | str, ...], str, str]]:
    """Find a restore that says not at all, or twice, what to go back to, or an LSN of no timeline."""
    primary = value.get("primary")
    given = primary.get("restore") if isinstance(primary, dict) else None
    if not isinstance(given, dict):
        return
    to, lsn = given.get("to"), given.get("to_lsn")
    if to is None and lsn is None:
        hint = 'write the moment to go back to, such as "2026-11-21T09:55:00Z", or to_lsn and from'
        yield _RESTORE, "primary.restore.to is missing", hint
    elif to is not None and lsn is not None:
        yield (*_RESTORE, "to_lsn"), "primary.restore has both to and to_lsn", "keep the one that is meant"
    elif lsn is not None and given.get("from") is None:
        hint = 'add "from": the name of the timeline, as reconciler status shows it, such as "origin"'
        message = "primary.restore.to_lsn needs from: an LSN belongs to one timeline, and says nothing of any other"
        yield (*_RESTORE, "to_lsn"), message, hint
