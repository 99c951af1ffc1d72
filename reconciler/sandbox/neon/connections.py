"""Hosts and connection strings of computes.

At Neon every compute has a host name and the port 5432. On loopback such names do not resolve, so here the host is
`127.0.0.1:PORT`, which works in a URL.
"""

from urllib.parse import quote

from reconciler.sandbox.computes import ADDRESS
from reconciler.sandbox.neon.state import Endpoint

PARAMETERS = "?sslmode=require&channel_binding=require"
"""What Neon appends (docs: Connect from any application). TLS ends at the compute's port."""


def host(endpoint: Endpoint) -> str:
    """Return the host of a compute, with its port."""
    return f"{ADDRESS}:{endpoint.port}"


def connection_uri(endpoint: Endpoint, role: str, password: str, database: str) -> str:
    """Return the connection string of a role to a database."""
    user = f"{quote(role, safe='')}:{quote(password, safe='')}"
    return f"postgresql://{user}@{host(endpoint)}/{quote(database, safe='')}{PARAMETERS}"
