"""A lease in a real repository is the lease of a run."""

import pytest

from reconciler.engine.events import StepStarted
from reconciler.engine.loop import Apply
from reconciler.errors import LeaseLost
from reconciler.providers.git.lease import GitLease
from reconciler.providers.git.repository import Repository
from tests.support.remotes import BareRemote, clone, git

SECONDS = 60


def take_over(remote):
    """Have the lease be another run's, whatever it is now."""
    tree = git(remote.path, "hash-object", "-t", "tree", "-w", "/dev/null")
    commit = git(remote.path, "commit-tree", tree, "-m", "another run's")
    git(remote.path, "update-ref", "refs/reconciler/lease/production", commit)


def test_nothing_changes_after_the_lease_was_taken_over(first, tmp_path):
    remote = BareRemote(tmp_path / "hub")
    clone(remote, tmp_path / "clone")
    repository = Repository.containing(tmp_path / "clone", {})

    def report(event):
        if isinstance(event, StepStarted) and event.step.wire_name == "CreateHyperdrive":
            take_over(remote)
            first.leap(SECONDS)

    async def run(desired, ports):
        async with GitLease(repository, "production", "us", ports.clock, seconds=SECONDS) as lease:
            await Apply(desired, ports, report, lease).run()

    with pytest.raises(LeaseLost):
        first.connected(run)
    assert first.writes() == ["POST branches", "POST configs"]
    assert git(remote.path, "log", "-1", "--format=%B", "refs/reconciler/lease/production") == "another run's"
