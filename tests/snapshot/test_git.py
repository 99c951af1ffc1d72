"""Snapshots and Git: no dump is ever committed; and the commands around snapshots."""

import subprocess
from pathlib import Path

import pytest


def git(directory, *arguments):
    return subprocess.run(["git", "-C", directory, *arguments], capture_output=True, text=True)


@pytest.fixture
def checkout(plain_desk, tmp_path):
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "config", "user.name", "Ada")
    git(tmp_path, "config", "user.email", "ada@example.com")
    return tmp_path


def test_snapshots_need_an_ignored_directory(plain_desk, checkout):
    status, _, stderr = plain_desk("create")
    assert status == 1
    assert "Git would commit what is in" in stderr
    assert "--ignore adds the line /snapshots/ to .gitignore" in stderr
    assert plain_desk.files() == []
    plain_desk.do("create", "--ignore")
    assert (checkout / ".gitignore").read_text() == "/snapshots/\n"
    assert git(checkout, "status", "--short", "-uall").stdout == "?? .gitignore\n"
    plain_desk.do("create")


def test_only_dumps_being_ignored_is_not_enough(plain_desk, checkout):
    (checkout / ".gitignore").write_text("*.dump\n")
    assert plain_desk("create")[0] == 1


def test_the_hook_refuses_only_dumps(plain_desk, checkout):
    status, stdout, _ = plain_desk.without_place("guard", "--install")
    assert (status, "refuses dumps" in stdout, "is not ignored" in stdout) == (1, True, True)
    for name, content in (("a b.dump", b"x"), ("innocent.txt", b"PGDMP\x01\x0e"), ("_db-backups/x", b"x")):
        (checkout / name).parent.mkdir(exist_ok=True)
        (checkout / name).write_bytes(content)
        git(checkout, "add", "--force", name)
        said = git(checkout, "commit", "--quiet", "--message", "x")
        assert said.returncode == 1
        assert f"refused: {name} is a dump of a database" in said.stderr
        git(checkout, "rm", "--cached", "--quiet", name)
    (checkout / "README").write_text("PGDMP is how a dump begins, not here\n".replace("PGDMP", "What", 1))
    git(checkout, "add", "README")
    assert git(checkout, "commit", "--quiet", "--message", "x").returncode == 0


def test_a_hook_of_somebody_else_is_not_overwritten(plain_desk, checkout):
    hook = checkout / ".git/hooks/pre-commit"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\n")
    status, _, stderr = plain_desk.without_place("guard", "--install")
    assert status == 1
    assert "exists already, and was not written by reconciler" in stderr
    assert hook.read_text() == "#!/bin/sh\n"


def test_before_runs_the_command_after_the_snapshot(plain_desk):
    status, _, stderr = plain_desk("before", "--", "sh", "-c", "test -s snapshots/*.dump && exit 7")
    assert status == 7
    assert "hint: the way back is reconciler snapshot restore " in stderr
    assert plain_desk("before", "--", "sh", "-c", "kill -9 $$")[0] == 137
    assert plain_desk("before", "--", "true")[0] == 0


def test_without_a_snapshot_before_runs_nothing(plain_desk, monkeypatch, tmp_path):
    plain_desk.name = "nothing"
    status, _, _ = plain_desk("before", "--", "touch", str(tmp_path / "was-run"))
    assert status == 1
    assert not (tmp_path / "was-run").exists()


def test_prune_keeps_newest_and_last_good(plain_desk):
    paths = [Path(plain_desk.do("create").strip()) for _ in range(3)]
    paths[2].write_bytes(b"damaged")
    assert plain_desk.without_place("prune")[1] == ""
    status, stdout, _ = plain_desk.without_place("prune", "--keep", "1", "--older-than", "1s", "--dry-run")
    assert status == 0
    # All are of this very second or the one before, so age is what the pure tests are about.
    assert "removed" not in stdout
    assert plain_desk.without_place("list")[1].count("tables with 1356 rows") == 3
