"""Reads the address of a database as libpq does, and checks whether a host is this machine."""

from collections.abc import Mapping
from ipaddress import ip_address
from urllib.parse import parse_qsl, quote, urlencode

import psycopg.conninfo

from reconciler.errors import InputError

_VARIABLES = {
    "host": "PGHOST",
    "hostaddr": "PGHOSTADDR",
    "port": "PGPORT",
    "dbname": "PGDATABASE",
    "user": "PGUSER",
    "password": "PGPASSWORD",
    "passfile": "PGPASSFILE",
    "sslmode": "PGSSLMODE",
    "sslrootcert": "PGSSLROOTCERT",
    "sslcert": "PGSSLCERT",
    "sslkey": "PGSSLKEY",
    "channel_binding": "PGCHANNELBINDING",
    "connect_timeout": "PGCONNECT_TIMEOUT",
    "options": "PGOPTIONS",
}
# It would say in a file which host is meant.
_SERVICE = "service"


def settings_of(address: str) -> Mapping[str, str]:
    """Return what an address says, as libpq's variables. Raises InputError where it is none, or names no database."""
    try:
        found = psycopg.conninfo.conninfo_to_dict(_without_foreign(address))
    except (psycopg.Error, ValueError) as error:
        hint = "it looks like postgresql://USER:PASSWORD@localhost:5432/DATABASE"
        raise InputError("the address of the database is none that PostgreSQL understands", hint=hint) from error
    if found.get(_SERVICE):
        hint = "write host, port and database into the address, as in postgresql://USER@localhost:5432/DATABASE"
        raise InputError("the address names a service, and its host is not known here", hint=hint)
    settings = {_VARIABLES[key]: str(value) for key, value in found.items() if key in _VARIABLES and value is not None}
    if not settings.get("PGDATABASE"):
        raise InputError("the address names no database", hint="…/DATABASE at its end")
    return {"PGHOST": "localhost", **settings}


def hosts(settings: Mapping[str, str]) -> list[str]:
    """Return every host that libpq may connect to."""
    text = ",".join(settings[name] for name in ("PGHOST", "PGHOSTADDR") if settings.get(name))
    return text.split(",")


def is_local(host: str) -> bool:
    """Whether a host is this machine: a socket's directory, or a loopback address."""
    if host.lower() in ("", "localhost") or host.startswith(("/", "@")):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _without_foreign(address: str) -> str:
    """Remove parameters of other tools: Prisma adds `schema`, `connection_limit` and others."""
    base, _, query = address.partition("?")
    if not query or not base.startswith(("postgresql://", "postgres://")):
        return address
    # A + is a plus for libpq, and no blank.
    given = parse_qsl(query.replace("+", "%2B"))
    kept = [(key, value) for key, value in given if key in _VARIABLES or key == _SERVICE]
    return f"{base}?{urlencode(kept, quote_via=quote)}"
