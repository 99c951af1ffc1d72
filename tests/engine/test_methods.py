"""Sequences of restores and undos by either method, told by rows: those that users reach, and those that are held."""

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


def _check_held(production, rows):
    """The newest branch that holds a timeline has its rows, and no timeline is missing."""
    newest = {}
    for name in production.branches():
        found = re.fullmatch(r"main\.held\.(\S+?)\.before\.\S+?(?:\.(\d+))?(?:\.in-place)?", name)
        if found:
            newest[found[1]] = max(newest.get(found[1], (0, "")), (int(found[2] or 1), name))
    assert set(newest) >= set(rows) - {production.timeline()}
    for timeline, (_, name) in newest.items():
        if timeline != production.timeline():
            has_compute = production.has_compute(name)
            assert (production.rows_on(name) if has_compute else production.rows_on_held(name)) == rows[timeline], name


def _drift(production):
    """Somebody makes what is held the default, and writes another id into wrangler.jsonc: it is repaired, no more."""
    script, held = production.scripts[0], next(name for name in production.branches() if ".held." in name)
    path = production.wrangler_path(script)
    path.write_text(path.read_text().replace(production.wrangler_id(script), "0" * 32))
    production.sandbox.neon(
        "POST", f"/projects/{production.project}/branches/{production.branch(held)['id']}/set_as_default"
    )
    eventually(production.is_idle, "the default branch", pause=0.05)
    assert [each.answer for each in plan(*production.observe()).drift] == [Answer.REPAIRED, Answer.REPAIRED]
    taken = [done.step.wire_name for done in production.apply().taken]
    assert sorted(taken) == ["SetDefaultBranch", "WriteBinding"]


@pytest.mark.parametrize(
    ("methods", "protected"),
    [
        pytest.param(["branch"] * 5, False, id="branch"),
        pytest.param(["in-place"] * 5, False, id="in place", marks=pytest.mark.thorough),
        pytest.param(["in-place"] * 5, True, id="in place, protected", marks=pytest.mark.thorough),
        pytest.param(
            ["branch", "in-place", "branch", "in-place", "in-place"],
            False,
            id="a child, in place",
            marks=pytest.mark.thorough,
        ),
        pytest.param(["in-place", "branch", "in-place", "branch", "branch"], True, id="alternating, protected"),
    ],
)
def test_the_asked_timeline_is_live_and_all_others_held(make_production, methods, protected):
    """A restore, a second one of another moment, back to the first, its undo, and the undo of that; writes between.

    After two of them somebody changes things by hand, which is put right without a restore.
    """
    production = make_production(protected=protected)
    production.sandbox.switch("neon", child_as_target=True, subscription_type="scale_v3")
    good, early = {"to": production.shop.good}, {"to": production.shop.early, "from": "origin"}
    rows = {"origin": DAMAGED}
    for method, asked in zip(methods, (good, early, good, {"to": None}, good), strict=True):
        production.desired["primary"]["method"] = method
        production.ask(**asked)
        outcome = production.apply()
        assert outcome.converged, [each.message for each in outcome.final.refusals]
        rows.setdefault(production.timeline(), GOOD if asked is good else EARLY)
        production.check_live(rows[production.timeline()])
        assert production.branch(PRIMARY)["protected"] == protected
        if asked is early or asked["to"] is None:
            _drift(production)
            production.check_live(rows[production.timeline()])
        uri = production.uri(production.branch(PRIMARY))
        database.add_clicks(uri, _CLICKS)
        before = rows[production.timeline()]
        rows[production.timeline()] = replace(before, clicks=before.clicks + _CLICKS)
    _check_held(production, rows)
    production.check_in_sync()
