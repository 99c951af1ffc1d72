"""A restore to an LSN: what Neon is asked, by either method, and what Neon refuses."""

from datetime import timedelta

import pytest

from reconciler.errors import ReconcilerError
from reconciler.sandbox.timestamps import now
from reconciler.sandbox.without_postgres.storage import lsn_at


@pytest.mark.parametrize(("method", "made"), [("branch", 1), ("in-place", 3)])
def test_an_lsn_is_restored_undone_and_restored_again(simulate, method, made):
    simulation = simulate(primary={"method": method})
    restore = {"to_lsn": lsn_at(simulation.world.moments[0]), "from": "origin"}
    for asked in (restore, None, restore):
        simulation.ask(asked)
        simulation.converge()
        assert simulation.plan().in_sync
        assert str(simulation.plan().live) == simulation.timeline
    assert [name for name in simulation.names() if f".held.origin.before.{simulation.timeline}" in name]
    assert simulation.writes().count("POST branches") == made


def test_an_lsn_beyond_the_history_changes_nothing(first):
    first.ask({"to_lsn": lsn_at(now() + timedelta(days=365)), "from": "origin"})
    before = first.names()
    with pytest.raises(ReconcilerError, match="after the end of the history"):
        first.apply()
    assert first.names() == before
