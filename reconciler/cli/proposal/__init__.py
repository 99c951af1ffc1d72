"""Proposals: a change of a desired-state file, put up for review."""
