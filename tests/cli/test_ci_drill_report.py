"""`reconciler ci drill-report`: what a drill has written becomes a pull request, once, and none is lost."""

import json
from dataclasses import replace
from types import SimpleNamespace

import pytest

from reconciler.cli.drill.files import keep
from reconciler.core.values.instant import Instant
from tests.core.drill.drills import DRILL, UNPROVED
from tests.support.desk import Runner
from tests.support.job import Job
from tests.support.remotes import BareRemote, clone, commit_files, git

TOKEN = "canary-github-token"
BRANCH = "drill/production-20270330T080000000Z"
WHERE = "docs/postmortems"
STATE = {"primary": {"project": "aged-wildflower-123456", "branch": "main", "restore": None}}
KEYS = {"NEON_API_KEY": "canary-neon-key", "CLOUDFLARE_API_TOKEN": "canary-cloudflare-token"}


@pytest.fixture
def desk(tmp_path):
    """A clone of a repository with one commit, in which a drill can leave its files."""
    remote = BareRemote(tmp_path / "hub")
    root = clone(remote, tmp_path / "desk")
    git(root, "checkout", "--quiet", "-b", "main")
    commit_files(root, {"desired-state/production.jsonc": json.dumps(STATE)}, push=True)
    return SimpleNamespace(
        root=root, remote=remote, environment=KEYS, git=lambda *words: git(root, *words), secrets=list, credentials=list
    )


@pytest.fixture
def github(desk, make_github):
    return make_github(token=TOKEN, bare=desk.remote.path)


@pytest.fixture
def job(desk, github, monkeypatch, capsys, tmp_path):
    found = Job(Runner(monkeypatch, capsys), desk, github, tmp_path / "job")
    yield lambda *words: found("drill-report", "--environment", "production", *words)
    found.check([TOKEN, *KEYS.values()])


def files(desk, branch):
    return git(desk.remote.path, "diff", "--name-only", f"main...{branch}").splitlines()


def test_the_report_the_history_and_the_picture_become_one_pull_request(desk, job, github):
    keep(DRILL, desk.root / WHERE)
    ended = job()
    assert (ended.status, ended.stderr) == (0, "")
    [pull] = github.pulls()
    assert ended.outputs == {"pull_request": str(pull.number)}
    assert pull.title == "production: disaster-recovery test of 2027-03-30"
    assert files(desk, BRANCH) == [
        f"{WHERE}/{name}" for name in ("2027-Q1-dr-test.md", "dr-history.jsonl", "dr-trend.svg")
    ]
    for text in (pull.body, ended.summary):
        assert text.startswith("# Disaster-recovery test of production, Q1 2027\n\n**Passed.**")
        assert "```mermaid\ngantt\n" in text
        assert "dr-trend.svg" not in text
        assert "Notes" not in text
    assert pull.body.endswith("/actions/runs/0/attempts/1)")


def test_repeated_it_opens_nothing_more_and_another_report_of_the_same_drill_takes_its_place(desk, job, github):
    keep(DRILL, desk.root / WHERE)
    job()
    tip = desk.remote.ref(f"refs/heads/{BRANCH}")
    assert job().status == 0
    assert (desk.remote.ref(f"refs/heads/{BRANCH}"), len(github.pulls())) == (tip, 1)
    keep(replace(DRILL, rounds=(UNPROVED,)), desk.root / WHERE)
    assert job().status == 0
    assert len(github.pulls()) == 1
    assert "**Failed.**" in github.pulls()[0].body


def test_a_drill_that_failed_before_any_restore_was_whole_has_a_pull_request_too(desk, job, github):
    keep(replace(DRILL, rounds=(), commit="", failure="round 1 (drop-role): Neon answers 503"), desk.root / WHERE)
    assert job().status == 0
    assert "**Failed.** The drill of production ended before its time, in round 1" in github.pulls()[0].body


def test_a_drill_whose_report_is_not_merged_yet_keeps_its_own_branch(desk, job, github):
    keep(DRILL, desk.root / WHERE)
    job()
    keep(replace(DRILL, begun=Instant.parse_strict("2027-03-31T08:00:00Z")), desk.root / WHERE)
    assert job().status == 0
    assert [pull.head for pull in github.pulls()] == [BRANCH, "drill/production-20270331T080000000Z"]


def test_work_of_somebody_else_on_the_branch_is_left_alone(desk, job):
    keep(DRILL, desk.root / WHERE)
    desk.git("checkout", "--quiet", "-b", BRANCH)
    commit_files(desk.root, {"ours.txt": "ours\n"}, push=True)
    desk.git("checkout", "--quiet", "main")
    ended = job()
    assert ended.status == 1
    assert "holds work that this job did not write" in ended.stderr


def test_where_a_drill_has_left_nothing_new_it_says_so(desk, job, github):
    ended = job()
    assert ended.status == 1
    assert "no drill of production has written anything new below" in ended.stderr
    keep(replace(DRILL, environment="staging"), desk.root / WHERE)
    assert "no drill of production" in job().stderr
    assert github.pulls() == []


def test_the_file_says_where_reports_are_unless_the_command_does(desk, job, github):
    state = STATE | {"drill": {"reports": "reports/dr"}}
    commit_files(desk.root, {"desired-state/production.jsonc": json.dumps(state)}, push=True)
    keep(DRILL, desk.root / "reports/dr")
    assert "below" in job("--reports", WHERE).stderr
    assert job().status == 0
    assert files(desk, BRANCH)[0] == "reports/dr/2027-Q1-dr-test.md"


def test_what_is_merged_already_is_nothing_new(desk, job, github):
    keep(DRILL, desk.root / WHERE)
    left = {f"{WHERE}/{path.name}": path.read_bytes() for path in (desk.root / WHERE).iterdir()}
    commit_files(desk.root, left, push=True)
    assert "has written anything new below" in job().stderr
    assert github.pulls() == []


def test_where_actions_may_not_open_pull_requests_it_says_how_to(desk, make_github, monkeypatch, capsys, tmp_path):
    hub = make_github(token=TOKEN, bare=desk.remote.path, permissions={"contents": "write", "metadata": "read"})
    job = Job(Runner(monkeypatch, capsys), desk, hub, tmp_path / "job")
    keep(DRILL, desk.root / WHERE)
    ended = job("drill-report", "--environment", "production", "--reports", WHERE)
    assert ended.status == 1
    assert f"by hand: gh pr create --head {BRANCH} --base main --fill" in ended.stdout
    assert desk.remote.ref(f"refs/heads/{BRANCH}")


def test_outside_of_a_repository_it_asks_for_a_checkout(desk, job, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    desk.root, root = tmp_path / "elsewhere", desk.root
    sha = desk.git("rev-parse", "HEAD")
    desk.git = lambda *_: sha
    assert "ci drill-report needs a Git checkout" in job().stderr
    desk.root = root
