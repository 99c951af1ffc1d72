"""Cloudflare, by its API v4: Hyperdrive configs and Workers."""

from reconciler.providers.cloudflare.access import POLICY
from reconciler.providers.cloudflare.hyperdrive import HyperdriveConfigs
from reconciler.providers.cloudflare.workers import Workers

__all__ = ["POLICY", "CloudflareApi"]


class CloudflareApi(HyperdriveConfigs, Workers):
    """The port `Cloudflare` over HTTP."""
