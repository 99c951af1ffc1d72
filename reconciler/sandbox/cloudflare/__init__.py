"""The part of Cloudflare's API v4 that Hyperdrive, Worker versions and deployments need, in memory.

    api        the class that the server mounts: routes and the example that a newcomer meets
    answers    the envelope around every answer, refusals, access
    state      what the imitated account holds, and the switches for what nobody could verify
    account    user, token, memberships, the workers.dev subdomain
    hyperdrive configs; `origin` opens the real connection that creating one needs
    scripts    Workers: upload, settings, the two generations of paths that wrangler uses
    uploads    the multipart body of an upload and the bindings that it leads to
    versions   versions, their content, and deployments

wrangler 4.86 and later run against it unmodified.
"""

from reconciler.sandbox.cloudflare.api import Cloudflare
from reconciler.sandbox.cloudflare.state import State, Switches

__all__ = ["Cloudflare", "State", "Switches"]
