"""A run that may not go on any more stops before its next step."""

import asyncio

import pytest

from reconciler.cli.repository.environments import EnvironmentFile
from reconciler.cli.wiring import connected
from reconciler.engine.loop import Apply
from reconciler.errors import LeaseLost
from reconciler.providers.clock import SystemClock
from reconciler.providers.git.lease import GitLease
from reconciler.providers.git.repository import Repository
from tests.support.desk import Desk
from tests.support.remotes import git

_REF = "refs/reconciler/lease/production"
_SECONDS = 0.9


def test_nothing_is_changed_after_the_lease_was_taken_over(production, tmp_path):
    production.ask(production.shop.good)
    desk = Desk(production, tmp_path)
    # Longer than a lease lasts without renewal, which is what a process that was put to sleep does.
    production.sandbox.latency({"POST /projects/[^/]+/branches": int(_SECONDS * 2000)})
    production.sandbox.forget_requests()

    async def run():
        desired = EnvironmentFile(desk.root / "desired-state/production.jsonc", desk.root).read()
        repository = Repository.containing(desk.root, {})
        held = GitLease(repository, "production", "us", SystemClock(), seconds=_SECONDS)
        async with connected(desired, desk.root, production.environment) as ports, held as lease:
            stealing = asyncio.create_task(asyncio.to_thread(take_over, desk))
            try:
                await Apply(desired, ports, [].append, lease).run()
            finally:
                await stealing

    with pytest.raises(LeaseLost):
        asyncio.run(run())
    assert [each.path.rsplit("/", 1)[1] for each in production.sandbox.writes()] == ["branches"]
    assert git(desk.remote.path, "log", "-1", "--format=%B", _REF) == "somebody else's"


def take_over(desk):
    """Let the lease be somebody else's, whatever it is now."""
    tree = git(desk.remote.path, "hash-object", "-t", "tree", "-w", "/dev/null")
    commit = git(desk.remote.path, "commit-tree", tree, "-m", "somebody else's")
    git(desk.remote.path, "update-ref", _REF, commit)
