"""Neon, by its API v2 (https://api-docs.neon.tech)."""

from reconciler.providers.neon.access import POLICY
from reconciler.providers.neon.branches import Branches
from reconciler.providers.neon.databases import Databases
from reconciler.providers.neon.projects import Computes, Projects

__all__ = ["POLICY", "NeonApi"]


class NeonApi(Projects, Branches, Computes, Databases):
    """The port `Neon` over HTTP."""
