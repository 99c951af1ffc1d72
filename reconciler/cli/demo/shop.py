"""What happens to the data of the demo, by SQL as the application's own role."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import psycopg
from psycopg.rows import TupleRow

from reconciler.core.values.instant import Instant
from reconciler.ports import Origin

LISTINGS = 25
CLICKS = 400
# The click of a listing that never was: written after the damage, so it must not come back with the past.
_AFTER = 961_000
_WRITTEN_AFTER = 'select count(*) from "Click" where listing_id = 961000'


@dataclass(frozen=True, slots=True)
class Contents:
    """What a database holds; `listings` is None where the table is gone."""

    listings: int | None
    clicks: int
    written_after: int


async def fill(origin: Origin) -> Contents:
    """Write rows, as a day of business would."""
    async with await _connect(origin) as connection:
        await connection.execute(
            """insert into "Listing" (title, price_cents) select 'Lot ' || n, 100 * n from generate_series(1, %s) n""",
            [LISTINGS],
        )
        await connection.execute(
            """insert into "Click" (listing_id) select 1 + n %% 5 from generate_series(1, %s) n""", [CLICKS]
        )
    return await look(origin)


async def present(origin: Origin) -> Instant:
    """Return the first whole millisecond, by the database's clock, at which all that was written is committed."""
    async with await _connect(origin) as connection:
        now = await _value(connection, "select clock_timestamp()")
        after = Instant.of(now + timedelta(milliseconds=1))
        while Instant.of(await _value(connection, "select clock_timestamp()")) <= after:
            pass
    return after


async def damage(origin: Origin) -> Contents:
    """Do what a bad migration does: drop a table and empty another, while the application keeps writing."""
    async with await _connect(origin) as connection:
        await connection.execute('drop table "Listing" cascade')
        await connection.execute('truncate "Click"')
        await connection.execute('insert into "Click" (listing_id) values (%s)', [_AFTER])
    return await look(origin)


async def look(origin: Origin) -> Contents:
    """Count what is there."""
    async with await _connect(origin) as connection:
        exists = await _value(connection, """select to_regclass('"Listing"') is not null""")
        return Contents(
            listings=await _value(connection, 'select count(*) from "Listing"') if exists else None,
            clicks=await _value(connection, 'select count(*) from "Click"'),
            written_after=await _value(connection, _WRITTEN_AFTER),
        )


async def _connect(origin: Origin) -> psycopg.AsyncConnection[TupleRow]:
    return await psycopg.AsyncConnection.connect(
        host=origin.host,
        port=origin.port,
        dbname=origin.database,
        user=origin.role,
        password=origin.password.reveal(),
    )


async def _value(connection: psycopg.AsyncConnection[TupleRow], query: str) -> Any:
    row = await (await connection.execute(query.encode())).fetchone()
    assert row is not None  # each of these queries answers one row
    return row[0]
