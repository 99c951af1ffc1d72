"""Where a compute is reached, and with what connection string.

Neon gives every compute a host name and the port 5432. Such names cannot resolve on a loopback, so here the host is
`127.0.0.1:PORT`: whoever pastes the host into a URL gets one that works.
"""

from urllib.parse import quote

from reconciler.sandbox.computes import ADDRESS
from reconciler.sandbox.neon.state import Endpoint

PARAMETERS = "?sslmode=require&channel_binding=require"
"""What Neon appends (docs: Connect from any application). TLS ends at the compute's port."""


def host(endpoint: Endpoint) -> str:
    """Give the host of a compute, with its port."""
    return f"{ADDRESS}:{endpoint.port}"


def connection_uri(endpoint: Endpoint, role: str, password: str, database: str) -> str:
    """Give the connection string of a role to a database."""
    user = f"{quote(role, safe='')}:{quote(password, safe='')}"
    return f"postgresql://{user}@{host(endpoint)}/{quote(database, safe='')}{PARAMETERS}"
