"""The rules of Hyperdrive configs: their origin, repointing, and their settings."""
