"""Neon's API v2, after its public description and recorded answers, over a storage of clusters.

api            the class that the server mounts: access, one write at a time, expiry
control_plane  what the handlers share: state, storage, computes, operations and their common rules
state          the state, as plain data
operations     the work that a write schedules, done in the background while the project is locked
projects, branches, restore, recovery, snapshots, schemas, endpoints, roles_and_databases, account
               the handlers, by subject
requests       reads bodies, queries and paths; `rendering` writes answers; `errors` has the refusals
connections    hosts and connection strings; `identifiers` makes ids; `unserved` lists what is left out
"""

from reconciler.sandbox.neon.api import Neon

__all__ = ["Neon"]
