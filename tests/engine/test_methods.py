"""Sequences of restores and undos by either method: the rows that users reach, and those that are held."""

import re
from dataclasses import replace

import pytest

from reconciler.core.plan.drift import Answer
from reconciler.core.plan.plan import plan
from tests.support import database
from tests.support.database import DAMAGED, EARLY, GOOD
from tests.support.shops import PRIMARY
from tests.support.waiting import eventually

_CLICKS = 7


def check_held(production, rows):
    """The newest branch that holds a timeline has its rows, and no timeline is missing."""
    newest = {}
    for name in production.branches():
        found = re.fullmatch(r"main\.held\.(\S+?)\.before\.\S+?(?:\.(\d+))?(?:\.in-place)?", name)
        if found and found[1] != production.timeline():
            newest[found[1]] = max(newest.get(found[1], (0, "")), (int(found[2] or 1), name))
    assert {timeline: production.rows_on_held(name) for timeline, (_, name) in newest.items()} == rows


def drift(production):
    """By hand, what is held is made the default, and wrangler.jsonc names another id: both are repaired, no more."""
    script, held = production.scripts[0], next(name for name in production.branches() if ".held." in name)
    path = production.wrangler_path(script)
    path.write_text(path.read_text().replace(production.wrangler_id(script), "0" * 32))
    identity = production.branch(held)["id"]
    production.sandbox.neon("POST", f"/projects/{production.project}/branches/{identity}/set_as_default")
    eventually(production.is_idle, "the default branch", pause=0.05)
    assert [each.answer for each in plan(*production.observe()).drift] == [Answer.REPAIRED, Answer.REPAIRED]
    taken = [done.step.wire_name for done in production.apply().taken]
    assert sorted(taken) == ["SetDefaultBranch", "WriteBinding"]


@pytest.mark.parametrize(
    ("methods", "protected"),
    [
        pytest.param("bbbbb", False, id="branch"),
        pytest.param("iiiii", False, id="in place", marks=pytest.mark.thorough),
        pytest.param("iiiii", True, id="in place, protected", marks=pytest.mark.thorough),
        pytest.param("bibii", False, id="a child, in place", marks=pytest.mark.thorough),
        pytest.param("ibibb", True, id="alternating, protected"),
    ],
)
def test_the_asked_timeline_is_live_and_all_others_held(make_production, methods, protected):
    """A restore, a second one of another moment, back to the first, its undo, and the undo of that; writes between."""
    production = make_production(protected=protected)
    production.sandbox.switch("neon", child_as_target=True, subscription_type="scale_v3")
    good, early = {"to": production.shop.good}, {"to": production.shop.early, "from": "origin"}
    rows = {"origin": DAMAGED}
    for method, asked in zip(methods, (good, early, good, {"to": None}, good), strict=True):
        production.desired["primary"]["method"] = {"b": "branch", "i": "in-place"}[method]
        production.ask(**asked)
        outcome = production.apply()
        assert outcome.converged, [each.message for each in outcome.final.refusals]
        timeline = production.timeline()
        before = rows.setdefault(timeline, GOOD if asked is good else EARLY)
        production.check_live(before)
        assert production.branch(PRIMARY)["protected"] == protected
        if asked is early or asked["to"] is None:
            drift(production)
            production.check_live(before)
        database.add_clicks(production.uri(production.branch(PRIMARY)), _CLICKS)
        rows[timeline] = replace(before, clicks=before.clicks + _CLICKS)
    del rows[timeline]
    check_held(production, rows)
    production.check_in_sync()
