"""What a Worker is bound to is read from its wrangler.jsonc, in the environment that is deployed."""

import json
import os
import re
import shlex
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.model.desired import Worker
from reconciler.core.model.worker_bindings import Binding, BindingKind
from reconciler.providers.wrangler.bindings import bindings_of
from reconciler.providers.wrangler.checkout import Checkout

ROOT = Path(__file__).parents[2]
NOT_INHERITED = re.compile("not automatically inherited|not inherited by|must be specified separately")
OWN = Binding(BindingKind.HYPERDRIVE, "7f3c9a52e1d04b6f8a2c5e9d1b3f7a60", "HYPERDRIVE")

K, of = BindingKind, Binding


def read(top, environment=None):
    own = top["env"][environment] if environment else top
    return bindings_of(top, own, "api")


def only(config):
    (found,) = read(config)
    return found


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"r2_buckets": [{"binding": "A", "bucket_name": "photos"}]}, of(K.R2, "photos", "A")),
        ({"kv_namespaces": [{"binding": "A", "id": "0f2a"}]}, of(K.KV, "0f2a", "A")),
        ({"d1_databases": [{"binding": "A", "database_id": "0f2a", "database_name": "carts"}]}, of(K.D1, "carts", "A")),
        ({"d1_databases": [{"binding": "A", "database_id": "0f2a"}]}, of(K.D1, "0f2a", "A")),
        ({"analytics_engine_datasets": [{"binding": "A", "dataset": "clicks"}]}, of(K.ANALYTICS_ENGINE, "clicks", "A")),
        ({"queues": {"producers": [{"binding": "A", "queue": "q"}]}}, of(K.QUEUE, "q", "A")),
        ({"queues": {"consumers": [{"queue": "q"}]}}, of(K.QUEUE, "q", "")),
        ({"vectorize": [{"binding": "A", "index_name": "i"}]}, of(K.VECTORIZE, "i", "A")),
        ({"workflows": [{"binding": "A", "name": "orders", "class_name": "Orders"}]}, of(K.WORKFLOW, "orders", "A")),
        ({"pipelines": [{"binding": "A", "pipeline": "p"}]}, of(K.PIPELINE, "p", "A")),
        ({"ai_search": [{"binding": "A", "instance_name": "i"}]}, of(K.AI_SEARCH, "i", "A")),
        ({"images": {"binding": "A"}}, of(K.IMAGES, "", "A")),
        ({"stream": {"binding": "A"}}, of(K.STREAM, "", "A")),
        ({"send_email": [{"name": "A"}]}, of(K.EMAIL, "", "A")),
        (
            {"secrets_store_secrets": [{"binding": "A", "store_id": "s", "secret_name": "key"}]},
            of(K.SECRET, "key", "A"),
        ),
        ({"hyperdrive": [{"binding": "A", "id": "c9"}]}, of(K.HYPERDRIVE, "c9", "A")),
        ({"services": [{"binding": "A", "service": "auth"}]}, of(K.SERVICE, "auth", "A")),
        ({"tail_consumers": [{"service": "log"}]}, of(K.TAIL, "log", "")),
        ({"vpc_networks": [{"binding": "A", "tunnel_id": "t"}]}, of(K.PRIVATE_NETWORK, "t", "A")),
    ],
)
def test_each_kind_names_its_target(config, expected):
    assert expected == only(config)


@pytest.fixture(params=["RECONCILER_TEST_WRANGLER", "RECONCILER_TEST_WRANGLER_LATEST"])
def schema(request):
    """The schema of wrangler.jsonc that comes with wrangler."""
    command = os.environ.get(request.param)
    if not command:
        say = pytest.fail if os.environ.get("CI") == "true" else pytest.skip
        say(f"{request.param} names no wrangler")
    program = Path(shlex.split(command)[-1]).resolve()
    return json.loads((program.parents[1] / "config-schema.json").read_text())["definitions"]


def entries(schema, node):
    """Every object that the schema allows at a place, as the keys that it may have."""
    if "$ref" in node:
        yield from entries(schema, schema[node["$ref"].rpartition("/")[2]])
    for inner in (*node.get("anyOf", ()), *([node["items"]] if "items" in node else ())):
        yield from entries(schema, inner)
    if "properties" in node:
        yield list(node["properties"])


def test_every_kind_in_wranglers_schema_is_known(schema):
    """A stream of the kind k2 has no documentation yet, so that nothing is known of its retention."""
    kinds = schema["RawEnvironment"]["properties"]
    config = {
        key: [dict.fromkeys(keys, f"the {key}") for keys in entries(schema, node) if "binding" in keys]
        for key, node in kinds.items()
    }
    found = read(config)
    assert {each.name for each in found if each.kind is BindingKind.UNKNOWN} <= {"the k2 (k2)"}
    assert {"the r2_buckets", "the kv_namespaces", "the workflows"} <= {each.name for each in found}


def test_no_kind_is_inherited(schema):
    """Were one inherited, the top level would have to be read for it as well."""
    kinds = schema["RawEnvironment"]["properties"]
    told = {key for key, node in kinds.items() if NOT_INHERITED.search(str(node))}
    shown = {
        key
        for key, node in kinds.items()
        for keys in entries(schema, node)
        if "binding" in keys and read({key: [dict.fromkeys(keys, "x")]})
    }
    assert {"r2_buckets", "kv_namespaces", "workflows"} <= shown <= told | {"k2"}


def test_bindings_without_data_are_left_out():
    config = {"ai": {"binding": "AI"}, "browser": {"binding": "B"}, "version_metadata": {"binding": "V"}}
    assert () == read({**config, "assets": {"directory": "public", "binding": "ASSETS"}, "vars": {"A": "1"}})


def test_an_unknown_kind_is_named():
    assert Binding(BindingKind.UNKNOWN, "G (graph_stores)", "G") == only({"graph_stores": [{"binding": "G"}]})
    assert Binding(BindingKind.UNKNOWN, "O (oracle)", "O") == only({"oracle": {"binding": "O"}})
    unsafe = {"unsafe": {"bindings": [{"name": "U", "type": "hyperdrive_dynamic"}]}}
    assert Binding(BindingKind.UNKNOWN, "U (unsafe hyperdrive_dynamic)", "U") == only(unsafe)


def test_an_unnamed_target_shows_its_variable():
    assert Binding(BindingKind.R2, "PHOTOS", "PHOTOS") == only({"r2_buckets": [{"binding": "PHOTOS"}]})


def test_bindings_are_not_inherited_by_a_named_environment():
    top = {
        "r2_buckets": [{"binding": "A", "bucket_name": "live"}],
        "queues": {"producers": [{"binding": "Q", "queue": "q"}]},
        "env": {"staging": {"r2_buckets": [{"binding": "A", "bucket_name": "tried"}]}, "bare": {}},
    }
    assert [Binding(BindingKind.R2, "tried", "A")] == list(read(top, "staging"))
    assert [] == list(read(top, "bare"))
    assert ["live", "q"] == [each.name for each in read(top)]


def durable(**migrations):
    return {"durable_objects": {"bindings": [{"name": "C", "class_name": "Counter"}]}, **migrations}


def test_migrations_mark_sqlite_classes():
    sqlite, unknown = BindingKind.DURABLE_OBJECT_SQLITE, BindingKind.DURABLE_OBJECT
    first = {"tag": "v1", "new_sqlite_classes": ["Counter"]}
    assert Binding(sqlite, "Counter of api", "C") == only(durable(migrations=[first]))
    assert unknown is only(durable(migrations=[{"tag": "v1", "new_classes": ["Counter"]}])).kind
    assert unknown is only(durable()).kind


def test_a_renamed_class_stays_sqlite():
    first = {"tag": "v1", "new_sqlite_classes": ["Old"]}
    second = {"tag": "v2", "renamed_classes": [{"from": "Old", "to": "Counter"}]}
    assert BindingKind.DURABLE_OBJECT_SQLITE is only(durable(migrations=[first, second])).kind
    away = {"tag": "v3", "renamed_classes": [{"from": "Counter", "to": "Old"}]}
    assert BindingKind.DURABLE_OBJECT is only(durable(migrations=[first, second, away])).kind


def test_migrations_are_inherited():
    top = {"migrations": [{"tag": "v1", "new_sqlite_classes": ["Counter"]}], "env": {"staging": durable()}}
    assert BindingKind.DURABLE_OBJECT_SQLITE is read(top, "staging")[0].kind
    top["env"]["staging"]["migrations"] = []
    assert BindingKind.DURABLE_OBJECT is read(top, "staging")[0].kind


def test_an_exported_class_needs_no_migration():
    exports = {"Counter": {"type": "durable-object", "storage": "sqlite"}}
    assert BindingKind.DURABLE_OBJECT_SQLITE is only(durable(exports=exports)).kind
    exports = {"Counter": {"type": "durable-object", "storage": "legacy-kv"}}
    assert BindingKind.DURABLE_OBJECT is only(durable(exports=exports)).kind


def test_another_workers_class_names_its_worker():
    elsewhere = [{"name": "C", "class_name": "Counter", "script_name": "carts"}]
    config = {"durable_objects": {"bindings": elsewhere}, "migrations": [{"new_sqlite_classes": ["Counter"]}]}
    assert Binding(BindingKind.DURABLE_OBJECT, "Counter of carts", "C") == only(config)


@pytest.mark.parametrize(
    ("environment", "suffix", "config_id"),
    [(None, "", OWN.name), ("staging", "-staging", "c41d7be0952f4f3aa6d8e1305b9c7f24")],
)
def test_the_examples_bindings_are_read(environment, suffix, config_id):
    worker = Worker("desired-state/example/wrangler.jsonc", "HYPERDRIVE", environment)
    expected = {
        Binding(BindingKind.ANALYTICS_ENGINE, f"tech961_searches{suffix.replace('-', '_')}", "SEARCHES"),
        Binding(BindingKind.R2, f"tech961-photos{suffix}", "PHOTOS"),
        Binding(BindingKind.HYPERDRIVE, config_id, "HYPERDRIVE"),
    }
    found = Checkout(ROOT).read(worker).bindings
    assert expected == set(found)
    assert len(expected) == len(found)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["binding", "name", "bindings", "producers", "class_name"]), inner)
    ),
    max_leaves=8,
)
KEYS = st.sampled_from(
    ["r2_buckets", "queues", "durable_objects", "unsafe", "migrations", "exports", "images", "new_kind"]
)


@given(st.dictionaries(KEYS, JSON))
def test_broken_bindings_are_read_without_error(config):
    found = read(json.loads(json.dumps(config)))
    assert all(isinstance(each.name, str) for each in found)
