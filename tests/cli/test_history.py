"""`reconciler history` in real repositories: merges, odd files, odd notes, no remote, and what it says."""

import json
import os
from contextlib import contextmanager
from dataclasses import replace

import pytest

from reconciler.core.values.instant import Instant
from reconciler.providers.git.history import changes_of
from reconciler.render.history.text import visible
from tests.support.long_history import example, make_long_history
from tests.support.plain_words import run_here
from tests.support.remotes import commit_files, git

FILE = "desired-state/production.jsonc"
ONE, TWO = "2026-11-20T09:00:00.000Z", "2026-11-21T09:00:00.000Z"
NAME_ONE, NAME_TWO = "r-20261120T090000000Z", "r-20261121T090000000Z"
HOSTILE = "</td><script>alert(1)</script>\x1b[31m\u202eevil"


def text(to=None, reason="", **more):
    restore = {"to": to, "reason": reason} if to else None
    return json.dumps({"primary": {"project": "p", "branch": "main", "restore": restore, "hold": "forever"}, **more})


@pytest.fixture
def repository(tmp_path):
    directory = tmp_path / "repository"
    directory.mkdir()
    git(directory, "init", "--quiet", "--initial-branch=main")
    return directory


def said(directory, *arguments, **environment):
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("GIT_", "NEON_", "CLOUDFLARE_"))}
    own = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1", "COLUMNS": "100", **environment}
    return run_here("history", *arguments, cwd=directory, env={**kept, **own})


def facts(directory, *arguments):
    done = said(directory, "production", "--format", "json", *arguments)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def note(directory, commit, line):
    git(directory, "notes", "--ref=reconciler", "append", "--message", line, commit)


def entries(directory):
    return [(each["entry"], each["what"]) for each in facts(directory)["entries"]]


@contextmanager
def merged(repository, name="restore/one"):
    """Commit inside on a branch of its own, which is then merged as GitHub does."""
    git(repository, "switch", "--quiet", "--create", name)
    yield
    git(repository, "switch", "--quiet", "main")
    git(repository, "merge", "--quiet", "--no-ff", "--message", "Merge pull request #1", name)


# one line per change and per apply


def test_a_history_reads_newest_first_with_undos(repository):
    commit_files(repository, {FILE: text()}, "Production as it is")
    asked = commit_files(repository, {FILE: text(ONE, "dropped Listing")}, "Restore production")
    there = example("2026-11-20T10:00:00.000Z", "origin", NAME_ONE, asked)
    note(repository, asked, there.line)
    git(repository, "revert", "--no-edit", asked)
    undone = git(repository, "rev-parse", "HEAD")
    note(repository, undone, example("2026-11-20T11:00:00.000Z", NAME_ONE, "origin", undone).line)
    found = facts(repository)
    assert [(each["entry"], each["what"], each["outcome"], each["undo"]) for each in found["entries"]] == [
        ("apply", "undone, live: origin", "converged", "reconciler rollback production"),
        ("change", "undo: back to origin", "applied", f"git revert {undone[:10]}"),
        ("apply", "live: 2026-11-20 09:00:00", "converged", None),
        ("change", "restore to 2026-11-20 09:00:00", "applied", None),
        ("change", "file added: origin", "no receipt", None),
    ]
    assert [each["who"] for each in found["entries"]] == ["anna", "Ada Tester", "anna", "Ada Tester", "Ada Tester"]
    assert [each["seconds"] for each in found["entries"]][:3] == [41.25, None, 41.25]
    assert found["entries"][3]["asked"] == ONE
    assert (found["live_timeline"], found["desired_timeline"]) == ("origin", "origin")
    states = {each["timeline"]: each["state"] for each in found["timelines"]}
    assert states == {"origin": "live", NAME_ONE: "held"}


def test_the_text_keeps_to_its_columns(repository):
    commit_files(repository, {FILE: text()}, "Production as it is")
    asked = commit_files(repository, {FILE: text(ONE, "dropped Listing " * 20)}, "Restore production")
    note(repository, asked, example("2026-11-20T10:00:00.000Z", "origin", NAME_ONE, asked).line)
    for columns in (80, 100):
        lines = said(repository, COLUMNS=str(columns)).stdout.splitlines()
        assert lines[0].startswith(f"production: {NAME_ONE} is live since 2026-11-20 10:00")
        assert "  held  origin, since 2026-11-20 10:00, for ever" in lines
        assert "        back to it: reconciler rollback production --to-timeline origin" in lines
        assert "Newest first" in lines
        assert max(map(len, lines)) <= columns
        assert len([line for line in lines if line.startswith("20")]) == 3


def test_the_newest_are_shown_and_the_rest_counted(tmp_path):
    now = Instant.parse_strict("2026-11-22T10:00:00Z")
    directory = make_long_history(tmp_path / "long", commits=41, restores=20, now=now)
    lines = said(directory).stdout.splitlines()
    assert lines[-1] == "11 older entries: --limit 0 shows all"
    assert len([line for line in lines if line.startswith("20")]) == 30
    assert len(facts(directory)["entries"]) == len(facts(directory, "--limit", "0")["entries"]) == 41
    (newest,) = facts(directory, "--limit", "1")["entries"]
    assert (newest["entry"], newest["outcome"]) == ("apply", "converged")


def test_control_characters_are_shown(repository):
    git(repository, "config", "user.name", "x")
    commit_files(repository, {FILE: text()}, "Production as it is")
    asked = commit_files(repository, {FILE: text(ONE, HOSTILE)}, HOSTILE)
    hostile = replace(example("2026-11-20T10:00:00.000Z", "origin", NAME_ONE, asked), actor=HOSTILE, detail=HOSTILE)
    note(repository, asked, hostile.line)
    note(repository, asked, HOSTILE)
    for form in ("text", "markdown"):
        shown = said(repository, "--format", form).stdout
        assert "\x1b" not in shown
        assert all(line.isprintable() for line in shown.split("\n"))
        assert form == "text" or "<script" not in shown
    assert visible("a\u202eb\x07") == "a\\u202eb\\u0007"


# merges


def test_a_merged_change_shows_once(repository):
    commit_files(repository, {FILE: text()}, "Production as it is")
    with merged(repository):
        asked = commit_files(repository, {FILE: text(ONE)}, "Restore production")
    note(repository, asked, example("2026-11-20T10:00:00.000Z", "origin", NAME_ONE, asked).line)
    (change,) = [each for each in facts(repository)["entries"] if each["what"].startswith("restore")]
    assert (change["commit"], change["outcome"], change["undo"]) == (asked, "applied", f"git revert {asked[:10]}")


def test_commits_of_a_pull_request_are_one_change(repository):
    commit_files(repository, {FILE: text()}, "Production as it is")
    with merged(repository):
        commit_files(repository, {FILE: text(ONE)}, "Restore production")
        commit_files(repository, {FILE: text(TWO)}, "No, a day later")
    merge = git(repository, "rev-parse", "HEAD")
    assert [what for _, what in entries(repository)] == ["restore to 2026-11-21 09:00:00", "file added: origin"]
    undo = facts(repository)["entries"][0]["undo"]
    assert undo == f"git revert -m 1 {merge[:10]}"
    git(repository, *undo.removeprefix("git ").split(), "--no-edit")
    assert json.loads((repository / FILE).read_text())["primary"]["restore"] is None


def test_both_sides_of_a_merge_show_once(repository):
    lines = text().replace("{", "{\n").replace(",", ",\n\n\n\n")
    commit_files(repository, {FILE: lines}, "Production as it is")
    git(repository, "switch", "--quiet", "--create", "restore/one")
    restored = lines.replace('"restore": null', '"restore": {"to": "' + ONE + '"}')
    commit_files(repository, {FILE: restored}, "Restore production")
    git(repository, "switch", "--quiet", "main")
    commit_files(repository, {FILE: lines.replace("forever", "9d")}, "Hold longer")
    git(repository, "merge", "--quiet", "--no-ff", "--message", "Merge pull request #1", "restore/one")
    shown = [what for _, what in entries(repository)]
    assert shown == ["restore to 2026-11-20 09:00:00", "settings changed", "file added: origin"]


def test_a_merge_of_other_files_does_not_show(repository):
    commit_files(repository, {FILE: text()}, "Production as it is")
    with merged(repository):
        commit_files(repository, {"README": "feature"}, "Feature")
    assert entries(repository) == [("change", "file added: origin")]


# what may stand in a repository


def test_versions_that_do_not_parse_are_entries(repository):
    for content in (text(), "{ broken", b"\xff\xfe", b"\x00", "", text(ONE)):
        commit_files(repository, {FILE: content}, "change")
    shown = [what for _, what in entries(repository)]
    assert shown == ["restore to 2026-11-20 09:00:00", *["the file does not parse"] * 4, "file added: origin"]


def test_a_file_that_was_removed_and_came_back(repository):
    commit_files(repository, {FILE: text()}, "add")
    git(repository, "rm", "--quiet", FILE)
    git(repository, "commit", "--quiet", "--message", "remove")
    commit_files(repository, {FILE: text(ONE)}, "again")
    shown = [what for _, what in entries(repository)]
    assert shown == ["restore to 2026-11-20 09:00:00", "file removed", "file added: origin"]


def test_bad_notes_and_missing_receipts_are_problems(repository):
    commit_files(repository, {FILE: text()}, "Production as it is")
    asked = commit_files(repository, {FILE: text(ONE)}, "Restore production")
    lost = "ab" * 32
    note(repository, asked, "not a receipt")
    note(repository, asked, replace(example("2026-11-20T10:00:00.000Z", "origin", NAME_ONE), previous=lost).line)
    found = facts(repository)
    assert len(found["entries"]) == 3
    assert [lost[:16] in each or "not a receipt" in each for each in found["problems"]] == [True, True]
    shown = said(repository).stdout
    assert "Problems" in shown
    assert f"{lost[:16]}…" in shown


def test_a_persons_configuration_changes_nothing(repository):
    for number in range(3):
        commit_files(repository, {FILE: text(note=number)}, f"change {number}")
    plain = facts(repository)["entries"]
    for key, value in {
        "log.follow": "true", "log.showRoot": "false", "log.showSignature": "true", "color.ui": "always",
        "diff.renames": "copies", "log.decorate": "full", "core.abbrev": "4", "log.diffMerges": "off",
        "diff.relative": "true", "core.quotePath": "false", "format.pretty": "raw", "diff.noprefix": "true",
    }.items():  # fmt: skip
        git(repository, "config", key, value)
    assert facts(repository)["entries"] == plain
    assert facts(repository / "desired-state")["entries"] == plain


def test_a_repository_without_commits_has_no_history(repository, tmp_path):
    (repository / FILE).parent.mkdir()
    (repository / FILE).write_text(text())
    done = said(repository)
    assert (done.returncode, done.stderr) == (0, "")
    assert "nothing has happened yet" in done.stdout
    outside = tmp_path / "outside" / "desired-state"
    outside.mkdir(parents=True)
    (outside / "production.jsonc").write_text(text())
    done = said(outside.parent, GIT_CEILING_DIRECTORIES=str(tmp_path))
    assert done.returncode == 1
    assert "is not in a Git repository" in done.stderr


# the remote


def test_receipts_come_from_the_remote_if_it_answers(repository, tmp_path):
    commit_files(repository, {FILE: text()}, "Production as it is")
    asked = commit_files(repository, {FILE: text(ONE)}, "Restore production")
    git(tmp_path, "clone", "--quiet", "--bare", str(repository), "remote.git")
    git(tmp_path, "clone", "--quiet", str(tmp_path / "remote.git"), "here")
    note(repository, asked, example("2026-11-20T10:00:00.000Z", "origin", NAME_ONE, asked).line)
    git(repository, "push", "--quiet", str(tmp_path / "remote.git"), "refs/notes/reconciler")
    here = tmp_path / "here"
    assert len(facts(here, "--no-fetch")["entries"]) == 2
    assert len(facts(here)["entries"]) == 3
    (tmp_path / "remote.git").rename(tmp_path / "gone.git")
    done = said(here)
    assert done.returncode == 0
    assert "warning: the remote's receipts could not be fetched" in done.stderr
    assert "live: 2026-11-20 09:00:00" in done.stdout
    assert said(here, "--no-fetch").stderr == ""


def test_a_shallow_clone_warns_of_missing_changes(repository, tmp_path):
    for number in range(3):
        commit_files(repository, {FILE: text(note=number)}, f"change {number}")
    git(tmp_path, "clone", "--quiet", "--depth=1", f"file://{repository}", "shallow")
    done = said(tmp_path / "shallow", "--no-fetch")
    assert done.returncode == 0
    assert "shallow" in done.stderr


# many


def test_500_restores_in_10000_commits_are_all_there(tmp_path):
    now = Instant.parse_strict("2026-11-22T10:00:00Z")
    directory = make_long_history(tmp_path / "long", commits=10_000, restores=500, now=now)
    found = facts(directory)
    assert len(changes_of(directory, FILE)) == 501
    assert [each["entry"] for each in found["entries"]].count("apply") == 500
    assert (len(found["entries"]), found["problems"]) == (1001, [])
    moments = [each["at"] for each in found["entries"]]
    assert moments == sorted(moments, reverse=True)
