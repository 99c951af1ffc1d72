"""The one way out: everything that is written to standard output or standard error passes here.

Secrets become stars. Control characters, direction marks and lone surrogates are shown by their
number, as in JSON, so that no name can move the cursor, hide a line, or cause an encoding
error. Other sources of tracebacks (asyncio's log, a destructor, a thread) print one sentence instead.
"""

import os
import re
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TextIO, cast

from reconciler.core.values.redaction import EVERYWHERE

# Not tab and line feed. U+2028 and U+2029 end lines for some readers; the others turn text around or are no characters.
_OBEYED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
# For a terminal that is drawn on: what moves the cursor is its own.
_SURROGATE = re.compile("[\ud800-\udfff]")


def shown(text: str) -> str:
    """Return a text as it may be shown: without secrets and control characters."""
    return _numbered(_OBEYED, EVERYWHERE(text))


class Outlet:
    """A text stream in front of another one. With `drawing`, control characters pass, for progress bars.

    It has no `buffer`: bytes would go past it.
    """

    def __init__(self, stream: TextIO, *, drawing: bool = False) -> None:
        self._stream = stream
        self._harmful = _SURROGATE if drawing else _OBEYED

    def write(self, text: str) -> int:
        """Write a text as it may be shown. Raises TypeError for bytes, and OSError."""
        if not isinstance(text, str):
            raise TypeError("only text is written here")
        safe = _numbered(self._harmful, EVERYWHERE(text))
        encoding = self._stream.encoding or "utf-8"
        self._stream.write(safe.encode(encoding, "backslashreplace").decode(encoding))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Write each of them."""
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Flush the stream behind."""
        self._stream.flush()

    def isatty(self) -> bool:
        """Whether it is a terminal."""
        return self._stream.isatty()

    def fileno(self) -> int:
        """Return the descriptor behind, for child processes. What is written to it is not redacted."""
        return self._stream.fileno()

    def writable(self) -> bool:
        """Whether it can be written to: always."""
        return True

    @property
    def encoding(self) -> str:
        """The encoding behind."""
        return self._stream.encoding or "utf-8"

    @property
    def errors(self) -> str:
        """How characters are written that cannot be encoded: by their number."""
        return "backslashreplace"

    @property
    def closed(self) -> bool:
        """Whether the stream behind is closed."""
        return self._stream.closed

    @property
    def terminal(self) -> "Outlet":
        """The same stream for progress bars, which move the cursor: pass their text through `shown` first."""
        return Outlet(self._stream, drawing=True)


@contextmanager
def guarded() -> Iterator[None]:
    """Redirect all output through outlets, and redact the credentials in the environment."""
    EVERYWHERE.learn(os.environ)
    before = sys.stdout, sys.stderr, sys.unraisablehook, threading.excepthook
    sys.stdout, sys.stderr = _outlet(sys.stdout), _outlet(sys.stderr)
    if not os.environ.get("RECONCILER_TRACEBACK"):
        sys.unraisablehook = threading.excepthook = _told
    try:
        yield
    finally:
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError):
                stream.flush()
        sys.stdout, sys.stderr, sys.unraisablehook, threading.excepthook = before


def drawing(stream: TextIO) -> TextIO:
    """Return the stream for what draws on a terminal."""
    return cast("TextIO", stream.terminal) if isinstance(stream, Outlet) else stream


def quiet_logs() -> None:
    """Print warnings and errors of libraries in one line, without a traceback.

    Called where the network is used, as `logging` itself takes a while to load.
    """
    import logging

    class OneLine(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            error = record.exc_info[1] if record.exc_info else None
            text = record.getMessage().partition("\n")[0] + (f" ({type(error).__name__}: {error})" if error else "")
            sys.stderr.write(f"warning: {text}\n")

    logging.lastResort = OneLine(logging.WARNING)


def _told(problem: Any) -> None:
    sys.stderr.write(f"warning: {type(problem.exc_value).__name__} in the background: {problem.exc_value}\n")


def _outlet(stream: TextIO) -> TextIO:
    # Without a standard output there is nothing to guard.
    return cast("TextIO", Outlet(stream)) if stream is not None else stream


def _numbered(harmful: re.Pattern[str], text: str) -> str:
    return harmful.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
