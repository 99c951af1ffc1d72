"""The shop's data, by SQL as the application's own role."""

import time
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import psycopg

# Younger moments are refused: see reconciler.core.guards.SETTLING, with a margin for rounding to milliseconds.
_SETTLING = timedelta(seconds=2, milliseconds=50)
_AFTER = 961_000


@dataclass(frozen=True)
class Rows:
    """What a database holds. `listings` is None where the table is gone; `late` are clicks since the accident."""

    listings: int | None
    clicks: int
    late: int = 0


EARLY = Rows(10, 100)
GOOD = Rows(25, 400)
DAMAGED = Rows(None, 1, 1)


@contextmanager
def connected(uri):
    with psycopg.connect(uri, autocommit=True) as connection:
        yield connection


def fill(uri):
    """Create the tables and the first rows."""
    with connected(uri) as connection:
        connection.execute('create table "Listing" (id int generated always as identity, title text)')
        connection.execute('create table "Click" (id int generated always as identity, listing_id int)')
    add_listings(uri, EARLY.listings)
    add_clicks(uri, EARLY.clicks)


def add_listings(uri, count):
    with connected(uri) as connection:
        query = """insert into "Listing" (title) select 'Lot ' || n from generate_series(1, %s) n"""
        connection.execute(query, [count])


def add_clicks(uri, count):
    with connected(uri) as connection:
        connection.execute('insert into "Click" (listing_id) select n %% 5 from generate_series(1, %s) n', [count])


def damage(uri):
    with connected(uri) as connection:
        connection.execute('drop table "Listing"')
        connection.execute('truncate "Click"')
        connection.execute('insert into "Click" (listing_id) values (%s)', [_AFTER])


def moment(uri):
    """The first whole millisecond, by the database's clock, at which everything so far is committed."""
    with connected(uri) as connection:
        (now,) = connection.execute("select clock_timestamp()").fetchone()
        wanted = now.replace(microsecond=now.microsecond // 1000 * 1000) + timedelta(milliseconds=1)
        while connection.execute("select clock_timestamp()").fetchone()[0] <= wanted:
            pass
    return wanted.astimezone(UTC)


def text(at):
    """A moment as a desired-state file has it."""
    return at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}Z"


def settle(at):
    """Wait until a moment is old enough to be asked for."""
    left = at + _SETTLING - datetime.now(UTC)  # noqa: TID251  tests have a clock
    if left > timedelta():
        time.sleep(left.total_seconds())


def look(uri):
    with connected(uri) as connection:
        (exists,) = connection.execute("""select to_regclass('"Listing"') is not null""").fetchone()
        listings = connection.execute('select count(*) from "Listing"').fetchone()[0] if exists else None
        (clicks,) = connection.execute('select count(*) from "Click"').fetchone()
        (late,) = connection.execute('select count(*) from "Click" where listing_id = %s', [_AFTER]).fetchone()
        return Rows(listings, clicks, late)
