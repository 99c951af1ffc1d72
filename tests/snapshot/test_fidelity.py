"""What a dump leaves out, or only some databases have: it is brought back, or the snapshot knows that it can't be."""

import json
from pathlib import Path

import pytest

from reconciler.providers.postgres.programs import programs


def test_thousands_of_tables_are_verified(plain_desk):
    plain_desk.execute(
        "do $$ begin for n in 1..2000 loop execute format('create table t%s (a int)', n); end loop; end $$"
    )
    plain_desk.execute("insert into t1999 values (1)")
    path = plain_desk.do("create").strip()
    tables = {each["name"]: each["rows"] for each in json.loads(Path(f"{path}.json").read_text())["contents"]["tables"]}
    assert tables["public.t1999"] == 1
    assert len(tables) > 2000


@pytest.mark.parametrize(
    "statement",
    [
        "drop schema public cascade",
        "drop function public.add; drop extension plpgsql",
        'alter database "{name}" set "app.current_user" to \'x y\'',
        "create sequence last; select setval('last', 9223372036854775807)",
    ],
    ids=["no schema public", "no plpgsql", "a setting named by a word of SQL", "a sequence at its end"],
)
def test_an_unusual_database_comes_back(plain_desk, statement):
    plain_desk.execute(statement.format(name=plain_desk.name))
    plain_desk.do("create")
    assert "What it was is kept as" in plain_desk.do("restore")


def test_an_unfinished_index_is_not_missed(plain_desk):
    plain_desk.execute("create table twice (a int); insert into twice values (1), (1)")
    with pytest.raises(Exception, match="could not create unique index"):
        plain_desk.execute("create unique index concurrently twice_a on twice (a)")
    plain_desk.do("create")
    plain_desk.do("restore")


def test_another_sessions_temporary_tables_are_not_missed(plain_desk):
    with plain_desk.server.connect(plain_desk.name) as other:
        other.execute("create function pg_temp.f() returns int language sql as 'select 1'")
        other.execute("create type pg_temp.e as enum ('x'); create temporary table t (a pg_temp.e)")
        plain_desk.do("create")
        plain_desk.do("restore")


def test_database_properties_come_back(desk):
    name = f"{desk.name}_ordered"
    with desk.server.connect() as connection:
        provider = "builtin builtin_locale 'C.UTF-8'"
        if connection.info.server_version < 170000:
            provider = "icu icu_locale 'de-u-kn'"
        connection.execute(f"create database {name} template template0 locale_provider {provider} connection limit 7")
        connection.execute(f"comment on database {name} is 'the shop''s'")
    desk.name = name
    desk.execute("create table t (a text); insert into t values ('a10'), ('a9'), ('Ä'), ('z')")
    before = about(desk)
    assert before[1:] in (["b", 7, "the shop's"], ["i", 7, "the shop's"])
    desk.do("create")
    desk.do("restore")
    assert about(desk) == before


def test_the_surveys_error_is_shown(plain_desk):
    plain_desk.execute("""
        create function refused(mood) returns text language plpgsql as 'begin raise ''no mood is told''; end';
        create cast (mood as text) with function refused (mood)
    """)
    status, _, stderr = plain_desk("create")
    assert status == 1
    assert "no mood is told" in stderr
    assert plain_desk.files() == []


def test_programs_too_new_are_refused(make_desk, container, monkeypatch):
    monkeypatch.setenv("RECONCILER_PG_BIN", str(programs(17, "a test needs it")))
    desk = make_desk(container)
    status, _, stderr = desk.without_place("create", "--database-url", container.uri(desk.name))
    assert status == 1
    assert "pg_dump and pg_restore 15 to 16 are needed, as the server at 127.0.0.1" in stderr
    assert "apt-get install postgresql-client-15, brew install postgresql@15" in stderr
    assert desk.files() == []


def about(desk):
    order = desk.execute("select string_agg(a, ' ' order by a) from t").fetchone()
    return [
        order,
        *desk.execute("""
            select datlocprovider, datconnlimit, shobj_description(oid, 'pg_database')
            from pg_database where datname = current_database()
        """).fetchone(),
    ]
