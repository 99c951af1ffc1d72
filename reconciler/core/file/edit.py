"""Edits of a desired-state file's text that change one value, and no other character.

Comments, order, line ends, a byte order mark and a missing newline at the end all stay, so that the diff of a
restore is one line, and putting the old characters back is the same as reverting the commit.
"""

import json
from collections.abc import Callable

from reconciler.core.file import jsonc
from reconciler.core.file.jsonc import Document, Path, Scalar
from reconciler.core.model.desired import Restore
from reconciler.core.values.instant import Instant
from reconciler.core.values.lsn import Lsn
from reconciler.core.values.timeline import ORIGIN, Timeline
from reconciler.errors import InputError

RESTORE: Path = ("primary", "restore")

_NO_VALUE_HINT = 'the file must say which timeline is live: write "restore": null into primary for the original one'


def with_restore(text: str, restore: Restore | None) -> str:
    """Return the text asking for this restore, on one line; None asks for `origin`.

    Raises InputError for a text that does not parse or has no `primary.restore`, and for an LSN of no known timeline.
    """
    if restore is not None and isinstance(restore.to, Lsn) and restore.source is None:
        hint = 'write it into the file by hand, with "from"; git log has the file as it asked for it'
        raise InputError(f"the name of a timeline does not say which other timeline {restore.to} belongs to", hint=hint)
    return with_restore_text(text, "null" if restore is None else _one_line(restore))


def with_restore_text(text: str, raw: str) -> str:
    """Return the text with these very characters as the value of `primary.restore`.

    Raises InputError as `with_restore` does; ValueError where `raw` is more than one value.
    """
    return _edited(text, RESTORE, lambda document: jsonc.replace_text(document, RESTORE, raw))


def with_value(text: str, path: Path, value: Scalar) -> str:
    """Return the text with another scalar at `path`.

    Raises InputError for a text that does not parse or has no value there; ValueError for what JSON can't hold.
    """
    return _edited(text, path, lambda document: jsonc.replace_value(document, path, value))


def restore_text(text: str) -> str:
    """Return the value of `primary.restore` as it is written, for putting it back exactly. Raises InputError."""
    return _edited(text, RESTORE, lambda document: document.raw(RESTORE))


def desired_timeline(text: str) -> Timeline | None:
    """Return the timeline that a file asks for, whatever else is wrong with it; None if that is unknown."""
    try:
        restore = jsonc.read(text).value["primary"]["restore"]
        if restore is None:
            return ORIGIN
        point = Lsn.parse_strict(restore["to_lsn"]) if "to_lsn" in restore else Instant.parse_strict(restore["to"])
        return Timeline(point, restore.get("id") or "")
    except (InputError, KeyError, TypeError, ValueError, AttributeError):
        return None


def _edited(text: str, path: Path, edit: Callable[[Document], str]) -> str:
    try:
        return edit(jsonc.read(text))
    except KeyError as error:
        name = ".".join(str(step) for step in path)
        raise InputError(f"there is no {name} in the file", hint=_NO_VALUE_HINT if path == RESTORE else "") from error


def _one_line(restore: Restore) -> str:
    facts = {
        "to_lsn" if isinstance(restore.to, Lsn) else "to": str(restore.to),
        "id": restore.id,
        "reason": restore.reason,
        "from": str(restore.source) if restore.source else "",
    }
    members = (f'"{key}": {json.dumps(value, ensure_ascii=False)}' for key, value in facts.items() if value)
    return f"{{ {', '.join(members)} }}"
