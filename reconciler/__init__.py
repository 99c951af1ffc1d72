"""Git-driven restores for Neon Postgres behind Cloudflare Hyperdrive."""

__version__ = "0.1.0"
