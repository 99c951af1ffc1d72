"""Where the sandbox's ids come from: drawn as they are elsewhere, and the same ones every time.

The order of two branches may be that of their ids. What is to go as it went before must draw the same ones.
"""

import random
import uuid

from reconciler.sandbox.cloudflare import scripts, state, uploads, versions
from reconciler.sandbox.neon import identifiers, operations


class Dice(random.Random):
    """Draws as `secrets` and `uuid` do."""

    def randbelow(self, end):
        return self.randrange(end)

    def token_hex(self, size):
        return self.randbytes(size).hex()

    def uuid4(self):
        return uuid.UUID(bytes=self.randbytes(16), version=4)


DICE = Dice(961)
"""Those of this process."""


def throw_dice():
    """Let the sandboxes of this process take their ids from the dice; those of requests matter to nobody."""
    identifiers.secrets = DICE
    for module in (operations, scripts, state, uploads, versions):
        module.uuid = DICE
