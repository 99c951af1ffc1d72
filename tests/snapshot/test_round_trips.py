"""Snapshots of real databases, on a plain server and in a container, compared table by table with what was there."""

import json
from pathlib import Path

import pytest

from tests.support.rich_database import LONG

UUID = "00000000-0000-4000-8000-00000000000"


def test_a_restore_keeps_the_damaged_database(desk):
    before = desk.everything()
    desk.do("create")
    desk.execute('drop table "Listing" cascade')
    said = desk.do("restore")
    assert "What it was is kept as" in said
    assert desk.everything() == before
    assert len(desk.names()) == 2
    assert {name[:8] for name in desk.names()} == {"", "_before_"}


def test_in_place_snapshots_the_damage_first(desk):
    before = desk.everything()
    path = Path(desk.do("create").strip())
    desk.execute('delete from "Other Schema"."Click"')
    desk.execute("drop view cheap")
    said = desk.do("restore", "--in-place", path.name)
    assert desk.everything() == before
    assert desk.names() == {""}
    assert len([name for name in desk.files() if name.endswith(".dump")]) == 2
    assert "puts back what was there" in said


def test_verify_leaves_no_database(desk):
    desk.do("create")
    assert "brings back what it was taken of" in desk.do("verify")
    assert desk.names() == {""}


def test_the_manifest_says_what_is_in_it(desk):
    path = Path(desk.do("create").strip())
    assert path.name.startswith(f"{desk.name}-20")
    assert path.stat().st_mode & 0o077 == 0
    manifest = json.loads(Path(f"{path}.json").read_text())
    rows = {each["name"]: each["rows"] for each in manifest["contents"]["tables"]}
    quoted = LONG.replace('"', '""')
    assert rows == {
        'public."Listing"': 302,
        '"Other Schema"."Click"': 1000,
        "public.part_eu": 25,
        "public.part_us": 25,
        f'public."{quoted}"': 2,
        "public._prisma_migrations": 2,
    }
    assert manifest["contents"]["migrations"] == ["0001_init"]
    assert manifest["contents"]["large_objects"] == 1
    assert manifest["size"] == path.stat().st_size


def test_the_swap_ends_sessions(plain_desk):
    plain_desk.do("create")
    plain_desk.execute("alter database " + f'"{plain_desk.name}"' + " set work_mem = '7MB'")
    plain_desk.execute(
        "alter database " + f'"{plain_desk.name}"' + ' set search_path = "$user", public, "Other Schema"'
    )
    plain_desk.execute('truncate "Other Schema"."Click"')
    with plain_desk.server.connect(plain_desk.name) as connected:
        plain_desk.do("restore")
        assert connected.pgconn.socket >= 0
    assert plain_desk.execute('select count(*) from "Click"').fetchone() == (1000,)
    assert plain_desk.execute("show work_mem").fetchone() == ("7MB",)


def test_a_database_that_is_gone_is_made_again(plain_desk):
    before = plain_desk.everything()
    plain_desk.do("create")
    with plain_desk.server.connect() as connection:
        connection.execute(f'drop database "{plain_desk.name}"')
    assert "There was none of that name" in plain_desk.do("restore")
    assert plain_desk.everything() == before


def test_missing_roles_are_named(plain_desk):
    role = f"{plain_desk.name}_owner"
    plain_desk.execute(f"create role {role}")
    plain_desk.execute(f'alter table "Listing" owner to {role}')
    plain_desk.do("create")
    plain_desk.execute('alter table "Listing" owner to postgres')
    plain_desk.execute(f"drop role {role}")
    status, _, stderr = plain_desk("restore")
    assert status == 0
    assert f"has no role {role}: owners and privileges are not restored" in stderr


@pytest.mark.parametrize(
    ("columns", "before", "after"),
    [
        ("a text, b text", "('x', null)", "(null, 'x')"),
        ("a text, b text", "('x', 'y')", "('y', 'x')"),
        ("a numeric", "(1.0)", "(1.00)"),
        ("a float8", "('0')", "('-0')"),
        ("a mood", "('sad')", "('happy')"),
        ("a json, b point", "('1', '(1,2)')", "('2', '(1,2)')"),
        ("a text[]", "('{x,y}')", "('{y,x}')"),
        ("a int", "(1), (1)", "(2), (0)"),
        ("a int, b int", "(1, 2)", "(2, 1)"),
        ("a int, b int", "(1, 1), (2, 2)", "(1, 2), (2, 1)"),
        ("a int2, b int8", "(1, null)", "(null, 1)"),
        ("a varchar, b char(3), c uuid", f"('x', 'y', '{UUID}0')", f"('x', 'y', '{UUID}1')"),
        ("a varchar, b char(3)", "('x', 'y')", "('y', 'x')"),
        ("a timestamp", "('2026-11-21 09:55')", "('2026-11-21 09:56')"),
        ("a timestamptz, b date", "('2026-11-21 09:55Z', null)", "('2026-11-21 09:56Z', null)"),
        ("a bool, b bytea, c time", "(true, 'x', '09:55')", "(null, 'x', '09:55')"),
        ("a bool, b bytea, c time", "(true, 'x', '09:55')", "(true, 'y', '09:55')"),
        ('"{x}" int, "a:b" text', "(1, 'x')", "(2, 'x')"),
        ("a int", "(1), (1)", "(1)"),
    ],
)
def test_any_difference_changes_one_checksum(plain_desk, columns, before, after):
    plain_desk.execute(f"create table pair ({columns})")
    plain_desk.execute(f"insert into pair values {before}")
    first = checksums(plain_desk)
    plain_desk.execute("truncate pair")
    plain_desk.execute(f"insert into pair values {after}")
    second = checksums(plain_desk)
    assert {name for name in first if first[name] != second[name]} == {"public.pair"}


def checksums(desk):
    path = desk.do("create").strip()
    manifest = json.loads(Path(f"{path}.json").read_text())
    return {each["name"]: each["checksum"] for each in manifest["contents"]["tables"]}
