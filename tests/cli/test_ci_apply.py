"""`reconciler ci apply`: a merge is applied, committed back and told; what goes wrong is told with what is live."""

import json

import pytest

from tests.support import database, github_description
from tests.support.database import DAMAGED, GOOD
from tests.support.desk import FILE, Desk, Runner, written
from tests.support.github import Fault, GitHubServer
from tests.support.job import Job
from tests.support.receipts import receipts
from tests.support.remotes import git

TOKEN = "canary-github-token"
OTHER = '{ "name": "there is nobody", "query": "select false" }'


@pytest.fixture
def desk(production, tmp_path):
    """A clone of a production whose file asks for a restore that nobody has applied."""
    desk = Desk(production, tmp_path)
    ask(desk, production)
    production.sandbox.forget_requests()
    return desk


@pytest.fixture
def github(desk):
    server = GitHubServer(github_description.require(), token=TOKEN, bare=desk.remote.path)
    yield server
    server.close()
    assert server.violations == []


@pytest.fixture
def apply(desk, github, monkeypatch, capfd, tmp_path):
    job = Job(Runner(monkeypatch, capfd), desk, github, tmp_path / "job")

    def run(name="production", **variables):
        return job("apply", "--environment", name, event="push", **variables)

    yield run
    job.check([TOKEN])


def ask(desk, production, identity="inc-42", **more):
    restore = {"to": database.text(production.shop.good), "id": identity}
    production.desired |= more
    production.desired["primary"]["restore"] = restore
    desk.push({FILE: written(production.desired)}, f"Restore production ({identity})")


def states(github):
    return [[each["state"] for each in deployment.states] for deployment in github.deployments()]


def committed(desk, branch="main"):
    """The Hyperdrive config that a branch of the remote names, and the files that its last commit changed."""
    [name] = [path.name for path in desk.root.glob("*.jsonc")]
    text = git(desk.remote.path, "show", f"{branch}:{name}")
    changed = git(desk.remote.path, "show", "--format=", "--name-only", branch).splitlines()
    return text, changed


def check_committed(desk, production, branch="main"):
    text, changed = committed(desk, branch)
    assert production.bound_to(production.serving(production.scripts[0])) in text
    assert [name.endswith(".jsonc") for name in changed] == [True]
    assert git(desk.remote.path, "show", "--format=", "--numstat", branch).split()[:2] == ["1", "1"]


def test_a_merge_is_applied_committed_back_and_told(desk, github, apply, production):
    said = apply()
    assert said.status == 0, said.stderr
    assert production.rows() == GOOD
    check_committed(desk, production)
    assert states(github) == [["in_progress", "success"]]
    assert "is live in production" in github.deployments()[0].states[-1]["description"]
    assert said.outputs["result"] == "converged"
    assert said.outputs["live_timeline"] in said.summary
    ((_, receipt),) = receipts(desk.remote.path)
    assert receipt.run == github.deployments()[0].states[-1]["log_url"]
    assert receipt.run.endswith("/attempts/1")


def test_the_branch_moves_while_it_is_pushed_and_the_change_is_made_again_on_top(desk, apply, production):
    later = desk.git("commit-tree", "HEAD^{tree}", "-p", "HEAD", "-m", "later")
    desk.git("push", "--quiet", "origin", f"{later}:refs/heads/later")
    # The first push to main finds that somebody has been faster.
    desk.before_push(
        f'while read old new ref; do if [ "$ref" = refs/heads/main ] && [ ! -e moved ]; then '
        f"touch moved; unset GIT_QUARANTINE_PATH; git update-ref refs/heads/main {later}; fi; done"
    )
    said = apply()
    assert said.status == 0, said.stdout
    assert git(desk.remote.path, "log", "-1", "--format=%P", "main") == later
    check_committed(desk, production)


def test_a_branch_that_takes_no_push_is_an_error_after_the_restore_and_the_next_run_makes_up_for_it(
    desk, github, apply, production
):
    desk.remote.refuse_pushes("protected branch", "refs/heads/main")
    said = apply()
    assert said.status == 1
    assert production.rows() == GOOD
    assert "is live, but wrangler.jsonc could not be committed" in said.stdout
    assert "pull-request" in said.stdout
    assert states(github) == [["in_progress", "success"]]
    desk.remote.allow_pushes()
    desk.git("checkout", "--quiet", "--force", "HEAD")
    production.sandbox.forget_requests()
    assert apply().status == 0
    check_committed(desk, production)
    assert production.sandbox.writes() == []


def test_as_a_pull_request_it_is_opened_once_and_closed_when_the_branch_says_it_already(
    desk, github, apply, production
):
    ask(desk, production, write_back="pull-request")
    for _ in range(2):
        assert apply().status == 0
    [pull] = github.pulls()
    assert (pull.head, pull.state) == ("write-back/production", "open")
    check_committed(desk, production, "write-back/production")
    text, _ = committed(desk, "write-back/production")
    [name] = [path.name for path in desk.root.glob("*.jsonc")]
    desk.git("pull", "--quiet", "--rebase", "--autostash", "origin", "main")
    desk.push({name: text + "\n"}, "by hand")
    assert apply().status == 0
    assert github.pull(pull.number).state == "closed"


def test_a_failed_gate_is_told_with_what_is_live_and_what_to_do(desk, github, apply, production):
    ask(desk, production, verify={"sql": [json.loads(OTHER)]})
    said = apply()
    assert said.status == 1
    assert production.rows() == DAMAGED
    assert states(github) == [["in_progress", "failure"]]
    assert "there is nobody" in github.deployments()[0].states[-1]["description"]
    [error] = [line for line in said.stdout.splitlines() if line.startswith("::error")]
    for part in ("there is nobody", "live now: origin", "run reconciler apply production again"):
        assert part in error
    for part in ("Live now: **origin**", "**Next.**", "gh workflow run apply.yml -f environment=production"):
        assert part in said.summary


def test_a_refusal_is_told_with_its_rule_and_status_3(desk, github, apply, production):
    production.desired["primary"]["restore"] = None
    desk.push(
        {FILE: written(production.desired).replace('"restore": null', '"restore": {"to": "2020-01-01T00:00:00Z"}')}
    )
    said = apply()
    assert said.status == 3
    assert "outside-history-window" in said.summary
    assert states(github) == [["in_progress", "failure"]]


def test_mistakes_in_the_file_are_annotated_where_they_stand(desk, github, apply):
    desk.push({FILE: '{\n  "primari": {}\n}\n'})
    said = apply()
    assert said.status == 1
    assert f"::error file={FILE},line=2," in said.stdout
    assert states(github) == [["in_progress", "failure"]]


def test_an_older_wish_never_undoes_a_newer_one(desk, github, apply, production):
    old = desk.git("rev-parse", "HEAD")
    production.desired["primary"]["restore"] = None
    desk.push({FILE: written(production.desired)}, "Never mind")
    desk.git("checkout", "--quiet", "--detach", old)
    said = apply()
    assert said.status == 0
    assert "superseded" in said.summary
    assert production.sandbox.writes() == []
    assert states(github) == [["in_progress", "inactive"]]


def test_a_wish_that_became_older_while_the_lease_was_waited_for_stands_back_too(desk, github, apply, production):
    production.desired["primary"]["restore"] = None
    newer = desk.push({FILE: written(production.desired)}, "Never mind")
    desk.git("reset", "--quiet", "--hard", "HEAD^")
    git(desk.remote.path, "update-ref", "refs/heads/later", newer)
    git(desk.remote.path, "update-ref", "refs/heads/main", f"{newer}^")
    # Main moves at the very moment at which the lease is taken.
    desk.before_push(
        f"unset GIT_QUARANTINE_PATH; while read old new ref; do case $ref in refs/reconciler/*) "
        f"git update-ref refs/heads/main {newer};; esac; done"
    )
    said = apply()
    assert said.status == 0, said.stdout
    assert "superseded" in said.summary
    assert production.sandbox.writes() == []


def test_an_environment_is_named_and_never_given_as_a_path(desk, apply, production):
    said = apply(name=FILE)
    assert said.status == 1
    assert "there is no environment" in said.stderr
    assert production.sandbox.writes() == []


def test_somebodys_own_work_on_the_branch_of_the_write_back_is_left_alone(desk, github, apply, production):
    ask(desk, production, write_back="pull-request")
    desk.git("checkout", "--quiet", "-b", "write-back/production")
    own = desk.push({"notes.md": "mine\n"}, "my own")
    desk.git("checkout", "--quiet", "main")
    said = apply()
    assert said.status == 1
    assert "work that this job did not write" in said.stdout
    assert desk.remote.ref("refs/heads/write-back/production") == own
    assert production.rows() == GOOD


def test_what_github_does_not_take_stands_in_the_way_of_nothing(desk, github, apply, production):
    github.inject(Fault.FORBIDDEN, path="/deployments", times=100)
    said = apply()
    assert said.status == 0, said.stdout
    assert production.rows() == GOOD
    assert "could not be updated" in said.stdout
    check_committed(desk, production)
