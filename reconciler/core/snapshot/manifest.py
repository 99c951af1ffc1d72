"""What a snapshot of a local database holds: its manifest, and how a restored database is compared with it."""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Self

from reconciler.errors import InputError

FORMAT = 2
_NAMED = 5  # as many differences of one kind are named; the others are counted


@dataclass(frozen=True, slots=True)
class Table:
    """A table: its quoted name, its number of rows, and a checksum of them that does not depend on their order."""

    name: str
    rows: int
    checksum: str


@dataclass(frozen=True, slots=True)
class Sequence:
    """A sequence and the value that it gives next. `rises` is false where its increment is negative."""

    name: str
    following: int
    rises: bool


@dataclass(frozen=True, slots=True)
class Contents:
    """What is in a database at one moment. `objects` are views, indexes and so on, by kind and name."""

    tables: tuple[Table, ...]
    sequences: tuple[Sequence, ...]
    objects: tuple[str, ...]
    large_objects: int
    large_objects_checksum: str
    migrations: tuple[str, ...] | None

    @property
    def rows(self) -> int:
        """The number of rows of all tables."""
        return sum(table.rows for table in self.tables)

    @classmethod
    def read(cls, content: Any) -> Self:
        """Read what was JSON. Raises KeyError, TypeError and ValueError."""
        migrations = content["migrations"]
        return cls(
            tuple(Table(str(each["name"]), int(each["rows"]), str(each["checksum"])) for each in content["tables"]),
            tuple(
                Sequence(str(each["name"]), int(each["following"]), bool(each["rises"]))
                for each in content["sequences"]
            ),
            tuple(str(each) for each in content["objects"]),
            int(content["large_objects"]),
            str(content["large_objects_checksum"]),
            None if migrations is None else tuple(str(each) for each in migrations),
        )


@dataclass(frozen=True, slots=True)
class Origin:
    """The database that a snapshot was taken of. `roles` are those that own something in it or were granted something.

    `server` is PostgreSQL's version number, such as 150010; `locale` and `ctype` are as `create database` wants them.
    `provider`, which orders texts, is libc (`c`), ICU (`i`) or PostgreSQL itself (`b`); the latter two have a locale of
    their own, and ICU may have rules beside it.
    """

    database: str
    server: int
    encoding: str
    locale: str
    ctype: str
    provider: str
    provider_locale: str | None
    rules: str | None
    roles: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Manifest:
    """What lies beside a dump. `taken` is when, in UTC; `size` is in bytes; `pg_dump` is its major version."""

    taken: str
    origin: Origin
    contents: Contents
    pg_dump: int
    size: int
    sha256: str
    commit: str | None

    @property
    def text(self) -> str:
        """The manifest as JSON, one line an entry of the first levels."""
        return json.dumps({"format": FORMAT, **asdict(self)}, indent=1, ensure_ascii=False) + "\n"

    @classmethod
    def parse(cls, text: str, name: str) -> Self:
        """Read a manifest. Raises InputError, with its `name`."""
        try:
            content = json.loads(text)
            if content["format"] != FORMAT:
                hint = "restore it with the version of reconciler that took it"
                raise InputError(f"{name} has format {content['format']}, and {FORMAT} is what can be read", hint=hint)
            origin = content["origin"]
            return cls(
                _moment(content["taken"]),
                Origin(**{**origin, "server": int(origin["server"]), "roles": tuple(origin["roles"])}),
                Contents.read(content["contents"]),
                int(content["pg_dump"]),
                int(content["size"]),
                str(content["sha256"]),
                content["commit"],
            )
        except (KeyError, TypeError, ValueError) as error:
            hint = "it was changed or cut off: take another snapshot"
            raise InputError(f"{name} is no manifest of a snapshot", hint=hint) from error


def _moment(text: str) -> str:
    """Return a time as it was written. Raises TypeError and ValueError where it is none, or has no zone."""
    if datetime.fromisoformat(text).tzinfo is None:
        raise ValueError("it has no zone")
    return text


def differences(expected: Contents, found: Contents) -> tuple[str, ...]:
    """Return what a restored database lacks, has too much or has otherwise, a sentence each; empty where all is alike.

    A sequence may be further on than it was: pg_dump reads it as it is, and not as its snapshot shows it.
    """
    return (
        *_tables(expected, found),
        *_sequences(expected, found),
        *_missing("", expected.objects, found.objects),
        *_large_objects(expected, found),
    )


def _tables(expected: Contents, found: Contents) -> Iterator[str]:
    here = {table.name: table for table in found.tables}
    yield from _missing("table ", [table.name for table in expected.tables], list(here))
    for table in expected.tables:
        other = here.get(table.name)
        if other is None or other == table:
            continue
        if other.rows != table.rows:
            yield f"table {table.name} has {other.rows} rows, and had {table.rows}"
        else:
            yield f"table {table.name} has its {table.rows} rows, and not all hold what they held"


def _sequences(expected: Contents, found: Contents) -> Iterator[str]:
    here = {sequence.name: sequence for sequence in found.sequences}
    yield from _missing("sequence ", [each.name for each in expected.sequences], list(here))
    for sequence in expected.sequences:
        other = here.get(sequence.name)
        if other is None:
            continue
        behind = sequence.following - other.following
        if (behind if sequence.rises else -behind) > 0:
            yield f"sequence {sequence.name} would give {other.following} next, and gave {sequence.following}"


def _large_objects(expected: Contents, found: Contents) -> Iterator[str]:
    if expected.large_objects != found.large_objects:
        yield f"{found.large_objects} large objects are there, and there were {expected.large_objects}"
    elif expected.large_objects_checksum != found.large_objects_checksum:
        yield f"not all of the {expected.large_objects} large objects hold what they held"


def _missing(kind: str, expected: "tuple[str, ...] | list[str]", found: "tuple[str, ...] | list[str]") -> Iterator[str]:
    for names, what in (
        (sorted(set(expected) - set(found)), "is missing"),
        (sorted(set(found) - set(expected)), "is there, and was not"),
    ):
        yield from (f"{kind}{name} {what}" for name in names[:_NAMED])
        if len(names) > _NAMED:
            yield f"so it is with {len(names) - _NAMED} more: {kind}… {what}"
