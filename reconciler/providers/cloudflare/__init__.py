"""Cloudflare, by its API v4: Hyperdrive configs and Workers."""
