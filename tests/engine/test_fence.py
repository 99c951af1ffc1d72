"""A fence on real PostgreSQL: no write reaches the old timeline from right before the switch on."""

import psycopg
import pytest
from psycopg import errors

from reconciler.engine.events import StepStarted
from reconciler.errors import FenceFailed
from tests.support import database
from tests.support.database import DAMAGED, GOOD, Rows
from tests.support.shops import PRIMARY, ROLE


@pytest.fixture
def fenced(production):
    """A production whose file asks for the good moment, and for a fence."""
    production.desired["primary"]["fence"] = True
    production.ask(production.shop.good)
    return production


def takes_writes(production, name=PRIMARY):
    """Whether a fresh session of the application can write to a branch."""
    try:
        with database.connected(production.uri(production.branch(name))) as connection:
            connection.execute("create temporary table probe ()")
            connection.execute('insert into "Click" (listing_id) select 1 where false')
    except errors.ReadOnlySqlTransaction:
        return False
    return True


def compute_path(production):
    path = f"/projects/{production.project}/endpoints"
    (compute,) = production.sandbox.neon("GET", path)["endpoints"]
    return f"{path}/{compute['id']}"


def held(production):
    (name,) = [name for name in production.branches() if ".held." in name]
    return name


def test_no_write_reaches_the_old_rows_until_an_undo(fenced):
    compute = compute_path(fenced)
    fenced.sandbox.neon("PATCH", compute, json={"endpoint": {"name": "ours"}})
    seen = []

    def report(event):
        if isinstance(event, StepStarted) and event.step.wire_name == "SwitchTraffic":
            seen.append(takes_writes(fenced))

    with psycopg.connect(fenced.uri(fenced.branch(PRIMARY)), autocommit=True) as old:
        assert fenced.apply(report=report).converged
        with pytest.raises(psycopg.OperationalError):
            old.execute('insert into "Click" (listing_id) values (1)')
    assert seen == [False]
    fenced.check_live(GOOD)
    assert (takes_writes(fenced), takes_writes(fenced, held(fenced))) == (True, False)
    assert fenced.rows_on(held(fenced)) == DAMAGED
    assert fenced.sandbox.neon("GET", compute)["endpoint"]["name"] == "fenced by reconciler: ours"
    fenced.check_in_sync()

    database.add_clicks(fenced.uri(fenced.branch(PRIMARY)), 1)
    fenced.ask(None)
    assert fenced.apply().converged
    fenced.check_live(DAMAGED)
    assert (takes_writes(fenced), takes_writes(fenced, held(fenced))) == (True, False)
    assert fenced.rows_on(held(fenced)) == Rows(GOOD.listings, GOOD.clicks + 1)
    assert fenced.sandbox.neon("GET", compute)["endpoint"]["name"] == "ours"
    fenced.check_in_sync()


@pytest.mark.thorough
def test_a_moment_when_fenced_is_restored_with_writes(fenced):
    assert fenced.apply().converged
    moment = database.moment(fenced.uri(fenced.branch(held(fenced))))
    database.settle(moment)
    fenced.ask(moment, **{"from": "origin"})
    assert fenced.apply().converged
    fenced.check_live(DAMAGED)
    assert takes_writes(fenced)


@pytest.mark.thorough
def test_a_role_that_allows_itself_writes_is_found(fenced):
    with psycopg.connect(fenced.uri(fenced.branch(PRIMARY)), autocommit=True) as connection:
        connection.execute(f"alter role {ROLE} set default_transaction_read_only = off")
    with pytest.raises(FenceFailed, match="its own setting") as failure:
        fenced.apply()
    assert f"alter role {ROLE} reset" in failure.value.hint
    assert takes_writes(fenced)
    assert fenced.rows() == DAMAGED
