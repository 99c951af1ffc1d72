"""A database with all that a dump can get wrong."""

LONG = 'Überlange "Tabelle" mit genau fünfzig Zeichen hier'
CONTENT = f"""
create extension pg_trgm;
create schema "Other Schema";
create type mood as enum ('sad', 'it''s ok', 'happy');
create table "Listing" (id int generated always as identity primary key, title text, price numeric, feeling mood,
  twice numeric generated always as (price * 2) stored, raw bytea, note jsonb, at timestamptz, real_one float8);
create table "Other Schema"."Click" (id bigserial primary key, listing int references "Listing" (id), t text);
create table part (id int, region text) partition by list (region);
create table part_eu partition of part for values in ('eu');
create table part_us partition of part for values in ('us');
create table {'"' + LONG.replace('"', '""') + '"'} (id serial, "row" text);
create table "_prisma_migrations" (migration_name text, finished_at timestamptz, rolled_back_at timestamptz);
create sequence counter increment -3;
create view cheap as select * from "Listing" where price < 10;
create materialized view dear as select * from "Listing" where price >= 10;
create index on "Listing" using gin (title gin_trgm_ops);
create function add(a int, b int) returns int language sql as 'select a + b';
insert into "Listing" (title, price, feeling, raw, note, at, real_one)
  select 'Lot ' || n || E' \\t\\n\\\\ \\x01 ü 𝄞', n, 'it''s ok', decode(md5(n::text), 'hex'), '{{"a": null}}',
  '2026-01-01'::timestamptz + n * interval '1 second', n / 3.0::float8 from generate_series(1, 300) n;
insert into "Listing" (title, real_one) values (null, 'NaN'), ('', '-0');
insert into "Other Schema"."Click" (listing, t) select 1 + n % 300, null from generate_series(1, 1000) n;
insert into part select n, case when n % 2 = 0 then 'eu' else 'us' end from generate_series(1, 50) n;
insert into {'"' + LONG.replace('"', '""') + '"'} ("row") values ('x'), (null);
insert into "_prisma_migrations" values ('0001_init', '2026-01-01', null), ('0002_undone', '2026-01-02', '2026-01-03');
refresh materialized view dear;
select nextval('counter'), nextval('counter');
select lo_from_bytea(4711, decode('00ff10', 'hex'));
"""
TABLES = ("Listing", "Other Schema.Click", "part_eu", "part_us", LONG, "_prisma_migrations", "cheap", "dear")


def fill(server, name):
    """Create a database of that name, with everything in it."""
    with server.connect() as connection:
        connection.execute(f'create database "{name}" template template0')
    with server.connect(name) as connection:
        connection.execute(CONTENT)


def everything(server, name):
    """Every row of every table and view, the large object and the sequences: by other means than the program's own."""
    with server.connect(name) as connection:
        rows = {
            table: connection.execute(f"select * from {_quoted(table)} order by 1, 2").fetchall() for table in TABLES
        }
        large = connection.execute("select lo_get(4711)").fetchone()
        counter = connection.execute("select last_value from counter").fetchone()
        extensions = connection.execute("select extname from pg_extension order by 1").fetchall()
        # NaN is not equal to itself.
        return repr((rows, bytes(large[0]), counter, extensions))


def _quoted(table):
    return ".".join('"' + part.replace('"', '""') + '"' for part in table.split("."))
