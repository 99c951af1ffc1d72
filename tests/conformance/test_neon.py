"""The sandbox's Neon conforms to the description, and every deviation is found."""

import copy
import json
import os
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from reconciler.sandbox.exchange_log import VARIABLE as EXCHANGE_LOG
from tests.conformance import description, table
from tests.conformance.exchanges import violations
from tests.sandbox.neon_client import NeonClient

pytestmark = pytest.mark.anyio

DOCUMENT = Path(__file__).parents[2] / "docs" / "sandbox.md"


@pytest.fixture
def exchange(exchanges):
    """Return a copy of the first exchange of a kind, for a test to break."""

    def give(method, path_end, status=200):
        wanted = method, status
        found = (each for each in exchanges if wanted == (each["method"], each["status"]))
        return copy.deepcopy(next(each for each in found if each["path"].endswith(path_end)))

    return give


def broken(exchange, change):
    """Change the body of the answer."""
    body = json.loads(exchange["response_body"])
    change(body)
    return exchange | {"response_body": json.dumps(body)}


def test_a_real_exchange_has_no_violation(described, exchanges):
    assert [] == [wrong for each in exchanges for wrong in violations(described, each)]


BRANCH = "POST /projects/{project_id}/branches 201: the answer at $.branch"


@pytest.mark.parametrize(
    ("change", "violation"),
    [
        (lambda body: body["branch"].pop("current_state"), f"{BRANCH}: 'current_state' is a required property"),
        (lambda body: body["branch"].update(name=7), f"{BRANCH}.name: 7 is not of type 'string'"),
        (lambda body: body["branch"].update(created_at="now"), f"{BRANCH}.created_at: 'now' is not a 'date-time'"),
        (lambda body: body["branch"].update(parent_id=None), f"{BRANCH}.parent_id: None for not nullable"),
        (lambda body: body["operations"][0].update(status="done"), "at $.operations[0].status: 'done' is not one of"),
    ],
    ids=["missing field", "wrong type", "wrong format", "null", "wrong enum"],
)
def test_a_broken_answer_is_found(described, exchange, change, violation):
    found = violations(described, broken(exchange("POST", "/branches", 201), change))
    assert any(violation in each for each in found), found


def test_a_broken_refusal_is_found(described, exchange):
    refused = exchange("GET", "/br-absent", 404)
    (found,) = violations(described, broken(refused, lambda body: body.pop("code")))
    assert "'code' is a required property" in found


@pytest.mark.parametrize(
    ("change", "violation"),
    [
        ({"path": "/api/v2/nonsense"}, "the description has no such endpoint"),
        ({"method": "PUT"}, "the description has no such endpoint"),
        ({"status": 202}, "the statuses of success are 200"),
        ({"query": "limit=many"}, "limit in the query: 'many' is not of type 'integer'"),
        ({"query": "limit=0"}, "limit in the query: 0 is less than the minimum of 1"),
        ({"query": "sort_by=size"}, "sort_by in the query: 'size' is not one of"),
        ({"query": "page=2"}, "the query has page, which is not described"),
        ({"request_body": "{}"}, "the request has a body, and should have none"),
        ({"response_body": "<html>"}, "the answer is not JSON"),
        ({"headers": {"Content-Type": "text/plain"}}, "the content type of the answer is text/plain"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_broken_exchange_is_found(described, exchange, change, violation):
    (found,) = violations(described, exchange("GET", "/branches") | change)
    assert violation in found


@pytest.mark.parametrize("body", ['{"branch": {"name": ""}}', '{"branch": 5}', "{}", "", "{"])
def test_a_broken_request_is_found(described, exchanges, body):
    (renaming,) = [each for each in exchanges if each["method"] == "PATCH"]
    assert violations(described, renaming | {"request_body": body})


def test_a_missing_parameter_is_found(described, exchange):
    asked = exchange("GET", "/branches") | {"response_body": '{"uri": "postgres://"}', "query": "role_name=me"}
    asked["path"] = asked["path"].replace("/branches", "/connection_uri")
    assert any("the query lacks database_name" in each for each in violations(described, asked))


def test_answers_have_undescribed_fields_like_live_ones(described, exchange):
    body = json.loads(exchange("POST", "/branches", 201)["response_body"])
    for name, value in (("Branch", body["branch"]), ("Endpoint", body["endpoints"][0])):
        assert set(value) - described.properties(name)


@pytest.mark.parametrize(
    ("violates", "options"),
    [(False, ("-n", "1")), (True, ("-n", "1")), (True, ())],
    ids=["none", "one, in several processes", "one, in one process"],
)
def test_one_violation_fails_the_whole_run(described, exchanges, tmp_path, violates, options):
    """The run has one test, which passes and writes an exchange as a sandbox would."""
    last = next(each for each in exchanges if each["path"].endswith("/branches") and each["method"] == "GET")
    line = json.dumps(last | {"response_body": "{}"} if violates else last)
    test = tmp_path / "test_it.py"
    test.write_text(
        "import os, pathlib\n"
        "def test_it():\n"
        f"    pathlib.Path(os.environ[{EXCHANGE_LOG!r}]).write_text({line + chr(10)!r})\n"
    )
    done = _pytest(test, *options)
    assert (1 if violates else 0) == done.returncode, done.stdout
    assert "1 passed" in done.stdout
    assert ("'branches' is a required property" in done.stdout) == violates
    assert f"{len(described.endpoints)} endpoints: 1 served, 0 answered 501, 0 only refused," in done.stdout


@pytest.mark.thorough
@pytest.mark.parametrize("ci", [False, True])
def test_a_run_without_the_description_fails_in_ci(tmp_path, ci):
    test = tmp_path / "test_it.py"
    test.write_text("def test_it():\n    pass\n")
    done = _pytest(test, **{description.VARIABLE: ""}, CI=str(ci).lower())
    assert (1 if ci else 0) == done.returncode, done.stdout
    outcome = "FAILED" if ci else "SKIPPED"
    assert f"{outcome}: RECONCILER_TEST_NEON_OPENAPI does not say where the description is" in done.stdout


def _pytest(test, *options, **environment):
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "tests.conformance.plugin", "-p", "no:cacheprovider",
         "--rootdir", str(test.parent), *options, str(test)],
        cwd=DOCUMENT.parents[1], env={**os.environ, "CI": "", **environment}, capture_output=True, text=True,
    )  # fmt: skip


async def test_every_endpoint_is_served_or_501(described, recorded):
    """The table in the documentation lists which."""
    answers = await table.probe(recorded.environment, described)
    assert [] == [str(endpoint) for endpoint, state in answers.items() if state is table.State.UNKNOWN]
    written = table.between(DOCUMENT.read_text())
    assert written == table.render(answers), "run `python -m tests.conformance.table` to rewrite the table"


async def test_the_log_has_lost_answers_and_no_multipart_bodies(recorded):
    async with NeonClient(recorded.environment) as client:
        fault = {"path": "/api/v2/auth", "action": "drop-after"}
        await client.post(f"{recorded.url}/sandbox/faults", json=[fault])
        with pytest.raises(httpx.RemoteProtocolError):
            await client.get("/auth")
        await client.delete(f"{recorded.url}/sandbox/faults")
        address = recorded.environment["CLOUDFLARE_API_BASE_URL"]
        await client.put(f"{address}/accounts/0/workers/scripts/it", files={"metadata": (None, "{}")})
    log = Path(os.environ[EXCHANGE_LOG]).read_text()  # noqa: ASYNC240 - a small file
    lost, uploaded = map(json.loads, log.splitlines()[-2:])
    assert ("/api/v2/auth", 200, True) == (lost["path"], lost["status"], lost["lost"])
    assert "auth_method" in lost["response_body"]
    assert ("PUT", None, False) == (uploaded["method"], uploaded["request_body"], uploaded["lost"])
