"""`reconciler ci plan` and `environments`: what a pull request is told, and that nothing of it is run."""

import json
import re

import pytest

from reconciler.cli.ci import COMMANDS
from reconciler.render.comment import MARKER
from tests.support import database
from tests.support.desk import FILE, Desk, Runner, written
from tests.support.github import Fault
from tests.support.job import SERVER, Job
from tests.support.remotes import commit_files, git

TOKEN = "canary-github-token"
BRANCH = "restore/production/inc-42"
STAGING = "desired-state/staging.jsonc"


@pytest.fixture
def desk(shared_production, tmp_path):
    desk = Desk(shared_production, tmp_path)
    desk.desired = json.loads(json.dumps(shared_production.desired))
    desk.push({FILE: written(desk.desired)}, "as people write it")
    shared_production.sandbox.forget_requests()
    yield desk
    assert shared_production.sandbox.writes() == []


@pytest.fixture
def github(desk, make_github):
    return make_github(token=TOKEN, bare=desk.remote.path)


@pytest.fixture
def job(desk, github, monkeypatch, capsys, tmp_path):
    runner = Runner(monkeypatch, capsys)
    job = Job(runner, desk, github, tmp_path / "job")
    yield job
    job.check([TOKEN])
    runner.check([TOKEN])


def propose(desk, files, message="propose", branch=BRANCH):
    """Commit files on a branch, which is made from main, and push it."""
    if branch in desk.remote_branches():
        desk.git("checkout", "--quiet", "-B", branch, f"origin/{branch}")
    else:
        desk.git("checkout", "--quiet", "-B", branch, "origin/main")
    commit = commit_files(desk.root, files, message)
    desk.git("push", "--quiet", "--force", "origin", f"HEAD:{branch}")
    return commit


def asking(desk, to, **more):
    """The file with a restore."""
    primary = {**desk.desired["primary"], "restore": {"to": to, **more}}
    return written({**desk.desired, "primary": primary})


def good(desk, **more):
    return asking(desk, database.text(desk.shop.good), **more)


def the_comment(github, number):
    (comment,) = github.comments(number)
    return comment


def statuses(github, commit):
    return {each.context: (each.state, each.description) for each in github.statuses(commit)}


# plan


def test_a_restore_is_planned_in_one_comment_a_status_the_summary_and_a_file(desk, github, job, tmp_path):
    commit = propose(desk, {FILE: good(desk, id="inc-42", reason="0042 dropped Listing")})
    number = github.open_pull(BRANCH)
    ended = job.on_pull_request(number, "plan", "--output", str(tmp_path / "out" / "plan.md"))
    assert (ended.status, ended.stderr) == (0, "")
    body = the_comment(github, number).body
    digest = re.search("--expect ([0-9a-f]{16})", body)[1]
    assert body.startswith(f"{MARKER}\n")
    for expected in ("origin is live, r-", "0042 dropped Listing", "```mermaid", "window", "Guards that passed"):
        assert expected in body
    state, description = statuses(github, commit)["reconciler/plan/production"]
    assert state == "success"
    assert description.startswith(f"digest {digest}: origin is live, r-")
    assert digest in ended.summary
    assert (tmp_path / "out" / "plan.md").read_text().strip() == ended.summary.strip()
    assert f"{SERVER}/acme/shop/actions/runs/0/attempts/1" in body
    assert {each.url for each in github.statuses(commit)} == {f"{SERVER}/acme/shop/actions/runs/0/attempts/1"}


def test_the_digest_is_that_of_a_plan_on_the_merged_file(desk, github, job):
    propose(desk, {FILE: good(desk)})
    number = github.open_pull(BRANCH)
    job.on_pull_request(number, "plan")
    digest = re.search("--expect ([0-9a-f]{16})", the_comment(github, number).body)[1]
    github.merge(number)
    job.on_main("environments")
    merged = job._run(desk, "plan", "--format", "json")
    assert json.loads(merged.stdout)["digest"] == digest


def test_a_second_push_brings_the_same_comment_up_to_date(desk, github, job):
    propose(desk, {FILE: good(desk)})
    number = github.open_pull(BRANCH)
    job.on_pull_request(number, "plan")
    first = the_comment(github, number)
    identity, body = first.id, first.body
    propose(desk, {FILE: good(desk, id="again")}, "another id")
    job.on_pull_request(number, "plan")
    second = the_comment(github, number)
    assert second.id == identity
    assert second.body != body
    assert "-again" in second.body


def test_every_mistake_is_in_the_comment_and_annotated_on_its_line(desk, github, job):
    text = good(desk).replace('"branch"', '"brunch"').replace("{", '{\n  "extra": 1,', 1)
    commit = propose(desk, {FILE: text})
    number = github.open_pull(BRANCH)
    ended = job.on_pull_request(number, "plan")
    assert ended.status == 1
    body = the_comment(github, number).body
    places = re.findall(rf"`{FILE}:(\d+):(\d+)`", body)
    assert len(places) == 3
    lines = re.findall(rf"::error file={FILE},line=(\d+),title=production%3A mistake in column (\d+)::", ended.stdout)
    assert lines == places
    assert 'did you mean "branch"?' in body
    state, description = statuses(github, commit)["reconciler/plan/production"]
    assert state == "failure"
    assert description.startswith(f"{FILE}:")
    assert desk.sandbox.requests() == []


def test_what_is_refused_ends_with_3_and_a_failed_status_with_the_rule(desk, github, job):
    commit = propose(desk, {FILE: asking(desk, "2020-01-01T00:00:00Z")})
    number = github.open_pull(BRANCH)
    ended = job.on_pull_request(number, "plan")
    assert ended.status == 3
    assert "`outside-history-window`" in the_comment(github, number).body
    state, description = statuses(github, commit)["reconciler/plan/production"]
    assert state == "failure"
    assert "outside-history-window" in description


def test_two_environments_have_a_section_and_a_status_each_and_the_worst_decides(desk, github, job):
    wrong = written({**desk.desired, "primary": {**desk.desired["primary"], "hold": "often"}})
    commit = propose(desk, {FILE: good(desk), STAGING: wrong})
    number = github.open_pull(BRANCH)
    assert job.on_pull_request(number, "plan").status == 1
    found = {context: state for context, (state, _) in statuses(github, commit).items()}
    assert found == {"reconciler/plan/production": "success", "reconciler/plan/staging": "failure"}
    assert re.findall("(?m)^### ([a-z]+):", the_comment(github, number).body) == ["production", "staging"]


@pytest.mark.parametrize("name", ["NEON_API_KEY", "CLOUDFLARE_API_TOKEN"])
def test_a_missing_credential_is_an_error_with_its_name(desk, github, job, name):
    commit = propose(desk, {FILE: good(desk)})
    number = github.open_pull(BRANCH)
    assert job.on_pull_request(number, "plan", **{name: None}).status == 1
    assert name in the_comment(github, number).body.replace("\\_", "_")
    assert statuses(github, commit)["reconciler/plan/production"][0] == "error"


def test_what_cannot_be_read_is_an_error_and_no_refusal(desk, github, job):
    commit = propose(desk, {FILE: good(desk)})
    number = github.open_pull(BRANCH)
    assert job.on_pull_request(number, "plan", NEON_API_KEY="a-wrong-key").status == 1
    assert "not everything could be read" in the_comment(github, number).body
    assert statuses(github, commit)["reconciler/plan/production"][0] == "error"


def test_a_fork_is_told_that_it_has_no_secrets_and_its_mistakes_all_the_same(desk, github, job):
    propose(desk, {FILE: good(desk), STAGING: "{"})
    number = github.open_pull(BRANCH)
    github.admit("token-of-a-fork", permissions={"contents": "read", "pull-requests": "read"})
    github.merge_commit(number)
    desk.git("fetch", "--quiet", "origin", f"refs/pull/{number}/merge")
    desk.git("checkout", "--quiet", "--detach", "FETCH_HEAD")
    payload = github.pull_request_event(number)
    payload["pull_request"]["head"]["repo"]["full_name"] = "mallory/shop"
    absent = dict.fromkeys(("NEON_API_KEY", "CLOUDFLARE_API_TOKEN"))
    ended = job("plan", event="pull_request", payload=payload, token="token-of-a-fork", **absent)
    assert ended.status == 1
    assert "comes from a fork" in ended.summary
    assert "::error title=production%3A could not be planned::this pull request comes from a fork" in ended.stdout
    assert f"::error file={STAGING},line=1" in ended.stdout
    assert "::notice title=no comment and no status::a job of a fork can't write here" in ended.stdout
    assert github.comments(number) == []
    assert desk.sandbox.requests() == []


def test_a_change_that_was_taken_back_is_said_in_the_comment_that_is_there(desk, github, job):
    propose(desk, {FILE: good(desk)})
    number = github.open_pull(BRANCH)
    job.on_pull_request(number, "plan")
    propose(desk, {FILE: written(desk.desired)}, "not after all")
    assert job.on_pull_request(number, "plan").status == 0
    assert "no longer changes any environment" in the_comment(github, number).body


def test_where_nothing_was_ever_planned_no_comment_is_made(desk, github, job):
    propose(desk, {"README": "hello"})
    number = github.open_pull(BRANCH)
    assert job.on_pull_request(number, "plan").status == 0
    assert github.writes() == []
    assert desk.sandbox.requests() == []


def test_a_deleted_file_is_named_and_deletes_nothing(desk, github, job):
    desk.git("checkout", "--quiet", "-B", BRANCH, "origin/main")
    desk.git("rm", "--quiet", FILE)
    desk.git("commit", "--quiet", "--message", "away")
    desk.git("push", "--quiet", "origin", f"HEAD:{BRANCH}")
    number = github.open_pull(BRANCH)
    assert job.on_pull_request(number, "plan").status == 0
    body = the_comment(github, number).body
    assert "production: the file is deleted" in body
    assert "Deleting a file deletes nothing else" in body


def test_a_job_of_a_commit_that_is_not_the_last_any_more_leaves_the_comment_alone(desk, github, job):
    old = propose(desk, {FILE: good(desk)})
    number = github.open_pull(BRANCH)
    stale = github.pull_request_event(number)
    merge = github.merge_commit(number)
    propose(desk, {FILE: good(desk, id="newer")}, "newer")
    job.on_pull_request(number, "plan")
    body = the_comment(github, number).body
    desk.git("fetch", "--quiet", "origin", merge)
    desk.git("checkout", "--quiet", "--detach", merge)
    ended = job("plan", event="pull_request", payload=stale)
    assert the_comment(github, number).body == body
    assert "is no longer the pull request's last commit" in ended.stdout
    assert "reconciler/plan/production" in statuses(github, old)


def test_where_github_refuses_the_comment_the_plan_is_in_the_summary_and_the_job_fails(desk, github, job):
    propose(desk, {FILE: good(desk)})
    number = github.open_pull(BRANCH)
    github.admit("token-that-reads", permissions={"contents": "read", "pull-requests": "read"})
    ended = job.on_pull_request(number, "plan", token="token-that-reads")
    assert ended.status == 1
    assert "::error title=the pull request could not be updated::" in ended.stdout
    assert "pull-requests: write" in ended.stdout
    assert "origin is live, r-" in ended.summary


def test_a_lost_answer_of_github_leaves_one_comment(desk, github, job, without_waiting):
    propose(desk, {FILE: good(desk)})
    number = github.open_pull(BRANCH)
    github.inject(Fault.AFTER, path="/comments$")
    github.inject(Fault.BEFORE, path="/statuses/")
    assert job.on_pull_request(number, "plan").status == 0
    assert MARKER in the_comment(github, number).body


def test_nothing_of_the_proposed_tree_is_run(desk, github, job, tmp_path):
    """Not wrangler's build command, not a hook, not a filter, not a wrangler of the tree's own."""
    witness = tmp_path / "witness"
    command = f"touch {witness}"
    config = (desk.root / "wrangler.jsonc").read_text().replace("{", f'{{ "build": {{ "command": "{command}" }},', 1)
    text = json.loads(json.dumps({**desk.desired, "primary": {**desk.desired["primary"]}}))
    text["worker"] = {**text["worker"], "deploy": "wrangler"}
    for name in (".git/hooks/post-checkout", ".git/hooks/pre-commit"):
        (desk.root / name).write_text(f"#!/bin/sh\n{command}\n")
    files = {
        FILE: written({**text, "primary": {**text["primary"], "restore": {"to": database.text(desk.shop.good)}}}),
        "wrangler.jsonc": config,
        ".gitattributes": "* filter=evil diff=evil\n",
        "node_modules/.bin/wrangler": f"#!/bin/sh\n{command}\n",
        "package.json": json.dumps({"scripts": {"postinstall": command}}),
    }
    desk.git("checkout", "--quiet", "-B", BRANCH, "origin/main")
    commit_files(desk.root, files, "evil")
    desk.git("push", "--quiet", "--no-verify", "origin", f"HEAD:{BRANCH}")
    number = github.open_pull(BRANCH)
    github.merge_commit(number)
    desk.git("fetch", "--quiet", "origin", f"refs/pull/{number}/merge")
    desk.git("checkout", "--quiet", "--detach", "FETCH_HEAD")
    witness.unlink(missing_ok=True)
    ended = job("plan", event="pull_request", payload=github.pull_request_event(number))
    assert ended.status == 0
    assert "upload Worker" in the_comment(github, number).body
    assert not witness.exists()


@pytest.mark.parametrize(
    ("name", "target"), [(FILE, "../../secret.jsonc"), (FILE, ".git/config"), ("wrangler.jsonc", "/etc/hostname")]
)
def test_a_link_that_leads_out_of_the_tree_is_not_followed(desk, github, job, tmp_path, name, target):
    (tmp_path / "secret.jsonc").write_text('{ "canary": "of-another-file" }')
    propose(desk, {FILE: good(desk)})
    path = desk.root / name
    path.unlink()
    path.symlink_to("../" * (name.count("/")) + target if not target.startswith("/") else target)
    desk.git("add", "--all")
    desk.git("commit", "--quiet", "--message", "a link")
    desk.git("push", "--quiet", "--force", "origin", f"HEAD:{BRANCH}")
    number = github.open_pull(BRANCH)
    assert job.on_pull_request(number, "plan").status == 1
    body = the_comment(github, number).body
    assert "points to a place outside of the tree" in body
    assert "canary" not in body


def test_by_hand_the_plan_of_every_environment_goes_to_stdout(desk, github, job):
    desk.push({FILE: good(desk)})
    absent = dict.fromkeys(name for name in (
        "GITHUB_ACTIONS", "GITHUB_EVENT_NAME", "GITHUB_EVENT_PATH", "GITHUB_STEP_SUMMARY", "GITHUB_OUTPUT",
        "GITHUB_TOKEN", "GITHUB_SHA", "GITHUB_RUN_ID",
    ))  # fmt: skip
    ended = job("plan", **absent)
    assert ended.status == 0
    assert ended.stdout.startswith("## What this pull request would do\n\n### production: origin is live, r-")
    assert github.requests == []


def test_a_pull_request_that_is_not_the_events_is_planned_by_its_number(desk, github, job):
    """As one that a workflow opened, which starts no workflows."""
    desk.push({STAGING: "{"}, "of no concern")
    commit = propose(desk, {FILE: good(desk)})
    number = github.open_pull(BRANCH)
    github.merge_commit(number)
    proposed = desk.root / "proposed"
    git(desk.root, "clone", "--quiet", "--depth=2", f"file://{desk.remote.path}", "proposed")
    git(proposed, "fetch", "--quiet", "--depth=2", "origin", f"refs/pull/{number}/merge")
    git(proposed, "checkout", "--quiet", "--detach", "FETCH_HEAD")
    ended = job("plan", "--root=proposed", f"--pull-request={number}")
    assert ended.status == 0
    assert re.findall("(?m)^### ([a-z]+):", the_comment(github, number).body) == ["production"]
    assert list(statuses(github, commit)) == ["reconciler/plan/production"]
    assert job("plan", "--root=proposed", "--pull-request=99").status == 1


def check_out(desk, ref, *options):
    """Check a ref of the remote out beside the desk's own files, as the workflows do."""
    git(desk.root, "clone", "--quiet", "--no-checkout", *options, f"file://{desk.remote.path}", "proposed")
    depth = [each for each in options if each.startswith("--depth")]
    git(desk.root / "proposed", "fetch", "--quiet", *depth, "origin", ref)
    git(desk.root / "proposed", "checkout", "--quiet", "--detach", "FETCH_HEAD")


@pytest.mark.parametrize("with_its_event", [False, True], ids=["by its number", "by its event"])
def test_a_commit_that_is_not_checked_out_is_never_told_to_be_planned(desk, github, job, with_its_event):
    """The author pushes a restore when the harmless tree has been checked out already."""
    propose(desk, {FILE: written(desk.desired) + "// harmless\n"})
    number = github.open_pull(BRANCH)
    assert job.on_pull_request(number, "plan").status == 0
    body = the_comment(github, number).body
    check_out(desk, github.merge_commit(number), "--depth=2")
    evil = propose(desk, {FILE: good(desk, id="evil")}, "evil")
    payload = github.pull_request_event(number) if with_its_event else None
    ended = job("plan", "--root=proposed", f"--pull-request={number}", payload=payload)
    assert ended.status == 1
    assert statuses(github, evil) == {}
    assert the_comment(github, number).body == body
    assert "::error title=not the pull request's last commit::" in ended.stdout
    assert f"the last commit of the pull request is {evil[:12]}" in ended.stdout
    assert "run it again" in ended.summary


@pytest.mark.parametrize("options", [[], ["--depth=2", f"--branch={BRANCH}"]], ids=["all", "it alone"])
def test_the_last_commit_itself_is_planned_for_what_it_changes_since_main(desk, github, job, options):
    """Not its merge, which GitHub makes after a while: what happened on main besides is not the proposal's."""
    desk.push({STAGING: "{"}, "a mistake in staging, of no concern")
    commit = propose(desk, {FILE: good(desk)})
    desk.git("checkout", "--quiet", "-B", "main", "origin/main")
    desk.push({"wrangler.jsonc": (desk.root / "wrangler.jsonc").read_text() + "\n"}, "meanwhile")
    desk.push({STAGING: "{{"}, "another mistake meanwhile")
    number = github.open_pull(BRANCH)
    check_out(desk, f"refs/pull/{number}/head", *options)
    assert job("plan", "--root=proposed", f"--pull-request={number}").status == 0
    assert re.findall("(?m)^### ([a-z]+):", the_comment(github, number).body) == ["production"]
    assert list(statuses(github, commit)) == ["reconciler/plan/production"]


def test_a_link_in_a_circle_is_told_in_a_sentence(desk, github, job):
    desk.git("checkout", "--quiet", "-B", BRANCH, "origin/main")
    (desk.root / FILE).unlink()
    (desk.root / FILE).symlink_to("production.jsonc")
    desk.git("commit", "--quiet", "--all", "--message", "a circle")
    desk.git("push", "--quiet", "--force", "origin", f"HEAD:{BRANCH}")
    number = github.open_pull(BRANCH)
    assert job.on_pull_request(number, "plan").status == 1
    assert "is a link in a circle" in the_comment(github, number).body


# environments


def environments(ended, shown=""):
    assert ended.status == 0
    found = json.loads(ended.outputs["environments"])
    assert f"\n{shown or json.dumps(found)}\n" in ended.stdout
    return found


@pytest.fixture
def two(desk):
    """A repository of two environments, of which only production has a Worker."""
    staging = {"primary": desk.desired["primary"]}
    return desk.push({STAGING: written(staging)}, "staging")


def test_a_push_concerns_the_environments_whose_files_it_changes(desk, job, two):
    before = two
    for files, expected in (
        ({FILE: None}, ["production"]),
        ({"wrangler.jsonc": None}, ["production"]),
        ({"README": "hello"}, []),
        ({"desired-state/schema.json": "{}", "sub/desired-state/production.jsonc": "{}"}, []),
        ({FILE: None, STAGING: None}, ["production", "staging"]),
        ({STAGING: "{ // wrong\n"}, ["staging"]),
        ({FILE: None}, ["production"]),
        ({"wrangler.jsonc": None}, ["production", "staging"]),  # whose Workers staging has cannot be told
    ):
        changed = {name: text or (desk.root / name).read_text() + "\n" for name, text in files.items()}
        after = desk.push(changed)
        payload = job.github.push_event(before, after)
        assert environments(job("environments", "--format", "json", event="push", payload=payload)) == expected
        before = after


def test_where_the_two_commits_are_not_known_all_environments_are_meant(desk, job, two):
    everything = ["production", "staging"]
    assert environments(job("environments", "--format", "json", event="schedule")) == everything
    for before in ("0" * 40, "1" * 40):
        payload = job.github.push_event(before, two)
        assert environments(job("environments", "--format", "json", event="push", payload=payload)) == everything


def test_the_form_names_one_environment(job, two):
    named = job("environments", payload={"inputs": {"environment": "staging"}})
    assert environments(named, shown="staging") == ["staging"]
    assert len(environments(job("environments", "--format", "json", payload={"inputs": {"environment": ""}}))) == 2
    assert "there is no environment" in job("environments", payload={"inputs": {"environment": "x"}}).stderr


def test_what_happened_on_main_meanwhile_is_not_the_pull_requests_change(desk, github, job, two):
    propose(desk, {FILE: good(desk)})
    number = github.open_pull(BRANCH)
    desk.git("checkout", "--quiet", "-B", "main", "origin/main")
    desk.push({STAGING: (desk.root / STAGING).read_text() + "\n"}, "meanwhile")
    ended = job.on_pull_request(number, "environments", "--format", "json")
    assert environments(ended) == ["production"]
    desk.git("checkout", "--quiet", BRANCH)
    head = job("environments", "--format", "json", event="pull_request", payload=github.pull_request_event(number))
    assert environments(head) == ["production"]


def test_a_deleted_environment_is_named_in_a_notice_and_not_in_the_list(desk, job, two):
    desk.git("rm", "--quiet", STAGING)
    desk.git("commit", "--quiet", "--message", "away")
    payload = job.github.push_event(two, desk.git("rev-parse", "HEAD"))
    ended = job("environments", "--format", "json", event="push", payload=payload)
    assert environments(ended) == []
    assert "::notice title=staging::its file was deleted" in ended.stdout


@pytest.mark.parametrize("name", ["x\n::error::owned", "::error::owned", "x ##[error]owned"])
def test_the_name_of_a_deleted_file_is_no_workflow_command(desk, job, name):
    before = desk.push({f"desired-state/{name}.jsonc": "{}"})
    desk.git("rm", "--quiet", "--", f"desired-state/{name}.jsonc")
    desk.git("commit", "--quiet", "--message", "away")
    payload = job.github.push_event(before, desk.git("rev-parse", "HEAD"))
    ended = job("environments", "--format", "json", event="push", payload=payload)
    assert environments(ended) == []
    said = [line for line in (ended.stdout + ended.stderr).splitlines() if "owned" in line]
    assert len(said) == 1
    assert said[0].startswith("::notice title=")


def test_paths_start_from_the_directory_that_holds_desired_state(desk, job):
    below = {f"services/shop/{FILE}": written(desk.desired), "services/shop/wrangler.jsonc": "{}"}
    before = desk.push(below)
    after = desk.push({"services/shop/wrangler.jsonc": "{ }"})
    payload = job.github.push_event(before, after)
    arguments = ["environments", "--root", "services/shop", "--format", "json"]
    assert environments(job(*arguments, event="push", payload=payload)) == ["production"]
    other = job.github.push_event(after, desk.push({"wrangler.jsonc": "{}"}))
    assert environments(job(*arguments, event="push", payload=other)) == []


def test_every_subcommand_has_help_and_stands_in_the_list(desk, job):
    listed = job("--help").stdout
    for name in COMMANDS:
        assert f"  {name} " in listed
        ended = job(name, "--help")
        assert ended.status == 0
        assert "Exit status" in ended.stdout or name == "environments"


def test_the_remote_is_left_as_it_is(desk, github, job):
    propose(desk, {FILE: good(desk)})
    number = github.open_pull(BRANCH)
    github.merge_commit(number)
    before = git(desk.remote.path, "for-each-ref")
    job.on_pull_request(number, "plan")
    assert git(desk.remote.path, "for-each-ref") == before
