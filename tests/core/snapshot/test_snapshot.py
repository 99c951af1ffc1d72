"""Snapshots: what their manifests say, how databases are compared, how they are called, and which may go."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from reconciler.core.snapshot.manifest import FORMAT, Contents, Manifest, Origin, Sequence, Table, differences
from reconciler.core.snapshot.names import Taken, file_name, kept_name, scratch_name, to_prune
from reconciler.errors import InputError

AT = datetime(2026, 11, 22, 22, 7, 43, 123_456, UTC)
CONTENTS = Contents(
    (Table('"Listing"', 25, "17"), Table("empty", 0, "0")),
    (Sequence("up", 10, True), Sequence("down", -10, False)),
    ("extension plpgsql", "view cheap"),
    1,
    "5",
    ("0001_init",),
)
ORIGIN = Origin("shop", 150010, "UTF8", "C", "C", "c", None, None, ("ada",))
MANIFEST = Manifest("2026-11-22T22:07:43.123+00:00", ORIGIN, CONTENTS, 15, 961, "ab" * 32, "c0ffee")


def test_a_manifest_is_read_as_it_was_written():
    for manifest in (MANIFEST, replace(MANIFEST, commit=None, contents=replace(CONTENTS, migrations=None))):
        assert manifest == Manifest.parse(manifest.text, "x.json")
    assert MANIFEST.contents.rows == 25


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        f'{{"format": {FORMAT}}}',
        MANIFEST.text.replace('"rows": 25', '"rows": "x"'),
        replace(MANIFEST, taken="yesterday").text,
        replace(MANIFEST, taken="2026-11-22T22:07:43").text,
        replace(MANIFEST, taken=20261122).text,
    ],
)
def test_a_broken_manifest_is_named(text):
    with pytest.raises(InputError, match=r"x\.json is no manifest of a snapshot"):
        Manifest.parse(text, "x.json")


def test_another_format_is_named_with_numbers():
    with pytest.raises(InputError, match=f"has format 1, and {FORMAT} is what can be read"):
        Manifest.parse(MANIFEST.text.replace(f'"format": {FORMAT}', '"format": 1'), "x.json")


def test_sequences_may_be_further_on():
    assert differences(CONTENTS, CONTENTS) == ()
    further = replace(CONTENTS, sequences=(Sequence("up", 12, True), Sequence("down", -13, False)))
    assert differences(CONTENTS, further) == ()


@pytest.mark.parametrize(
    ("found", "said"),
    [
        ({"tables": (Table('"Listing"', 24, "16"), Table("empty", 0, "0"))}, 'table "Listing" has 24 rows, and had 25'),
        (
            {"tables": (Table('"Listing"', 25, "16"), Table("empty", 0, "0"))},
            'table "Listing" has its 25 rows, and not all hold what they held',
        ),
        ({"tables": (CONTENTS.tables[0],)}, "table empty is missing"),
        ({"tables": (*CONTENTS.tables, Table("new", 0, "0"))}, "table new is there, and was not"),
        ({"sequences": (Sequence("up", 9, True), CONTENTS.sequences[1])}, "sequence up would give 9 next, and gave 10"),
        (
            {"sequences": (CONTENTS.sequences[0], Sequence("down", -7, False))},
            "sequence down would give -7 next, and gave -10",
        ),
        ({"sequences": (CONTENTS.sequences[0],)}, "sequence down is missing"),
        ({"objects": ("extension plpgsql",)}, "view cheap is missing"),
        ({"large_objects": 0}, "0 large objects are there, and there were 1"),
        ({"large_objects_checksum": "6"}, "not all of the 1 large objects hold what they held"),
    ],
)
def test_each_difference_is_a_sentence(found, said):
    assert differences(CONTENTS, replace(CONTENTS, **found)) == (said,)


def test_of_many_differences_the_rest_is_counted():
    many = tuple(f"view v{number}" for number in range(8))
    said = differences(CONTENTS, replace(CONTENTS, objects=(*CONTENTS.objects, *many)))
    assert len(said) == 6
    assert said[-1] == "so it is with 3 more: … is there, and was not"


def test_a_file_is_named_by_database_and_moment():
    assert file_name("shop", AT) == "shop-2026-11-22T220743.123Z.dump"
    assert file_name("../a b/ü", AT) == ".._a_b__-2026-11-22T220743.123Z.dump"


@pytest.mark.parametrize("database", ["shop", "x" * 63, "ü" * 31 + "x"])
def test_database_names_fit_into_63_bytes(database):
    for name in (kept_name(database, AT), scratch_name(database, AT, "abcdef")):
        assert len(name.encode()) <= 63
        assert name.startswith(database[:10])
    assert kept_name(database, AT).endswith("_before_20261122T220743Z")


def taken(number, database="shop"):
    return Taken(f"{database}-{number}", database, AT + timedelta(days=number))


def pruned(there, keep, before, good=lambda _: True):
    return [each.name for each in to_prune(there, keep, AT + timedelta(days=before), good)]


def test_old_snapshots_go_for_each_database():
    there = [taken(number) for number in range(5)]
    assert pruned(there, 2, 9) == ["shop-2", "shop-1", "shop-0"]
    assert pruned(there, 2, 2) == ["shop-1", "shop-0"]
    assert pruned(there, 9, 9) == []
    assert pruned([*there[:2], taken(0, "other")], 1, 9) == ["shop-0"]


def test_the_last_good_snapshot_stays():
    there = [taken(number) for number in range(5)]
    assert pruned(there, 2, 9, lambda each: each.name in ("shop-0", "shop-1")) == ["shop-2", "shop-0"]
    assert pruned(there, 2, 9, lambda each: each.name == "shop-4") == ["shop-2", "shop-1", "shop-0"]
    assert pruned(there, 2, 9, lambda _: False) == ["shop-2", "shop-1", "shop-0"]
