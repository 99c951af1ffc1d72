"""The Neon API v2, as far as its public description and captured answers tell, over real PostgreSQL.

api            the class that the server mounts: access, one write at a time, expiry
control_plane  what the handlers share: state, storage, computes, operations and the rules that bind them
state          everything that is known, as plain data
operations     the work that a write schedules, done in the background while the project is locked
projects, branches, restore, recovery, snapshots, schemas, endpoints, roles_and_databases, account
               the handlers, by subject
requests       reads bodies, queries and paths; `rendering` writes answers; `errors` holds the refusals
connections    where a compute is reached; `identifiers` makes ids; `unserved` lists what is left out
"""

from reconciler.sandbox.neon.api import Neon

__all__ = ["Neon"]
