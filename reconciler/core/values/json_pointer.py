"""JSON pointers (RFC 6901): `/checks/0/name` names one value in a document."""

import re
from typing import Any

_POINTER = re.compile(r"(?:/(?:[^/~]|~[01])*)*")
_INDEX = re.compile(r"0|[1-9][0-9]{0,8}")


def is_pointer(text: str) -> bool:
    """Whether a text is a JSON pointer. The empty one names the whole document."""
    return _POINTER.fullmatch(text) is not None


def resolve(document: Any, pointer: str) -> Any:
    """Return the value that a pointer names. Raises LookupError where there is none."""
    for part in pointer.split("/")[1:]:
        document = _step(document, part.replace("~1", "/").replace("~0", "~"))
    return document


def _step(document: Any, key: str) -> Any:
    match document:
        case dict() if key in document:
            return document[key]
        case list() if _INDEX.fullmatch(key) and int(key) < len(document):
            return document[int(key)]
        case _:
            raise LookupError(key)
