"""The plan says which timeline a moment is taken from, and of each other one why not."""

from dataclasses import replace

from reconciler.core.lineage.lineage import TimelineBranch
from reconciler.core.lineage.source import explain
from reconciler.core.model.desired import Method, Restore
from reconciler.core.plan.plan import plan
from reconciler.core.values.instant import Instant
from reconciler.core.values.lsn import Lsn
from reconciler.core.values.timeline import ORIGIN, Timeline
from tests.core.files import CREATED, NOW, asking, hours_ago
from tests.core.lineage.test_lineage import FIRST, SECOND, lineage_of, sequence, timeline
from tests.core.plans import after
from tests.core.worlds import MAIN, WORLD


def test_a_single_timeline_is_the_source():
    assert plan(asking(FIRST), WORLD).source == (
        f'origin (since {CREATED} at the earliest, on "main"): no other can have been live then',
    )


def test_an_earlier_moment_is_the_parents():
    restored = replace(sequence(FIRST), at=NOW)
    (live,) = (each for each in restored.branches if each.name == "main")
    first, other = plan(asking(Restore(hours_ago(30), "again")), restored).source
    assert first.startswith("origin (since ")
    assert first.endswith(f'on "main.held.origin.before.{timeline(FIRST)}"): no other can have been live then')
    assert other == (
        f'not {timeline(FIRST)} (since {live.created_at} at the earliest, on "main"): it began after that moment'
    )


def test_of_several_the_last_to_begin_is_taken():
    restored = replace(sequence(FIRST, SECOND), at=NOW)
    first, *others = plan(asking(Restore(hours_ago(1), "again")), restored).source
    assert first.startswith(f"{timeline(SECOND)} (since ")
    assert first.endswith(
        "it began last of those that can have been live then, and has not been replaced and come back"
    )
    assert [each.split(" ")[1] for each in others] == [str(timeline(FIRST)), "origin"]
    assert all(each.endswith("it can have been live then, and is not known to have been") for each in others)


def in_place(restored_at: Instant) -> tuple[object, Restore]:
    desired = asking(FIRST, method=Method.IN_PLACE)
    return after(desired, replace(WORLD, at=restored_at)), FIRST


def test_in_place_the_end_is_known_exactly():
    restored, _ = in_place(hours_ago(8))
    lineage = lineage_of(restored)
    (first, other) = explain(lineage, Restore(hours_ago(12)))
    assert first.startswith("origin (since ")
    assert f'until {lineage.held[0].ended}, on "main.held.' in first
    assert first.endswith("no other can have been live then")
    assert other.endswith("it began after that moment")
    (first, other) = explain(lineage, Restore(hours_ago(1)))
    assert first.startswith(str(timeline(FIRST)))
    assert other.startswith("not origin (")
    assert other.endswith("it was replaced before that moment")


def test_a_named_source_is_said_to_be():
    restored = replace(sequence(FIRST), at=NOW)
    first, other = explain(lineage_of(restored), Restore(hours_ago(1), source=ORIGIN))
    assert first.endswith(": the file names it")
    assert other.endswith("it can have been live then, and is not known to have been")
    (only,) = explain(lineage_of(restored), Restore(Lsn.parse_strict("0/1A2B3C8"), source=ORIGIN))
    assert only.endswith(": the file names it, and 0/1A2B3C8 is a place in its log")


def test_what_is_refused_is_not_explained():
    assert explain(lineage_of(WORLD), Restore(hours_ago(1), source=Timeline(hours_ago(30)))) == ()
    assert plan(asking(Restore(hours_ago(24 * 6))), WORLD).source == ()


def test_of_many_timelines_the_nearest_are_named():
    lineage = lineage_of(replace(WORLD, branches=(MAIN,)))
    many = tuple(
        TimelineBranch(
            replace(MAIN, id=f"br-{n}", name=f"held {n}", created_at=hours_ago(n)), Timeline(hours_ago(90 + n))
        )
        for n in range(1, 9)
    )
    said = explain(replace(lineage, held=many), Restore(hours_ago(24)))
    assert len(said) == 7
    assert said[-1] == "and 3 more that were not"
