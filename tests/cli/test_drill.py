"""A drill proves a restore or fails, and leaves the account as it was, whatever ends it."""

import json
import os
import re
import shutil
import signal

import pytest

from tests.support.database import DAMAGED
from tests.support.plain_words import run_program
from tests.support.waiting import eventually

LONG = 60_000
# Where a drill is killed: it has made a branch and a Hyperdrive config; everything, and the restored branch.
POINTS = ("PUT /workers/scripts/", "POST /workers/scripts/[^/]+/deployments")


def until(condition, running, what):
    eventually(lambda: condition() or running.ended, what)
    assert not running.ended, running.wait().stderr


def there(production):
    """Everything in the account that a drill could have left or touched."""
    scripts = production.sandbox.cloudflare("GET", "/workers/scripts")
    branches = {name: (each["id"], each["default"], each["protected"]) for name, each in production.branches().items()}
    configs = {name: each["origin"] for name, each in production.configs().items()}
    return branches, configs, sorted(each["id"] for each in scripts), production.versions(production.scripts[0])


@pytest.fixture(scope="module")
def on_sandbox():
    """A drill of its own sandbox, with a Worker that runs where there is workerd."""
    arguments = ("--destroy", "drop-table:Listing", "--format", "json")
    return run_program("drill", "--sandbox", *arguments, timeout=120)


def test_a_drill_on_a_sandbox_proves_everything_and_its_phases_add_up(on_sandbox):
    assert on_sandbox.returncode == 0, on_sandbox.stderr
    drill = json.loads(on_sandbox.stdout)
    (found,) = drill["rounds"]
    assert (drill["proved"], drill["kept"], found["destruction"]) == (True, True, 'drop table public."Listing"')
    assert [each["claim"] for each in found["checks"] if not each["holds"]] == []
    phases = found["phases"]
    assert {"decide and commit", "plan", "create branch", "compute ready", "verify", "rebind Hyperdrive", "deploy",
            "traffic verified"} == {each["phase"] for each in phases}  # fmt: skip
    assert sum(each["seconds"] for each in phases) == pytest.approx(drill["slowest"])
    assert drill["slowest"] < drill["seconds"]
    listing = next(each for each in found["tables"] if "Listing" in each["name"])
    assert (listing["rows_before"], listing["rows_damaged"], listing["rows_restored"]) == (30, None, 30)
    assert listing["checksum_before"] == listing["checksum_restored"] != ""


def test_a_visitor_of_the_drills_worker_sees_no_failed_request_while_it_is_switched(on_sandbox):
    if not (os.environ.get("RECONCILER_WORKERD") or shutil.which("workerd")):
        message = "no workerd: npm install workerd, and name it by RECONCILER_WORKERD"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    traffic = json.loads(on_sandbox.stdout)["rounds"][0]["traffic"]
    assert (traffic["failed"], traffic["stale"], traffic["per_second"]) == (0, 0, 20)
    assert traffic["requests"] > 0
    assert traffic["longest_gap"] > 0


def test_a_drill_whose_restore_leaves_the_damage_in_place_fails_and_takes_away_what_it_made(production, command):
    before = there(production)
    said = command(production, "drill", "--leave-damage", "--without-traffic", "--destroy", "delete-half")
    assert (said.status, there(production), production.rows()) == (1, before, DAMAGED)
    assert "FAILED: everything is as it was before the damage" in said.stdout
    assert "FAILED: the row written after the target is gone" in said.stdout
    assert "NOT everything was proved" in said.stdout


def test_what_killed_drills_leave_is_swept_and_nothing_else_is_touched(production, command):
    by_hand = {"branch": {"name": "main.drill.20260101T000000000Z", "parent_id": production.branch("main")["id"]}}
    production.sandbox.neon("POST", f"/projects/{production.project}/branches", json=by_hand)
    eventually(production.is_idle, "the branch that somebody makes")
    before = there(production)
    for point in POINTS:
        production.sandbox.forget_requests()
        production.sandbox.latency({point: LONG})
        running = command.start(production, "drill", "--without-traffic")
        method, path = point.split(" ")
        until(lambda: is_asked(production, method, path), running, point)  # noqa: B023  it is called in this very turn
        running.kill()
        production.sandbox.calm()
    assert len(production.branches()) == len(before[0]) + 3
    swept = command(production, "drill", "--clean")
    assert (swept.status, there(production), production.rows()) == (0, before, DAMAGED)
    again = command(production, "drill", "--clean")
    assert (again.status, "no drill has left anything" in again.stderr) == (0, True)


def is_asked(production, method, path):

    return any(
        each.method == method and re.search(path, each.path) and each.status is None
        for each in production.sandbox.writes()
    )


def test_an_interrupted_drill_takes_away_what_it_made(production, command):
    before = there(production)
    production.sandbox.latency({"PATCH /branches": 1_500})
    running = command.start(production, "drill", "--without-traffic")
    until(lambda: "..  rename branch" in running.said_so_far(), running, "the first rename")
    production.sandbox.calm()
    running.send(signal.SIGINT)
    assert (running.wait().status, there(production), production.rows()) == (130, before, DAMAGED)


def test_what_can_not_be_drilled_is_said_before_anything_is_made(untouched, command):
    for arguments, said in (
        (("--destroy", "explode"), '"explode" is no destruction'),
        (("--destroy", "migration:gone.sql"), "gone.sql cannot be read"),
    ):
        answer = command(untouched, "drill", "--without-traffic", *arguments)
        assert answer.status == 1
        assert said in answer.stderr
