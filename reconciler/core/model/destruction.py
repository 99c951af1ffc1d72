"""What a drill is to destroy, as the desired-state file writes it."""

from dataclasses import dataclass
from enum import Enum
from typing import Self

from reconciler.errors import InputError


class Kind(Enum):
    """A way to destroy something, as the file and the command line say it."""

    DROP_TABLE = "drop-table"
    TRUNCATE = "truncate"
    MIGRATION = "migration"
    DELETE_HALF = "delete-half"
    CORRUPT_COLUMN = "corrupt-column"
    DROP_ROLE = "drop-role"


@dataclass(frozen=True, slots=True)
class DestructionSpec:
    """A destruction that is asked for. `of` names a table, a role or a migration's file; empty: the drill chooses.

    It is written `drop-table`, `drop-table:Listing` or `migration:prisma/bad.sql`.
    """

    kind: Kind
    of: str = ""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a wish. Raises InputError."""
        kind, _, of = text.partition(":")
        try:
            wish = cls(Kind(kind), of)
        except ValueError as error:
            known = ", ".join(each.value for each in Kind)
            raise InputError(f'"{text}" is no destruction', hint=f"there is: {known}; {_EXAMPLE}") from error
        if wish.kind is Kind.MIGRATION and not of:
            raise InputError("a migration is read from a file", hint="name it: migration:prisma/bad.sql")
        return wish

    def __str__(self) -> str:
        return f"{self.kind.value}:{self.of}" if self.of else self.kind.value


_EXAMPLE = 'a table can be named, as in "truncate:Click"'


# All that need no file.
ALL = tuple(DestructionSpec(kind) for kind in Kind if kind is not Kind.MIGRATION)
