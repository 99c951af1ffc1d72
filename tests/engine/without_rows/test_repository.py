"""With a real Git repository: its receipts settle what Neon leaves open, and its lease is the permit of a run."""

import shutil
from dataclasses import replace

import pytest

from reconciler.engine.events import StepStarted
from reconciler.engine.loop import Apply
from reconciler.errors import LeaseLost
from reconciler.providers.git.lease import GitLease
from reconciler.providers.git.notes import Notes
from reconciler.providers.git.repository import Repository
from tests.engine.without_rows.simulation import rules
from tests.support.long_history import example
from tests.support.remotes import BareRemote, clone, git

HOUR_SECONDS = 3600
LEASE_SECONDS = 60
LEASE = "refs/reconciler/lease/production"


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


def take_over(remote):
    """Have the lease be another run's, whatever it is now."""
    tree = git(remote.path, "hash-object", "-t", "tree", "-w", "/dev/null")
    commit = git(remote.path, "commit-tree", tree, "-m", "another run's")
    git(remote.path, "update-ref", LEASE, commit)


def test_nothing_changes_after_the_lease_was_taken_over(first, tmp_path):
    remote = BareRemote(tmp_path / "hub")
    clone(remote, tmp_path / "clone")
    repository = Repository.containing(tmp_path / "clone", {})

    def report(event):
        if isinstance(event, StepStarted) and event.step.wire_name == "CreateHyperdrive":
            take_over(remote)
            first.leap(LEASE_SECONDS)

    async def run(desired, ports):
        async with GitLease(repository, "production", "us", ports.clock, seconds=LEASE_SECONDS) as lease:
            await Apply(desired, ports, report, lease).run()

    with pytest.raises(LeaseLost):
        first.connected(run)
    assert first.writes() == ["POST branches", "POST configs"]
    assert git(remote.path, "log", "-1", "--format=%B", LEASE) == "another run's"
