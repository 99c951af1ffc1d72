"""A fence in PostgreSQL: new sessions read only, older ones end, and what could still write is found out."""

import asyncio
from contextlib import contextmanager
from dataclasses import replace

import httpx
import psycopg
import pytest
from psycopg import errors

from reconciler.core.values.secret import Secret
from reconciler.errors import FenceFailed
from reconciler.ports import Origin
from reconciler.providers.postgres.lazy import LazyFences
from tests.support.shops import DATABASE, PRIMARY, ROLE

FENCES = LazyFences()


@pytest.fixture
def origin(shared_production):
    """How the role logs in that owns the database; what is closed is opened in the end."""
    uri = httpx.URL(shared_production.uri(shared_production.branch(PRIMARY)))
    found = Origin(uri.host, uri.port, DATABASE, ROLE, Secret(uri.password))
    yield found
    asyncio.run(FENCES.open(found, found))


@pytest.fixture
def plain(origin):
    """A role that owns a database and may end nobody's sessions but its own."""
    with session(origin) as connection:
        connection.execute("create role plain login password 'canary-of-plain'")
        connection.execute("grant plain to app")
        connection.execute("create database archive owner plain")
    yield replace(origin, database="archive", role="plain", password=Secret("canary-of-plain"))
    with session(origin) as connection:
        connection.execute("drop database archive with (force)")
        connection.execute("drop role plain")


@contextmanager
def session(origin):
    with psycopg.connect(
        host=origin.host,
        port=origin.port,
        dbname=origin.database,
        user=origin.role,
        password=origin.password.reveal(),
        sslmode="require",
        autocommit=True,
    ) as connection:
        yield connection


def close(owner, user):
    asyncio.run(FENCES.close(owner, user))


def test_a_fence_ends_old_sessions(origin):
    with session(origin) as old:
        close(origin, origin)
        close(origin, origin)
        with pytest.raises(psycopg.OperationalError):
            old.execute("select 1")
    with session(origin) as new:
        assert new.execute("select 1").fetchone() == (1,)
        with pytest.raises(errors.ReadOnlySqlTransaction):
            new.execute("create table never ()")
        asyncio.run(FENCES.open(origin, origin))
        with pytest.raises(psycopg.OperationalError):
            new.execute("select 1")
    with session(origin) as newer:
        newer.execute("create temporary table now ()")


def test_a_session_that_survives_is_named(origin, plain):
    with session(replace(origin, database="archive")) as old:
        with pytest.raises(FenceFailed, match="older sessions of app still write") as failure:
            close(plain, plain)
        assert old.execute("select 1").fetchone() == (1,)
    assert "pg_signal_backend" in failure.value.hint
    close(plain, plain)


def test_a_role_ends_its_own_sessions(plain):
    with session(plain) as old:
        close(plain, plain)
        with pytest.raises(psycopg.OperationalError):
            old.execute("select 1")


def test_a_fence_that_stays_is_an_error(origin, plain):
    close(plain, plain)
    with pytest.raises(FenceFailed, match=r"database archive at .* is still read-only for role plain"):
        asyncio.run(FENCES.open(origin, plain))


def test_a_failed_login_changes_nothing(origin):
    wrong = replace(origin, password=Secret("no-such-password"))
    with pytest.raises(FenceFailed, match="could not be changed as its owner app") as failure:
        close(wrong, origin)
    assert "no-such-password" not in failure.value.report
    with session(origin) as connection:
        connection.execute("create temporary table now ()")
