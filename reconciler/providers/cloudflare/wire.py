"""A Hyperdrive config as Cloudflare's API takes and tells it."""

from typing import Any

from reconciler.core.model.hyperdrive import CACHING_OFF, CACHING_ON, Caching, Mtls, Settings
from reconciler.core.model.observed import HyperdriveConfig
from reconciler.ports import Origin
from reconciler.providers.http.response import Told, told


def config(item: Told) -> HyperdriveConfig:
    """Read a config. Defaults of the cache are left out, and certificates that are not set may be an empty object."""
    nothing = told("Cloudflare", {})
    origin = item.maybe("origin") or nothing
    return HyperdriveConfig(
        id=item.id("id"),
        name=item.text("name"),
        host=origin.maybe_text("host"),
        port=origin.maybe_number("port") or 5432,
        database=origin.maybe_text("database"),
        user=origin.maybe_text("user"),
        restarted_at=item.maybe_moment("restarted_on"),
        modified_at=item.maybe_moment("modified_on"),
        caching=_caching(item.maybe("caching") or nothing),
        connection_limit=item.maybe_number("origin_connection_limit"),
        mtls=_mtls(item.maybe("mtls") or nothing),
    )


def _caching(item: Told) -> Caching:
    if item.flag("disabled"):
        return CACHING_OFF
    max_age, stale = item.maybe_number("max_age"), item.maybe_number("stale_while_revalidate")
    return Caching(
        max_age=CACHING_ON.max_age if max_age is None else max_age,
        stale_while_revalidate=CACHING_ON.stale_while_revalidate if stale is None else stale,
    )


def _mtls(item: Told) -> Mtls:
    return Mtls(*(item.maybe_text(key) for key in ("ca_certificate_id", "mtls_certificate_id", "sslmode")))


def origin_body(origin: Origin) -> dict[str, Any]:
    """Write where a config leads to: host and port always together, as the network part is never merged."""
    return {
        "scheme": "postgres",
        "host": origin.host,
        "port": origin.port,
        "database": origin.database,
        "user": origin.role,
        "password": origin.password.reveal(),
    }


def settings_body(settings: Settings) -> dict[str, Any]:
    """Write the settings that are given, each of them whole."""
    body: dict[str, Any] = {}
    if (caching := settings.caching) is not None:
        body["caching"] = {"disabled": True} if caching.disabled else _plain_caching(caching)
    if settings.connection_limit is not None:
        body["origin_connection_limit"] = settings.connection_limit
    if (mtls := settings.mtls) is not None:
        parts = {key: getattr(mtls, key) for key in ("ca_certificate_id", "mtls_certificate_id", "sslmode")}
        body["mtls"] = {key: value for key, value in parts.items() if value}
    return body


def _plain_caching(caching: Caching) -> dict[str, Any]:
    return {
        "disabled": False,
        "max_age": caching.max_age,
        "stale_while_revalidate": caching.stale_while_revalidate,
    }
