"""The part of Cloudflare's API v4 that Hyperdrive, Worker versions and deployments need, in memory.

    api        the API as the server mounts it, and the example
    answers    the envelope of answers, refusals, access, pages
    state      the state of the account, and switches for unverified behaviour
    account    user, token, memberships, the workers.dev subdomain
    hyperdrive configs; `origin` makes the connection test of a new one
    scripts    Workers: upload, settings, the two generations of paths that wrangler uses
    uploads    the multipart body of an upload, and its version
    versions   versions, their content, and deployments

wrangler 4.86 and later run against it unmodified.
"""

from reconciler.sandbox.cloudflare.api import Cloudflare
from reconciler.sandbox.cloudflare.state import State, Switches

__all__ = ["Cloudflare", "State", "Switches"]
