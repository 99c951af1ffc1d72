"""What people write into a drill's report: kept to the letter when the drill is run again. Pure.

A report says of itself, in its last line, what it was when it was written. So a change outside of the
room for notes is noticed, and then the report is not overwritten: no one's words are lost.
"""

import hashlib
import re

from reconciler.errors import InputError

BEGIN = "<!-- notes: what stands from here on is kept when the drill is run again -->"
END = "<!-- notes: end -->"
_EMPTY = "\n_What went well, what did not, and what is done about it by whom: write it here._\n\n"
_SEAL = re.compile(r"<!-- written by reconciler drill, (?P<digest>[0-9a-f]{64}) -->\n?")
# Formatters of Markdown move blanks, and the dashes below a table's head.
_MOVED = re.compile(r"[\s-]+")


def with_notes(report: str, earlier: str | None) -> str:
    """Put the room for notes at the end of a report, with the notes of the earlier one, and seal it.

    Raises InputError where the earlier text is not to be overwritten, as `notes_of` says.
    """
    notes = _EMPTY if earlier is None else notes_of(earlier)
    around = f"{report.rstrip()}\n\n## Notes\n\n{BEGIN}\n"
    return f"{around}{notes}{END}\n<!-- written by reconciler drill, {_digest(around, '')} -->\n"


def notes_of(text: str) -> str:
    """Return the text between the marks of a report, to the letter.

    Raises InputError for a text that has no such room, or that was changed outside of it: overwriting it would lose
    what people have written. Ask before the drill, and not only after it.
    """
    first = re.search(rf"(?m)^{re.escape(BEGIN)}\r?\n", text)
    ends = list(re.finditer(rf"(?m)^{re.escape(END)}\r?$\n?", text))
    if first is None or not ends or ends[-1].start() < first.end():
        raise InputError(
            "the report that is there has no room for notes, so it is not overwritten",
            hint=f'rename it; or put a line "{BEGIN}" above what is to be kept, and a line "{END}" below it',
        )
    last = ends[-1]  # notes may quote the mark
    before, after = text[: first.end()], text[last.end() :]
    seal = _SEAL.search(after)
    if seal is not None and seal["digest"] != _digest(before, _SEAL.sub("", after)):
        raise InputError(
            "the report that is there was changed outside of its room for notes, so it is not overwritten",
            hint=(
                "move what you wrote between the two marks below Notes; then delete the last line, which says "
                '"written by reconciler drill", to have the rest overwritten'
            ),
        )
    return text[first.end() : last.start()]


def _digest(before: str, after: str) -> str:
    return hashlib.sha256(_MOVED.sub("", before + after).encode("utf-8", "surrogatepass")).hexdigest()
