"""Text from elsewhere made harmless in Markdown, in Mermaid and in SVG, and without secrets. Pure."""

import re
from html import escape

from reconciler.core.values.redaction import EVERYWHERE

_LONGEST_NAME = 60
_PLAIN = frozenset(" .-_")
_BLANK = re.compile(r"[\x00-\x20\x7f-\xa0\u2028\u2029]+")
_SPECIAL = re.compile(r"([\\`*_\[\]|~])")
_HTML = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", "$": "<span>$</span>"})
# Text from a file must not mention people or link issues: a zero-width space breaks both.
_CALL = re.compile(r"([@#])(?=\w)")
_BEGINS_A_BLOCK = re.compile(r"^(\d+(?=[.)])|(?=[-#+=]))")


def prose(text: str, longest: int = 1_000) -> str:
    """Return text as Markdown that shows exactly it, in one line, of at most `longest` characters."""
    line = shortened(_BLANK.sub(" ", EVERYWHERE(text)).strip(), longest).translate(_HTML)
    escaped = _CALL.sub("\\1\u200b", _SPECIAL.sub(r"\\\1", line))
    return _BEGINS_A_BLOCK.sub(r"\1\\", escaped)


def code(text: str, longest: int = 300) -> str:
    """Return text as a code span, which may stand in a table too."""
    line = shortened(_BLANK.sub(" ", EVERYWHERE(text)).strip(), longest).replace("|", "\\|") or " "
    ticks = "`" * (max((len(run) for run in re.findall("`+", line)), default=0) + 1)
    pad = " " if "`" in line else ""
    return f"{ticks}{pad}{line}{pad}{ticks}"


def shortened(text: str, longest: int) -> str:
    """Return the text with its middle left out where it is longer than this many characters."""
    if len(text) <= longest:
        return text
    kept = longest - 1
    return f"{text[: kept - kept // 3]}…{text[len(text) - kept // 3 :]}"


def label(text: str) -> str:
    """Write text so that it may stand between quotes in Mermaid: all but plain characters as their codes."""
    line = shortened(" ".join(text.split()), _LONGEST_NAME)
    return "".join(char if char.isalnum() or char in _PLAIN else f"#{ord(char)};" for char in line)


def printable(text: str) -> str:
    """Return text in one line of what can be printed: no controls, no half characters, nothing that turns it round."""
    return " ".join("".join(char if char.isprintable() else " " for char in EVERYWHERE(text)).split())


def marked_up(text: str) -> str:
    """Return text as it may stand in XML, between tags and between quotes."""
    return escape(printable(text))
