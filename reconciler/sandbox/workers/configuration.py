"""Writes workerd's configuration of one version: modules, bindings and compatibility, in Cap'n Proto's text format.

The types of modules and bindings are those of the Workers documentation (Multipart upload metadata); the format is
workerd's schema, workerd.capnp.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from reconciler.sandbox.cloudflare.state import Json, Module, Version, wire_time

FILE_NAME = "config.capnp"
SOCKET_NAME = "http"
_DEFAULT_DATE = "2021-11-02"
"""What a version without a compatibility date runs with (Workers documentation, Compatibility dates)."""

_MODULE_FIELDS = {
    "application/javascript+module": "esModule",
    "text/javascript+module": "esModule",
    "application/javascript": "commonJsModule",
    "text/javascript": "commonJsModule",
    "application/wasm": "wasm",
    "application/octet-stream": "data",
    "text/plain": "text",
    "application/json": "json",
}
_PART_FIELDS = {"wasm_module": "wasmModule", "text_blob": "text", "data_blob": "data"}
_STAND_IN_FIELDS = {
    "analytics_engine": "analyticsEngine",
    "kv_namespace": "kvNamespace",
    "r2_bucket": "r2Bucket",
    "queue": "queue",
}
_STAND_IN = b"""// Takes everything that is written and has nothing to read.
const METRICS = { backlogCount: 0, backlogBytes: 0, oldestMessageTimestamp: 0 };
export default {
  async fetch(request) {
    await request.arrayBuffer();
    if (request.method !== "GET") {
      return Response.json({ metadata: { metrics: METRICS } });
    }
    if (request.headers.has("cf-kv-flprod-405") && new URL(request.url).pathname === "/") {
      return Response.json({ keys: [], list_complete: true });
    }
    const absent = JSON.stringify({ version: 0, v4code: 10007, message: "the sandbox keeps no objects" });
    return new Response(null, { status: 404, headers: { "cf-r2-error": absent } });
  },
};
"""
_TEMPLATE = """using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [ {services} ],
  sockets = [ (name = "{socket}", address = "127.0.0.1:0", http = (), service = "worker") ]
);
const worker :Workerd.Worker = (
  {code},
  compatibilityDate = {date},
  compatibilityFlags = [ {flags} ],
  bindings = [ {bindings} ]
);
const standIn :Workerd.Worker = (
  modules = [ (name = "stand-in.js", esModule = embed "stand-in.js") ],
  compatibilityDate = "2025-01-01"
);
"""


@dataclass(frozen=True)
class Login:
    """How a Hyperdrive binding reaches its database: the relay's port and the login."""

    port: int
    scheme: str
    user: str
    password: str
    database: str


@dataclass
class Configuration:
    """The files of a configuration. `notes` name what the Worker has to do without."""

    files: dict[str, bytes] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def embed(self, content: bytes) -> str:
        """Add a file; return the expression for its content."""
        name = f"part-{len(self.files)}"
        self.files[name] = content
        return f'embed "{name}"'


def configure(version: Version, logins: Mapping[str, Login], newest_date: str) -> Configuration:
    """Write the configuration of a version. `logins` has every Hyperdrive config of its bindings."""
    made = Configuration()
    services = ['(name = "worker", worker = .worker)', '(name = "stand-in", worker = .standIn)']
    for config_id, login in logins.items():
        address = f'external = (address = "127.0.0.1:{login.port}", tcp = ())'
        services.append(f"(name = {_text(_service(config_id))}, {address})")
    bindings = [_binding(made, version, binding, logins) for binding in version.bindings]
    date = version.compatibility_date or _DEFAULT_DATE
    if date > newest_date:
        made.notes.append(f"runs with the compatibility date {newest_date}: this workerd does not know {date}")
        date = newest_date
    text = _TEMPLATE.format(
        services=", ".join(services),
        socket=SOCKET_NAME,
        code=_code(made, version),
        date=_text(date),
        flags=", ".join(_text(flag) for flag in version.compatibility_flags),
        bindings=", ".join(text for text in bindings if text),
    )
    made.files |= {"stand-in.js": _STAND_IN, FILE_NAME: text.encode()}
    return made


def _code(made: Configuration, version: Version) -> str:
    """Write the modules, the main one first. A main part that is no ES module is a service-worker script."""
    main = next(module for module in version.modules if module.name == version.main_module)
    if _module_field(main) == "commonJsModule":
        return f"serviceWorkerScript = {made.embed(main.content)}"
    others = [module for module in version.modules if module is not main]
    return f"modules = [ {', '.join(filter(None, (_module(made, module) for module in [main, *others])))} ]"


def _module(made: Configuration, module: Module) -> str | None:
    kind = _module_field(module)
    if kind is None:
        if "source-map" not in module.content_type:
            made.notes.append(f"the module {module.name} is left out: its type {module.content_type} is not run here")
        return None
    return f"(name = {_text(module.name)}, {kind} = {made.embed(module.content)})"


def _module_field(module: Module) -> str | None:
    return _MODULE_FIELDS.get(module.content_type.partition(";")[0].strip().lower())


def _binding(made: Configuration, version: Version, binding: Json, logins: Mapping[str, Login]) -> str | None:
    value = _value(made, version, binding, logins)
    if value is None:
        made.notes.append(f"the binding {binding['name']} is left out: {binding['type']} is not supported here")
        return None
    return f"(name = {_text(binding['name'])}, {value})"


def _value(made: Configuration, version: Version, binding: Json, logins: Mapping[str, Login]) -> str | None:
    kind = binding["type"]
    if kind == "hyperdrive":
        return _hyperdrive(str(binding["id"]), logins)
    if kind in _STAND_IN_FIELDS:
        return f'{_STAND_IN_FIELDS[kind]} = "stand-in"'
    if kind in _PART_FIELDS:
        part = next((module for module in version.modules if module.name == binding.get("part")), None)
        return f"{_PART_FIELDS[kind]} = {made.embed(part.content)}" if part else None
    if kind in ("plain_text", "secret_text"):
        return f"text = {made.embed(str(binding.get('text', '')).encode())}"
    if kind in ("json", "version_metadata"):
        value = binding.get("json") if kind == "json" else _metadata(version)
        return f"json = {made.embed(json.dumps(value).encode())}"
    return None


def _hyperdrive(config_id: str, logins: Mapping[str, Login]) -> str:
    login = logins[config_id]
    fields = {name: getattr(login, name) for name in ("database", "user", "password", "scheme")}
    given = "".join(f", {name} = {_text(value)}" for name, value in fields.items())
    return f"hyperdrive = (designator = {_text(_service(config_id))}{given})"


def _metadata(version: Version) -> Json:
    tag = version.annotations.get("workers/tag", "")
    return {"id": version.id, "tag": tag, "timestamp": wire_time(version.created_on)}


def _service(config_id: str) -> str:
    return f"hyperdrive-{config_id}"


def _text(value: str) -> str:
    """Write a string as Cap'n Proto does, which neither has nor needs escapes for characters beyond ASCII."""
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + re.sub("[\x00-\x1f\x7f]", lambda found: f"\\x{ord(found[0]):02x}", escaped) + '"'
