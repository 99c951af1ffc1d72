"""The connection test that Hyperdrive makes before it saves an origin.

Cloudflare connects to the database and sends an empty query when a config is created or its connection changes
(Hyperdrive, Troubleshooting). The sandbox does so too, with the same error codes. An origin must be public, except on
loopback, where the sandbox's own databases are; there TLS is optional.
"""

import asyncio
import ipaddress
import re
import socket

import psycopg

from reconciler.sandbox.cloudflare.answers import ApiError
from reconciler.sandbox.cloudflare.state import Json

_UNREACHABLE = "Failed to connect to the provided host and port."
_REASONS = [
    (
        r'password authentication failed|no password supplied|role ".*" does not exist',
        2013,
        "Invalid credentials.",
    ),
    (r'database ".*" does not exist', 2014, "The database does not exist."),
    (r"Connection refused", 2011, "The connection to the database was refused."),
    (r"server does not support SSL", 2012, "Databases must be configured to support SSL/TLS."),
    (r"timeout|unreachable|No route to host", 2010, _UNREACHABLE),
]
"""Patterns for the errors of libpq and the server, with Cloudflare's code and message. The first match counts."""


async def check(origin: Json, timeout_s: float) -> None:
    """Connect to an origin and send an empty query. Raises the ApiError that Cloudflare would answer.

    An origin behind Access or in a VPC can't be reached from here and isn't tested.
    """
    if "service_id" in origin or "access_client_id" in origin:
        return
    if origin["scheme"] == "mysql":
        raise ApiError(400, 2015, "Failed to connect to the database: the sandbox has no MySQL.")
    address = await _public_or_loopback(origin["host"])
    try:
        async with asyncio.timeout(timeout_s):
            connection = await _connect(origin, address)
    except TimeoutError:
        raise ApiError(400, 2010, _UNREACHABLE) from None
    except psycopg.Error as error:
        raise _refusal(str(error)) from error
    try:
        async with asyncio.timeout(timeout_s):
            await connection.execute(";")
    except (TimeoutError, psycopg.Error) as error:
        raise ApiError(400, 2016, f"The test query failed: {error}") from error
    finally:
        await connection.close()


async def _connect(origin: Json, address: str) -> psycopg.AsyncConnection[tuple[object, ...]]:
    loopback = ipaddress.ip_address(address).is_loopback
    return await psycopg.AsyncConnection.connect(
        host=origin["host"],
        hostaddr=address,
        port=origin["port"],
        dbname=origin["database"],
        user=origin["user"],
        password=origin["password"],
        sslmode="prefer" if loopback else "require",
        application_name="Cloudflare Hyperdrive",
        autocommit=True,
    )


async def _public_or_loopback(host: str) -> str:
    """Resolve a host to the address to connect to. Names below `localhost` are loopback (RFC 6761)."""
    if host == "localhost" or host.endswith(".localhost"):
        return "127.0.0.1"
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise ApiError(400, 2008, f"Failed to resolve the hostname {host}.") from None
    address = str(found[0][4][0])
    parsed = ipaddress.ip_address(address.partition("%")[0])
    if not (parsed.is_loopback or parsed.is_global):
        raise ApiError(400, 2009, f"The host {host} resolves to a private or non-public IP address.")
    return address


def _refusal(reason: str) -> ApiError:
    for sign, code, message in _REASONS:
        if re.search(sign, reason):
            return ApiError(400, code, message)
    return ApiError(400, 2015, f"Failed to connect to the database: {reason.splitlines()[0]}")
