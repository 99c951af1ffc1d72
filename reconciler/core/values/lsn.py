"""Places in the write-ahead log (LSN), as PostgreSQL writes them: `0/1A2B3C8`.

Each timeline has a log of its own, and a place in one says nothing of any other. So an LSN is never asked for without
the timeline that it belongs to.
"""

import re
from dataclasses import dataclass
from typing import Self

_LSN = re.compile(r"([0-9A-Fa-f]{1,8})/([0-9A-Fa-f]{1,8})")
_EXAMPLE = "0/1A2B3C8"


@dataclass(frozen=True, order=True, slots=True)
class Lsn:
    """A place in the log, in bytes from its beginning."""

    position: int

    @classmethod
    def parse_strict(cls, text: str) -> Self:
        """Read what a person asked for. Raises ValueError with a sentence that says what is wrong."""
        found = cls.parse(text)
        if found is None:
            raise ValueError(f"is not an LSN; write it as pg_current_wal_lsn() does, like {_EXAMPLE}")
        if not found.position:
            raise ValueError("is the LSN that PostgreSQL uses for none")
        return found

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """Read what a provider answered; None where that is no LSN."""
        found = _LSN.fullmatch(text)
        return None if found is None else cls((int(found[1], 16) << 32) + int(found[2], 16))

    @property
    def text(self) -> str:
        """The two halves in upper case, without leading zeros: 0/1A2B3C8."""
        return f"{self.position >> 32:X}/{self.position & 0xFFFFFFFF:X}"

    @property
    def compact(self) -> str:
        """The same for names: 0-1A2B3C8."""
        return self.text.replace("/", "-")

    def __str__(self) -> str:
        return self.text
