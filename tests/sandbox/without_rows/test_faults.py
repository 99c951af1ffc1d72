"""Faults, latency and the request log work for both APIs."""

import time

import httpx
import pytest

from tests.sandbox.neon_client import BUSY, message, next_millisecond, status

pytestmark = pytest.mark.anyio

READ = "/projects/aged-wildflower-123456"


async def test_the_example_project_is_there(neon):
    assert "961tech" == (await neon.get(READ)).json()["project"]["name"]
    assert ["main"] == [branch["name"] for branch in (await neon.get(f"{READ}/branches")).json()["branches"]]


async def test_the_log_has_every_request_to_the_apis(neon, control):
    await control.delete("/requests")
    await neon.get("/projects", params={"limit": 5})
    await neon.get("/nonsense")
    log = (await control.get("/requests")).json()
    assert [(1, "GET", "/api/v2/projects", "limit=5", 200), (2, "GET", "/api/v2/nonsense", "", 404)] == [
        tuple(entry[name] for name in ("n", "method", "path", "query", "status")) for entry in log
    ]
    assert all(entry["took_ms"] > 0 and entry["at_ms"] > 0 for entry in log)
    assert 204 == status(await control.delete("/requests"))
    assert [] == (await control.get("/requests")).json()


@pytest.mark.parametrize("injected", [423, 429, 503, 524])
async def test_a_status_comes_in_the_format_of_the_api(neon, fault, sandbox, injected):
    await fault(f"status:{injected}", path="/projects$")
    answer = await neon.get("/projects")
    assert injected == status(answer)
    assert {"request_id", "code", "message"} == set(answer.json())
    assert (injected == 423) == (answer.json()["message"] == BUSY)
    assert 200 == status(await neon.get("/projects"))
    await fault(f"status:{injected}", path="/client/v4/accounts")
    answer = await neon.get(sandbox.environment["CLOUDFLARE_API_BASE_URL"] + "/accounts")
    assert injected == status(answer)
    assert {"success", "errors", "messages", "result"} == set(answer.json())


async def test_a_status_can_have_retry_after(neon, fault):
    await fault("status:429:7", path="/projects$")
    answer = await neon.get("/projects")
    assert (429, "7") == (status(answer), answer.headers["Retry-After"])


async def test_nth_and_times_count_matching_requests(neon, fault):
    await neon.get("/projects")
    await fault("status:503", "get", "/projects$", nth=2, times=2)
    await neon.get("/auth")
    assert [200, 503, 503, 200, 200] == [status(await neon.get("/projects")) for _ in range(5)]


@pytest.mark.parametrize(
    ("action", "logged", "expected"), [("drop-before", 0, ["main"]), ("drop-after", 200, ["renamed"])]
)
async def test_a_dropped_request_is_done_or_not(project, control, fault, action, logged, expected):
    await control.delete("/requests")
    await fault(action, "PATCH")
    with pytest.raises(httpx.RemoteProtocolError):
        await project.patch("main", name="renamed")
    assert expected == await project.names()
    log = (await control.get("/requests")).json()
    assert [logged] == [entry["status"] for entry in log if entry["method"] == "PATCH"]


@pytest.mark.parametrize(("action", "expected"), [("status-after:524", 524), ("garble", 201)])
async def test_a_spoilt_answer_is_no_json_and_all_is_done(project, fault, action, expected):
    await fault(action, "POST", "/branches$")
    answer = await project.create("new", endpoints=[])
    assert expected == status(answer)
    with pytest.raises(ValueError, match=r"Expecting|Unterminated"):
        answer.json()
    assert {"main", "new"} == set(await project.names())


async def test_a_delay_and_a_latency_add_up(neon, control, fault):
    await control.delete("/requests")
    await fault("delay:60")
    await control.post("/latency", json={"GET /auth$": 40})
    begun = time.monotonic()
    await neon.get("/auth")
    assert time.monotonic() - begun >= 0.1
    assert (await control.get("/requests")).json()[0]["took_ms"] >= 100


async def test_a_stale_read_is_from_before_the_last_write(project, fault):
    await project.create("new", endpoints=[])
    await fault("stale", "GET", "/branches$", times=2)
    assert [["main"], ["main"], ["new", "main"]] == [await project.names() for _ in range(3)]


@pytest.mark.parametrize(("action", "ending"), [("fail-operation", "failed"), ("error-operation", "error")])
async def test_a_failed_operation_does_nothing_and_unlocks_the_project(project, fault, action, ending):
    await fault(action, "POST", "/branches$")
    assert 201 == status(await project.create("broken"))
    later, first, *_ = await project.settled()
    assert [("start_compute", "cancelled"), ("create_branch", ending)] == [
        (operation["action"], operation["status"]) for operation in (later, first)
    ]
    assert (1, True) == (first["failures_count"], bool(first["error"]))
    assert "init" == (await project.branch("broken"))["current_state"]
    assert 200 == status(await project.delete("broken"))
    assert 201 == status(await project.create("broken"))


async def test_a_failed_restore_leaves_the_branch_as_it_was(project, fault):
    await fault("fail-operation", "POST", "/restore$")
    assert 200 == status(await project.restore_to(await next_millisecond()))
    assert ["cancelled", "failed"] == [operation["status"] for operation in (await project.settled())[:2]]
    assert [("main", "ready")] == [(each["name"], each["current_state"]) for each in await project.branches()]


async def test_an_operation_can_take_longer(project, slow):
    await project.create("new", wait=False)
    assert "init" == (await project.branch("new"))["current_state"]
    assert (423, BUSY) == message(await project.patch("main", name="x"))
    (created,) = [each for each in await project.settled() if each["action"] == "create_branch"]
    assert created["total_duration_ms"] >= 200


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({}, "must be a list"),
        ([{"action": "explode"}], "unknown action"),
        ([{"action": "status:200"}], "between 400 and 599"),
        ([{"action": "status-after:99"}], "between 400 and 599"),
        *(
            ([{"action": action}], "malformed")
            for action in (
                "delay", "drop-before:1", "status-after", "garble:1", "status:429:", "status:429:soon", "delay:5:5"
            )
        ),
        ([{"action": "stale", "path": "("}], "no regular expression"),
        ([{"action": "stale", "nth": 0}], "nth must be"),
        ([{"action": "stale", "when": 1}], "unknown key 'when'"),
    ],
)  # fmt: skip
async def test_a_malformed_fault_is_refused(control, body, words):
    answer = await control.post("/faults", json=body)
    assert 400 == status(answer)
    assert words in answer.json()["message"]
    assert {"faults": 0} == (await control.post("/faults", json=[])).json()
