"""Neon, by its API v2 (https://api-docs.neon.tech)."""
