"""Reads from a wrangler.jsonc what a Worker is bound to besides one database.

Bindings are not inherited: what a named environment does not list, it does not have (Workers documentation,
Wrangler, Configuration, Non-inheritable keys; workers-sdk, `workers-utils/src/config/validation.ts`). The
`migrations` and `exports` that say how Durable Objects are stored are inherited. What is no data and has no lasting
effect is left out; a binding of a kind that is not known here is never left out. Nothing is refused: whether the file
may be trusted is another's question.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from reconciler.core.model.worker_bindings import Binding, BindingKind


@dataclass(frozen=True, slots=True)
class _Place:
    """Where the bindings of a kind are listed, and which keys of an entry may name its target."""

    kind: BindingKind
    names: tuple[str, ...] = ()


_PLACES: dict[tuple[str, ...], _Place] = {
    ("analytics_engine_datasets",): _Place(BindingKind.ANALYTICS_ENGINE, ("dataset",)),
    ("r2_buckets",): _Place(BindingKind.R2, ("bucket_name",)),
    ("kv_namespaces",): _Place(BindingKind.KV, ("id",)),
    ("d1_databases",): _Place(BindingKind.D1, ("database_name", "database_id")),
    ("durable_objects", "bindings"): _Place(BindingKind.DURABLE_OBJECT, ("class_name",)),
    ("queues", "producers"): _Place(BindingKind.QUEUE, ("queue",)),
    ("queues", "consumers"): _Place(BindingKind.QUEUE, ("queue",)),
    ("vectorize",): _Place(BindingKind.VECTORIZE, ("index_name",)),
    ("workflows",): _Place(BindingKind.WORKFLOW, ("name",)),
    ("pipelines",): _Place(BindingKind.PIPELINE, ("stream", "pipeline")),
    ("agent_memory",): _Place(BindingKind.AGENT_MEMORY, ("namespace",)),
    ("ai_search",): _Place(BindingKind.AI_SEARCH, ("instance_name",)),
    ("ai_search_namespaces",): _Place(BindingKind.AI_SEARCH, ("namespace",)),
    ("images",): _Place(BindingKind.IMAGES),
    ("stream",): _Place(BindingKind.STREAM),
    ("artifacts",): _Place(BindingKind.ARTIFACTS, ("namespace",)),
    ("secrets_store_secrets",): _Place(BindingKind.SECRET, ("secret_name",)),
    ("flagship",): _Place(BindingKind.FLAGS, ("app_id",)),
    ("send_email",): _Place(BindingKind.EMAIL),
    ("hyperdrive",): _Place(BindingKind.HYPERDRIVE, ("id",)),
    ("services",): _Place(BindingKind.SERVICE, ("service",)),
    ("dispatch_namespaces",): _Place(BindingKind.DISPATCH, ("namespace",)),
    ("tail_consumers",): _Place(BindingKind.TAIL, ("service",)),
    ("streaming_tail_consumers",): _Place(BindingKind.TAIL, ("service",)),
    ("vpc_services",): _Place(BindingKind.PRIVATE_NETWORK, ("service_id",)),
    ("vpc_networks",): _Place(BindingKind.PRIVATE_NETWORK, ("network_id", "tunnel_id")),
}
# Computing, reading, and things that are deployed with the code: nothing in them is of any moment.
_WITHOUT_DATA = frozenset(
    [
        "ai",
        "analytics",
        "assets",
        "browser",
        "media",
        "mtls_certificates",
        "ratelimits",
        "unsafe_hello_world",
        "version_metadata",
        "worker_loaders",
    ]
)
# There is one of these for an account or a Worker, so a name would distinguish what is the same.
_NAMELESS = frozenset((BindingKind.IMAGES, BindingKind.STREAM, BindingKind.EMAIL))


def bindings_of(top: dict[str, Any], own: dict[str, Any], script: str) -> tuple[Binding, ...]:
    """List what the Worker `script` is bound to, in a stable order.

    `top` is the value of the whole file, `own` that of the environment (the same one at the top level).
    """
    known = [_binding(place, entry, at, script) for keys, place in _PLACES.items() for at, entry in _entries(own, keys)]
    sqlite = _migrated({**top, **own}.get("migrations")) | _exported({**top, **own}.get("exports"))
    return (*(_with_storage(each, sqlite, script) for each in known), *_unknown(own))


def _entries(own: dict[str, Any], keys: tuple[str, ...]) -> Iterator[tuple[str, dict[str, Any]]]:
    """List the entries at a place, each with its place. A single one needs no list."""
    value: Any = own
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    at = ".".join(keys)
    if isinstance(value, dict):
        yield at, value
    for index, entry in enumerate(value if isinstance(value, list) else []):
        if isinstance(entry, dict):
            yield f"{at}[{index}]", entry


def _binding(place: _Place, entry: dict[str, Any], at: str, script: str) -> Binding:
    variable = _text(entry, "binding") or _text(entry, "name")
    name = next((text for key in place.names if (text := _text(entry, key))), "")
    if place.kind is BindingKind.DURABLE_OBJECT:
        name = f"{name} of {_text(entry, 'script_name') or script}"
    if place.kind in _NAMELESS:
        return Binding(place.kind, "", variable)
    return Binding(place.kind, name or variable or at, variable)


def _with_storage(binding: Binding, sqlite: frozenset[str], script: str) -> Binding:
    """Mark the Durable Objects with point-in-time recovery: how another Worker's are stored is not in this file."""
    suffix = f" of {script}"
    ours = binding.kind is BindingKind.DURABLE_OBJECT and binding.name.endswith(suffix)
    if ours and binding.name.removesuffix(suffix) in sqlite:
        return Binding(BindingKind.DURABLE_OBJECT_SQLITE, binding.name, binding.variable)
    return binding


def _exported(exports: Any) -> frozenset[str]:
    """List the classes that newer files export, instead of migrating them, as SQLite-backed."""
    classes = exports.items() if isinstance(exports, dict) else ()
    return frozenset(name for name, each in classes if isinstance(each, dict) and each.get("storage") == "sqlite")


def _migrated(migrations: Any) -> frozenset[str]:
    """Follow the migrations, in their order, to the classes that are SQLite-backed today."""
    classes: set[str] = set()
    for step in migrations if isinstance(migrations, list) else []:
        if not isinstance(step, dict):
            continue
        classes.update(each for each in _list(step, "new_sqlite_classes") if isinstance(each, str))
        for renamed in _list(step, "renamed_classes"):
            if isinstance(renamed, dict) and _text(renamed, "from") in classes:
                classes.remove(_text(renamed, "from"))
                classes.add(_text(renamed, "to"))
    return frozenset(classes)


def _unknown(own: dict[str, Any]) -> Iterator[Binding]:
    """List what looks like a binding, of a kind that is not known here; kinds in `unsafe` never are."""
    known = {keys[0] for keys in _PLACES}
    for key in own:
        if key not in known and key not in _WITHOUT_DATA:
            for _, entry in _entries(own, (key,)):
                if variable := _text(entry, "binding"):
                    yield Binding(BindingKind.UNKNOWN, f"{variable} ({key})", variable)
    for at, entry in _entries(own, ("unsafe", "bindings")):
        variable = _text(entry, "name")
        yield Binding(BindingKind.UNKNOWN, f"{variable or at} (unsafe {_text(entry, 'type')})", variable)


def _list(value: dict[str, Any], key: str) -> list[Any]:
    found = value.get(key)
    return found if isinstance(found, list) else []


def _text(entry: dict[str, Any], key: str) -> str:
    value = entry.get(key)
    return value if isinstance(value, str) else ""
