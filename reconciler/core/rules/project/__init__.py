"""The rules of a project's settings: history, protection, and compute."""
