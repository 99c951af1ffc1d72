"""Counts and services in words: one line each."""

from reconciler.core.model.desired import FOREVER, Outside
from reconciler.core.values.duration import for_people


def counted(steps: int) -> str:
    """Count steps in words."""
    return f"{steps} step{'' if steps == 1 else 's'}"


def describe_outside(outside: Outside) -> str:
    """Say what stays in the present, how long it is kept, and how it is recovered on its own."""
    return f"{outside.name}: {_kept(outside)}; recovery: {outside.recovery or 'not stated'}"


def _kept(outside: Outside) -> str:
    if outside.retention is None:
        return "retention not stated"
    return "kept until deleted" if outside.retention == FOREVER else f"kept up to {for_people(outside.retention)}"
