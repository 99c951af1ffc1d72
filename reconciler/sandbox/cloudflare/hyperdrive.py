"""Hyperdrive configs: create, read, replace, patch, delete, restart.

Rules from the API description (hyperdrive/configs) and the Hyperdrive documentation: secrets are write-only;
a PATCH merges each top-level object, but the network part of an origin is never partial; default caching
values are left out of answers; nothing guards a delete.
"""

from datetime import datetime
from typing import Any

from aiohttp import web

from reconciler.sandbox.cloudflare import origin as connection
from reconciler.sandbox.cloudflare.answers import ApiError, Route, json_body, one_page, success
from reconciler.sandbox.cloudflare.state import HyperdriveConfig, Json, State, new_id, now, wire_time

_DATABASE = ("scheme", "database", "user", "password")
_NETWORK = ("host", "port", "access_client_id", "access_client_secret", "service_id")
_SECRET = ("password", "access_client_secret")
_SCHEMES = ("postgres", "postgresql", "mysql")
_CACHING = [("max_age", 60, range(1, 3601)), ("stale_while_revalidate", 15, range(1_000_000))]
"""Field, default and allowed values, in seconds."""

_DEFAULT_CONNECTION_LIMIT = 60
_CONNECTION_LIMITS = range(5, 1501)


async def create_config(request: web.Request, state: State) -> web.Response:
    """`POST …/configs`: check, connect, save."""
    body = await json_body(request)
    name, fields = _name(body.get("name")), _complete(body)
    _check_room(state, name)
    await connection.check(fields["origin"], state.switches.connection_timeout_s)
    _check_room(state, name)  # again: another request may have come first
    created = now()
    config = HyperdriveConfig(new_id(), name, created_on=created, modified_on=created, **fields)
    state.configs[config.id] = config
    return success(as_wire(config))


async def list_configs(request: web.Request, state: State) -> web.Response:
    """`GET …/configs`, 20 per page by default."""
    cut, pages = one_page(request, list(state.configs.values()), 20)
    return success([as_wire(config) for config in cut], pages=pages)


async def get_config(request: web.Request, state: State) -> web.Response:
    """`GET …/configs/{id}`."""
    return success(as_wire(_config(request, state)))


async def replace_config(request: web.Request, state: State) -> web.Response:
    """`PUT …/configs/{id}`: the whole config with its password; absent fields get their defaults."""
    _config(request, state)  # an unknown id is refused before the body is read
    body = await json_body(request)
    return await _save(request, state, _name(body.get("name")), _complete(body))


async def patch_config(request: web.Request, state: State) -> web.Response:
    """`PATCH …/configs/{id}`: the given fields are merged into the config."""
    config = _config(request, state)
    body = await json_body(request)
    name = _name(body["name"]) if "name" in body else config.name
    return await _save(request, state, name, _patched(config, body))


async def delete_config(request: web.Request, state: State) -> web.Response:
    """`DELETE …/configs/{id}`, whether or not a Worker is bound to it."""
    del state.configs[_config(request, state).id]
    return success(None)


async def restart_config(request: web.Request, state: State) -> web.Response:
    """`POST …/configs/{id}/restart`."""
    config = _config(request, state)
    config.restarted_on = now()
    return success(as_wire(config))


def as_wire(config: HyperdriveConfig) -> Json:
    """Render a config without its secrets."""
    moments: dict[str, datetime | None] = {
        "created_on": config.created_on,
        "modified_on": config.modified_on,
        "restarted_on": config.restarted_on,
    }
    return {
        "id": config.id,
        "name": config.name,
        "origin": {key: value for key, value in config.origin.items() if key not in _SECRET},
        "caching": config.caching,
        "mtls": config.mtls,
        "origin_connection_limit": config.origin_connection_limit,
        **{key: wire_time(moment) for key, moment in moments.items() if moment is not None},
    }


async def _save(request: web.Request, state: State, name: str, fields: Json) -> web.Response:
    config = _config(request, state)
    _check_name_free(state, name, config.id)
    if (fields["origin"], fields["mtls"]) != (config.origin, config.mtls):
        await connection.check(fields["origin"], state.switches.connection_timeout_s)
        config = _config(request, state)  # again: it may have been deleted
        _check_name_free(state, name, config.id)
    config.name = name
    config.origin, config.caching, config.mtls = fields["origin"], fields["caching"], fields["mtls"]
    config.origin_connection_limit = fields["origin_connection_limit"]
    config.modified_on = now()
    return success(as_wire(config))


def _complete(body: Json) -> Json:
    """Read the fields of a whole config."""
    origin = _origin(_object(body, "origin"))
    return {
        "origin": origin,
        "caching": _caching(_object(body, "caching")),
        "mtls": _mtls(_object(body, "mtls"), origin),
        "origin_connection_limit": _limit(body.get("origin_connection_limit", _DEFAULT_CONNECTION_LIMIT)),
    }


def _patched(config: HyperdriveConfig, body: Json) -> Json:
    """Read the fields of a config after a PATCH."""
    given = _object(body, "origin")
    kept = config.origin
    if any(key in given for key in _NETWORK):
        kept = {key: value for key, value in kept.items() if key in _DATABASE}
    origin = _origin(kept | given)
    return {
        "origin": origin,
        "caching": _caching(config.caching | _object(body, "caching")),
        "mtls": _mtls(config.mtls | _object(body, "mtls"), origin),
        "origin_connection_limit": _limit(body.get("origin_connection_limit", config.origin_connection_limit)),
    }


def _config(request: web.Request, state: State) -> HyperdriveConfig:
    config = state.configs.get(request.match_info["config"])
    if config is None:
        raise ApiError(404, 2006, "Hyperdrive config not found")
    return config


def _check_room(state: State, name: str) -> None:
    _check_name_free(state, name, "")
    if len(state.configs) >= state.switches.config_limit:
        # The limit is documented, its code isn't.
        limit = state.switches.config_limit
        raise ApiError(400, 2018, f"This account has reached its limit of {limit} Hyperdrive configs")


def _check_name_free(state: State, name: str, own_id: str) -> None:
    if any(config.name == name and config.id != own_id for config in state.configs.values()):
        status = state.switches.name_taken_status
        raise ApiError(status, 2017, "A Hyperdrive config with the given name already exists")


def _invalid(reason: str) -> ApiError:
    return ApiError(400, 2007, f"Invalid Hyperdrive config: {reason}")


def _object(body: Json, key: str) -> Json:
    value = body.get(key)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise _invalid(f"{key} must be an object")
    return value


def _name(name: Any) -> str:
    if not isinstance(name, str) or not 0 < len(name) <= 2048:
        raise _invalid("name must not be empty")
    return name


def _origin(origin: Json) -> Json:
    if "service_id" in origin:
        network: tuple[str, ...] = ("service_id",)
    elif "access_client_id" in origin or "access_client_secret" in origin:
        network = ("host", "access_client_id", "access_client_secret")
    else:
        network = ("host", "port")
    wanted = (*_DATABASE, *network)
    if strange := sorted(set(origin) - set(wanted)):
        raise _invalid(f"origin must not have {', '.join(strange)} here")
    for key in wanted:
        value = origin.get(key)
        if key == "port":
            if isinstance(value, bool) or not isinstance(value, int) or not 0 < value < 65536:
                raise _invalid("origin.port must be a port, and host and port must be given together")
        elif not isinstance(value, str) or not value:
            raise _invalid(f"origin.{key} must not be empty")
    if origin["scheme"] not in _SCHEMES:
        raise _invalid(f"origin.scheme must be one of {', '.join(_SCHEMES)}")
    return {key: origin[key] for key in wanted}


def _caching(caching: Json) -> Json:
    disabled = caching.get("disabled", False)
    if not isinstance(disabled, bool):
        raise _invalid("caching.disabled must be true or false")
    if disabled:
        return {"disabled": True}
    kept: Json = {"disabled": False}
    for key, default, allowed in _CACHING:
        seconds = caching.get(key, default)
        if isinstance(seconds, bool) or not isinstance(seconds, int) or seconds not in allowed:
            raise _invalid(f"caching.{key} must be {allowed.start} to {allowed.stop - 1} seconds")
        if seconds != default:
            kept[key] = seconds
    return kept


def _mtls(mtls: Json, origin: Json) -> Json:
    if mtls and "service_id" in origin:
        raise _invalid("mtls cannot be used with service_id.")
    mode, authority = mtls.get("sslmode"), mtls.get("ca_certificate_id")
    if mode in ("verify-ca", "verify-full") and not authority:
        raise _invalid(f"mtls.sslmode {mode} needs a ca_certificate_id")
    if mode == "require" and authority:
        raise _invalid("mtls.sslmode require must not have a ca_certificate_id")
    return mtls


def _limit(limit: Any) -> int:
    if isinstance(limit, bool) or not isinstance(limit, int) or limit not in _CONNECTION_LIMITS:
        raise _invalid("origin_connection_limit must be at least 5")
    return limit


_CONFIGS = "/accounts/{account}/hyperdrive/configs"

ROUTES: list[Route] = [
    ("POST", _CONFIGS, create_config),
    ("GET", _CONFIGS, list_configs),
    ("GET", _CONFIGS + "/{config}", get_config),
    ("PUT", _CONFIGS + "/{config}", replace_config),
    ("PATCH", _CONFIGS + "/{config}", patch_config),
    ("DELETE", _CONFIGS + "/{config}", delete_config),
    ("POST", _CONFIGS + "/{config}/restart", restart_config),
]
