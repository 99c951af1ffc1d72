"""Runs the deployed Workers for real, in `workerd`, the open-source runtime of Cloudflare Workers.

fleet          every Worker: its address, and which versions of it must run
front          the HTTP port of one Worker: picks a version for each request and passes it on
routing        which version a request goes to
instance       one version while it is in a deployment: started, leased to requests, drained
runtime        one workerd process
configuration  what that process is told: modules, bindings, compatibility
binary         finding workerd
relay          the port behind a Hyperdrive binding; `protocol` reads PostgreSQL's messages there
query_cache    which queries Hyperdrive would answer from its cache, and those answers
"""

from reconciler.sandbox.workers.fleet import Workers

__all__ = ["Workers"]
