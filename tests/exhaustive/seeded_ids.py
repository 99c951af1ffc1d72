"""Ids of the sandbox from a seeded generator, so that a run that is repeated gets the same ones.

The order of two branches may be that of their ids.
"""

import random
import uuid

from reconciler.sandbox.cloudflare import scripts, state, uploads, versions
from reconciler.sandbox.neon import identifiers, operations


class SeededIds(random.Random):
    """Draws as `secrets` and `uuid` do."""

    def randbelow(self, end):
        return self.randrange(end)

    def token_hex(self, size):
        return self.randbytes(size).hex()

    def uuid4(self):
        return uuid.UUID(bytes=self.randbytes(16), version=4)


SEEDED = SeededIds(961)
"""The one of this process."""


def seed_ids():
    """Have the sandboxes of this process draw their ids here, except for the ids of requests."""
    identifiers.secrets = SEEDED
    for module in (operations, scripts, state, uploads, versions):
        module.uuid = SEEDED
