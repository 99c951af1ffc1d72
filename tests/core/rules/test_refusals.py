"""A refusal is a sentence for people: it says everything that it knows, and names a way out."""

import sys
from dataclasses import fields, replace
from datetime import timedelta
from typing import get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.model.desired import Restore
from reconciler.core.model.observed import Unknown
from reconciler.core.model.refusal import Refusal
from reconciler.core.plan.plan import plan
from reconciler.core.plan.proposal import NotAppliedYet, TimelineUsed
from reconciler.core.values.duration import for_people
from reconciler.core.values.instant import Instant
from reconciler.core.values.lsn import Lsn
from reconciler.core.values.timeline import ORIGIN, Timeline
from tests.core.files import DESIRED, NOW, asking, hours_ago
from tests.core.lineage.test_lineage import sequence
from tests.core.worlds import WORLD, with_main

# A class with slots is made twice, and the first one is nobody's: the module has the other.
ALL = sorted(
    {getattr(sys.modules[each.__module__], each.__name__) for each in Refusal.__subclasses__()},
    key=lambda each: each.rule,
)
NAMES = st.text("abcdefghijklmnopqrstuvwxyz-", min_size=1, max_size=12)
INSTANTS = st.integers(1, 4_000_000_000_000).map(Instant)
VALUES = {
    str: NAMES,
    int: st.integers(0, 1000),
    bool: st.booleans(),
    Instant: INSTANTS,
    timedelta: st.timedeltas(timedelta(0), timedelta(days=30)),
    Lsn: st.builds(Lsn, st.integers(1, 2**64 - 1)),
    Timeline: st.just(ORIGIN) | st.builds(Timeline, INSTANTS, NAMES),
    tuple[str, ...]: st.lists(NAMES, min_size=1, max_size=3).map(tuple),
}


def known(refusal):
    """Everything that a refusal knows, in the words that people read. What is only true or not is no word."""
    for field in fields(refusal):
        value = getattr(refusal, field.name)
        if isinstance(value, bool):
            continue
        for each in value if isinstance(value, tuple) else (value,):
            yield for_people(each) if isinstance(each, timedelta) else str(each)


@pytest.mark.parametrize("kind", ALL, ids=[each.rule for each in ALL])
@given(data=st.data())
def test_a_refusal_says_all_it_knows(kind, data):
    types = get_type_hints(kind)
    refusal = kind(**{field.name: data.draw(VALUES[types[field.name]]) for field in fields(kind)})
    assert refusal.message
    assert refusal.hint
    told = f"{refusal.message}\n{refusal.hint}"
    assert [each for each in known(refusal) if each not in told] == []


def test_no_two_refusals_have_the_same_rule():
    assert len({each.rule for each in ALL}) == len(ALL)


def test_two_timelines_give_the_line_to_write():
    first = Restore(hours_ago(20), "first")
    (refusal,) = plan(asking(Restore(hours_ago(4))), replace(sequence(first, None), at=NOW)).refusals
    assert f"was live at {hours_ago(4)}: " in refusal.message
    restored = Timeline(first.to, first.id)
    origin, other = refusal.message.split(": ", 1)[1].split(" or ")
    assert origin.startswith("origin (since ")
    assert other.startswith(f"{restored} (since ")
    assert other.endswith(f'at the earliest, on "main.held.{restored}.before.origin.2")')
    assert refusal.hint == f'name it in primary.restore: "from": "origin" or "from": "{restored}"'


def test_a_used_timeline_has_a_rollback_command():
    timeline = Timeline(hours_ago(24), "inc-42")
    refusal = TimelineUsed(timeline, "main.held.x", "production")
    assert refusal.message == f'timeline "{timeline}" was live before, and branch "main.held.x" holds it'
    assert refusal.hint.endswith(f"reconciler rollback production --to-timeline {timeline}")


def test_what_is_not_applied_has_two_commands():
    timeline = Timeline(hours_ago(24))
    refusal = NotAppliedYet(timeline, ORIGIN, "production", "abc123")
    assert refusal.message == f'the file asks for timeline "{timeline}", but "origin" is still live'
    assert "reconciler apply production." in refusal.hint
    assert refusal.hint.endswith("git revert abc123")


def test_an_unreadable_plan_is_no_verdict():
    assert plan(DESIRED, replace(WORLD, configs=Unknown("503"))).unreadable
    assert not plan(DESIRED, with_main(name="production")).unreadable
