"""A restore whose source Neon leaves open, with the receipts of a real repository beside the file."""

import shutil
from dataclasses import replace

import pytest

from reconciler.providers.git.notes import Notes
from reconciler.providers.git.repository import Repository
from tests.engine.without_rows.simulation import rules
from tests.support.long_history import example
from tests.support.remotes import git

HOUR_SECONDS = 3600


@pytest.fixture
def undone(first):
    """A restore and its undo, an hour apart, with the receipts that they would have left; asked is one in between."""
    root = first.world.root
    git(root, "init", "--quiet", "--initial-branch=main")
    git(root, "commit", "--quiet", "--allow-empty", "--message", "A shop")
    first.commit = git(root, "rev-parse", "HEAD").strip()
    restore, first.restored = first.desired["primary"]["restore"], first.timeline
    first.receipts = []
    for asked, before, after in ((restore, "origin", first.restored), (None, first.restored, "origin")):
        began = first.observe()[1].at
        first.ask(asked)
        first.converge()
        made = example(str(began), before, after, first.commit)
        ids = replace(made.ids, project=first.world.project_id)
        previous = first.receipts[-1].fingerprint if first.receipts else ""
        first.receipts.append(replace(made, seconds=30.0, ids=ids, previous=previous))
        first.leap(HOUR_SECONDS)
        if asked:
            between = began.before(-0.5 * (first.observe()[1].at - began))
    first.ask({"to": str(between), "id": "again"})
    yield first
    shutil.rmtree(root / ".git")  # others have this directory next


def receive(simulation):
    notes = Notes(Repository.containing(simulation.world.root, {}))
    for each in simulation.receipts:
        notes.add(simulation.commit, each.line)


def test_receipts_settle_the_source(undone):
    assert rules(undone.plan()) == ["source-ambiguous"]
    receive(undone)
    found = undone.plan()
    assert undone.commit[:12] in found.source[0]
    assert undone.apply(expect=found.digest).converged
    held = next(each for each in undone.names() if f".held.{undone.restored}." in each)
    assert undone.branch("main").parent_id == undone.branch(held).id


def test_a_run_killed_after_its_branch_was_made_goes_on(undone):
    receive(undone)
    undone.kill_after("POST", "/branches$")
    undone.converge()
