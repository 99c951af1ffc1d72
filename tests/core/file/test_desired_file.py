"""A desired-state file is read whole, or every mistake in it is told with its place and the way out."""

import copy
import json
import re
from datetime import timedelta

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from openapi_schema_validator import OAS31Validator

from reconciler.core.file.model import json_schema
from reconciler.core.file.reading import DesiredStateError, Problem, read_desired_state
from reconciler.core.model.compute import NEVER, UNSAID, ComputeSettings
from reconciler.core.model.desired import FOREVER, Desired, HttpGate, Method, OnFailure, Outside, Restore, WriteBack
from reconciler.core.values.instant import Instant
from reconciler.core.values.timeline import ORIGIN, Timeline
from tests.core.file.malformed import HYPERDRIVE, MALFORMED, PRIMARY, WORKER

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


def test_a_whole_file_is_read():
    text = """// production
    {
      "$schema": "./schema.json",
      "primary": {
        "project": "aged-wildflower-123456", "branch": "main",
        "restore": {
          "to": "2026-11-21T10:55:00.5+01:00", "id": "inc-42", "reason": "0042 dropped Listing", "from": "origin",
        },
        "method": "in-place", "hold": "forever", "fence": true,
      },
      "hyperdrive": { "name": "tech961", "database": "tech961", "role": "app" },
      "worker": [ { "config": "a/wrangler.jsonc", "binding": "H" }, { "config": "b/wrangler.jsonc", "binding": "H" } ],
      "verify": { "sql": [ { "name": "n", "query": "select 5", "expect": 5 } ] },
    }"""
    desired = read(text)
    to = Instant.parse_strict("2026-11-21T09:55:00.500Z")
    assert Restore(to, "inc-42", "0042 dropped Listing", ORIGIN) == desired.primary.restore
    assert Timeline(to, "inc-42") == desired.timeline
    assert (Method.IN_PLACE, None) == (desired.primary.method, desired.primary.hold)
    assert desired.primary.fence
    assert ["a/wrangler.jsonc", "b/wrangler.jsonc"] == [worker.config for worker in desired.workers]
    assert ("tech961", "app", 5) == (desired.verify.database, desired.verify.role, desired.verify.sql[0].expect)


def test_one_worker_needs_no_list():
    desired = read("{" + ", ".join((PRIMARY, HYPERDRIVE, WORKER)) + "}")
    assert (["wrangler.jsonc"], timedelta(days=7)) == ([w.config for w in desired.workers], desired.primary.hold)
    assert ORIGIN == desired.timeline
    assert not desired.primary.fence
    assert desired.primary.expire_on_neon is None


@pytest.mark.parametrize("wanted", [True, False])
def test_an_expiry_at_neon_is_read(wanted):
    text = PRIMARY.replace("null}", f'null, "expire_on_neon": {json.dumps(wanted)}}}')
    assert read("{" + text + "}").primary.expire_on_neon is wanted


def test_settings_of_the_project_are_read():
    settings = '"history_retention": "2w", "protected": false, "compute": {"min": 0.25, "max": 2, "suspend": "5m"}'
    primary = read("{" + PRIMARY.replace("null}", f"null, {settings}}}") + "}").primary
    assert (timedelta(days=14), False) == (primary.history_retention, primary.protected)
    assert ComputeSettings(0.25, 2, 300) == primary.compute
    never = read("{" + PRIMARY.replace("null}", 'null, "compute": {"suspend": "never"}}') + "}").primary
    assert ComputeSettings(suspend=NEVER) == never.compute
    left_out = read("{" + PRIMARY + "}").primary
    assert (None, None, UNSAID) == (left_out.history_retention, left_out.protected, left_out.compute)


def test_a_fence_needs_a_database_alone():
    text = "{" + PRIMARY.replace("null}", 'null, "fence": true}') + ', "verify": {"database": "shop", "role": "app"}}'
    assert read(text).primary.fence


def test_retentions_outside_are_read():
    text = """"outside": [
      { "name": "Axiom Logpush archive", "retention": "30d", "recovery": "query it by _time" },
      { "name": "R2 cold archive", "retention": "forever" },
      { "name": "the accountant" },
    ]"""
    axiom, archive, accountant = read("{" + PRIMARY + ", " + text + "}").outside
    assert Outside("Axiom Logpush archive", timedelta(days=30), "query it by _time") == axiom
    assert (FOREVER, "") == (archive.retention, archive.recovery)
    assert Outside("the accountant", None, "") == accountant


def test_a_push_writes_back_by_default():
    asked = '"write_back": "pull-request"'
    assert WriteBack.PUSH is read("{" + PRIMARY + "}").write_back
    assert WriteBack.PULL_REQUEST is read("{" + PRIMARY + ", " + asked + "}").write_back


def test_an_http_gate_is_read():
    text = """"verify": { "on_failure": "hold", "http": [
      { "name": "plain", "url": "https://x.example/" },
      {
        "name": "whole", "url": "https://x.example/", "status": 204, "contains": "up", "within": "500ms", "for": "2m",
        "json": { "/status": "ok", "/count": 25, "/ready": true, "/error": null, "/load": 0.5, "": "{version}" },
      },
    ] }"""
    verify = read("{" + ", ".join((PRIMARY, HYPERDRIVE, WORKER, text)) + "}").verify
    plain, whole = verify.http
    assert OnFailure.HOLD is verify.on_failure
    assert HttpGate("plain", "https://x.example/") == plain
    assert (timedelta(seconds=10), None, False) == (plain.patience, plain.within, plain.tells_version)
    values = (("/status", "ok"), ("/count", 25), ("/ready", True), ("/error", None), ("/load", 0.5), ("", "{version}"))
    assert (204, "up", values) == (whole.status, whole.contains, whole.json)
    assert (timedelta(milliseconds=500), timedelta(minutes=2), True) == (
        whole.within, whole.patience, whole.tells_version,
    )  # fmt: skip
    assert OnFailure.ROLLBACK is read("{" + PRIMARY + "}").verify.on_failure


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
