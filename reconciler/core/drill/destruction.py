"""The damage that a drill does on purpose, as SQL: chosen from what the database has, most rows first.

Names of tables come from PostgreSQL itself (`regclass` as text), which quotes them where they need it. A wish may fit
several tables, and not every one lets itself be damaged (a foreign key, a check): they are tried in this order.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import assert_never

from reconciler.core.model.destruction import DestructionSpec, Kind
from reconciler.errors import InputError

# What a drill makes in the database: it is there on the drill's own branch only.
SCHEMA = "reconciler_drill"
CANARY = f"{SCHEMA}.canary"
ROLE = "reconciler_drill_role"


@dataclass(frozen=True, slots=True)
class Column:
    """A column. `category` is PostgreSQL's (typcategory); a `key` is in an index or constraint, or generated."""

    name: str
    category: str
    key: bool


@dataclass(frozen=True, slots=True)
class Table:
    """A table: its name as SQL has it, its bare name, its rows and its columns."""

    name: str
    bare: str
    rows: int
    columns: tuple[Column, ...]


@dataclass(frozen=True, slots=True)
class Destruction:
    """What is destroyed, in words, and the SQL that does it."""

    what: str
    sql: str


def possible(wish: DestructionSpec, tables: Sequence[Table], script: str = "") -> tuple[Destruction, ...]:
    """Return what fulfils a wish, the best first. `script` is a migration's SQL. Raises InputError: nothing does."""
    found = tuple(_of(wish, _eligible(wish, tables), script))
    if not found:
        names = ", ".join(each.name for each in tables) or "no table at all"
        which = f'table "{wish.of}"' if wish.of else "any table"
        raise InputError(f"{wish.kind.value} can't be done to {which}", hint=f"there is: {names}")
    return found


def _eligible(wish: DestructionSpec, tables: Sequence[Table]) -> list[Table]:
    """List the tables that a wish may mean: of those that it does not name, none that is a tool's own."""
    own = [each for each in tables if not each.name.startswith(f"{SCHEMA}.")]
    if wish.of:
        return [each for each in own if wish.of in (each.bare, each.name)]
    return sorted((each for each in own if not each.bare.startswith("_")), key=lambda each: (-each.rows, each.name))


def _of(wish: DestructionSpec, tables: Sequence[Table], script: str) -> Iterator[Destruction]:
    match wish.kind:
        case Kind.DROP_TABLE:
            yield from (Destruction(f"drop table {each.name}", f"drop table {each.name} cascade") for each in tables)
        case Kind.TRUNCATE:
            filled = (each for each in tables if each.rows)
            yield from (Destruction(f"truncate {each.name}", f"truncate {each.name} cascade") for each in filled)
        case Kind.DELETE_HALF:
            yield from (_delete_half(each) for each in tables if each.rows)
        case Kind.CORRUPT_COLUMN:
            yield from (each for table in tables if table.rows for each in _corruptions(table))
        case Kind.MIGRATION:
            yield Destruction(f"bad migration {wish.of}", script)
        case Kind.DROP_ROLE:
            yield _drop_role(wish.of or ROLE)
        case _:
            assert_never(wish.kind)


def _delete_half(table: Table) -> Destruction:
    count = (table.rows + 1) // 2
    chosen = f"select ctid from only {table.name} limit {count}"  # noqa: S608  PostgreSQL has quoted the name
    what = f"delete {count} of {table.rows} rows of {table.name}"
    return Destruction(what, f"delete from only {table.name} where ctid in ({chosen})")  # noqa: S608  as above


def _corruptions(table: Table) -> Iterator[Destruction]:
    """Every value stays one of its type, and is another: what no constraint notices is the damage that hurts."""
    open_to_it = (each for each in table.columns if not each.key and each.category in _CORRUPTED)
    for column in sorted(open_to_it, key=lambda each: (list(_CORRUPTED).index(each.category), each.name)):
        name = identifier(column.name)
        value = _CORRUPTED[column.category].format(name)
        yield Destruction(
            f"corrupt column {name} of {table.name}",
            f"update only {table.name} set {name} = {value} where {name} is not null",  # noqa: S608  both are quoted
        )


# By the category of the type: text, numbers, true and false, dates and times.
_CORRUPTED = {
    "S": "overlay({0} placing case when left({0}, 1) = '#' then '?' else '#' end from 1 for 1)",
    "N": "{0} + 1",
    "B": "not {0}",
    "D": "{0} + interval '1 day'",
}


def _drop_role(role: str) -> Destruction:
    name = identifier(role)
    return Destruction(f"drop role {name}", f"drop owned by {name}; drop role {name}")


def identifier(name: str) -> str:
    """Return a name as SQL has it."""
    return '"' + name.replace('"', '""') + '"'
