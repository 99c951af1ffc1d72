"""`reconciler apply` in a repository with a remote: one at a time, and a receipt for each."""

import json
import signal

import pytest

from reconciler.cli.repository.environments import EnvironmentFile
from reconciler.cli.repository.shared import shared_repository
from reconciler.core.records.receipt import Result
from reconciler.core.values.instant import Instant
from tests.support import database
from tests.support.database import GOOD
from tests.support.desk import FILE, Desk, written
from tests.support.receipts import receipts
from tests.support.remotes import git
from tests.support.waiting import eventually

LEASE = "refs/reconciler/lease/production"


def asking(production, directory):
    """A clone that asks for a restore which nobody has applied."""
    desk = Desk(production, directory)
    production.desired["primary"]["restore"] = {"to": database.text(production.shop.good), "id": "inc-42"}
    desk.push({FILE: written(production.desired)}, "Restore production")
    production.sandbox.forget_requests()
    return desk


@pytest.fixture
def desk(production, tmp_path):
    return asking(production, tmp_path)


def last_commit(desk, path=FILE):
    return desk.git("log", "-1", "--format=%H", "--", path)


def test_the_receipt_is_on_the_commit_that_asked(desk, command, production):
    desk.push({"notes.md": "later\n"})
    said = command(desk, "apply")
    assert said.status == 0
    [path] = desk.git("diff", "--name-only").splitlines()
    assert f"changed: {path} names what is deployed now; commit it" in said.stdout
    [(commit, receipt)] = receipts(desk.remote.path)
    assert commit == receipt.commit == last_commit(desk)
    assert (receipt.result, receipt.before, receipt.after) == (Result.CONVERGED, "origin", receipt.asked)
    assert [step.step for step in receipt.steps][:2] == ["CreateBranch", "VerifyBranch"]
    assert {gate.gate for gate in receipt.gates if gate.passed} == {"identity", "login", "tables"}
    branch = production.branch("main")
    assert (receipt.ids.branch, receipt.ids.lsn) == (branch["id"], branch["parent_lsn"])
    assert receipt.ids.workers[0].hyperdrive == receipt.ids.hyperdrive == desk.wrangler_id()
    assert not receipt.changed
    assert receipt.previous == ""


def test_every_apply_extends_the_chain_of_receipts(desk, command, production):
    assert command(desk, "apply").status == 0
    assert command(desk, "apply").status == 0
    production.desired["primary"]["restore"]["id"] = "inc-43"
    production.desired["verify"] = {"sql": [{"name": "there is nobody", "query": "select false"}]}
    desk.push({FILE: written(production.desired)}, "Again")
    assert command(desk, "apply").status == 1
    first, second, third = (receipt for _, receipt in receipts(desk.remote.path))
    assert (second.steps, second.previous) == ((), first.fingerprint)
    assert (third.result, third.previous) == (Result.FAILED, second.fingerprint)
    [failed] = [gate for gate in third.gates if not gate.passed]
    assert failed.gate == "there is nobody"
    assert third.after == first.after


def test_a_refusal_and_an_interruption_have_receipts_too(desk, command, production):
    assert command(desk, "apply", "--expect", "0123456789abcdef").status == 3
    production.sandbox.latency({"POST /projects/[^/]+/branches": 20_000})
    running = command.start(desk, "apply")
    eventually(lambda: production.sandbox.writes() or running.ended, "the first write")
    running.send(signal.SIGTERM)
    assert running.wait().status == 130
    refused, interrupted = (receipt for _, receipt in receipts(desk.remote.path))
    assert (refused.result, interrupted.result) == (Result.REFUSED, Result.INTERRUPTED)
    assert desk.remote.ref(LEASE) == ""


def test_a_receipt_marks_a_file_that_is_not_committed(desk, command, production):
    production.desired["primary"]["hold"] = "3d"
    (desk.root / FILE).write_text(written(production.desired))
    assert command(desk, "apply").status == 0
    [(commit, receipt)] = receipts(desk.remote.path)
    assert (commit, receipt.changed) == (last_commit(desk), True)


@pytest.mark.thorough
def test_two_applies_never_work_at_once(desk, command, production):
    production.sandbox.latency({"POST /accounts/[^/]+/hyperdrive/configs": 1500})
    first = command.start(desk, "apply")
    eventually(lambda: desk.remote.ref(LEASE) or first.ended, "the first lease")
    second = command.start(desk, "apply")
    ends = [first.wait(), second.wait()]
    assert [said.status for said in ends] == [0, 0]
    assert "at work on production" in ends[1].stderr
    one, other = (receipt for _, receipt in receipts(desk.remote.path))
    assert other.began_at.milliseconds >= one.began_at.milliseconds + one.seconds * 1000
    assert (other.steps, other.previous) == ((), one.fingerprint)
    assert desk.remote.ref(LEASE) == ""


def test_the_lease_of_a_dead_run_is_taken_over(desk, command, production):
    production.sandbox.latency({"POST /accounts/[^/]+/hyperdrive/configs": 20_000})
    dead = command.start(desk, "apply")
    eventually(lambda: [each for each in production.sandbox.writes() if "hyperdrive" in each.path], "the write")
    dead.kill()
    production.sandbox.calm()
    assert desk.remote.ref(LEASE)
    leave_lease(desk, seconds=1.0)
    assert command(desk, "apply").status == 0
    production.check_one_of_each()
    assert production.rows() == GOOD


def leave_lease(desk, seconds):
    """Let the lease on the remote be one that would expire long from now, and is not renewed any more."""
    now = Instant.parse("2026-11-22T00:00:00Z")
    record = {
        "environment": "production", "owner": "a run that died", "run": "", "taken_at": str(now),
        "expires_at": "2999-01-01T00:00:00.000Z", "nonce": "0" * 16, "renewal": 3, "seconds": seconds, "version": 1,
    }  # fmt: skip
    line = json.dumps(record, sort_keys=True, separators=(",", ":"))
    tree = git(desk.remote.path, "hash-object", "-t", "tree", "-w", "/dev/null")
    commit = git(desk.remote.path, "commit-tree", tree, "-m", line)
    git(desk.remote.path, "update-ref", LEASE, commit)


def test_status_shows_who_is_at_work(desk, command):
    leave_lease(desk, seconds=60.0)
    assert "a run that died is at work since 2026-11-22" in command(desk, "status").stdout
    assert json.loads(command(desk, "status", "--format", "json").stdout)["lease"]["owner"] == "a run that died"


def test_without_the_remote_apply_needs_an_option(desk, command, production):
    desk.git("remote", "set-url", "origin", str(desk.root / "nowhere"))
    said = command(desk, "apply")
    assert said.status == 1
    assert "--without-lease" in said.stderr
    assert production.sandbox.writes() == []
    said = command(desk, "apply", "--without-lease")
    assert said.status == 0
    assert "warning: " in said.stderr
    assert [receipt.result for _, receipt in receipts(desk.root)] == [Result.CONVERGED]


@pytest.mark.parametrize("where", ["elsewhere", "nowhere"])
def test_a_sandbox_leaves_no_receipt_in_a_teams_repository(desk, command, where):
    if where == "elsewhere":
        desk.git("remote", "set-url", "origin", "https://git.invalid/acme/shop.git")
    said = command(desk, "apply", RECONCILER_REMOTE="" if where == "nowhere" else None)
    assert said.status == 0, said.stderr
    assert "git.invalid" not in said.stderr
    assert receipts(desk.root) == []


@pytest.mark.parametrize("host", [None, "", "https://console.neon.tech/api/v2", "console.neon.tech/api/v2"])
def test_a_real_neon_uses_any_remote(desk, host):
    environment = {} if host is None else {"NEON_API_HOST": host}
    for address in ("https://github.com/acme/shop.git", "git@github.com:acme/shop.git", str(desk.remote.path)):
        desk.git("remote", "set-url", "origin", address)
        file = EnvironmentFile(desk.root / FILE, desk.root)
        assert shared_repository(file, environment).remote == "origin"


def test_a_checkout_that_is_behind_is_refused(desk, command, production, tmp_path):
    behind = desk.clone(tmp_path / "behind")
    production.desired["primary"]["restore"] = None
    desk.push({FILE: written(production.desired)}, "Never mind")
    desk.root = behind
    said = command(desk, "apply")
    assert said.status == 3
    assert "Never mind" in said.stderr
    assert "git pull" in said.stderr
    assert production.sandbox.writes() == []
    git(behind, "pull", "--quiet")
    production.desired["primary"]["hold"] = "3d"
    (behind / FILE).write_text(written(production.desired))
    assert command(desk, "apply").status == 0, "a wish on top of it may be applied"


def test_a_shallow_clone_can_apply(desk, command, production, tmp_path):
    git(tmp_path, "clone", "--quiet", "--depth=1", f"file://{desk.remote.path}", "shallow")
    desk.root = tmp_path / "shallow"
    said = command(desk, "apply")
    assert said.status == 0, said.stderr
    assert production.rows() == GOOD
    assert len(receipts(desk.remote.path)) == 1


def test_a_later_apply_pushes_an_unpushed_receipt(desk, command, production):
    desk.before_push('while read old new ref; do case "$ref" in refs/notes/*) echo no >&2; exit 1;; esac; done')
    said = command(desk, "apply")
    assert said.status == 0
    assert "could not be pushed" in said.stderr
    assert production.rows() == GOOD
    desk.remote.allow_pushes()
    assert command(desk, "apply").status == 0
    assert len(receipts(desk.remote.path)) == 2
