"""A compute accepts encrypted and plain connections, and logins bound to the TLS channel."""

import asyncio
import contextlib

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from reconciler.sandbox.wire import scram
from tests.sandbox.neon_client import ask, next_millisecond

pytestmark = pytest.mark.anyio


def with_parameters(uri, **parameters):
    return f"{uri.partition('?')[0]}?" + "&".join(f"{name}={value}" for name, value in parameters.items())


async def as_guest(project, password):
    return make_conninfo(**conninfo_to_dict(await project.uri("main")) | {"user": "guest", "password": password})


@pytest.mark.parametrize("mode", ["disable", "prefer", "require"])
@pytest.mark.parametrize("binding", ["disable", "prefer"])
async def test_a_client_connects_with_and_without_tls(project, mode, binding):
    assert "owner" == await ask(with_parameters(await project.uri("main"), sslmode=mode, channel_binding=binding))


async def test_channel_binding_needs_tls(project):
    uri = await project.uri("main")
    assert "owner" == await ask(uri)
    with pytest.raises(psycopg.OperationalError, match="channel binding"):
        await ask(with_parameters(uri, sslmode="disable", channel_binding="require"))


async def test_a_role_made_by_sql_logs_in(project):
    await project.execute("main", "create role guest login password 'pässword %&'")
    guest = await as_guest(project, "pässword %&")
    assert "guest" == await ask(guest)
    await project.execute("main", "alter role guest nologin")
    with pytest.raises(psycopg.OperationalError, match="not permitted to log in"):
        await ask(guest)


@pytest.mark.parametrize("binding", ["disable", "require"])
@pytest.mark.parametrize(
    ("user", "password", "database", "words"),
    [
        ("owner", "wrong", "shop", 'password authentication failed for user "owner"'),
        ("nobody", "wrong", "shop", 'password authentication failed for user "nobody"'),
        ("owner", None, "absent", 'database "absent" does not exist'),
    ],
)
async def test_a_refusal_has_postgresqls_words(project, user, password, database, words, binding):
    options = conninfo_to_dict(await project.uri("main"))
    options |= {"user": user, "password": password or options["password"], "dbname": database}
    with pytest.raises(psycopg.OperationalError, match=words):
        await ask(make_conninfo(**options | {"channel_binding": binding}))


@pytest.mark.parametrize("mode", ["disable", "require"])
async def test_a_query_can_be_cancelled(project, mode):
    uri = with_parameters(await project.uri("main"), sslmode=mode)
    async with await psycopg.AsyncConnection.connect(uri) as connection:
        sleeping = asyncio.create_task(connection.execute("select pg_sleep(60)"))

        async def sleeps():
            return await project.execute("main", "select 1 from pg_stat_activity where wait_event = 'PgSleep'")

        await project.until(sleeps)
        await connection.cancel_safe()
        with pytest.raises(psycopg.errors.QueryCanceled):
            await sleeping


@pytest.mark.parametrize("mode", ["disable", "require"])
async def test_a_connection_reads_at_a_point_in_time(project, shared_sandbox, mode):
    await project.insert("main", "before")
    moment, position = await next_millisecond(), await project.lsn()
    await project.execute("main", "drop table item")
    uri, clusters = await project.uri("main"), shared_sandbox._directory / "clusters"
    before = sorted(clusters.iterdir())
    for point in (f"neon_timestamp:{moment}", f"neon_lsn:{position}"):
        past = with_parameters(uri, sslmode=mode, options=point)
        assert "before" == await ask(past, "select name from item")
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            await ask(past, "delete from item returning 1")

    async def is_tidy():
        return before == sorted(clusters.iterdir())

    await project.until(is_tidy)
    with pytest.raises(psycopg.OperationalError, match="is in the future"):
        await ask(with_parameters(uri, options="neon_timestamp:2999-01-01T00:00:00Z"))


async def test_much_data_passes_both_ways_through_tls(project):
    async with await psycopg.AsyncConnection.connect(await project.uri("main")) as connection:
        await connection.execute("create temporary table bulk (line text)")
        async with connection.cursor().copy("copy bulk from stdin") as copy:
            for _ in range(2000):
                await copy.write("x" * 999 + "\n")
        rows = await (await connection.execute("select line from bulk")).fetchall()
    assert [("x" * 999,)] * 2000 == rows


@pytest.mark.parametrize(
    "packet", [b"", b"\0\0\0\x04", b"GET / HTTP/1.1\r\n\r\n", b"\xff" * 8, b"\0\0\0\x08\x04\xd2\x16\x2f"]
)
async def test_another_protocol_is_disconnected(project, packet):
    host, _, port = (await project.endpoint("main"))["host"].partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(packet)
    writer.write_eof()
    with contextlib.suppress(ConnectionError):
        assert await reader.read(100) in {b"", b"S"}
    writer.close()
    assert [] == await project.items("main")


async def test_the_certificate_is_not_trusted(project):
    uri = with_parameters(await project.uri("main"), sslmode="verify-full", sslrootcert="system")
    with pytest.raises(psycopg.OperationalError, match="certificate verify failed"):
        await ask(uri)


@given(st.text(), st.binary(max_size=40))
def test_a_forged_proof_is_refused(message, binding):
    exchange = scram.ServerSide(scram.Verifier.parse(None), binding)
    exchange.first("p=tls-server-end-point,,n=,r=abc")
    with pytest.raises(scram.ScramError):
        exchange.final(message)
