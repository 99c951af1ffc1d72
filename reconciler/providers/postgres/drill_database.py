"""What a drill does in its database, as the owner of it: canary rows, a look at everything, and the damage."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import psycopg
from psycopg import sql

from reconciler.core.drill.checks import Seen
from reconciler.core.drill.destruction import CANARY, ROLE, SCHEMA, Column, Destruction, Table
from reconciler.core.snapshot.manifest import Contents
from reconciler.core.values.instant import Instant
from reconciler.errors import ReconcilerError
from reconciler.ports import Origin
from reconciler.providers.postgres.contents import Survey
from reconciler.providers.postgres.gates import first_line
from reconciler.providers.postgres.session import SETTINGS

_CONNECT_SECONDS = 30
_BEFORE, _AFTER = "before the target", "after the target"
# A migration may have dropped the table, and its schema: the row after the target must be written all the same.
_CANARY = f"""
create schema if not exists {SCHEMA};
create table if not exists {CANARY} (moment text not null, written timestamptz not null default clock_timestamp());
"""
_WRITE = sql.SQL(f"insert into {CANARY} (moment) values ({{}})")  # noqa: S608  our own name
_ROLE = f"""
do $$ begin
  if not exists (select from pg_catalog.pg_roles where rolname = '{ROLE}') then
    create role {ROLE};
  end if;
end $$;
grant {ROLE} to current_user;
grant usage on schema {SCHEMA} to {ROLE};
"""
_ROLES = "select to_json(rolname) from pg_catalog.pg_roles where rolname !~ '^pg_'"
_COLUMNS = """
select json_build_array(c.oid::regclass::text, c.relname, json_agg(json_build_array(a.attname, t.typcategory,
  a.attgenerated <> '' or a.attidentity <> '' or exists (
    select from pg_catalog.pg_constraint k where k.conrelid = c.oid and a.attnum = any(k.conkey))
  or exists (select from pg_catalog.pg_index i where i.indrelid = c.oid and a.attnum = any(i.indkey))
) order by a.attnum))
from pg_catalog.pg_class c join pg_catalog.pg_attribute a on a.attrelid = c.oid
join pg_catalog.pg_type t on t.oid = a.atttypid
where c.relkind = 'r' and c.relpersistence <> 't' and a.attnum > 0 and not a.attisdropped
  and pg_catalog.pg_has_role(c.relowner, 'usage') group by c.oid, c.relname
"""
# Only the drill uses its branch, so all processors may help to sum up a large table.
_PARALLEL = "set max_parallel_workers_per_gather = 2"


class DrillFailed(ReconcilerError):
    """Something that a drill needs could not be done in its database."""


class DrillDatabase:
    """A database of a drill. Every method blocks, and raises DrillFailed with what PostgreSQL said."""

    def __init__(self, origin: Origin) -> None:
        self._origin = origin

    def prepare(self) -> None:
        """Write the row before the target, and make the role that a drill may drop."""
        with self._connected() as connection:
            connection.execute(_CANARY + _ROLE)
            connection.execute(_WRITE.format(sql.Literal(_BEFORE)))

    def present(self) -> Instant:
        """Return the first whole millisecond, by the database's clock, at which all that was written is committed."""
        with self._connected() as connection:
            after = Instant.of(_now(connection) + timedelta(milliseconds=1))
            while Instant.of(_now(connection)) <= after:
                pass
        return after

    def look(self) -> Seen:
        """Count and sum up everything that is there."""
        with self._connected() as connection:
            session = _Session(connection)
            session.ask(SETTINGS, _PARALLEL)
            contents = Survey(session).finish()
            roles = frozenset(str(each) for each in session.ask(_ROLES))
            moments = _canaries(session, contents)
        return Seen(contents, roles, _BEFORE in moments, _AFTER in moments)

    def tables(self, contents: Contents) -> tuple[Table, ...]:
        """List the tables that the owner may damage."""
        rows = {each.name: each.rows for each in contents.tables}
        with self._connected() as connection:
            session = _Session(connection)
            found = session.ask(SETTINGS, _COLUMNS)
        return tuple(
            Table(name, bare, rows[name], tuple(Column(*column) for column in columns))
            for name, bare, columns in found
            if name in rows
        )

    def server(self) -> str:
        """Return the version of PostgreSQL."""
        with self._connected() as connection:
            return str(_value(connection, "show server_version"))

    def damage(self, choices: Sequence[Destruction]) -> Destruction:
        """Do the first of these that the database allows, and write the row after the target."""
        with self._connected() as connection:
            refused = []
            for choice in choices:
                try:
                    connection.execute(choice.sql.encode())
                except psycopg.Error as error:
                    refused.append(f"{choice.what}: {first_line(error)}")
                    continue
                connection.execute(_CANARY)
                connection.execute(_WRITE.format(sql.Literal(_AFTER)))
                return choice
        raise DrillFailed(
            f"nothing could be destroyed; {refused[0]}", hint="name another table, or another destruction: --destroy"
        )

    @contextmanager
    def _connected(self) -> Iterator[psycopg.Connection[Any]]:
        """Log in. What is executed at once is one transaction; the target's clock needs each to be committed."""
        origin = self._origin
        try:
            with psycopg.connect(
                host=origin.host,
                port=origin.port,
                dbname=origin.database,
                user=origin.role,
                password=origin.password.reveal(),
                sslmode="require",
                connect_timeout=_CONNECT_SECONDS,
                application_name="reconciler drill",
                autocommit=True,
            ) as connection:
                yield connection
        except psycopg.Error as error:
            where = f"database {origin.database} at {origin.host}:{origin.port}, as {origin.role}"
            raise DrillFailed(f"{where}: {first_line(error)}") from None


class _Session:
    """The session that a survey asks: it answers when it is asked for the answers."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection
        self._sent: list[str] = []

    def send(self, *statements: str) -> None:
        """Keep statements."""
        self._sent += statements

    def receive(self) -> list[Any]:
        """Execute what was sent."""
        sent, self._sent = self._sent, []
        answers = []
        for statement in sent:
            cursor = self._connection.execute(statement.encode())
            if cursor.description is not None:
                answers += [value for (value,) in cursor.fetchall()]
        return answers

    def ask(self, *statements: str) -> list[Any]:
        """Execute statements."""
        self.send(*statements)
        return self.receive()


def _canaries(session: _Session, contents: Contents) -> frozenset[str]:
    if not any(each.name == CANARY for each in contents.tables):
        return frozenset()
    return frozenset(str(each) for each in session.ask(f"select to_json(moment) from {CANARY}"))  # noqa: S608  our own name


def _now(connection: psycopg.Connection[Any]) -> Any:
    return _value(connection, "select clock_timestamp()")


def _value(connection: psycopg.Connection[Any], query: str) -> Any:
    row = connection.execute(query.encode()).fetchone()
    assert row is not None  # each of these queries answers one row
    return row[0]
