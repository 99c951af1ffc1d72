"""`reconciler ci drift`: one issue while reality is not what was applied."""

import asyncio
import re

import pytest

from reconciler.core.records.receipt import Result
from reconciler.providers.clock import SystemClock
from reconciler.providers.git.lease import GitLease
from reconciler.providers.git.repository import Repository
from tests.cli.drift.by_hand import (
    ACCEPT,
    applied,
    issues,
    repair,
    serve_from_elsewhere,
    the_issue,
)
from tests.support import database
from tests.support.desk import FILE, written
from tests.support.remotes import commit_files, git


def test_what_is_in_sync_gets_no_issue_and_nothing_is_written(desk, github, job):
    ended = job.on_main("drift")
    assert (ended.status, ended.stderr) == (0, "")
    assert github.writes() == []
    assert "| production | in sync | origin is live |" in ended.summary


def test_drift_opens_one_issue_which_is_kept_and_closed_when_it_is_over(desk, github, job, world):
    config = serve_from_elsewhere(world)
    assert job.on_main("drift").status == 2
    issue = the_issue(github)
    body, writes = issue.body, len(github.writes())
    assert f"| Worker `{world.scripts[0]}` | `100 % on {world.name}` | `100 % on {config['name']}` |" in body
    for expected in (
        "Known since 20",
        f'Worker "{world.scripts[0]}" serves 100 % on "{config["name"]}", not 100 % on "{world.name}"',
        "apply repairs it",
        f'switch Worker "{world.scripts[0]}"',
        "gh workflow run apply.yml -f environment=production",
        "reconciler apply production",
    ):
        assert expected in body, expected
    assert job.on_main("drift").status == 2
    assert the_issue(github).body == body, "since when it is known must stay"
    assert len(github.writes()) == writes, "nothing changed, so nothing is edited"
    repair(world)
    assert job.on_main("drift").status == 0
    assert issues(github) == []
    assert [each.body for each in github.comments(issue.number)] == ["In sync again: origin is live."]
    assert not [each for each in github.pulls() if each.state == "open"]
    assert job.on_main("drift").status == 0
    assert len(github.comments(issue.number)) == 1


def test_a_second_drift_opens_a_second_issue_with_a_time_of_its_own(desk, github, job, world):
    serve_from_elsewhere(world)
    job.on_main("drift")
    first = the_issue(github)
    repair(world)
    job.on_main("drift")
    serve_from_elsewhere(world, "again")
    job.on_main("drift")
    second = the_issue(github)
    assert second.number != first.number
    assert re.search("since (.*) -->", second.body)[1] > re.search("since (.*) -->", first.body)[1]


def test_a_merged_change_that_was_never_applied_is_waiting_and_no_drift(desk, github, job, world):
    primary = {**world.desired["primary"], "restore": {"to": database.text(world.shop.good)}}
    desk.push({FILE: written({**world.desired, "primary": primary})}, "restore")
    ended = job.on_main("drift")
    assert ended.status == 0
    assert "::notice title=production%3A waiting to be applied::" in ended.stdout
    assert github.writes() == []
    applied(desk)
    assert job.on_main("drift").status == 2


@pytest.mark.parametrize(
    ("result", "said"),
    [(Result.FAILED, "failed"), (Result.REFUSED, "was refused"), (Result.INTERRUPTED, "was interrupted")],
)
def test_an_apply_that_did_not_reach_what_was_asked_is_an_issue_until_it_is_live(
    desk, github, job, world, result, said
):
    text = desk.remote_file("main")
    primary = {**world.desired["primary"], "restore": {"to": database.text(world.shop.good)}}
    desk.push({FILE: written({**world.desired, "primary": primary})}, "restore")
    log = "https://github.example/acme/shop/actions/runs/7"
    applied(desk, result, detail="the <b>database</b> was\naway", run=log)
    ended = job.on_main("drift")
    assert ended.status == 2
    (warning,) = [line for line in ended.stdout.splitlines() if line.startswith("::warning title=production")]
    issue = the_issue(github)
    assert issue.title == f"production: the last apply {said}"
    for expected in (said, "begun 20", "by ada", log):
        assert expected in warning
        assert expected in issue.body
    assert "the &lt;b&gt;database&lt;/b&gt; was away" in issue.body
    assert "Fix the cause of the failure" in issue.body
    writes = len(github.writes())
    assert job.on_main("drift").status == 2
    assert len(github.writes()) == writes, "nothing changed, so nothing is edited"
    desk.git("checkout", "--quiet", "-B", "main", "origin/main")
    desk.push({FILE: text}, "not after all")
    assert job.on_main("drift").status == 0
    assert issues(github) == []


def test_an_apply_that_failed_before_the_file_asked_for_something_else_is_waited_for(desk, github, job, world):
    applied(desk, Result.FAILED)
    primary = {**world.desired["primary"], "restore": {"to": database.text(world.shop.good)}}
    desk.push({FILE: written({**world.desired, "primary": primary})}, "restore")
    assert job.on_main("drift").status == 0
    assert github.writes() == []


def test_what_somebody_applied_from_a_branch_that_was_not_merged_is_drift(desk, github, job, world):
    primary = {**world.desired["primary"], "restore": {"to": database.text(world.shop.good), "id": "wild"}}
    desk.git("checkout", "--quiet", "-b", "wild")
    wild = commit_files(desk.root, {FILE: written({**world.desired, "primary": primary})}, "wild")
    applied(desk, commit=wild)
    serve_from_elsewhere(world)
    assert job.on_main("drift").status == 2
    the_issue(github)


def test_what_waits_for_its_write_back_to_be_merged_is_no_drift(desk, github, job, world):
    wrangler = (desk.root / "wrangler.jsonc").read_text()
    files = {"wrangler.jsonc": re.sub('"id": "[^"]*"', f'"id": "{"0" * 32}"', wrangler)}
    desk.push({FILE: written({**world.desired, "write_back": "pull-request"}), **files}, "by pull request")
    applied(desk)
    ended = job.on_main("drift")
    assert (ended.status, github.writes()) == (0, [])
    assert "merge the pull request of branch write-back/production" in ended.stdout
    desk.git("checkout", "--quiet", "-B", "main", "origin/main")
    desk.push({FILE: written({**world.desired, "write_back": "push"})}, "by push")
    applied(desk)
    assert job.on_main("drift").status == 2, "nothing is asked for by a pull request"


def test_an_environment_whose_file_was_deleted_has_no_issue_and_no_pull_request_any_more(desk, github, job, world):
    serve_from_elsewhere(world)
    job.on_main("drift")
    issue, (pull,) = the_issue(github), github.pulls()
    desk.git("checkout", "--quiet", "-B", "main", "origin/main")
    desk.git("mv", FILE, "production.jsonc")
    desk.push({"desired-state/schema.json": "{}"}, "away")
    desk.git("rm", "--quiet", "--cached", "production.jsonc")
    assert job.on_main("drift").status == 0
    assert issues(github) == []
    assert "was deleted" in github.comments(issue.number)[-1].body
    assert pull.state == github.pull(pull.number).state == "closed"


def test_the_issue_of_an_environment_of_another_directory_is_left_alone(desk, github, job, world):
    serve_from_elsewhere(world)
    job.on_main("drift")
    desk.git("checkout", "--quiet", "-B", "main", "origin/main")
    desk.push({"other/desired-state/schema.json": "{}"}, "another service")
    assert job.on_main("drift", "--root=other").status == 0
    the_issue(github)


@pytest.mark.parametrize(("target", "said"), [("/etc/hostname", "points outside"), ("staging.jsonc", "circular link")])
def test_a_file_that_is_a_link_to_somewhere_else_is_told_in_a_sentence(desk, github, job, target, said):
    (desk.root / "desired-state/staging.jsonc").symlink_to(target)
    desk.git("add", "--all")
    desk.git("commit", "--quiet", "--message", "a link")
    desk.git("push", "--quiet", "origin", "HEAD:main")
    ended = job.on_main("drift")
    assert ended.status == 1
    assert "::error title=staging%3A could not be read::" in ended.stdout
    assert said in ended.stdout
    assert "| production | in sync |" in ended.summary


def test_a_file_that_is_a_link_within_the_repository_is_the_file_that_it_leads_to(desk, github, job, world):
    desk.git("mv", FILE, "elsewhere.jsonc")
    (desk.root / "desired-state").mkdir(exist_ok=True)
    (desk.root / FILE).symlink_to("../elsewhere.jsonc")
    desk.push({"README": "a link"}, "a link")
    desk.git("add", "--all")
    applied(desk)
    serve_from_elsewhere(world)
    assert job.on_main("drift").status == 2
    assert git(desk.remote.path, "diff", "--name-only", "main", ACCEPT) == "elsewhere.jsonc"


def test_a_change_of_a_comment_in_the_file_is_no_change_of_what_is_asked(desk, github, job, world):
    desk.push({FILE: "// A new comment.\n" + (desk.root / FILE).read_text()}, "comment")
    serve_from_elsewhere(world)
    assert job.on_main("drift").status == 2
    the_issue(github)


def test_while_an_apply_is_at_work_nothing_is_reported(desk, github, job, world):
    serve_from_elsewhere(world)

    async def meanwhile():
        async with GitLease(Repository.containing(desk.root), "production", "ada on a laptop", SystemClock()):
            return await asyncio.to_thread(job.on_main, "drift")

    ended = asyncio.run(meanwhile())
    assert ended.status == 0
    assert "ada on a laptop has been applying since" in ended.summary
    assert github.writes() == []
    assert job.on_main("drift").status == 2


def test_what_cannot_be_read_opens_and_closes_nothing(desk, github, job, world):
    assert job.on_main("drift", NEON_API_KEY="a-wrong-key").status == 1
    assert issues(github) == []
    serve_from_elsewhere(world)
    job.on_main("drift")
    repair(world)
    ended = job.on_main("drift", NEON_API_KEY="a-wrong-key")
    assert ended.status == 1
    assert "::error title=production%3A could not be read::" in ended.stdout
    the_issue(github)


def test_mistakes_in_one_file_do_not_hide_the_drift_of_another(desk, github, job, world):
    desk.push({"desired-state/staging.jsonc": "{"}, "broken")
    serve_from_elsewhere(world)
    ended = job.on_main("drift")
    assert ended.status == 1
    assert "| staging | could not be read |" in ended.summary
    the_issue(github)


def test_by_hand_without_a_token_it_only_says_what_it_finds(desk, github, job, world):
    serve_from_elsewhere(world)
    absent = dict.fromkeys(("GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY", "GITHUB_OUTPUT", "GITHUB_TOKEN"))
    ended = job.on_main("drift", **absent)
    assert ended.status == 2
    assert "What would set it right" in ended.stdout
    assert github.requests == []
