"""`reconciler ci drift`: one issue while reality is not what was applied, and a pull request that accepts it."""

import asyncio
import json
import re
from dataclasses import replace

import httpx
import pytest
from hypothesis import given

from reconciler.cli.ci.acceptance import Acceptable, Unacceptable, acceptance
from reconciler.core.desired import Restore
from reconciler.core.desired_file import read_desired_state
from reconciler.core.observed import HyperdriveConfig
from reconciler.core.plan import plan
from reconciler.core.receipt import Identities, Receipt, Result
from reconciler.core.steps import WriteBinding
from reconciler.providers.clock import SystemClock
from reconciler.providers.git import Repository
from reconciler.providers.git_lease import Lease
from reconciler.providers.git_notes import Notes
from tests.core.worlds import DESIRED, MAIN, SEEN, WORLD, after, asking, hours_ago, primaries
from tests.support import database
from tests.support.desk import FILE, Desk, Runner, written
from tests.support.job import Job
from tests.support.remotes import commit_files, git
from tests.support.shops import DATABASE, PRIMARY, ROLE
from tests.support.waiting import eventually

TOKEN = "canary-github-token"
MARKER = "<!-- reconciler:drift:production -->"
ACCEPT = "accept/production"


@pytest.fixture
def world(shared_production):
    """A production that every test of the module has in turn: what is done to its Worker is undone after each."""
    production = shared_production
    before = set(production.configs())
    yield production
    repair(production)
    for name, config in production.configs().items():
        if name not in before:
            production.sandbox.cloudflare("DELETE", f"/hyperdrive/configs/{config['id']}")


@pytest.fixture
def desk(world, tmp_path):
    """The clone of a production, whose file was applied."""
    return _desk(world, tmp_path)


def _desk(production, directory):
    desk = Desk(production, directory)
    desk.push({FILE: written(production.desired)}, "as people write it")
    applied(desk)
    return desk


@pytest.fixture
def make_job(make_github, monkeypatch, capsys, tmp_path):
    """Make a job at a desk, with a GitHub that has the desk's remote."""
    made = []

    def make(desk):
        runner = Runner(monkeypatch, capsys)
        made.append((runner, Job(runner, desk, make_github(token=TOKEN, bare=desk.remote.path), tmp_path / "job")))
        return made[-1][1]

    yield make
    for runner, job in made:
        job.check([TOKEN])
        runner.check([TOKEN])


@pytest.fixture
def job(desk, make_job):
    return make_job(desk)


@pytest.fixture
def github(job):
    return job.github


def applied(desk, result=Result.CONVERGED, commit="origin/main", detail="", run=""):
    """Write the receipt of an apply of what is on main, or on another commit."""
    desk.git("fetch", "--quiet", "origin", "main")
    commit = desk.git("rev-parse", commit)
    receipt = Receipt(
        environment="production", commit=commit, changed=False, began=str(SystemClock().now()), seconds=1.0,
        before="origin", asked="origin", after="origin", digest="0" * 16, result=result, detail=detail, steps=(),
        gates=(), ids=Identities("p"), outside=(), actor="ada", run=run, tool="1",
    )  # fmt: skip
    notes = Notes(Repository.containing(desk.root))
    notes.add(commit, receipt.line)
    notes.push()


# What somebody does by hand.


def serve_from_elsewhere(production, name="by-hand", branch=PRIMARY):
    """Deploy the Worker with another Hyperdrive config: to the live branch, unless another is named."""
    origin = httpx.URL(production.uri(production.branch(branch)))
    config = production.sandbox.cloudflare(
        "POST",
        "/hyperdrive/configs",
        json={
            "name": f"{production.name}-{name}",
            "origin": {
                "scheme": "postgres", "host": origin.host, "port": origin.port, "database": DATABASE,
                "user": ROLE, "password": origin.password,
            },
        },
    )  # fmt: skip
    production.put_script(production.scripts[0], config["id"], production.upload)
    return config


def elsewhere(production):
    """The name of a branch that is not live."""
    path = f"/projects/{production.project}/branches"
    wanted = {"branch": {"name": "elsewhere"}, "endpoints": [{"type": "read_write"}]}
    if "elsewhere" not in production.branches():
        production.sandbox.neon("POST", path, json=wanted)
        eventually(production.is_idle, "the branch elsewhere", pause=0.05)
    return "elsewhere"


def repair(production):
    """Deploy the Worker with the config that the file names."""
    production.put_script(production.scripts[0], production.config(production.name)["id"], production.upload)


def issues(github):
    return [each for each in github.issues() if each.state == "open"]


def the_issue(github):
    (issue,) = issues(github)
    assert MARKER in issue.body
    assert issue.labels == ["reconciler-drift"]
    return issue


def merged_file(desk):
    text = desk.remote_file("main")
    return read_desired_state(text, file=FILE, environment="production", now=SystemClock().now())


# Issues


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
    assert "Mend what the apply failed at" in issue.body
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


@pytest.mark.parametrize(("target", "said"), [("/etc/hostname", "leads out of"), ("staging.jsonc", "in a circle")])
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
        async with Lease(Repository.containing(desk.root), "production", "ada on a laptop", SystemClock()):
            return await asyncio.to_thread(job.on_main, "drift")

    ended = asyncio.run(meanwhile())
    assert ended.status == 0
    assert "ada on a laptop has been at work since" in ended.summary
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


# Accepting


@pytest.fixture
def restored(production, tmp_path):
    """A clone of a production that somebody restored past Git."""
    directory = tmp_path / "restored"
    directory.mkdir()
    desk = _desk(production, directory)
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
    assert "`origin` stays live, 1 step" in comment.body
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
    assert "What stands in the way" in the_issue(github).body
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
    assert "holds work that is not this job" in the_issue(github).body


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


# The rule


@given(primaries, primaries)
def test_what_is_accepted_takes_no_step_in_the_world(one, other):
    asked, applied_before = replace(DESIRED, primary=one), replace(DESIRED, primary=other)
    world = after(applied_before, WORLD)
    found = acceptance(asked, world)
    if isinstance(found, Acceptable):
        left = plan(found.desired, world)
        assert not left.refusals
        assert all(isinstance(step, WriteBinding) for step in left.steps)
        assert found.desired.timeline == plan(asked, world).live


def test_each_of_the_three_edits_changes_its_own_values_of_the_text():
    text = json.dumps({
        "primary": {"project": MAIN.id, "branch": "main", "restore": None},
        "hyperdrive": {"name": "tech961", "database": "tech961", "role": "app"},
        "worker": {"config": "wrangler.jsonc", "binding": "HYPERDRIVE"},
    })  # fmt: skip
    other = HyperdriveConfig("c1", "by-hand", MAIN.endpoint.host, 5432, "shop", "owner")
    seen = replace(SEEN, deployed=(replace(SEEN.deployed[0], hyperdrive_id="c1"),))
    renamed = replace(WORLD.branches[0], name="prod")
    world = replace(WORLD, branches=(renamed,), configs=(*WORLD.configs, other), workers=(seen,))
    found = acceptance(DESIRED, world)
    assert isinstance(found, Acceptable)
    edited = json.loads(found.edit(text))
    assert edited["primary"]["branch"] == "prod"
    assert edited["hyperdrive"] == {"name": "by-hand", "database": "shop", "role": "owner"}
    assert len(found.changes) == 2
    assert found.corrected == ("wrangler.jsonc",)


def test_a_renamed_primary_whose_held_timelines_carry_the_old_name_cannot_be_accepted():
    undone = after(DESIRED, after(asking(Restore(hours_ago(24))), WORLD))
    branches = tuple(replace(each, name="prod") if each.name == "main" else each for each in undone.branches)
    found = acceptance(DESIRED, replace(undone, branches=branches))
    assert isinstance(found, Unacceptable)
    assert "held timelines carry the old name" in found.reason


def test_what_is_in_sync_needs_no_accepting():
    assert isinstance(acceptance(DESIRED, WORLD), Unacceptable)


def test_where_a_step_in_the_world_would_be_left_nothing_is_accepted_in_part():
    restored = asking(Restore(hours_ago(24)))
    world = after(restored, WORLD)
    stray = replace(world.workers[0], deployed=(replace(SEEN.deployed[0], hyperdrive_id="c0"),))
    found = acceptance(DESIRED, replace(world, workers=(stray,)))
    assert isinstance(found, Unacceptable)
    assert "it would still take a step in the world (switch Worker" in found.reason
