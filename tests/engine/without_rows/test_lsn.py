"""A restore to an LSN, without rows: what Neon is asked, by either method, and what Neon refuses."""

from datetime import datetime

import pytest

from reconciler.core.plan.plan import plan
from reconciler.errors import ReconcilerError
from reconciler.sandbox.timestamps import now
from reconciler.sandbox.without_postgres.storage import lsn_at
from tests.engine.without_rows.stage import Stage


@pytest.fixture
def stage(worlds):
    """A production whose file may ask for anything."""
    return Stage(worlds, "first restore, rebind")


def ask(stage, lsn, method="branch"):
    stage.asked["primary"] |= {"restore": {"to_lsn": lsn, "from": "origin"}, "method": method}
    stage.write()


@pytest.mark.parametrize("method", ["branch", "in-place"])
def test_an_lsn_is_made_live_once_and_undone_and_its_undo_is_undone(stage, method):
    lsn = lsn_at(datetime.fromisoformat(stage.asked["primary"]["restore"]["to"]))
    ask(stage, lsn, method)
    timeline = stage.world.timeline_asked()
    assert stage.apply().converged
    assert timeline in next(name for name in stage.names() if ".held.origin." in name)
    assert plan(*stage.observe()).in_sync
    for restore in (None, {"to_lsn": lsn, "from": "origin"}):
        stage.asked["primary"]["restore"] = restore
        stage.write()
        assert stage.apply().converged
        assert plan(*stage.observe()).in_sync
    assert str(plan(*stage.observe()).live) == timeline
    assert stage.watch.violations == []
    assert stage.writes().count("POST branches") == (1 if method == "branch" else 3)


def test_an_lsn_that_the_history_does_not_have_yet_is_refused_by_neon_and_nothing_has_changed(stage):
    ask(stage, lsn_at(now().replace(year=now().year + 1)))
    before = stage.names()
    with pytest.raises(ReconcilerError, match="after the end of the history"):
        stage.apply()
    assert stage.names() == before
