"""What `reconciler snapshot` says without any server: ways back, hooks, and files that can't be written or read."""

import os
import subprocess
import time
from pathlib import Path

import pytest

from reconciler.cli.snapshot.place import Where
from reconciler.cli.snapshot.restore import the_way_back
from reconciler.errors import SnapshotFailed
from reconciler.providers.postgres.snapshot_shelf import Kept, Shelf
from tests.core.snapshot.test_snapshot import MANIFEST
from tests.support.plain_words import run_main


def test_the_restore_command_can_be_pasted():
    where = Where("961 tech", None, "My Shop", "ada", None, None)
    assert the_way_back(where, Path("/a b/x.dump")) == (
        "reconciler snapshot restore '/a b/x.dump' --container '961 tech' --database 'My Shop' --role ada"
    )
    plain = Where(None, "postgresql://ada:secret@localhost/shop", None, None, None, None)
    assert the_way_back(plain, Path("x.dump")) == "reconciler snapshot restore x.dump"


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    root, settings = tmp_path / "checkout", tmp_path / "gitconfig"
    subprocess.run(["git", "init", "--quiet", root], check=True)
    settings.write_text("")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(settings))
    monkeypatch.chdir(root)
    return root


def test_shared_hooks_are_left_alone(checkout, tmp_path, monkeypatch, capsys):
    shared = tmp_path / "hooks"
    (tmp_path / "gitconfig").write_text(f"[core]\n\thooksPath = {shared}\n")
    status, _, stderr = run_main(monkeypatch, capsys, "snapshot", "guard", "--install")
    assert (status, shared.exists(), (checkout / ".git/hooks/pre-commit").exists()) == (1, False, False)
    assert f"core.hooksPath sends all repositories to {shared}: nothing is installed there" in stderr
    status, stdout, _ = run_main(monkeypatch, capsys, "snapshot", "guard")
    assert (status, f"{shared}/pre-commit does not refuse dumps" in stdout) == (1, True)


def test_a_missing_dump_is_an_error(tmp_path):
    with pytest.raises(SnapshotFailed, match=r"gone\.dump can't be read: No such file"):
        Kept(tmp_path / "gone.dump", MANIFEST).check()
    shelf = Shelf(tmp_path / "shelf")
    with shelf.new() as partial, pytest.raises(SnapshotFailed, match=r"x\.dump can't be written: No such file"):
        shelf.keep(partial, "x.dump", MANIFEST)
    assert list(shelf.directory.iterdir()) == []


def test_a_killed_dump_is_removed_after_an_hour(checkout, monkeypatch, capsys):
    directory = checkout / "_db-backups"
    directory.mkdir()
    old, young = directory / ".partial-00", directory / ".partial-11"
    for path, age in ((old, 3700), (young, 0)):
        path.write_bytes(b"PGDMP")
        os.utime(path, (time.time() - age,) * 2)
    status, stdout, _ = run_main(monkeypatch, capsys, "snapshot", "prune", "--dry-run")
    assert (status, stdout) == (0, "would remove .partial-00, left by a dump that was killed\n")
    assert run_main(monkeypatch, capsys, "snapshot", "prune")[0] == 0
    assert list(directory.iterdir()) == [young]
