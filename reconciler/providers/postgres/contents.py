"""What is in a database: its tables with their rows counted and summed up, and all else that a dump must bring back.

A table's checksum is the sum of a 64-bit hash of each row: no order, no sorting, one pass. It detects
accidents, and does not protect against deliberate collisions. One process of the server does it: pg_dump keeps
others busy meanwhile, so that it must be cheap. Each column has a hash of its own, and these are hashed together:
PostgreSQL's own hash of a row takes 1.4 times as long, as it makes a record of every row first. Hashes are the same in
every version of PostgreSQL, as hash partitions depend on them; those of a record are there since version 14.
"""

from typing import Any, Protocol

from reconciler.core.snapshot.manifest import Contents, Origin, Sequence, Table
from reconciler.errors import SnapshotFailed
from reconciler.providers.postgres.session import identifier, literal

_ORIGIN = """
select json_build_object(
  'database', current_database(), 'server', current_setting('server_version_num')::int,
  'encoding', pg_encoding_to_char(encoding), 'locale', datcollate, 'ctype', datctype,
  -- Columns that only some versions have.
  'provider', coalesce(to_jsonb(pg_database) ->> 'datlocprovider', 'c'),
  'provider_locale', coalesce(to_jsonb(pg_database) ->> 'datlocale', to_jsonb(pg_database) ->> 'daticulocale'),
  'rules', to_jsonb(pg_database) ->> 'daticurules',
  'roles', (select coalesce(json_agg(distinct r.rolname), '[]') from pg_catalog.pg_shdepend d
            join pg_catalog.pg_roles r on r.oid = d.refobjid
            where d.refclassid = 'pg_catalog.pg_authid'::regclass and d.dbid = pg_database.oid))
from pg_catalog.pg_database where datname = current_database()
"""
# Not what belongs to an extension, which recreates it, nor what is in a system schema.
_OURS = """
n.nspname not in ('pg_catalog', 'information_schema') and n.nspname !~ '^pg_(toast|temp)'
and not exists (select from pg_catalog.pg_depend d where d.deptype = 'e'
                and d.classid = 'pg_catalog.pg_class'::regclass and d.objid = c.oid)
"""
# How a column of a type of the system is hashed, from a seed: types whose hash tells all values apart that their text
# does. A numeric's does not (1.0 and 1.00), nor a float's (0 and -0), and an enum's is of a number that every database
# gives anew. Those in the last line have a hash that only a record can use.
_HASHES = {
    **{name: f"hash{name}extended({{}}, {{}})" for name in ("int2", "int4", "int8")},
    **dict.fromkeys(("text", "varchar"), 'hashtextextended({} collate "C", {})'),
    "bpchar": 'hashbpcharextended({} collate "C", {})',
    "uuid": "uuid_hash_extended({}, {})",
    "timestamp": "timestamp_hash_extended({}, {})",
    **dict.fromkeys(("bool", "bytea", "date", "time", "timestamptz"), "hash_record_extended(row({}), {})"),
}
_TEXT_HASH = 'hashtextextended({}::text collate "C", {})'
_HASHES_RECORDS = 14
_RELATIONS = f"""
select json_build_array(c.relkind, c.oid::regclass::text,
  (select coalesce(json_agg(json_build_array(a.attname,
     case when t.typnamespace = 'pg_catalog'::regnamespace then t.typname else '' end) order by a.attnum), '[]')
   from pg_catalog.pg_attribute a join pg_catalog.pg_type t on t.oid = a.atttypid
   where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped and c.relkind = 'r'))
from pg_catalog.pg_class c
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
where c.relkind in ('r', 'S') and c.relpersistence <> 't' and {_OURS} order by c.oid::regclass::text
"""
# No index that pg_dump leaves out, as it was never finished; and nothing that is another session's alone.
_OBJECTS = f"""
select to_json(kind || ' ' || name) from (
  select case c.relkind when 'v' then 'view' when 'm' then 'materialised view' when 'i' then 'index'
         when 'p' then 'partitioned table' when 'I' then 'partitioned index' when 'f' then 'foreign table'
         else 'type' end as kind, c.oid::regclass::text as name
  from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  where c.relkind in ('v', 'm', 'i', 'p', 'I', 'f', 'c') and {_OURS}
  and not exists (select from pg_catalog.pg_index x
                  where x.indexrelid = c.oid and c.relkind = 'i' and not (x.indisvalid and x.indisready))
  union all select 'extension', extname::text from pg_catalog.pg_extension
  union all select 'schema', nspname::text from pg_catalog.pg_namespace where nspname !~ '^pg_'
  union all select 'constraint', conname || ' of ' || conrelid::regclass::text
  from pg_catalog.pg_constraint k join pg_catalog.pg_class c on c.oid = k.conrelid
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace where k.contype <> 'n' and {_OURS}
  union all select 'trigger', tgname || ' of ' || tgrelid::regclass::text
  from pg_catalog.pg_trigger g join pg_catalog.pg_class c on c.oid = g.tgrelid
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace where not tgisinternal and {_OURS}
  union all select 'enum value', e.enumtypid::regtype::text || ' ' || e.enumlabel
  from pg_catalog.pg_enum e join pg_catalog.pg_type t on t.oid = e.enumtypid
  join pg_catalog.pg_namespace n on n.oid = t.typnamespace where n.nspname !~ '^pg_temp'
  union all select 'function', p.oid::regprocedure::text
  from pg_catalog.pg_proc p join pg_catalog.pg_namespace n on n.oid = p.pronamespace
  where n.nspname not in ('pg_catalog', 'information_schema') and n.nspname !~ '^pg_temp' and not exists (
    select from pg_catalog.pg_depend d where d.deptype = 'e'
    and d.classid = 'pg_catalog.pg_proc'::regclass and d.objid = p.oid)
) found order by kind || name collate "C"
"""
_LARGE = """
select json_build_array(count(*), coalesce(sum(pg_catalog.hashtextextended(
  (oid::text || ' ' || encode(pg_catalog.sha256(pg_catalog.lo_get(oid)), 'hex')) collate "C", 0)), 0)::text)
from pg_catalog.pg_largeobject_metadata
"""
_MIGRATIONS = """
select to_json(migration_name) from {} where finished_at is not null and rolled_back_at is null order by finished_at
"""


class Session(Protocol):
    """A connection whose answers are JSON, in the order in which they were asked for."""

    def send(self, *statements: str) -> None:
        """Send statements, without waiting for their answers."""
        ...

    def receive(self) -> list[Any]:
        """Return the answers to what was sent, one for each row."""
        ...

    def ask(self, *statements: str) -> list[Any]:
        """Send statements and return their answers."""
        ...


def origin(session: Session) -> Origin:
    """Ask for a database's own properties."""
    (found,) = session.ask(_ORIGIN)
    return Origin(**{**found, "roles": tuple(sorted(found["roles"]))})


class Survey:
    """What is in a database, read in two parts: the long one runs while the caller waits for something else."""

    def __init__(self, session: Session) -> None:
        """Ask for what takes no time, and send the rest. Raises SnapshotFailed where the server is too old for it."""
        self._session = session
        (version,) = session.ask("select to_json(current_setting('server_version_num')::int)")
        if version // 10000 < _HASHES_RECORDS:
            message = f"the server is PostgreSQL {version // 10000}, which cannot sum up rows"
            raise SnapshotFailed(message, hint=f"snapshots need PostgreSQL {_HASHES_RECORDS} or later, as Neon has")
        relations = session.ask(_RELATIONS)
        self._objects = session.ask(_OBJECTS)
        tables = {name: columns for kind, name, columns in relations if kind == "r"}
        sequences = [name for kind, name, _ in relations if kind == "S"]
        self._migrations = self._applied(list(tables))
        session.send(*(_sequence(name) for name in sequences), _LARGE, *(_table(*each) for each in tables.items()))

    def finish(self) -> Contents:
        """Wait for the rest."""
        answers = self._session.receive()
        tables = [Table(each["table"], each["rows"], each["checksum"]) for each in answers if "table" in each]
        sequences = [
            Sequence(each["sequence"], int(each["following"]), each["rises"]) for each in answers if "sequence" in each
        ]
        ((count, checksum),) = (each for each in answers if isinstance(each, list))
        return Contents(
            tuple(tables), tuple(sequences), tuple(self._objects), int(count), str(checksum), self._migrations
        )

    def _applied(self, tables: list[str]) -> tuple[str, ...] | None:
        """Return the migrations that Prisma has applied, or None where it has no table."""
        table = next((name for name in tables if name.endswith("._prisma_migrations")), None)
        return None if table is None else tuple(self._session.ask(_MIGRATIONS.format(table)))


def _table(name: str, columns: list[Any]) -> str:
    # `only`: the rows of a child are its own.
    return (
        f"select json_build_object('table', {literal(name)}, 'rows', count(*), 'checksum', coalesce(sum("
        f"pg_catalog.hashint8extended({_row(columns)}, 0)), 0)::text) from only {name}"
    )


def _row(columns: list[Any]) -> str:
    """Return the expression that hashes a row. Every column has a seed of its own, which also represents null."""
    parts = (
        f"coalesce(pg_catalog.{_HASHES.get(kind, _TEXT_HASH).format(identifier(column), seed)}, {seed})"
        for seed, (column, kind) in enumerate(columns, 1)
    )
    return " # ".join(parts) or "0"


def _sequence(name: str) -> str:
    # As numerics: after the last one that a bigint can be, none follows.
    following = "(s.last_value::numeric + case when s.is_called then q.seqincrement else 0 end)::text"
    return (
        f"select json_build_object('sequence', {literal(name)}, 'following', {following}, 'rises', q.seqincrement > 0) "
        f"from {name} s, pg_catalog.pg_sequence q where q.seqrelid = {literal(name)}::regclass"
    )
