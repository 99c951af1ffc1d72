"""Runs the deployed Workers for real, in `workerd`, the open-source runtime of Cloudflare Workers.

fleet          all Workers: their URLs, and which versions run
front          the HTTP port of one Worker: picks a version for each request and passes it on
routing        which version a request goes to
instance       one version while it is deployed: started, used by requests, drained
runtime        one workerd process
configuration  the configuration of that process: modules, bindings, compatibility
binary         finding workerd
relay          the port behind a Hyperdrive binding
caching_session  one connection through a relay with a query cache
query_cache    which queries Hyperdrive caches, and their answers
"""

from reconciler.sandbox.workers.fleet import Workers

__all__ = ["Workers"]
