"""`reconciler restore` proposes one line on a branch of its own, and leaves everything else alone."""

import json
import re
from datetime import timedelta

import pytest

from reconciler.core.file.edit import restore_text, with_restore_text
from reconciler.core.values.instant import Instant
from tests.cli.conftest import TOKEN
from tests.support import database
from tests.support.desk import FILE, Desk, written
from tests.support.github import Fault
from tests.support.remotes import commit_files, git


@pytest.fixture
def desk(shared_production, tmp_path):
    """A clone of a production whose file has comments."""
    desk = Desk(shared_production, tmp_path)
    desk.push({FILE: written(shared_production.desired)}, "as people write it")
    shared_production.sandbox.forget_requests()
    yield desk
    assert shared_production.sandbox.writes() == []


@pytest.fixture
def github(desk, make_github):
    server = make_github(token=TOKEN, bare=desk.remote.path)
    yield server
    assert not [secret for secret in [TOKEN, *desk.credentials()] if secret in server.received()]


def moment(desk):
    return database.text(desk.shop.good)


def branch(desk, identity="inc-42"):
    compact = re.sub("[-:.]", "", moment(desk))
    return f"restore/production/r-{compact}-{identity}"


def restore(run, desk, *more, reason="0042 dropped Listing", **variables):
    arguments = ["--to", moment(desk), "--id", "inc-42", "--reason", reason, *more]
    return run(desk, "restore", "production", *arguments, **variables)


def test_a_restore_changes_one_line_on_a_branch(desk, run):
    main_before, before, text = desk.remote.ref("refs/heads/main"), desk.state(), desk.remote_file("main")
    said = restore(run, desk)
    assert (said.status, said.stdout) == (0, f"{branch(desk)}\n")
    assert desk.state() == before
    assert desk.remote_branches() == ["main", branch(desk)]
    assert desk.remote.ref("refs/heads/main") == main_before == git(desk.remote.path, "rev-parse", f"{branch(desk)}^")
    line = f'{{ "to": "{moment(desk)}", "id": "inc-42", "reason": "0042 dropped Listing" }}'
    assert desk.remote_file(branch(desk)) == text.replace('"restore": null', f'"restore": {line}')
    assert git(desk.remote.path, "diff", "--name-only", "main", branch(desk)) == FILE


def test_what_another_environment_claims_is_refused(desk, run):
    dev = {**desk.desired, "primary": {**desk.desired["primary"], "branch": "dev"}}
    desk.push({"desired-state/dev.jsonc": written(dev), "desired-state/broken.jsonc": "{"})
    said = restore(run, desk)
    assert (said.status, "worker-claimed-twice: dev.jsonc and production.jsonc" in said.stdout) == (3, True)
    assert "branch-claimed-twice" not in said.stdout
    assert desk.remote_branches() == ["main"]

    others = '{"name": "other", "hyperdrive": [{"binding": "HYPERDRIVE", "id": "0"}]}'
    dev["worker"] = {"config": "apps/dev/wrangler.jsonc", "binding": "HYPERDRIVE"}
    desk.push({"desired-state/dev.jsonc": written(dev), "apps/dev/wrangler.jsonc": others})
    assert restore(run, desk).status == 0


def test_a_proposal_shows_its_line_and_instant(desk, run):
    berlin = (desk.shop.good + timedelta(hours=1)).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]
    said = run(desk, "restore", "--to", f"{berlin}+01:00", "--id", "inc-42")
    assert said.status == 0
    assert f'  -    "restore": null, // restore\n  +    "restore": {{ "to": "{moment(desk)}"' in said.stderr
    assert re.search(rf"restore to {moment(desk)} = [0-9.]+ (s|min|h|d)\b.* ago", said.stderr)
    assert f"gh pr create --head {branch(desk)} --base main" in said.stderr


def test_an_lsn_is_proposed_with_its_timeline(desk, run):
    said = run(desk, "restore", "--to-lsn", "0/01a2b3c8", "--from", "origin")
    assert said.status == 0
    assert '+    "restore": { "to_lsn": "0/1A2B3C8", "from": "origin" }' in said.stderr
    assert "restore to LSN 0/1A2B3C8 of origin\n" in said.stderr
    proposed = "restore/production/lsn-0-1A2B3C8"
    assert desk.message(proposed).startswith("Restore production to LSN 0/1A2B3C8\n\n")
    desk.merge(proposed)
    text = run(desk, "plan").stdout
    assert "desired   lsn-0-1A2B3C8: the data as of LSN 0/1A2B3C8 of origin\n" in text
    assert "window    an LSN has no time: " in text
    assert 'from "main" at LSN 0/1A2B3C8' in text
    assert "lost to users: every write after LSN 0/1A2B3C8 of origin\n" in text


def test_the_commit_message_describes_the_plan(desk, run):
    restore(run, desk)
    plan = json.loads(_merged(desk, run))
    subject, empty, *lines = desk.message(branch(desk)).split("\n")
    text = " ".join(lines)
    assert (subject, empty) == (f"Restore production to {moment(desk)} (inc-42)", "")
    assert max(len(line) for line in lines) <= 72
    for words in (
        "0042 dropped Listing",
        f"Live now: origin. Live then: {plan['desired_timeline']}.",
        "before",
        "stays inside the history window",
        f"digest {plan['digest']}",
        "git revert",
    ):
        assert words in text


def _merged(desk, run):
    """The plan as it is once the branch is merged and checked out."""
    desk.merge(branch(desk))
    return run(desk, "plan", "--format", "json").stdout


def test_the_json_of_a_proposal(desk, run):
    said = restore(run, desk, "--format", "json")
    found = json.loads(said.stdout)
    assert found == {
        "environment": "production",
        "timeline": branch(desk).rpartition("/")[2],
        "to": moment(desk),
        "branch": branch(desk),
        "commit": desk.remote.ref(f"refs/heads/{branch(desk)}"),
        "pull_request": None,
        "digest": found["digest"],
    }
    assert json.loads(_merged(desk, run))["digest"] == found["digest"]


def test_a_dirty_checkout_stays_byte_for_byte(desk, run):
    other = desk.clone(desk.root.parent / "other")
    theirs = commit_files(other, {"notes.md": "moved meanwhile\n"}, push=True)
    desk.git("checkout", "--quiet", "-b", "feature")
    (desk.root / FILE).write_text("{ broken")
    desk.git("add", FILE)
    (desk.root / FILE).write_text("{ more broken")
    (desk.root / "wrangler.jsonc").unlink()
    (desk.root / "untracked").write_text("mine")
    before = desk.state()
    said = restore(run, desk)
    assert said.status == 0, said.stderr
    assert desk.state() == before
    assert git(desk.remote.path, "rev-parse", f"{branch(desk)}^") == theirs
    assert "in your work tree differs from origin/main; it is left as it is" in said.stderr


def test_a_refused_plan_is_not_committed(desk, run):
    before, objects = desk.state(), _objects(desk)
    said = run(desk, "restore", "--to", "2020-01-01T00:00:00Z", "--id", "inc-42")
    assert said.status == 3
    (desk.root / FILE).write_text(
        desk.remote_file("main").replace(
            '"restore": null', '"restore": { "to": "2020-01-01T00:00:00Z", "id": "inc-42" }'
        )
    )
    planned = run(desk, "plan")
    desk.git("checkout", "--quiet", FILE)
    assert _without_ages(said.stdout) == _without_ages(planned.stdout)
    assert "outside-history-window" in said.stdout
    assert desk.remote_branches() == ["main"]
    assert _objects(desk) == objects
    assert desk.state().keys() == before.keys()


def _without_ages(text):
    return re.sub(r"\d{4}-\d\d-\d\dT[0-9:.]+Z|\([^()]* ago\)", "…", text)


def _objects(desk):
    return desk.git("count-objects", "-v").split("size-pack")[0]


def test_an_unreadable_plan_is_not_committed(desk, run):
    said = restore(run, desk, NEON_API_KEY="canary-wrong-key")
    assert (1, True) == (said.status, "production: not everything could be read" in said.stdout)
    assert "canary" not in said.stdout + said.stderr
    assert desk.remote_branches() == ["main"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--to", "2026-10-25 02:30 Europe/Berlin"], '"2026-10-25T00:30:00.000Z" for the first time'),
        (["--to", "10m ago"], "minutes or months"),
        (["--to", "2999-01-01T00:00:00Z"], "in the future"),
        (["--to", "1 hour ago", "--id", "Inc 42"], "primary.restore.id must look like inc-42"),
        (["--to", "1 hour ago", "--reason", "x" * 501], "primary.restore.reason must have at most 500 characters"),
        (["--to", "1 hour ago", "--reason", "\udcff"], "--reason is not UTF-8"),
        (["--to", "1 hour ago", "--from", "main"], '"main" is not the name of a timeline'),
        (["--to-lsn", "0/1A2B3C8"], "0/1A2B3C8 belongs to one timeline, and none is named"),
        (["--to-lsn", "1A2B3C8", "--from", "origin"], '"1A2B3C8" is not an LSN'),
        (["--to", "1 hour ago", "--to-lsn", "0/1", "--from", "origin"], "goes back to a moment or to an LSN"),
        ([], "--to"),
    ],
)
def test_a_bad_request_is_an_error_without_requests(desk, run, arguments, words):
    said = run(desk, "restore", "production", *arguments)
    assert (said.status, said.stdout) == (1, "")
    assert words in said.stderr
    assert desk.remote_branches() == ["main"]
    assert desk.sandbox.requests() == []


def test_the_remotes_files_are_planned(desk, run):
    desk.push({"wrangler.jsonc": '{ "name": "broken" '})
    commit_files(desk.root, {"wrangler.jsonc": "{}"}, "right here, and not pushed")
    said = restore(run, desk)
    assert said.status == 1
    assert re.search(r"Worker: wrangler\.jsonc:1:\d+: ", said.stdout)
    assert desk.remote_branches() == ["main"]


def test_the_same_proposal_twice_is_one_commit(desk, run):
    first = json.loads(restore(run, desk, "--format", "json").stdout)
    again = restore(run, desk, "--format", "json")
    assert again.status == 0
    assert json.loads(again.stdout)["commit"] == first["commit"]
    assert "exists already, with this change" in again.stderr
    assert desk.remote_branches() == ["main", branch(desk)]


def test_a_branch_with_another_change_is_kept(desk, run):
    restore(run, desk)
    theirs = desk.remote.ref(f"refs/heads/{branch(desk)}")
    said = restore(run, desk, reason="something else")
    assert (said.status, said.stdout) == (1, "")
    assert "with another change" in said.stderr
    assert "give another --id" in said.stderr
    assert desk.remote.ref(f"refs/heads/{branch(desk)}") == theirs


@pytest.mark.parametrize("where", ["after it", "before it", "in it"])
def test_a_branch_with_other_work_is_kept(desk, run, where):
    restore(run, desk)
    other = desk.clone(desk.root.parent / "other")
    git(other, "checkout", "--quiet", branch(desk))
    line = git(other, "rev-parse", "HEAD")
    if where != "after it":
        git(other, "reset", "--quiet", "--hard", "HEAD^")
    if where == "in it":
        git(other, "cherry-pick", "--no-commit", line)
    theirs = commit_files(other, {"notes.md": "and this\n"})
    if where == "before it":
        git(other, "cherry-pick", line)
        theirs = git(other, "rev-parse", "HEAD")
    git(other, "push", "--quiet", "--force", "origin", "HEAD")
    said = restore(run, desk)
    assert said.status == 1
    assert "with another change" in said.stderr
    assert desk.remote.ref(f"refs/heads/{branch(desk)}") == theirs


@pytest.mark.parametrize(("reason", "status", "words"), [("0042", 0, "exists already"), ("other", 1, "another --id")])
def test_a_concurrent_push_is_found_or_refused(desk, run, reason, status, words):
    restore(run, desk, reason=reason)
    theirs, ref = desk.remote.ref(f"refs/heads/{branch(desk)}"), f"refs/heads/{branch(desk)}"
    git(desk.remote.path, "update-ref", "refs/keep/theirs", theirs)
    git(desk.remote.path, "update-ref", "-d", ref)
    desk.before_push(f"env -u GIT_QUARANTINE_PATH git update-ref {ref} {theirs}")
    said = restore(run, desk, reason="0042")
    assert (said.status, words in said.stderr) == (status, True), said.stderr
    assert desk.remote.ref(ref) == theirs


def test_a_branch_on_an_old_file_is_replaced(desk, run):
    restore(run, desk)
    text = desk.remote_file("main").replace("// Production.", "// Production!")
    moved = desk.push({FILE: text})
    said = restore(run, desk)
    assert said.status == 0
    assert git(desk.remote.path, "rev-parse", f"{branch(desk)}^") == moved
    assert "is replaced" in said.stderr
    edited = desk.remote_file(branch(desk))
    assert edited == with_restore_text(text, restore_text(edited))


def test_a_merged_and_undone_branch_is_replaced(desk, run):
    original = desk.remote_file("main")
    restore(run, desk)
    other = desk.clone(desk.root.parent / "other")
    git(other, "checkout", "--quiet", branch(desk))
    commit_files(other, {"notes.md": "merged with it\n"}, push=True)
    desk.merge(branch(desk))
    undone = desk.push({FILE: original}, "on second thoughts")
    said = restore(run, desk)
    assert said.status == 0, said.stderr
    assert git(desk.remote.path, "rev-parse", f"{branch(desk)}^") == undone


def test_other_commits_leave_the_branch_alone(desk, run):
    restore(run, desk)
    first = desk.remote.ref(f"refs/heads/{branch(desk)}")
    desk.push({"notes.md": "moved\n"})
    assert restore(run, desk).status == 0
    assert desk.remote.ref(f"refs/heads/{branch(desk)}") == first


def test_a_merged_restore_is_not_proposed_again(desk, run):
    restore(run, desk)
    desk.merge(branch(desk))
    said = restore(run, desk)
    assert (said.status, said.stdout) == (0, "")
    assert "asks for" in said.stderr
    assert "next: reconciler apply production" in said.stderr


def test_a_refused_push_has_the_remotes_words(desk, run):
    desk.remote.refuse_pushes("branches are closed today")
    said = restore(run, desk)
    assert (said.status, said.stdout) == (1, "")
    assert "branches are closed today" in said.stderr
    assert desk.remote_branches() == ["main"]


def test_without_a_remote_the_branch_is_local(desk, run):
    desk.git("remote", "remove", "origin")
    before = desk.state()
    said = restore(run, desk)
    assert (said.status, said.stdout) == (0, f"{branch(desk)}\n")
    assert f"git merge {branch(desk)}" in said.stderr
    after = desk.state()
    assert branch(desk) in after.pop("branches")
    assert after == {key: value for key, value in before.items() if key != "branches"}
    assert desk.git("rev-parse", f"{branch(desk)}^") == desk.git("rev-parse", "HEAD")
    assert "exists already" in restore(run, desk).stderr


def test_line_ends_and_byte_order_mark_are_kept(desk, run):
    text = "\ufeff" + desk.remote_file("main").rstrip().replace("\n", "\r\n")
    desk.push({FILE: text})
    assert restore(run, desk).status == 0
    edited = desk.remote_file(branch(desk))
    assert edited != text
    assert edited == with_restore_text(text, restore_text(edited))


@pytest.mark.parametrize("text", ['{ "primary": { "restore": null } ', '{ "primary": {} }'])
def test_a_broken_file_on_main_has_its_place(desk, run, text):
    desk.push({FILE: text})
    said = restore(run, desk)
    assert (said.status, said.stdout) == (1, "")
    assert re.match(r"desired-state/production\.jsonc:1:\d+: ", said.stderr)


def test_a_link_out_of_the_repository_is_refused(desk, run, tmp_path):
    elsewhere = (desk.root / FILE).rename(tmp_path / "elsewhere.jsonc")
    (desk.root / FILE).symlink_to(elsewhere)
    said = restore(run, desk)
    assert (1, True) == (said.status, "points outside the repository" in said.stderr)


def test_a_file_that_is_not_on_main_is_refused(desk, run):
    staging = (desk.root / FILE).with_name("staging.jsonc")
    staging.write_bytes((desk.root / FILE).read_bytes())
    said = run(desk, "restore", "staging", "--to", moment(desk))
    assert (1, True) == (said.status, "desired-state/staging.jsonc is not on main yet" in said.stderr)


# On GitHub


def test_a_pull_request_has_plan_and_checklist(desk, run, github):
    said = restore(run, desk, "--pr", reason="@everybody <b>0042</b> dropped `Listing`", **github.environment)
    assert said.status == 0, said.stderr
    (pull,) = github.pulls()
    assert re.fullmatch(rf"https?://\S+/acme/shop/pull/{pull.number}\n", said.stdout)
    assert (pull.head, pull.base) == (branch(desk), "main")
    assert pull.title == desk.message(branch(desk)).split("\n")[0]
    for words in ("- [ ] ", "| step | because |", "stays inside the history window", "reconciler rollback production"):
        assert words in pull.body
    assert "<b>" not in pull.body.partition("<details")[0]
    assert "@everybody" not in pull.body.partition("<details")[0]


def test_names_do_nothing_in_a_pull_request(desk, run, github):
    """Names of what stays outside, and a reason that ends a block of code of its own."""
    name = "</details> <img src=x> | @everybody [here](https://evil.example)"
    outside = [{"name": name, "retention": "30d", "recovery": "ask `@rita`"}]
    text = desk.remote_file("main")
    desk.push({FILE: text.replace('  "primary"', f'  "outside": {json.dumps(outside)},\n  "primary"', 1)})
    assert restore(run, desk, "--pr", reason="``` </details>", **github.environment).status == 0
    (pull,) = github.pulls()
    # The plan, and the guards that passed, are folded; nothing from the file closes or opens either.
    assert (2, 2) == (pull.body.count("<details"), pull.body.count("</details>"))
    for words in ("<img", "@everybody", "@rita", "[here]("):
        assert words not in pull.body
    assert pull.body.count("&lt;/details&gt; &lt;img src=x&gt; \\|") == 2


def test_a_pull_request_keeps_its_edits(desk, run, github):
    first = restore(run, desk, "--pr", **github.environment)
    github.pulls()[0].body += "\nRita: I have looked at it."
    again = restore(run, desk, "--pr", **github.environment)
    assert (again.status, again.stdout) == (0, first.stdout)
    (pull,) = github.pulls()
    assert pull.body.endswith("I have looked at it.")


@pytest.mark.parametrize("fault", [Fault.FORBIDDEN, Fault.DROPPED])
def test_an_interrupted_proposal_is_finished_by_the_next(desk, run, github, fault):
    github.inject(fault, "POST", "/pulls", times=5)
    interrupted = restore(run, desk, "--pr", **github.environment)
    commit = desk.remote.ref(f"refs/heads/{branch(desk)}")
    github.inject(fault, "POST", "/pulls", times=0)
    assert commit
    if fault is Fault.FORBIDDEN:
        assert (interrupted.status, interrupted.stdout) == (1, "")
        github._faults.clear()
    said = restore(run, desk, "--pr", "--format", "json", **github.environment)
    assert said.status == 0, said.stderr
    (pull,) = github.pulls()
    found = json.loads(said.stdout)
    assert (found["commit"], found["pull_request"].rpartition("/")[2]) == (commit, str(pull.number))


@pytest.mark.parametrize(
    ("missing", "words"),
    [({"GITHUB_TOKEN": None}, "GITHUB_TOKEN is not set"), ({"GITHUB_REPOSITORY": None}, "owner/name")],
)
def test_missing_github_settings_stop_before_the_push(desk, run, github, missing, words):
    said = restore(run, desk, "--pr", **github.environment | missing)
    assert (said.status, said.stdout) == (1, "")
    assert words in said.stderr
    assert desk.remote_branches() == ["main"]
    assert github.writes() == []


def test_refused_with_pr_asks_github_for_nothing(desk, run, github):
    said = run(desk, "restore", "--to", "2020-01-01T00:00:00Z", "--pr", **github.environment)
    assert said.status == 3
    assert github.writes() == []


def test_as_a_process_it_says_the_same(desk, command):
    said = command(desk, "restore", "--to", "10 minutes ago")
    instant = re.search(r"restore to (\S+) = 10 min", said.stderr + said.stdout)
    assert said.status == 3, said.stderr
    assert instant is None
    assert "before-source-existed" in said.stdout
    assert Instant.parse_strict(re.search(r"the data as of (\S+) \(10 min", said.stdout)[1])
