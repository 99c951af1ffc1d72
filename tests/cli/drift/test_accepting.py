"""`reconciler ci drift`: a pull request that accepts what is so, next to the issue."""

import re

import pytest

from tests.cli.drift.by_hand import ACCEPT, elsewhere, issues, merged_file, new_desk, serve_from_elsewhere, the_issue
from tests.support.desk import FILE
from tests.support.remotes import commit_files, git
from tests.support.shops import PRIMARY


@pytest.fixture
def restored(production, tmp_path):
    """A clone of a production that somebody restored past Git."""
    directory = tmp_path / "restored"
    directory.mkdir()
    desk = new_desk(production, directory)
    production.ask(production.shop.good, id="by-hand")
    production.apply()
    desk.timeline, desk.wrangler = production.timeline(), (production.root / "wrangler.jsonc").read_bytes()
    return desk


def test_another_live_timeline_is_accepted_by_a_ready_pull_request(restored, make_job):
    desk, job = restored, make_job(restored)
    github = job.github
    assert job.on_main("drift").status == 2
    (pull,) = github.pulls()
    assert (pull.head, pull.base) == (ACCEPT, "main")
    assert f"Merge #{pull.number}" in the_issue(github).body
    assert f"primary.restore: origin becomes {desk.timeline}" in pull.body
    assert git(desk.remote.path, "diff", "--name-only", "main", ACCEPT) == FILE
    lines = git(desk.remote.path, "diff", "--unified=0", "main", ACCEPT).splitlines()
    assert len([line for line in lines if line[0] in "+-" and line[:3] not in ("+++", "---")]) == 2
    tip = desk.remote.ref(f"refs/heads/{ACCEPT}")
    job.on_main("drift")
    assert desk.remote.ref(f"refs/heads/{ACCEPT}") == tip
    _merge_something_else_meanwhile(desk)
    job.on_main("drift")
    assert len(github.pulls()) == 1
    assert desk.remote_file(ACCEPT).startswith("// A new comment.\n")
    assert git(desk.remote.path, "rev-parse", f"{ACCEPT}^") == desk.remote.ref("refs/heads/main")
    github.merge(pull.number)
    assert str(merged_file(desk).timeline) == desk.timeline
    assert job.on_main("drift").status == 0, "what is left is the id in wrangler.jsonc: it waits for an apply"
    desk.git("checkout", "--quiet", "-B", "main", "origin/main")
    desk.push({"wrangler.jsonc": desk.wrangler}, "written back")
    assert job.on_main("drift").status == 0
    assert issues(github) == []


def _merge_something_else_meanwhile(desk):
    desk.git("checkout", "--quiet", "-B", "main", "origin/main")
    desk.push({FILE: "// A new comment.\n" + (desk.root / FILE).read_text()}, "meanwhile")


def test_what_accepts_says_as_of_when_and_has_its_plan_on_it_once(desk, github, job, world):
    """Somebody may make it so meanwhile: merged then, it would bring back what it accepts."""
    serve_from_elsewhere(world)
    ended = job.on_main("drift")
    (pull,) = github.pulls()
    seen = re.search(r"As of (20\S+Z)", pull.body)[1]
    for text in (pull.body, the_issue(github).body):
        assert f"As of {seen}, the apply that follows the merge only puts" in text
        assert "If what is live has moved since, merging it would take the world back to `origin`" in text
        assert "nothing in the world" not in text
    assert f"gh workflow run plan.yml -f pull_request={pull.number}" in the_issue(github).body
    (comment,) = github.comments(pull.number)
    assert comment.body.startswith("<!-- reconciler:plan -->\n")
    assert "origin stays live, 1 step" in comment.body
    assert f"What merging #{pull.number} would do" in ended.summary
    (status,) = github.statuses(pull.head_commit)
    assert (status.context, status.state) == ("reconciler/plan/production", "success")
    job.on_main("drift")
    assert [(each.id, each.edits) for each in github.comments(pull.number)] == [(comment.id, 0)]
    second = serve_from_elsewhere(world, "second")
    job.on_main("drift")
    (comment,) = github.comments(pull.number)
    assert comment.edits == 1
    assert f"Planned on {github.pull(pull.number).head_commit[:12]}" in comment.body
    assert second["name"] in github.pull(pull.number).body


def test_a_plan_that_cannot_be_put_on_what_accepts_leaves_the_issue_with_the_way_to_it(desk, github, job, world):
    github.admit("no-statuses", permissions=dict.fromkeys(("contents", "issues", "pull-requests"), "write"))
    serve_from_elsewhere(world)
    assert job.on_main("drift", token="no-statuses").status == 2
    (pull,) = github.pulls()
    assert "Its plan could not be put on it" in the_issue(github).body
    assert f"`gh workflow run plan.yml -f pull_request={pull.number}` does that." in the_issue(github).body


def test_a_renamed_primary_is_accepted(desk, github, job, world):
    branch = world.branch(PRIMARY)
    world.change_branch(branch, name="production-db")
    assert job.on_main("drift").status == 2
    assert "What blocks it" in the_issue(github).body
    (pull,) = github.pulls()
    github.merge(pull.number)
    assert merged_file(desk).primary.branch == "production-db"
    assert job.on_main("drift").status == 0
    assert issues(github) == []
    world.change_branch(branch, name=PRIMARY)


def test_another_config_to_the_live_branch_is_accepted(desk, github, job, world):
    config = serve_from_elsewhere(world)
    job.on_main("drift")
    (pull,) = github.pulls()
    assert "wrangler.jsonc" in pull.body
    github.merge(pull.number)
    assert merged_file(desk).hyperdrive.name == config["name"]


def test_a_config_that_leads_elsewhere_cannot_be_accepted_and_the_issue_says_why(desk, github, job, world):
    serve_from_elsewhere(world, branch=elsewhere(world))
    assert job.on_main("drift").status == 2
    body = the_issue(github).body
    assert "It cannot be accepted by a change of the file alone: the file cannot say it" in body
    assert "upload Worker" in body
    assert github.pulls() == []


def test_a_pull_request_that_would_accept_what_is_not_so_any_more_is_closed(desk, github, job, world):
    serve_from_elsewhere(world)
    job.on_main("drift")
    serve_from_elsewhere(world, "elsewhere", branch=elsewhere(world))
    assert job.on_main("drift").status == 2
    (pull,) = github.pulls()
    assert pull.state == "closed"
    assert "cannot be accepted" in github.comments(pull.number)[-1].body
    the_issue(github)


def test_a_drift_that_becomes_another_brings_the_same_pull_request_up_to_date(desk, github, job, world):
    serve_from_elsewhere(world)
    job.on_main("drift")
    second = serve_from_elsewhere(world, "second")
    job.on_main("drift")
    (pull,) = github.pulls()
    assert pull.state == "open"
    assert second["name"] in pull.body
    assert f'"name": "{second["name"]}"' in desk.remote_file(ACCEPT)


def test_work_of_somebody_else_on_the_branch_is_left_alone(desk, github, job, world):
    serve_from_elsewhere(world)
    job.on_main("drift")
    desk.git("fetch", "--quiet", "origin", ACCEPT)
    desk.git("checkout", "--quiet", "--detach", "FETCH_HEAD")
    own = commit_files(desk.root, {"README": "mine"}, "mine")
    desk.git("push", "--quiet", "origin", f"HEAD:{ACCEPT}")
    serve_from_elsewhere(world, "second")
    assert job.on_main("drift").status == 2
    assert desk.remote.ref(f"refs/heads/{ACCEPT}") == own
    assert "holds work that this job did not write" in the_issue(github).body


def test_where_actions_may_not_open_pull_requests_the_issue_says_how_to(desk, github, job, world):
    github.forbids_pull_requests = True
    serve_from_elsewhere(world)
    assert job.on_main("drift").status == 2
    assert f"gh pr create --head {ACCEPT} --base main --fill" in the_issue(github).body
    assert ACCEPT in desk.remote_branches()


def test_where_issues_may_not_be_written_the_job_fails_and_the_summary_has_the_difference(desk, github, job, world):
    github.admit("token-that-reads", permissions=dict.fromkeys(("contents", "issues", "pull-requests"), "read"))
    serve_from_elsewhere(world)
    ended = job.on_main("drift", token="token-that-reads")
    assert ended.status == 1
    assert "::error title=production%3A its issue could not be brought up to date::" in ended.stdout
    assert "What would set it right" in ended.summary
