"""Faults, latency, the request log and the switches do what they say, to both APIs."""

import asyncio
import time

import httpx
import pytest

pytestmark = pytest.mark.anyio

READ = "/projects/aged-wildflower-123456"


@pytest.fixture
async def control(sandbox):
    async with httpx.AsyncClient(base_url=f"{sandbox.url}/sandbox") as client:
        await client.delete("/requests")
        yield client


async def set_fault(control, action, method="*", path="/api/v2", **counts):
    fault = {"method": method, "path": path, "action": action} | counts
    answer = await control.post("/faults", json=[fault])
    assert answer.status_code == 200, answer.text


async def test_the_example_is_there(neon):
    project = (await neon.get(READ)).json()["project"]
    assert "961tech" == project["name"]
    branches = (await neon.get(f"{READ}/branches")).json()["branches"]
    assert ["main"] == [branch["name"] for branch in branches]


async def test_every_request_is_in_the_log_and_none_of_the_sandbox_itself(neon, control):
    await neon.get("/projects", params={"limit": 5})
    await neon.get("/nonsense")
    log = (await control.get("/requests")).json()
    assert [1, 2] == [entry["n"] for entry in log]
    assert [("GET", "/api/v2/projects", "limit=5", 200), ("GET", "/api/v2/nonsense", "", 404)] == [
        (entry["method"], entry["path"], entry["query"], entry["status"]) for entry in log
    ]
    assert all(entry["took_ms"] > 0 and entry["at_ms"] > 0 for entry in log)
    assert 204 == (await control.delete("/requests")).status_code
    assert [] == (await control.get("/requests")).json()


@pytest.mark.parametrize("status", [423, 429, 503, 524])
async def test_a_status_is_answered_in_the_envelope_of_the_api(neon, control, sandbox, status):
    await set_fault(control, f"status:{status}", path="/projects$")
    answer = await neon.get("/projects")
    assert status == answer.status_code
    assert {"request_id", "code", "message"} == set(answer.json())
    assert 200 == (await neon.get("/projects")).status_code
    await set_fault(control, f"status:{status}", path="/client/v4/accounts")
    answer = await neon.get(sandbox.environment["CLOUDFLARE_API_BASE_URL"] + "/accounts")
    assert status == answer.status_code
    assert {"success", "errors", "messages", "result"} == set(answer.json())


async def test_nth_and_times_count_the_matching_requests_from_when_the_fault_was_set(neon, control):
    await neon.get("/projects")
    await set_fault(control, "status:503", method="get", path="/projects$", nth=2, times=2)
    await neon.get("/auth")
    statuses = [(await neon.get("/projects")).status_code for _ in range(5)]
    assert [200, 503, 503, 200, 200] == statuses


async def test_drop_before_does_nothing_and_drop_after_does_everything(project, control):
    for action, expected in (("drop-before", "main"), ("drop-after", "renamed")):
        branch = await project.branch("main")
        await set_fault(control, action, method="PATCH")
        with pytest.raises(httpx.RemoteProtocolError):
            await project.patch("main", name="renamed")
        path = f"{project.path}/branches/{branch['id']}"
        assert expected == (await project.neon.get(path)).json()["branch"]["name"]
    log = (await control.get("/requests")).json()
    assert [0, 200] == [entry["status"] for entry in log if entry["method"] == "PATCH"]


async def test_a_delay_and_a_latency_make_a_request_take_longer(neon, control):
    await set_fault(control, "delay:60")
    await control.post("/latency", json={"GET /auth$": 40})
    begun = time.monotonic()
    await neon.get("/auth")
    assert time.monotonic() - begun >= 0.1
    assert (await control.get("/requests")).json()[0]["took_ms"] >= 100
    await control.delete("/latency")


async def test_a_stale_read_answers_as_before_the_last_write(project, control):
    await project.create("new", endpoints=[])
    await set_fault(control, "stale", method="GET", path="/branches$", times=2)
    for _ in range(2):
        branches = (await project.neon.get(f"{project.path}/branches")).json()["branches"]
        assert ["main"] == [branch["name"] for branch in branches]
    branches = (await project.neon.get(f"{project.path}/branches")).json()["branches"]
    assert {"main", "new"} == {branch["name"] for branch in branches}


async def test_a_failed_operation_has_done_nothing_and_unlocks_the_project(project, control):
    await set_fault(control, "fail-operation", method="POST", path="/branches$")
    created = await project.create("broken")
    assert 201 == created.status_code
    operations = await project.settled()
    assert [("start_compute", "cancelled"), ("create_branch", "failed")] == [
        (operation["action"], operation["status"]) for operation in operations[:2]
    ]
    assert operations[1]["failures_count"] == 1
    assert operations[1]["error"]
    assert "init" == (await project.branch("broken"))["current_state"]
    assert 200 == (await project.neon.delete(await project.path_of("broken"))).status_code
    await project.settled()
    assert 201 == (await project.create("broken")).status_code


async def test_an_operation_can_be_made_to_take_longer(project, control):
    await control.post("/latency", json={"OPERATION create_branch": 150})
    await project.create("slow", wait=False)
    await asyncio.sleep(0.1)
    assert "init" == (await project.branch("slow"))["current_state"]
    assert 423 == (await project.patch("main", name="x")).status_code
    operations = await project.settled()
    assert next(op for op in operations if op["action"] == "create_branch")["total_duration_ms"] >= 150


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({}, "must be a list"),
        ([{"action": "explode"}], "unknown action"),
        ([{"action": "status:200"}], "between 400 and 599"),
        ([{"action": "delay"}], "malformed"),
        ([{"action": "drop-before:1"}], "malformed"),
        ([{"action": "stale", "path": "("}], "no regular expression"),
        ([{"action": "stale", "nth": 0}], "nth must be"),
        ([{"action": "stale", "when": 1}], "unknown key 'when'"),
    ],
)
async def test_a_bad_fault_is_refused_with_what_is_wrong(control, body, words):
    answer = await control.post("/faults", json=body)
    assert 400 == answer.status_code
    assert words in answer.json()["message"]
    assert {"faults": 0} == (await control.post("/faults", json=[])).json()


async def test_switches_change_what_nobody_knows_of_neon(project, control):
    await project.create("child")
    off = await control.post("/switches", json={"neon": {"child_as_source": False}})
    assert off.json()["neon"]["child_as_source"] is False
    answer = await project.create("never", "child", at="2026-01-01T00:00:00Z")
    assert 422 == answer.status_code
    await control.post("/switches", json={"neon": {"child_as_source": True}})
    for wrong in (
        {"neon": {"x": 1}},
        {"aws": {}},
        {"neon": {"child_as_source": 1}},
        {"neon": {"subscription_type": "gold"}},
        [],
    ):
        assert 400 == (await control.post("/switches", json=wrong)).status_code
