"""Fences, in PostgreSQL (see fences for the port): a database whose sessions are read-only unless they say otherwise.

`default_transaction_read_only`, set on the database, is what every session begins with; those that began before keep
what they had, so they are ended. It guards against mistakes and old Workers and not against intent: a session may set
it back for itself. Taking privileges away instead would not do: who owns a table, or has pg_write_all_data as every
role of Neon's API does, writes without them.

Sources: PostgreSQL's documentation, ALTER DATABASE, "Server Signaling Functions" and default_transaction_read_only;
Neon's documentation, Manage roles (what neon_superuser may do).
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import psycopg
import stamina
from psycopg import sql

from reconciler.errors import FenceFailed
from reconciler.ports import Origin
from reconciler.providers.postgres.gates import WAKING_SECONDS, connect, first_line, may_pass

# A database's settings are changed at once, and sessions end within milliseconds; a compute may have to wake first.
_SECONDS = 60.0
_ENDING_MILLISECONDS = 5_000
_CLOSE = "alter database {} set default_transaction_read_only = on"
_OPEN = "alter database {} reset default_transaction_read_only"
# Sessions of the provider's own superusers are left alone. The moment is hidden (null) from who may not see it.
_OTHERS = """
from pg_stat_activity as activity join pg_roles as role on role.oid = activity.usesysid
where activity.datname = current_database() and activity.pid <> all(%(ours)s) and not role.rolsuper
    and coalesce(activity.backend_start <= %(before)s, true)
"""
_END = f"""
select pg_terminate_backend(activity.pid, {_ENDING_MILLISECONDS}) {_OTHERS}
    and (pg_has_role(activity.usesysid, 'usage') or pg_has_role('pg_signal_backend', 'usage'))
"""
_LEFT = f"select distinct activity.usename::text {_OTHERS} order by 1"
_SETTING = "select setting, source from pg_settings where name = 'default_transaction_read_only'"
_Connection = psycopg.AsyncConnection[tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class _Found:
    """What a new login finds: the setting, its source, and the users of older sessions that are still open."""

    setting: str
    source: str
    older: tuple[str, ...]


async def close(owner: Origin, user: Origin) -> None:
    """Make new sessions read-only, and end older ones. Can be repeated."""
    found = await _turn(_CLOSE, owner, user)
    where = f"database {user.database} at {user.host}:{user.port}"
    if found.setting != "on":
        raise FenceFailed(
            f"{where} was made read-only, and role {user.role} writes all the same: its own setting "
            f"(from: {found.source}) overrides the database's",
            hint=f"alter role {user.role} reset default_transaction_read_only, or set primary.fence to false",
        )
    if found.older:
        raise FenceFailed(
            f"{where} was made read-only, and older sessions of {', '.join(found.older)} still write: role "
            f"{owner.role} may not end them",
            hint=f"end them, or grant pg_signal_backend to {owner.role}; then run it again",
        )


async def reopen(owner: Origin, user: Origin) -> None:
    """Make new sessions writable again, and end older read-only ones. Can be repeated."""
    found = await _turn(_OPEN, owner, user)
    if found.setting == "on" and found.source == "database":
        raise FenceFailed(
            f"database {user.database} at {user.host}:{user.port} is still read-only for role {user.role}",
            hint="default_transaction_read_only was set again: find out by whom, then run it again",
        )


async def _turn(statement: str, owner: Origin, user: Origin) -> _Found:
    """Change the setting, end older sessions, and read the effect in a new login.

    A session that logs in during the change becomes visible late, so sessions are ended after the new login.
    """
    try:
        async with asyncio.timeout(_SECONDS), _session(owner) as owning:
            await owning.execute("set default_transaction_read_only = off")
            await owning.execute(sql.SQL(statement).format(sql.Identifier(owner.database)))
            ((before,),) = await (await owning.execute("select clock_timestamp()")).fetchall()
            async with _session(user) as using:
                ((setting, source),) = await (await using.execute(_SETTING)).fetchall()
                asked = {"before": before, "ours": [owning.info.backend_pid, using.info.backend_pid]}
                # The user may always end its own sessions, and the owner those of all who it may.
                for session in (using, owning):
                    await session.execute(_END, asked)
                left = await (await owning.execute(_LEFT, asked)).fetchall()
                return _Found(setting, source, tuple(name for (name,) in left))
    except (psycopg.Error, TimeoutError) as error:
        raise FenceFailed(
            f"the fence of database {owner.database} at {owner.host}:{owner.port} could not be changed as its owner "
            f"{owner.role}, or seen as {user.role}: {first_line(error)}",
            hint="run it again when both can log in: it looks first",
        ) from None


@asynccontextmanager
async def _session(origin: Origin) -> AsyncIterator[_Connection]:
    connection = await _log_in(origin)
    async with connection:
        yield connection


@stamina.retry(on=may_pass, timeout=WAKING_SECONDS, attempts=10, wait_initial=0.2, wait_max=5.0)
async def _log_in(origin: Origin) -> _Connection:
    connection = await connect(origin)
    await connection.set_autocommit(True)
    return connection
