"""Fingerprints of the state of a world and of a run's memory: what follows a state that was seen before can be skipped.

What happens next depends on these two alone. Times and passwords are left out; ids are replaced by the order of their
appearance. A run whose fault is over, and that reaches a state from which another such run ended well, ends well too.
"""

import re
from dataclasses import fields, is_dataclass
from datetime import datetime

from reconciler.core.values.instant import Instant
from tests.exhaustive.checkpoints import memory_of
from tests.exhaustive.world import SQL_GATE

_DRAWN = re.compile(
    r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{32,}|\b(?:br|ep)(?:-\w+){3}|cluster c\d+|port \d+"
)
_LEFT_OUT = frozenset(
    {"operations", "password", "parent_lsn", "history_lsn", "lsn", "etag", "tag", "roles", "modules"}
    | {"digest", "began", "seconds"}
)


def world_now(world, watch):
    """Describe the world, both providers and the checkout, and what was proved and promoted in it."""
    branches = list(world.project.branches.values())
    asked = {each.cluster for each in world.sandbox.storage.statements if each.text == SQL_GATE}
    configs = world.account.configs.values()
    resets = [each.last_reset_at for each in branches if each.last_reset_at]
    versions = [each.id for script in world.scripts for each in world.script(script).versions]
    known = (
        world.project,
        world.account.configs,
        world.account.scripts,
        [each.action for each in world.project.operations.values() if each.unfinished],
        [path.read_text() for path in world.files()],
        [(each.cluster in asked, each.cluster in watch.promoted) for each in branches],
        [world.timeline(each) for each in branches],
        [_is_proved(world, each, asked) for each in branches],
        [each.restarted_on and max(resets, default=each.restarted_on) <= each.restarted_on for each in configs],
        [world.fences.is_closed(each.cluster) for each in branches],
        [version in world.route.proved for version in versions],
        {timeline: len(clusters) for timeline, clusters in watch.made.items()},
    )
    return _numbered(repr(_plain(known)))


def _is_proved(world, branch, asked):
    """Whether what was put into a branch was proved on another."""
    history = world.histories.of(branch)
    return history and history.put and any(each in asked for each in world.histories.proofs(branch.cluster))


def memory_now(world, apply):
    """Describe what a run remembers."""
    own, newest = memory_of(apply)
    later = {script: _later_than(world.script(script), seen.text("id")) for script, seen in newest.items()}
    return _numbered(repr(_plain((own, later))))


def _later_than(script, seen):
    """How many deployments are newer than the one that was seen."""
    return [each.id for each in script.deployments].index(seen)


def _plain(value, name=""):
    if name in _LEFT_OUT or isinstance(value, datetime | Instant):
        return None
    if name in ("port", "cluster"):
        return f"{name} {value}"
    if is_dataclass(value):
        return [type(value).__name__, *(_plain(getattr(value, each.name), each.name) for each in fields(value))]
    return _plain_collection(value)


def _plain_collection(value):
    match value:
        case dict():
            return [(_plain(key), _plain(each, key if isinstance(key, str) else "")) for key, each in value.items()]
        case set() | frozenset():
            return sorted(repr(_plain(each)) for each in value)
        case list() | tuple():
            return [_plain(each) for each in value]
        case _:
            return repr(value)


def _numbered(text):
    """Replace what was drawn by the number of its first appearance."""
    found = {}
    return _DRAWN.sub(lambda each: f"<{found.setdefault(each[0], len(found))}>", text)
