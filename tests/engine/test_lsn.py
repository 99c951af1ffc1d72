"""A restore to an LSN, told by rows: what was there at that place of the log is there, and nothing later."""

import pytest

from tests.support import database
from tests.support.database import DAMAGED, GOOD, Rows
from tests.support.shops import PRIMARY


@pytest.mark.parametrize("method", ["branch", "in-place"])
def test_the_rows_of_the_lsn_are_live_and_those_of_later_are_held(make_production, method):
    production = make_production()
    production.desired["primary"]["method"] = method
    uri = production.uri(production.branch(PRIMARY))
    with database.connected(uri) as connection:
        connection.execute('create table "Listing" (id int generated always as identity, title text)')
        database.add_listings(uri, GOOD.listings)
        (lsn,) = connection.execute("select pg_current_wal_lsn()::text").fetchone()
    database.damage(uri)
    production.ask_lsn(lsn, "origin")
    assert production.apply().converged
    production.check_live(Rows(GOOD.listings, DAMAGED.clicks, DAMAGED.late))
    production.check_in_sync()
    production.ask(None)
    assert production.apply().converged
    production.check_live(DAMAGED)
