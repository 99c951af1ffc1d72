"""Cloudflare's JSON: what Hyperdrive configs and bindings look like in responses and requests."""

from typing import Any

from reconciler.core.model.hyperdrive import CACHING_OFF, CACHING_ON, Caching, Mtls, Settings
from reconciler.core.model.observed import HyperdriveConfig
from reconciler.ports import Origin
from reconciler.providers.http.response import ResponseReader

_MTLS = ("ca_certificate_id", "mtls_certificate_id", "sslmode")


def config(item: ResponseReader) -> HyperdriveConfig:
    """Read a config. Cloudflare leaves out defaults of the cache, and may send an empty object without certificates."""
    origin = item.section("origin")
    return HyperdriveConfig(
        id=item.id("id"),
        name=item.text("name"),
        host=origin.maybe_text("host"),
        port=origin.maybe_number("port") or 5432,
        database=origin.maybe_text("database"),
        user=origin.maybe_text("user"),
        restarted_at=item.maybe_moment("restarted_on"),
        modified_at=item.maybe_moment("modified_on"),
        caching=_caching(item.section("caching")),
        connection_limit=item.maybe_number("origin_connection_limit"),
        mtls=_mtls(item.section("mtls")),
    )


def bindings(version: ResponseReader) -> list[ResponseReader]:
    """Return the bindings of a version."""
    return version.section("resources").any("bindings")


def hyperdrive_bindings(version: ResponseReader) -> list[ResponseReader]:
    """Return the Hyperdrive bindings of a version."""
    return [each for each in bindings(version) if each.text("type") == "hyperdrive"]


def hyperdrive_id(version: ResponseReader, binding: str) -> str | None:
    """Return the id of the config that a version's binding points to."""
    found = (each for each in hyperdrive_bindings(version) if each.maybe_text("name") == binding)
    return next((each.id("id") for each in found), None)


def _caching(item: ResponseReader) -> Caching:
    if item.flag("disabled"):
        return CACHING_OFF
    max_age, stale = item.maybe_number("max_age"), item.maybe_number("stale_while_revalidate")
    return Caching(
        max_age=CACHING_ON.max_age if max_age is None else max_age,
        stale_while_revalidate=CACHING_ON.stale_while_revalidate if stale is None else stale,
    )


def _mtls(item: ResponseReader) -> Mtls:
    return Mtls(*map(item.maybe_text, _MTLS))


def origin_body(origin: Origin) -> dict[str, Any]:
    """Write an origin, host and port always together: Cloudflare never merges the network part."""
    return {
        "scheme": "postgres",
        "host": origin.host,
        "port": origin.port,
        "database": origin.database,
        "user": origin.role,
        "password": origin.password.reveal(),
    }


def settings_body(settings: Settings) -> dict[str, Any]:
    """Write the given settings, each as a whole."""
    body: dict[str, Any] = {}
    if (caching := settings.caching) is not None:
        ages = {"max_age": caching.max_age, "stale_while_revalidate": caching.stale_while_revalidate}
        body["caching"] = {"disabled": True} if caching.disabled else {"disabled": False, **ages}
    if settings.connection_limit is not None:
        body["origin_connection_limit"] = settings.connection_limit
    if settings.mtls is not None:
        body["mtls"] = {key: value for key in _MTLS if (value := getattr(settings.mtls, key))}
    return body
