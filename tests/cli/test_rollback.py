"""`reconciler rollback` proposes the revert of the last restore that was applied."""

import json
import re

import pytest

from reconciler.core.file.edit import restore_text, with_restore, with_restore_text
from tests.cli.conftest import TOKEN
from tests.support import database
from tests.support.database import DAMAGED, GOOD
from tests.support.desk import FILE, Desk, written
from tests.support.production import Production
from tests.support.remotes import git

WHY = '"reason": "0042 dropped Listing"'


@pytest.fixture(scope="module")
def restored(sandbox, shops, tmp_path_factory):
    """A production whose first restore was committed, with a reason, and applied."""
    production = Production(sandbox, shops.take(), tmp_path_factory.mktemp("restored"))
    production.file.write_text(written(production.desired))
    production.commit("as people write it")
    text = production.file.read_text()
    line = f'{{ "to": "{database.text(production.shop.good)}", "id": "inc-42", {WHY} }}'
    production.file.write_text(text.replace('"restore": null', f'"restore": {line}'))
    production.commit("Restore production\n\nbecause of 0042")
    production.apply()
    production.commit("wrangler.jsonc as it is deployed")
    yield production
    production.remove()


@pytest.fixture
def desk(restored, tmp_path):
    restored.sandbox.forget_requests()
    yield Desk(restored, tmp_path)
    assert restored.sandbox.writes() == []


@pytest.fixture
def github(desk, make_github):
    server = make_github(token=TOKEN, bare=desk.remote.path)
    yield server
    assert not [secret for secret in [TOKEN, *desk.credentials()] if secret in server.received()]


def timeline(desk, identity="inc-42"):
    return f"r-{re.sub('[-:.]', '', database.text(desk.shop.good))}-{identity}"


def commit_of(desk, subject):
    return git(desk.remote.path, "log", "-1", "--format=%H", f"--grep=^{subject}", "main")


def reverted(desk, commit):
    """What `git revert` makes of the remote's main, by people's own hands."""
    other = desk.clone(desk.root.parent / f"other-{commit[:8]}")
    git(other, "revert", "--no-edit", commit)
    return git(other, "rev-parse", "HEAD^{tree}"), git(other, "log", "-1", "--format=%s")


def test_a_rollback_is_what_git_revert_makes(desk, run):
    asked = commit_of(desk, "Restore production")
    desk.push({"notes.md": "later\n"})
    desk.push({FILE: desk.remote_file("main").replace("// Production.", "// Production!")}, "another line")
    before = desk.state()
    said = run(desk, "rollback", "production", "--reason", "it was not needed")
    assert (said.status, said.stdout) == (0, "rollback/production/origin\n")
    tree, subject = reverted(desk, asked)
    assert git(desk.remote.path, "rev-parse", f"{said.stdout.strip()}^{{tree}}") == tree
    message = desk.message("rollback/production/origin")
    assert message.startswith(f"{subject}\n\nThis reverts commit {asked}.\n\nit was not needed\n\n")
    assert f"Live now: {timeline(desk)}. Live then: origin." in message
    assert desk.state() == before


def test_twice_the_same_is_one_branch(desk, run):
    first = json.loads(run(desk, "rollback", "--format", "json").stdout)
    again = json.loads(run(desk, "rollback", "--format", "json").stdout)
    assert again == first
    assert (first["timeline"], first["to"]) == ("origin", None)
    assert desk.remote_branches() == ["main", "rollback/production/origin"]


def test_a_rollback_opens_one_pull_request(desk, run, github):
    first = run(desk, "rollback", "--pr", **github.environment)
    again = run(desk, "rollback", "--pr", **github.environment)
    assert (first.status, again.status) == (0, 0)
    (pull,) = github.pulls()
    assert first.stdout == again.stdout
    assert first.stdout.endswith(f"/pull/{pull.number}\n")
    assert pull.title == 'Revert "Restore production"'
    assert f"This reverts commit {commit_of(desk, 'Restore production')}." in pull.body
    assert "- [ ] `origin` is the timeline that is meant" in pull.body


def test_a_held_timeline_can_be_named(desk, run):
    asked, text = commit_of(desk, "Restore production"), desk.remote_file("main")
    said = run(desk, "rollback", "--to-timeline", "origin", "--reason", "back to the roots")
    assert said.status == 0
    assert desk.remote_file(said.stdout.strip()) == with_restore_text(text, restore_text(desk.remote_file(f"{asked}^")))
    message = desk.message("rollback/production/origin")
    assert message.startswith("Roll production back to origin\n\nback to the roots\n\n")
    assert "This reverts" not in message


def test_without_history_the_timelines_name_is_used(desk, run):
    desk.git("checkout", "--quiet", "--orphan", "fresh")
    desk.git("commit", "--quiet", "--message", "history was rewritten")
    desk.git("push", "--quiet", "--force", "origin", "HEAD:main")
    nothing = run(desk, "rollback")
    assert nothing.status == 1
    assert f"has been on {timeline(desk)} as far back as origin/main goes" in nothing.stderr
    assert "--to-timeline" in nothing.stderr
    said = run(desk, "rollback", "--to-timeline", "origin")
    assert said.status == 0
    assert desk.remote_file(said.stdout.strip()) == with_restore(desk.remote_file("main"), None)


@pytest.mark.parametrize("name", ["r-20200101T000000000Z", "candidate"])
def test_a_timeline_that_is_not_held_is_refused(desk, run, name):
    wanted = timeline(desk, "inc-43") if name == "candidate" else name
    said = run(desk, "rollback", "--to-timeline", wanted)
    assert said.status == 3
    assert f'timeline "{wanted}" is neither live nor held; "{timeline(desk)}" is live' in said.stdout
    assert "held: origin" in said.stdout
    assert desk.remote_branches() == ["main"]


def test_a_live_timeline_needs_no_commit(desk, run):
    for arguments in (
        ["rollback", "--to-timeline", timeline(desk)],
        ["restore", "--to", database.text(desk.shop.good), "--id", "inc-42"],
    ):
        said = run(desk, *arguments)
        assert (said.status, said.stdout) == (0, "")
        assert f"{timeline(desk)} is live already" in said.stderr
    assert "give another --id" in said.stderr
    assert desk.remote_branches() == ["main"]


def test_a_restore_not_yet_applied_is_refused(desk, run):
    text = desk.remote_file("main")
    pending = desk.push({FILE: text.replace('"id": "inc-42"', '"id": "inc-43"')}, "Restore again")
    desk.push({FILE: text.replace('"id": "inc-42"', '"id": "inc-43"').replace("// Prod", "// The prod")}, "words")
    said = run(desk, "rollback", "--format", "json")
    assert said.status == 3
    (refusal,) = json.loads(said.stdout)["refusals"]
    assert refusal["rule"] == "not-applied-yet"
    assert f'asks for timeline "{timeline(desk, "inc-43")}", but "{timeline(desk)}" is still live' in refusal["message"]
    assert "reconciler apply production" in refusal["hint"]
    assert f"git revert {pending}" in refusal["hint"]
    assert desk.remote_branches() == ["main"]


def test_a_rollback_skips_what_was_never_applied(desk, run):
    text = desk.remote_file("main")
    desk.push({FILE: text.replace('"id": "inc-42"', '"id": "inc-43"')}, "Restore again, merged and never applied")
    desk.push({FILE: text}, "No, as it was")
    said = run(desk, "rollback")
    assert said.status == 0, said.stdout
    assert f"{timeline(desk, 'inc-43')}, asked for before, is not held; live before was origin" in said.stderr
    assert desk.remote_file(said.stdout.strip()) == with_restore(text, None)


def test_a_branch_name_is_no_timeline(desk, run):
    said = run(desk, "rollback", "--to-timeline", "main")
    assert said.status == 1
    assert '"main" is not the name of a timeline' in said.stderr


def test_nothing_to_roll_back_is_an_error(shared_production, tmp_path, run):
    desk = Desk(shared_production, tmp_path)
    said = run(desk, "rollback")
    assert (said.status, said.stdout) == (1, "")
    assert "production has been on origin as far back as origin/main goes: nothing to roll back" in said.stderr


@pytest.mark.thorough
def test_restore_and_rollback_alternate_by_merges(make_production, tmp_path, run):
    """Restore, rollback, rollback of that, and once more: each merged and applied; the file comes back to the byte."""
    production = make_production()
    desk = Desk(production, tmp_path)
    original = desk.push({FILE: written(production.desired)}, "as people write it")

    def applied(branch):
        desk.merge(branch)
        said = run(desk, "apply")
        assert said.status == 0, said.stderr
        if desk.git("status", "--porcelain"):
            desk.git("commit", "--quiet", "--all", "--message", "wrangler.jsonc as it is deployed")
            desk.git("push", "--quiet", "origin", "HEAD:main")

    told = []

    def proposed(*arguments):
        said = run(desk, *arguments)
        assert said.status == 0, said.stderr
        told.append(said.stderr)
        return said.stdout.strip()

    to = ("restore", "--to", database.text(desk.shop.good), "--id", "inc-42", "--reason", "0042")
    applied(proposed(*to))
    assert production.rows() == GOOD
    restored = (desk.root / FILE).read_bytes()
    applied(proposed("rollback"))
    assert production.rows() == DAMAGED
    assert (desk.root / FILE).read_text() == desk.remote_file(original)
    held = run(desk, *to)
    assert held.status == 3
    assert "timeline-used" in held.stdout
    assert "choose another --id" in held.stdout
    named = proposed("rollback", "--to-timeline", timeline(desk))
    assert desk.remote_file(named).encode() == restored
    desk.git("push", "--quiet", "origin", "--delete", named)
    again = proposed("rollback")
    assert f"back to {timeline(desk)}, which is held: it comes back as it was left" in told[-1]
    assert " ago" not in told[-1], "it is no restore to a moment"
    assert desk.message(again).startswith('Reapply "Restore production to ')
    applied(again)
    assert (production.rows(), (desk.root / FILE).read_bytes()) == (GOOD, restored)
    assert again.endswith(timeline(desk))
    once_more = proposed("rollback")
    assert once_more == "rollback/production/origin"
    assert "back to origin, the original timeline, as it was left" in told[-1]
    assert desk.message(once_more).startswith('Revert "Reapply "Restore production to ')
