"""A restore whose source Neon leaves open, with the receipts of a real repository beside the file."""

import shutil
from dataclasses import replace

import pytest

from reconciler.core.plan.plan import plan
from reconciler.providers.git.notes import Notes
from reconciler.providers.git.repository import Repository
from tests.engine.without_rows.stage import Stage
from tests.support.long_history import example
from tests.support.remotes import git

HOUR = 3600


@pytest.fixture
def undone(worlds, monkeypatch):
    """A restore and its undo, an hour apart, with the receipts that they would have left; asked is one in between."""
    stage = Stage(worlds, "first restore, rebind")
    root = stage.world.root
    git(root, "init", "--quiet", "--initial-branch=main")
    git(root, "commit", "--quiet", "--allow-empty", "--message", "A shop")
    stage.commit = git(root, "rev-parse", "HEAD").strip()
    restored = stage.timeline = str(stage.observe()[0].timeline)
    stage.lines = []
    for before, after in (("origin", restored), (restored, "origin")):
        began = stage.observe()[1].at
        stage.asked["primary"]["restore"] = stage.asked["primary"]["restore"] if after == restored else None
        stage.write()
        assert stage.apply().converged
        made = example(str(began), before, after, stage.commit)
        ids = replace(made.ids, project=stage.world.project_id)
        previous = stage.lines[-1].fingerprint if stage.lines else ""
        stage.lines.append(replace(made, seconds=30.0, ids=ids, previous=previous))
        stage.loop.leapt += HOUR
        if after == restored:
            stage.between = began.before(-0.5 * (stage.observe()[1].at - began))
    stage.asked["primary"]["restore"] = {"to": str(stage.between), "id": "again"}
    stage.write()
    yield stage
    shutil.rmtree(root / ".git")  # others have this directory next
    assert stage.watch.violations == []


def receive(stage):
    notes = Notes(Repository.containing(stage.world.root, {}))
    for each in stage.lines:
        notes.add(stage.commit, each.line)


def test_without_receipts_it_is_refused_and_with_them_restored_from_what_they_tell(undone):
    desired, observed = undone.observe()
    assert [each.rule for each in plan(desired, observed).refusals] == ["source-ambiguous"]
    receive(undone)
    seen = plan(*undone.observe())
    assert f"the receipt of commit {undone.commit[:12]} tells" in seen.source[0]
    assert undone.apply(expect=seen.digest).converged
    held = next(each for each in undone.names() if f".held.{undone.timeline}." in each)
    assert undone.branch("main").parent_id == undone.branch(held).id


def test_a_run_that_is_killed_after_the_branch_was_made_is_gone_on_with(undone):
    receive(undone)
    undone.kill_after("POST", "/branches$")
    assert undone.apply().converged
