"""A desired-state file is read whole, or every mistake in it is told with its place and the way out."""

import copy
import json
import re
from datetime import timedelta
from operator import attrgetter

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from openapi_schema_validator import OAS31Validator

from reconciler.core.file.model import json_schema
from reconciler.core.file.reading import DesiredStateError, Problem, read_desired_state
from reconciler.core.model.compute import NEVER, UNSAID, ComputeSettings
from reconciler.core.model.desired import (
    FOREVER,
    DeployDriver,
    Desired,
    HttpGate,
    Method,
    OnFailure,
    Outside,
    Restore,
    SqlGate,
    Worker,
    WriteBack,
)
from reconciler.core.values.instant import Instant
from reconciler.core.values.timeline import ORIGIN, Timeline
from tests.core.file.malformed import (
    HYPERDRIVE,
    MALFORMED,
    PRIMARY,
    WORKER,
    file,
    http_gate,
    outside,
    primary,
    restore,
    verify,
)

NOW = Instant.parse_strict("2026-11-22T10:00:00Z")


def read(text: str, environment: str = "production") -> Desired:
    return read_desired_state(text, file="desired-state/production.jsonc", environment=environment, now=NOW)


@pytest.mark.parametrize("name", MALFORMED)
def test_a_mistake_has_its_place_and_remedy(name):
    text, expected = MALFORMED[name]
    with pytest.raises(DesiredStateError) as caught:
        read(text)
    told = {standing_at(text, problem): str(problem) for problem in caught.value.problems}
    assert len(expected) == len(told)
    for (place, words), (found, said) in zip(expected.items(), told.items(), strict=True):
        assert found.startswith(place) if place else not found
        assert words in said
        assert re.match(r"desired-state/production\.jsonc:[0-9]+:[0-9]+: ", said)


def standing_at(text: str, problem: Problem) -> str:
    lines = text.split("\n")
    return lines[problem.line - 1][problem.column - 1 :] if problem.line <= len(lines) else ""


@pytest.mark.parametrize("times", [1, 2])
def test_only_some_of_many_mistakes_are_listed(times):
    with pytest.raises(DesiredStateError) as caught:
        read("{" + ", ".join(f'"unknown{number}": 1' for number in [*range(1000)] * times) + "}")
    assert 10 <= len(caught.value.problems) <= 100


TO = Instant.parse_strict("2026-11-21T09:55:00.500Z")
RESTORED = restore(
    '{"to": "2026-11-21T10:55:00.5+01:00", "id": "inc-42", "reason": "0042 dropped Listing", "from": "origin",}'
)
TWO_WORKERS = [Worker("a/wrangler.jsonc", "H"), Worker("b/wrangler.jsonc", "H", "production", DeployDriver.WRANGLER)]
WORKERS = file(
    PRIMARY, HYPERDRIVE,
    """"worker": [ // both
      {"config": "a/wrangler.jsonc", "binding": "H"},
      {"config": "b/wrangler.jsonc", "binding": "H", "environment": "production", "deploy": "wrangler"},
    ]""",
)  # fmt: skip
SQL = verify('"sql": [{"name": "n", "query": "select 5", "expect": 5}]')
COMPUTE = primary('"compute": {"min": 0.25, "max": 2, "suspend": "5m"}')
OUTSIDE = outside("""[
  { "name": "Axiom", "retention": "30d", "recovery": "query it by _time" },
  { "name": "R2 cold archive", "retention": "forever" },
  { "name": "the accountant" },
]""")
KEPT = (
    Outside("Axiom", timedelta(days=30), "query it by _time"),
    Outside("R2 cold archive", FOREVER),
    Outside("the accountant"),
)
NO_HYPERDRIVE = file(PRIMARY[:-1] + ', "fence": true}', '"verify": {"database": "shop", "role": "app"}')
LEAST = file(PRIMARY)
READ = [
    (RESTORED, "primary.restore", Restore(TO, "inc-42", "0042 dropped Listing", ORIGIN)),
    (RESTORED, "timeline", Timeline(TO, "inc-42")),
    (LEAST, "timeline", ORIGIN),
    (primary('"method": "in-place"'), "primary.method", Method.IN_PLACE),
    (LEAST, "primary.hold", timedelta(days=7)),
    (primary('"hold": "forever"'), "primary.hold", None),
    (LEAST, "primary.fence", False),
    (NO_HYPERDRIVE, "primary.fence", True),
    (LEAST, "primary.expire_on_neon", None),
    (primary('"expire_on_neon": true'), "primary.expire_on_neon", True),
    (primary('"expire_on_neon": false'), "primary.expire_on_neon", False),
    (LEAST, "primary.history_retention", None),
    (primary('"history_retention": "2w"'), "primary.history_retention", timedelta(days=14)),
    (LEAST, "primary.protected", None),
    (primary('"protected": false'), "primary.protected", False),
    (LEAST, "primary.compute", UNSAID),
    (COMPUTE, "primary.compute", ComputeSettings(0.25, 2, 300)),
    (primary('"compute": {"suspend": "never"}'), "primary.compute", ComputeSettings(suspend=NEVER)),
    (file(PRIMARY, HYPERDRIVE, WORKER), "workers", (Worker("wrangler.jsonc", "HYPERDRIVE"),)),
    (WORKERS, "workers", tuple(TWO_WORKERS)),
    (SQL, "verify.sql", (SqlGate("n", "select 5", 5),)),
    (SQL, "verify.database", "tech961"),
    (SQL, "verify.role", "app"),
    (OUTSIDE, "outside", KEPT),
    (LEAST, "write_back", WriteBack.PUSH),
    (file(PRIMARY, '"write_back": "pull-request"'), "write_back", WriteBack.PULL_REQUEST),
    (LEAST, "verify.on_failure", OnFailure.ROLLBACK),
    (verify('"on_failure": "hold"'), "verify.on_failure", OnFailure.HOLD),
]


@pytest.mark.parametrize(("text", "path", "value"), READ)
def test_a_value_is_read(text, path, value):
    assert value == attrgetter(path)(read(text))


def test_a_plain_http_gate_has_defaults():
    plain = read(verify('"http": [{"name": "plain", "url": "https://x.example/"}]')).verify.http[0]
    assert HttpGate("plain", "https://x.example/") == plain
    assert (timedelta(seconds=10), None, False) == (plain.patience, plain.within, plain.tells_version)


def test_an_http_gate_is_read():
    (whole,) = read(http_gate(
        '"status": 204, "contains": "up", "within": "500ms", "for": "2m", "json": '
        '{"/status": "ok", "/count": 25, "/ready": true, "/error": null, "/load": 0.5, "": "{version}"}'
    )).verify.http  # fmt: skip
    values = (("/status", "ok"), ("/count", 25), ("/ready", True), ("/error", None), ("/load", 0.5), ("", "{version}"))
    assert (204, "up", values, True) == (whole.status, whole.contains, whole.json, whole.tells_version)
    assert (timedelta(milliseconds=500), timedelta(minutes=2)) == (whole.within, whole.patience)


@pytest.mark.parametrize("name", ["Production", "-a", "a b", "a/b", "x" * 41, "", "..", "a\n"])
def test_an_environment_has_a_safe_name(name):
    with pytest.raises(DesiredStateError, match="cannot be an environment"):
        read("{" + PRIMARY + "}", environment=name)


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused(text):
    try:
        read(text)
    except DesiredStateError as error:
        assert all(problem.line >= 1 and problem.column >= 1 for problem in error.problems)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["primary", "project", "branch", "restore", "to", "worker", "verify", "sql", "http", "name", "x"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(
    st.dictionaries(
        st.sampled_from(["primary", "hyperdrive", "worker", "verify", "outside", "write_back", "$schema"]), VALUES
    )
)
def test_any_values_are_read_or_refused(value):
    try:
        read(json.dumps(value))
    except DesiredStateError as error:
        assert error.problems


WHOLE = {
    "$schema": "./schema.json",
    "primary": {
        "project": "aged-wildflower-123456",
        "branch": "main",
        "restore": {"to": "2026-11-21T09:55:00Z", "id": "inc-42", "reason": "0042", "from": "origin"},
        "method": "branch",
        "hold": "7d",
        "history_retention": "7d",
        "protected": True,
        "compute": {"min": 0.25, "max": 2, "suspend": "5m"},
    },
    "hyperdrive": {"name": "tech961", "database": "tech961", "role": "app"},
    "worker": {"config": "wrangler.jsonc", "binding": "HYPERDRIVE", "environment": "production", "deploy": "rebind"},
    "verify": {
        "sql": [{"name": "listings", "query": "select true", "expect": True}],
        "http": [
            {
                "name": "health", "url": "https://x.example/", "status": 200, "contains": "up", "within": "2s",
                "for": "10s", "json": {"/status": "ok"},
            }
        ],
        "on_failure": "hold",
    },
    "outside": [{"name": "Axiom", "retention": "30d", "recovery": "query it"}],
    "write_back": "push",
    "waive": [{"guard": "branch-limit", "reason": "raised by Neon"}],
}  # fmt: skip


def paths_in(value, path=()):
    yield path
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in entries:
        yield from paths_in(inner, (*path, key))


def put(whole, path, value):
    """A copy of the whole file with another value at a path."""
    if not path:
        return value
    changed = copy.deepcopy(whole)
    *above, last = path
    place = changed
    for step in above:
        place = place[step]
    place[last] = value
    return changed


def within(value, path):
    for step in path:
        value = value[step]
    return value


@given(st.sampled_from(list(paths_in(WHOLE))), VALUES)
def test_any_wrong_value_is_named_once(path, value):
    text = json.dumps(put(WHOLE, path, value))
    try:
        read(text)
    except DesiredStateError as error:
        assert len(error.problems) == len(set(error.problems))
        assert all(standing_at(text, problem) for problem in error.problems)


OBJECTS = [path for path in paths_in(WHOLE) if isinstance(within(WHOLE, path), dict) and path[-1:] != ("json",)]


@given(st.sampled_from(OBJECTS), st.sampled_from(["[key]", "0", "", "nam", "é", '"']) | st.text(max_size=5), VALUES)
def test_any_unknown_key_is_named(path, key, value):
    place = within(WHOLE, path)
    assume(key not in place and key != "role")
    text = json.dumps(put(WHOLE, path, {**place, key: value}))
    with pytest.raises(DesiredStateError) as caught:
        read(text)
    (problem,) = caught.value.problems
    assert f'unknown key "{key}"' in problem.message
    assert standing_at(text, problem).startswith(json.dumps(key))


def test_every_key_is_read():
    assert read(json.dumps(WHOLE)).primary.project == "aged-wildflower-123456"


# The JSON Schema


is_valid = OAS31Validator(json_schema()).is_valid


def test_the_schema_takes_one_worker_or_several():
    assert is_valid(WHOLE)
    assert is_valid(put(WHOLE, ("worker",), [WHOLE["worker"]] * 2))
    for wrong in (WHOLE["worker"]["config"], [WHOLE["worker"]["config"]], {**WHOLE["worker"], "bindng": "H"}):
        assert not is_valid(put(WHOLE, ("worker",), wrong))


@given(st.sampled_from(list(paths_in(WHOLE))), VALUES)
def test_what_the_schema_refuses_is_never_read(path, value):
    changed = put(WHOLE, path, value)
    assume(not is_valid(changed))
    with pytest.raises(DesiredStateError):
        read(json.dumps(changed))
