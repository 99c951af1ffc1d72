"""`reconciler suspend` and `resume`: nothing is applied to an environment for a while, and everybody is told."""

import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from reconciler.core.records.receipt import Result
from reconciler.core.records.suspension import Suspension
from reconciler.providers.clock import SystemClock
from tests.cli.conftest import TOKEN
from tests.core.records.test_suspension import HOSTILE
from tests.support import database
from tests.support.desk import FILE, Desk, written
from tests.support.job import Job
from tests.support.receipts import receipts
from tests.support.remotes import git
from tests.support.waiting import eventually

REF = "refs/reconciler/suspension/production"
WHY = "migration 0042 is running"


@pytest.fixture
def desk(untouched, tmp_path):
    return Desk(untouched, tmp_path)


def suspend(run, desk, *more, reason=WHY, span="2h", **variables):
    return run(desk, "suspend", "production", "--for", span, "--reason", reason, *more, **variables)


def stand(desk, reason=WHY, minutes=60):
    """Let a suspension stand on the remote that ends in so many minutes, or has ended."""
    now = SystemClock().now()
    until = now.before(timedelta(minutes=-minutes))
    line = Suspension("production", "grace on ship", now.before(timedelta(hours=3)), until, reason).line
    put(desk, line)
    return str(until)


def put(desk, line):
    tree = git(desk.remote.path, "hash-object", "-t", "tree", "-w", "/dev/null")
    git(desk.remote.path, "update-ref", REF, git(desk.remote.path, "commit-tree", tree, "-m", line))


def facts(run, desk, command):
    return json.loads(run(desk, command, "production", "--format", "json").stdout)


# suspend and resume


def test_suspend_and_resume(run, desk):
    said = suspend(run, desk, GITHUB_ACTOR="ada")
    assert said.status == 0, said.stderr
    assert "production is suspended for 2 h, until 2" in said.stdout
    assert f": {WHY}\n" in said.stdout
    assert "reconciler resume production ends it" in said.stdout
    assert desk.remote.ref(REF)
    ended = run(desk, "resume")
    assert ended.status == 0
    assert "may be applied again. Removed a suspension: ada on " in ended.stdout
    assert WHY in ended.stdout
    assert desk.remote.ref(REF) == ""
    again = run(desk, "resume")
    assert (again.status, again.stdout) == (0, "production is not suspended: there is nothing to remove\n")


def test_a_second_suspension_needs_replace(run, desk):
    stand(desk)
    refused = suspend(run, desk, reason="another thing")
    assert (refused.status, refused.stdout) == (3, "")
    assert "grace on ship suspended production" in refused.stderr
    assert WHY in refused.stderr
    assert "--replace" in refused.stderr
    replaced = suspend(run, desk, "--replace", reason="another thing")
    assert replaced.status == 0
    assert "replaced: grace on ship" in replaced.stdout
    assert facts(run, desk, "status")["suspension"]["reason"] == "another thing"


def test_a_suspension_that_is_over_is_replaced(run, desk):
    stand(desk, minutes=-1)
    assert suspend(run, desk).status == 0
    stand(desk, minutes=-1)
    assert "Removed a suspension, which was over by itself: grace" in run(desk, "resume").stdout


def test_an_unreadable_suspension_counts(run, desk):
    put(desk, "from a later version")
    assert "can't be read" in suspend(run, desk).stderr
    assert suspend(run, desk, "--replace").status == 0
    put(desk, "from a later version")
    assert "could not be read" in run(desk, "resume").stdout
    assert desk.remote.ref(REF) == ""


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--for", "31d", "--reason", "x"], "is longer than 30 d"),
        (["--for", "721h", "--reason", "x"], "is longer than 30 d"),
        (["--for", "0h", "--reason", "x"], "is not a duration: write 90s, 2h or 3d"),
        (["--for", "2h", "--reason", " \n\u202e"], "--reason is empty"),
        (["--for", "2h", "--reason", "x" * 501], "--reason has 501 characters, and 500 is the most"),
        (["--for", "2h"], "--reason"),
        (["--reason", "x"], "--for"),
    ],
)
def test_duration_and_reason_have_limits(run, desk, options, complaint):
    said = run(desk, "suspend", "production", *options)
    assert (said.status, said.stdout) == (1, "")
    assert complaint in said.stderr
    assert desk.remote.ref(REF) == ""


def test_without_a_remote_a_suspension_is_local(run, desk):
    said = suspend(run, desk, RECONCILER_REMOTE="", NEON_API_HOST="https://neon.invalid/api/v2")
    assert "only here: the repository has no remote" in said.stdout
    assert desk.git("rev-parse", REF)
    assert desk.remote.ref(REF) == ""


def test_a_sandbox_cannot_be_suspended_remotely(run, desk):
    desk.git("remote", "set-url", "origin", "https://git.invalid/acme/shop.git")
    said = suspend(run, desk)
    assert said.status == 1
    assert "NEON_API_HOST points to one" in said.stderr
    assert "set RECONCILER_REMOTE to a repository on this machine" in said.stderr


def test_outside_a_repository_nothing_can_be_suspended(run, desk):
    shutil.rmtree(desk.root / ".git")
    said = suspend(run, desk, NEON_API_HOST="https://neon.invalid/api/v2")
    assert said.status == 1
    assert "is not in a repository" in said.stderr


def test_suspend_names_a_running_apply(run, desk):
    line = {
        "environment": "production", "owner": "grace on ship", "run": "https://log.example/1", "nonce": "0" * 16,
        "taken_at": "2026-11-22T00:00:00.000Z", "expires_at": "2999-01-01T00:00:00.000Z", "renewal": 1,
        "seconds": 60, "version": 1,
    }  # fmt: skip
    tree = git(desk.remote.path, "hash-object", "-t", "tree", "-w", "/dev/null")
    commit = git(desk.remote.path, "commit-tree", tree, "-m", json.dumps(line))
    git(desk.remote.path, "update-ref", "refs/reconciler/lease/production", commit)
    assert "grace on ship has a lease until 2999-01-01" in suspend(run, desk).stderr


# what it stops


@pytest.fixture
def job(run, desk, make_github, tmp_path):
    job = Job(run, desk, make_github(token=TOKEN, bare=desk.remote.path), tmp_path / "job")
    yield job
    job.check([TOKEN])


def test_a_workflow_refuses_while_suspended(job, desk):
    until = stand(desk, reason=HOSTILE)
    said = job("apply", "--environment", "production", event="push")
    assert said.status == 3
    assert said.outputs["result"] == "refused"
    assert "grace on ship suspended production at" in said.summary
    assert f"until {until}" in said.summary
    assert "Wait until it is over, or resume" in said.summary
    assert "Live now: **origin**" in said.summary
    assert [part for part in ("<b>", "@everyone", "\n## ") if part in said.summary] == []
    [deployment] = job.github.deployments()
    assert [each["state"] for each in deployment.states] == ["in_progress", "failure"]


def test_a_drift_comparison_shows_the_suspension(job, desk):
    stand(desk, reason=HOSTILE)
    said = job.on_main("drift")
    assert said.status == 0, said.stderr
    assert "grace on ship suspended production" in said.summary
    assert "<b>" not in said.summary


def test_every_apply_refuses_while_suspended(run, desk):
    until = stand(desk)
    said = run(desk, "apply")
    assert said.status == 3
    for part in (
        "production: refused (suspended)", "grace on ship suspended production at", until, WHY, "nothing was done",
        "live now: origin", "reconciler resume production",
    ):  # fmt: skip
        assert part in said.stdout, part
    [(_, receipt)] = receipts(desk.remote.path)
    assert (receipt.result, receipt.after, receipt.steps) == (Result.REFUSED, "origin", ())
    assert receipt.detail.startswith("suspended: grace on ship")
    said = run(desk, "apply", "--without-lease", "--format", "json")
    assert said.status == 3
    found = json.loads(said.stdout)
    assert [each["rule"] for each in found["refusals"]] == ["suspended"]
    assert (found["converged"], found["steps"], found["live_timeline"]) == (False, [], "origin")
    run(desk, "resume")
    assert run(desk, "apply").status == 0


def test_a_suspension_that_is_over_is_ignored(run, desk):
    stand(desk, minutes=-1)
    said = run(desk, "apply")
    assert said.status == 0
    assert "It is over, and ignored" in said.stderr
    assert "It is over, and ignored" in run(desk, "status").stdout
    assert facts(run, desk, "status")["suspension"]["over"] is True
    assert facts(run, desk, "plan")["suspension"] is None
    assert "It is over, and ignored" in " ".join(run(desk, "history").stdout.split())


def test_without_the_remote_the_local_copy_counts(run, desk):
    stand(desk)
    assert facts(run, desk, "status")["suspension"]["by"] == "grace on ship"
    desk.git("remote", "set-url", "origin", str(desk.root / "nowhere"))
    said = run(desk, "apply", "--without-lease")
    assert said.status == 3
    assert "the copy that is kept here counts" in said.stderr
    assert "by the local copy" in run(desk, "status").stdout
    desk.git("update-ref", "-d", REF)
    said = run(desk, "apply", "--without-lease")
    assert said.status == 0
    assert "whether production is suspended could not be read, and no copy is kept here" in said.stderr
    planned = run(desk, "plan")
    assert planned.status == 0
    assert "! whether production is suspended could not be read" in planned.stdout


def test_a_running_apply_stops_before_its_next_step(command, production, tmp_path):
    desk = Desk(production, tmp_path)
    production.desired["primary"]["restore"] = {"to": database.text(production.shop.good), "id": "inc-42"}
    desk.push({FILE: written(production.desired)}, "Restore production")
    production.sandbox.forget_requests()
    # As soon as a branch has been asked for, somebody suspends the environment.
    production.sandbox.latency({"POST /projects/[^/]+/branches": 600})
    with ThreadPoolExecutor(1) as beside:
        done = beside.submit(suspend_at_the_first_write, desk, production)
        said = command(desk, "apply", "--format", "json")
        done.result()
    assert said.status == 3, said.stderr
    found = json.loads(said.stdout)
    assert [each["step"] for each in found["steps"]] == ["CreateBranch"]
    assert found["live_timeline"] == "origin"
    assert [each.path.rsplit("/", 1)[1] for each in production.sandbox.writes()] == ["branches"]


def suspend_at_the_first_write(desk, production):
    eventually(production.sandbox.writes, "the first write")
    stand(desk)


# what it does not stop


def test_reading_and_proposing_are_not_stopped(run, desk):
    until = stand(desk)
    planned = run(desk, "plan")
    assert planned.status == 0
    assert planned.stdout.startswith(f"production: suspended until {until}; in sync")
    assert "suspended grace on ship suspended production at" in planned.stdout
    assert facts(run, desk, "plan")["suspension"]["until"] == until
    assert f"suspended until {until}" in run(desk, "plan", "--format", "markdown").stdout
    status = run(desk, "status")
    assert status.status == 0
    assert "suspended  grace on ship" in status.stdout
    assert "grace on ship" in facts(run, desk, "history")["suspended"]
    for form in ("text", "markdown"):
        history = run(desk, "history", "--format", form)
        assert history.status == 0
        assert "grace on ship" in history.stdout
    assert run(desk, "history", "--html", "page.html").status == 0
    assert "Suspended: <bdi>grace on ship" in (desk.root / "page.html").read_text()
    when = database.text(desk.shop.good)
    assert run(desk, "restore", "production", "--to", when, "--reason", "prepared").status == 0
    assert "reconciler resume production" in run(desk, "plan").stdout


def test_a_hostile_reason_does_nothing(run, desk):
    stand(desk, reason=HOSTILE)
    for arguments in (["apply"], ["plan"], ["status"], ["history"], ["resume"]):
        said = run(desk, *arguments)
        assert not {"\x1b", "\u202e", "\u2028"} & set(said.stdout + said.stderr)
        assert "everyone" in said.stdout
    stand(desk, reason=HOSTILE)
    history = run(desk, "history", "--format", "markdown").stdout
    assert "<b>" not in history
    assert "@everyone" not in history
