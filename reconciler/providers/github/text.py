"""Texts within GitHub's limits, because it refuses longer ones with 422. Secrets are removed before a text is cut."""

from reconciler.core.values.redaction import EVERYWHERE

# "body is too long (maximum is 65536 characters)", "title is too long (maximum is 256 characters)", and for the
# description of a status or deployment status "maximum is 140 characters".
_LONGEST_BODY = 65_000
_LONGEST_TITLE = 256
_LONGEST_DESCRIPTION = 140
_CUT = "\n\n(cut here: GitHub accepts no more)\n"


def title_of(text: str) -> str:
    """Return a text as a title: one line of at most 256 characters."""
    return _shortened(text, _LONGEST_TITLE)


def description_of(text: str) -> str:
    """Return a text as a description: one line of at most 140 characters."""
    return _shortened(text, _LONGEST_DESCRIPTION)


def body_of(text: str, marker: str = "") -> str:
    """Return a text as a body of at most 65,536 characters. A marker that would be cut off is kept."""
    text = _clean(text)
    if len(text) <= _LONGEST_BODY:
        return text
    kept = text[:_LONGEST_BODY] + _CUT
    return kept if marker in kept else kept + marker


def _clean(text: str) -> str:
    """Remove secrets, and replace what is not Unicode, such as a file name in another encoding."""
    return EVERYWHERE(text).encode("utf-8", "replace").decode()


def _shortened(text: str, longest: int) -> str:
    line = " ".join(_clean(text).split())
    return line if len(line) <= longest else line[: longest - 1] + "…"
