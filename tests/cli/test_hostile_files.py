"""Files of any content are read, or refused in sentences; hostile names in them do no harm."""

import copy
import json
import re
from dataclasses import replace

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from reconciler.cli.console.output import shown
from reconciler.core.file.reading import read_desired_state
from reconciler.core.plan.plan import plan
from reconciler.core.values.instant import Instant
from reconciler.errors import InputError, ReconcilerError
from reconciler.providers.wrangler.file import read_wrangler_config, with_binding_id, write_binding_id
from reconciler.render import plan as plan_text
from tests.core.worlds import SEEN, WORLD

NOW = Instant.parse_strict("2026-11-22T10:00:00Z")
FILE = {
    "primary": {
        "project": "aged-wildflower-123456", "branch": "main", "method": "branch", "hold": "7d",
        "restore": {"to": "2026-11-21T10:00:00.000Z", "id": "inc-42", "reason": "it fell", "from": "origin"},
    },
    "hyperdrive": {"name": "tech961", "database": "tech961", "role": "app"},
    "worker": [{"config": "wrangler.jsonc", "binding": "HYPERDRIVE", "environment": "staging", "deploy": "wrangler"}],
    "verify": {
        "sql": [{"name": "rows", "query": "select true", "expect": True}],
        "http": [{"name": "health", "url": "https://a.example/health", "status": 200, "contains": "{version}"}],
    },
    "outside": [{"name": "Axiom", "retention": "30d", "recovery": "ask"}],
    "write_back": "push",
}  # fmt: skip
WRANGLER = {
    "name": "shop", "main": "src/index.js", "account_id": "a" * 32,
    "hyperdrive": [{"binding": "HYPERDRIVE", "id": "1" * 32, "localConnectionString": "postgres://a:b@c/d"}],
    "env": {"staging": {"name": "shop-staging", "hyperdrive": [{"binding": "HYPERDRIVE", "id": "2" * 32}]}},
    "r2_buckets": [{"binding": "PHOTOS", "bucket_name": "photos"}],
    "durable_objects": {"bindings": [{"name": "ROOM", "class_name": "Room"}]},
    "migrations": [{"tag": "v1", "new_sqlite_classes": ["Room"], "renamed_classes": [{"from": "Room", "to": "Hall"}]}],
    "exports": {"Room": {"storage": "sqlite"}},
    "unsafe": {"bindings": [{"name": "X", "type": "y"}]},
}  # fmt: skip
HOSTILE = [
    "'", '"; drop table x; --', "a\nb", "a\r\nb", "../../../etc/passwd", "..", "-rf", "--upload-pack=touch /tmp/x",
    "a" * 256, "\u202eevil\u2066", "\x1b[2J\x07", "\x00", "::error::x", "`$(id)`", "<script>alert(1)</script>", "|x|",
    "@everyone", "refs/heads/../x", "x.lock", "@{-1}", "x^{commit}", "%2e%2e%2f", "a?b#c", "\ud800", "\u2028",
]  # fmt: skip
TWISTS = [
    None, 0, -1, 10**30, 0.5, float("inf"), True, [], {}, [[]], [None], {"a": {}}, "", "text", " ", *HOSTILE,
    "2026-11-21T09:55:00", "9999-12-31T23:59:59.999-23:59", "0001-01-01T00:00:00+23:59", "99999999999999d", ["x"] * 999,
]  # fmt: skip


def nodes(value, at=()):
    yield at
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in items:
        yield from nodes(each, (*at, key))


def twisted(value, at, twist):
    if not at:
        return twist
    value = copy.deepcopy(value)
    parent = value
    for step in at[:-1]:
        parent = parent[step]
    parent[at[-1]] = twist
    return value


def read(text):
    """What a person would be shown of a file: the plan, or what is wrong with it."""
    try:
        desired = read_desired_state(text, file="desired-state/production.jsonc", environment="production", now=NOW)
    except ReconcilerError as error:
        assert error.message
        return error.report
    workers = tuple(replace(SEEN, config=each.config, environment=each.environment) for each in desired.workers)
    world = replace(WORLD, workers=workers)
    found = plan(desired, world)
    forms = (plan_text.as_text(found, world), plan_text.as_markdown(found, world), plan_text.as_json(found))
    return "\n".join(forms)


def look(path):
    """What would be shown of a wrangler.jsonc."""
    said = []
    for environment in (None, "staging"):
        try:
            said.append(repr(read_wrangler_config(path, "HYPERDRIVE", environment)))
            content = path.read_bytes()
            with_binding_id(path, content, "HYPERDRIVE", environment, "3" * 32).decode()
        except ReconcilerError as error:
            said.append(error.report)
    return "\n".join(said)


def harmless(said):
    out = shown(said)
    out.encode()
    assert not set("\x1b\x00\r\u202e\u2028") & set(out)


_SPLICES = st.sampled_from(["", "{", "}", "[", '"', "/*", "//", "\\", ",", "\x00", "\ufeff", "\ud800", "1e999", "null"])


@given(at=st.sampled_from(list(nodes(FILE))), twist=st.sampled_from(TWISTS))
@settings(max_examples=250)
def test_a_twisted_file_is_read_or_refused(at, twist):
    harmless(read(json.dumps(twisted(FILE, at, twist), ensure_ascii=False)))


@given(start=st.integers(0, 900), length=st.integers(0, 60), text=_SPLICES | st.text(max_size=8))
@settings(max_examples=150)
def test_a_spliced_file_is_read_or_refused(start, length, text):
    whole = json.dumps(FILE, indent=1)
    harmless(read(whole[:start] + text + whole[start + length :]))


@pytest.mark.parametrize(
    "text", ["[" * 50_000, '{"a":' * 20_000, "{" + '"a":1,' * 20_000 + "}", "/*" * 50_000, '"' + "\\u0000" * 20_000,
             "9" * 50_000, '{"primary": {"restore": ' + "[" * 3_000 + "]" * 3_000 + "}}"],
    ids=lambda text: text[:8],
)  # fmt: skip
def test_a_huge_or_deep_file_is_refused(tmp_path, text):
    harmless(read(text)[:100_000])
    path = tmp_path / "wrangler.jsonc"
    path.write_text(text)
    harmless(look(path)[:100_000])


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    """A directory of its own: wrangler looks upward from those of other tests."""
    return tmp_path_factory.mktemp("hostile")


@given(at=st.sampled_from(list(nodes(WRANGLER))), twist=st.sampled_from(TWISTS))
@settings(max_examples=200)
def test_a_twisted_wrangler_file_is_read_or_refused(hostile, at, twist):
    path = hostile / "wrangler.jsonc"
    path.write_bytes(json.dumps(twisted(WRANGLER, at, twist)).encode())
    harmless(look(path))


@given(content=st.binary(max_size=200), start=st.integers(0, 700))
@example(content=b"\xff\xfe", start=0)
@settings(max_examples=80)
def test_a_wrangler_file_of_bytes_is_read_or_refused(hostile, content, start):
    path = hostile / "wrangler.jsonc"
    whole = json.dumps(WRANGLER).encode()
    path.write_bytes(whole[:start] + content + whole[start:])
    harmless(look(path))


# Names, each at the place where it would do harm


@pytest.mark.parametrize("name", HOSTILE)
def test_a_workers_name_becomes_no_path(tmp_path, name):
    path = tmp_path / "wrangler.jsonc"
    path.write_text(json.dumps({**WRANGLER, "name": name, "env": {}}))
    with pytest.raises(InputError) as caught:
        read_wrangler_config(path, "HYPERDRIVE", None)
    assert "wrangler.jsonc:1:" in caught.value.message


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("place", [("primary", "project"), ("worker", 0, "config"), ("worker", 0, "environment")])
def test_a_name_becomes_no_other_path_or_argument(place, name):
    """`worker.environment` is handed to wrangler as `--env=…`, `project` is a part of Neon's paths."""
    text = json.dumps(twisted(FILE, place, name))
    try:
        desired = read_desired_state(text, file="f", environment="production", now=NOW)
    except InputError:
        return
    if place[-1] == "project":
        assert re.fullmatch("[A-Za-z0-9-]+", desired.primary.project)
    else:
        assert desired.workers[0].environment == name
        assert name.isprintable()


@pytest.mark.parametrize("name", [each for each in HOSTILE if each.isprintable()])
def test_a_binding_id_is_written_for_any_environment(tmp_path, name):
    path = tmp_path / "wrangler.jsonc"
    path.write_text(json.dumps({**WRANGLER, "env": {name: {**WRANGLER["env"]["staging"]}}}))
    write_binding_id(path, "HYPERDRIVE", name, "3" * 32)
    assert json.loads(path.read_text())["env"][name]["hyperdrive"][0]["id"] == "3" * 32
    assert [each.name for each in tmp_path.iterdir()] == ["wrangler.jsonc"]


@pytest.mark.parametrize("name", HOSTILE)
def test_an_environments_name_is_safe_in_paths(name):
    with pytest.raises(InputError):
        read_desired_state(json.dumps(FILE), file="f", environment=name, now=NOW)
