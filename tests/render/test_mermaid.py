"""The picture of the timelines: small, unharmed by names, and drawn by Mermaid itself."""

from dataclasses import replace
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.model.desired import Restore
from reconciler.core.model.observed import Branch, Unknown
from reconciler.core.plan.plan import plan
from reconciler.core.values.escaping import label
from reconciler.core.values.timeline import ORIGIN, HeldName, Timeline
from reconciler.render.mermaid import picture
from tests.core.files import DESIRED, asking, hours_ago
from tests.core.plans import after
from tests.core.worlds import MAIN, WORLD
from tests.support import mermaid

ASKED = asking(Restore(hours_ago(24), "inc-42"))
HOSTILE = [
    '"];',
    "end",
    "%%{init: {}}%%",
    "<script>alert(1)</script>",
    "`md`",
    "style:#fff;",
    "#35;",
    "--> x",
    "ü 漢 🦊",
]


def drawn(desired, world):
    return picture(plan(desired, world), world)


def with_name(name):
    """A world whose primary branch has this name."""
    world = replace(WORLD, branches=(replace(MAIN, name=name),))
    return replace(ASKED, primary=replace(ASKED.primary, branch=name)), world


def with_many_held(count):
    """A world in which so many timelines are held."""
    branches = [MAIN]
    for number in range(count):
        held = Timeline(hours_ago(30 + number), f"n{number}")
        name = HeldName("main", held, ORIGIN).name
        branches.append(Branch(f"br-{number}", name, MAIN.created_at.before(-timedelta(minutes=number))))
    return replace(WORLD, branches=tuple(branches))


def test_a_restore_shows_before_and_after():
    text = drawn(ASKED, WORLD)
    before, after_it = text.split("subgraph after")
    assert "origin<br/>live, on main" in before
    assert "r-20261121T100000000Z-inc-42" not in before
    assert "r-20261121T100000000Z-inc-42<br/>live, on main" in after_it
    assert "origin<br/>held" in after_it
    assert "as of 2026-11-21T10#58;00#58;00.000Z" in after_it
    assert "before ==> after" in text


def test_an_undo_shows_what_comes_back():
    world = after(ASKED, WORLD)
    before, after_it = drawn(asking(None), world).split("subgraph after")
    assert "origin<br/>held" in before
    assert "origin<br/>live, on main" in after_it
    assert "r-20261121T100000000Z-inc-42<br/>held" in after_it


def test_without_a_change_there_is_one_picture():
    assert "subgraph after" not in drawn(DESIRED, WORLD)
    assert "subgraph after" not in drawn(asking(Restore(hours_ago(240))), WORLD)


def test_what_is_unknown_is_not_drawn():
    assert drawn(ASKED, replace(WORLD, branches=Unknown("no answer"))) == ""


def test_the_picture_of_50_timelines_stays_small():
    world = with_many_held(50)
    oldest = Timeline(hours_ago(79), "n49")
    restore = Restore(oldest.to, oldest.id)
    text = drawn(asking(restore), world)
    assert len(text.splitlines()) < 50
    assert f"{oldest}<br/>held" in text
    assert "and 46 more, held or prepared" in text


@given(st.text())
def test_no_name_can_end_its_label(name):
    assert set('"[]{}<>;#%&|`\n\r') & set(label(name).replace("#", "", 0)) <= {"#", ";"}
    assert label(name).count("#") == label(name).count(";")


def test_mermaid_draws_every_picture(tmp_path):
    draw = mermaid.require()
    worlds = [
        (ASKED, WORLD), (asking(None), after(ASKED, WORLD)), (DESIRED, WORLD),
        (asking(Restore(hours_ago(1))), after(ASKED, WORLD)),
        (asking(Restore(hours_ago(79), "n49")), with_many_held(50)),
        *(with_name(name) for name in HOSTILE),
    ]  # fmt: skip
    texts = draw([drawn(*each) for each in worlds], tmp_path)
    assert "as of 2026-11-21T10:00:00.000Z" in texts[0]
    assert "and 46 more, held or prepared" in texts[4]
    for name, text in zip(HOSTILE, texts[5:], strict=True):
        assert f"live, on {name}" in text
