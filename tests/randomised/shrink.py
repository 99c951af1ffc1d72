"""Makes a schedule that violates something smaller, by playing it again without parts of it."""

import time
from collections import Counter
from dataclasses import replace

from tests.randomised.play import Violated
from tests.randomised.schedule import Run, Together

_SECONDS = 60.0


def play(worlds, workers, actions, counts=None):
    """Play a schedule; return how it was violated, None where it was not."""
    played = worlds.begin(workers, Counter() if counts is None else counts)
    try:
        for action in actions:
            worlds.play(played, played.do(action))
    except Violated as violated:
        return violated
    return None


def shrink(worlds, violated, seconds=_SECONDS):
    """Return the smallest schedule that is found in time and is violated too; the same where none is."""
    until = time.monotonic() + seconds
    improved = True
    while improved:
        improved = False
        for actions in _attempts(violated.actions):
            if time.monotonic() > until:
                return violated
            if (found := play(worlds, violated.workers, actions)) is not None:
                violated, improved = found, True
                break
    return violated


def _attempts(actions):
    """Leave out half of it, a quarter, and so on to one action; then parts of actions."""
    size = len(actions) // 2
    while size:
        for start in range(0, len(actions), size):
            yield actions[:start] + actions[start + size :]
        size //= 2
    for index, action in enumerate(actions):
        for each in _lesser(action):
            yield [*actions[:index], each, *actions[index + 1 :]]


def _lesser(action):
    if isinstance(action, Together):
        yield Run(action.strikes, action.death)
        for index in range(len(action.turns)):
            yield replace(action, turns=action.turns[:index] + action.turns[index + 1 :])
    if isinstance(action, Run | Together):
        if action.death is not None:
            yield replace(action, death=None)
        for index in range(len(action.strikes)):
            yield replace(action, strikes=action.strikes[:index] + action.strikes[index + 1 :])
