"""A drill proves a restore or fails, and leaves the account as it was, whatever ends it."""

import json
import os
import re
import shutil
import signal
from dataclasses import replace

import pytest

from reconciler.cli.drill.command import status_of
from reconciler.cli.drill.promise import promise
from reconciler.core.drill.results import Phase, Promise
from reconciler.core.model.desired import DrillSettings, RtoSource
from tests.core.drill.drills import DRILL, UNPROVED
from tests.support.database import DAMAGED
from tests.support.plain_words import run_program
from tests.support.waiting import eventually

BUDGET = "reference/performance-budget.md"
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
def reports(tmp_path_factory):
    return tmp_path_factory.mktemp("reports")


@pytest.fixture(scope="module")
def on_sandbox(reports):
    """A drill of its own sandbox, with a Worker that runs where there is workerd."""
    arguments = ("--destroy", "drop-table:Listing", "--detect", "--format", "json", "--output", str(reports))
    return run_program("drill", "--sandbox", *arguments, timeout=120)


def test_a_drill_on_a_sandbox_proves_everything(on_sandbox):
    assert on_sandbox.returncode == 0, on_sandbox.stderr
    drill = json.loads(on_sandbox.stdout)
    (found,) = drill["rounds"]
    assert (drill["proved"], drill["kept"], found["destruction"]) == (True, True, 'drop table public."Listing"')
    assert [each["claim"] for each in found["checks"] if not each["holds"]] == []
    phases = found["phases"]
    assert [each["phase"] for each in phases] == [each.value for each in Phase]
    assert sum(each["seconds"] for each in phases) == pytest.approx(drill["slowest"], abs=0.001)
    assert drill["slowest"] < drill["seconds"]
    listing = next(each for each in found["tables"] if "Listing" in each["name"])
    assert (listing["rows_before"], listing["rows_damaged"], listing["rows_restored"]) == (30, None, 30)
    assert listing["checksum_before"] == listing["checksum_restored"] != ""


def test_a_gate_that_notices_the_damage_is_named(on_sandbox, reports):
    (found,) = json.loads(on_sandbox.stdout)["rounds"]
    assert found["phases"][0]["phase"] == "detect"
    assert found["noticed"]["failure"].startswith(
        'gate "there are listings" could not run: relation "Listing" does not'
    )
    (report,) = reports.glob("*-dr-test.md")
    assert "The damage was noticed: gate" in report.read_text()


def test_a_drill_leaves_a_report_and_a_trend(on_sandbox, reports):
    drill = json.loads(on_sandbox.stdout)
    assert (drill["promise"]["seconds"], drill["promise"]["where"].split(" ")[0]) == (1800, BUDGET)
    (report,) = reports.glob("*-dr-test.md")
    assert on_sandbox.stderr.rstrip().endswith(f"the report is {report}")
    took = re.findall(r"^\| (?!\*\*)[^|]+ \| [0-9.]+ s \| ([0-9.]+) s \|", report.read_text(), re.MULTILINE)
    (total,) = re.findall(r"^\| \*\*all\*\* \|  \| \*\*([0-9.]+) s", report.read_text(), re.MULTILINE)
    assert len(took) == len(drill["rounds"][0]["phases"])
    assert round(sum(map(float, took)), 1) == float(total) == round(drill["slowest"], 1)
    assert {each.name for each in reports.iterdir()} == {report.name, "dr-history.jsonl", "dr-trend.svg"}
    trend = run_program("drill", "--sandbox", "--trend", "--output", str(reports), timeout=60)
    assert f"{total} s | 30 min | proved, within the promise |" in trend.stdout


@pytest.mark.parametrize(
    ("drill", "status"),
    [
        (DRILL, 0),
        (replace(DRILL, promise=None), 0),
        (replace(DRILL, promise=Promise(1.0, "x.md")), 2),
        (replace(DRILL, promise=Promise(1.0, "x.md"), rounds=(UNPROVED,)), 1),
        (replace(DRILL, rounds=()), 1),
    ],
)
def test_an_unproved_drill_is_worse_than_a_slow_one(drill, status):
    assert status_of(drill) == status


def test_a_promise_is_read_before_anything_is_made(untouched, command):
    document = untouched.root / "budget.md"
    for rto, said in (
        ("soon", '"soon" is no length of time'),
        ({"file": "gone.md", "section": "Backend"}, "gone.md cannot be read"),
        ({"file": "budget.md", "section": "Backend"}, "budget.md"),
    ):
        document.write_text("# Backend\n\nFast.\n")
        untouched.desired["drill"] = {"rto": rto}
        untouched.write()
        answer = command(untouched, "drill", "production")
        assert answer.status == 1
        assert said in answer.stderr
    document.write_bytes(b"# Backend\n\nRTO: 30 min \xff\n")
    assert "budget.md is not UTF-8 (byte 23)" in command(untouched, "drill").stderr
    document.write_text("# Backend\n\nRTO: 30 min\n")
    assert promise(DrillSettings(rto_source=RtoSource("budget.md", "Backend")), untouched.root).seconds == 1_800
    assert promise(DrillSettings("30m"), untouched.root).seconds == 1_800
    assert promise(DrillSettings(), untouched.root) is None


def test_a_trend_needs_no_credentials(untouched, command):
    nobody = {"NEON_API_KEY": None, "CLOUDFLARE_API_TOKEN": None}
    answer = command(untouched, "drill", "production", "--trend", **nobody)
    assert answer.status == 0
    assert command(untouched, "drill", "production", "--format", "svg", **nobody).status == 1


def test_no_request_fails_during_a_drills_switch(on_sandbox):
    if not (os.environ.get("RECONCILER_WORKERD") or shutil.which("workerd")):
        message = "no workerd: npm install workerd, and name it by RECONCILER_WORKERD"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    traffic = json.loads(on_sandbox.stdout)["rounds"][0]["traffic"]
    assert (traffic["failed"], traffic["stale"], traffic["per_second"]) == (0, 0, 20)
    assert traffic["requests"] > 0
    assert traffic["longest_gap"] > 0


def test_a_drill_that_proves_nothing_fails_and_cleans_up(production, command):
    before = there(production)
    said = command(production, "drill", "--leave-damage", "--without-traffic", "--destroy", "delete-half")
    assert (said.status, there(production), production.rows()) == (1, before, DAMAGED)
    assert "FAILED: everything is as it was before the damage" in said.stdout
    assert "FAILED: the row written after the target is gone" in said.stdout
    assert "NOT everything was proved" in said.stdout
    (report,) = (production.root / "docs/postmortems").glob("*.md")
    assert "proved: false" in report.read_text()


@pytest.mark.thorough
def test_a_failed_round_keeps_the_rounds_before(production, command):
    before, reports = there(production), production.root / "docs/postmortems"
    rounds = ("--destroy", "delete-half", "--destroy", "migration:more.sql")
    (production.root / "more.sql").write_text("select 1 / 0")
    said = command(production, "drill", "--without-traffic", *rounds)
    assert (said.status, there(production)) == (1, before)
    assert "NOT everything was proved: it ended in round 2 (migration:more.sql): " in said.stdout
    (report,) = reports.glob("*.md")
    assert "1 of the 1 restores before it were proved." in report.read_text()
    assert len((reports / "dr-history.jsonl").read_text().splitlines()) == 1


@pytest.mark.thorough
def test_clean_deletes_only_what_drills_left(production, command, tmp_path):
    by_hand = {"branch": {"name": "main.drill.20260101T000000000Z", "parent_id": production.branch("main")["id"]}}
    production.sandbox.neon("POST", f"/projects/{production.project}/branches", json=by_hand)
    eventually(production.is_idle, "the branch that somebody makes")
    before = there(production)
    for point in POINTS:
        production.sandbox.forget_requests()
        production.sandbox.latency({point: LONG})
        running = command.start(production, "drill", "--without-traffic", TMPDIR=str(tmp_path))
        method, path = point.split(" ")
        until(lambda: is_asked(production, method, path), running, point)  # noqa: B023  it is called in this very turn
        running.kill()
        production.sandbox.calm()
    assert len(production.branches()) == len(before[0]) + 3
    swept = command(production, "drill", "--clean")
    assert (swept.status, there(production), production.rows()) == (0, before, DAMAGED)
    again = command(production, "drill", "--clean")
    assert (again.status, "there is nothing to delete" in again.stderr) == (0, True)


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
    ended = running.wait()
    assert (ended.status, there(production), production.rows()) == (130, before, DAMAGED)
    assert "interrupted; reconciler drill --clean deletes what is left of it" in ended.stderr


def test_a_drill_refuses_before_it_makes_anything(untouched, command):
    for arguments, said in (
        (("--destroy", "explode"), '"explode" is no destruction'),
        (("--destroy", "migration:gone.sql"), "gone.sql cannot be read"),
    ):
        answer = command(untouched, "drill", "--without-traffic", *arguments)
        assert answer.status == 1
        assert said in answer.stderr
