"""Stands in for the SQL of fences, where no PostgreSQL is: it remembers which histories are closed, and since when.

A branch begins with what its source was at that moment, as the setting lies in the database itself.
"""

import asyncio
import copy

from reconciler.errors import FenceFailed
from reconciler.sandbox import timestamps
from reconciler.sandbox.without_postgres.storage import moment_of


class FenceStandIn:
    """The port `Fences` of one world."""

    def __init__(self, world):
        self._world = world
        self._turns = {}

    async def close(self, owner, user):
        await self._turn(owner, user, closed=True)

    async def open(self, owner, user):
        await self._turn(owner, user, closed=False)

    async def _turn(self, owner, user, *, closed):
        await asyncio.sleep(0)  # who is killed changes nothing any more
        branch = self._world.branch_at(owner.port)
        if branch is None or user.port != owner.port:
            raise FenceFailed(f"nothing listens at port {owner.port}")
        self._turns.setdefault(branch.cluster, []).append((timestamps.now(), closed))
        await asyncio.sleep(0)

    def is_closed(self, cluster, at=None):
        """Whether a history takes no writes, now or at a moment."""
        for moment, closed in reversed(self._turns.get(cluster, [])):
            if at is None or moment <= at:
                return closed
        made = self._world.sandbox.storage.clusters.get(cluster)
        source = made and made.source
        return source is not None and self.is_closed(source.cluster, source.moment or moment_of(source.lsn))

    def kept(self):
        return copy.deepcopy(self._turns)

    def put_back(self, turns):
        self._turns = copy.deepcopy(turns)
