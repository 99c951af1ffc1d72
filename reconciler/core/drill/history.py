"""Drills of the past: one line of JSON each, added to a file in Git and never changed. Pure.

A line that cannot be read (broken, or of a version that this program does not know) stays where it is and is shown as
what it is: a history that quietly gets shorter proves nothing.
"""

import json
from dataclasses import dataclass
from typing import Any, TypeVar

from reconciler.core.drill.results import Drill
from reconciler.core.values.escaping import printable
from reconciler.core.values.instant import Instant

FILE = "dr-history.jsonl"
VERSION = 1
_LONGEST_SECONDS = 1e9
_Kind = TypeVar("_Kind")


@dataclass(frozen=True, slots=True)
class Done:
    """A drill that was done. `seconds` is its slowest restore; `promised`, in seconds too, None without a promise."""

    environment: str
    begun: Instant
    method: str
    commit: str
    rounds: int
    seconds: float
    promised: float | None
    proved: bool

    @property
    def kept(self) -> bool:
        """Whether the promise was kept; where nothing was promised, it was."""
        return self.promised is None or self.seconds <= self.promised


@dataclass(frozen=True, slots=True)
class Unread:
    """A line that cannot be read, and why not."""

    number: int
    reason: str


PastDrill = Done | Unread


def done(drill: Drill) -> Done:
    """Say of a drill what its history keeps."""
    return Done(
        environment=printable(drill.environment),
        begun=drill.begun,
        method=printable(drill.method),
        commit=printable(drill.commit),
        rounds=len(drill.rounds),
        seconds=drill.slowest,
        promised=None if drill.promise is None else drill.promise.seconds,
        proved=drill.proved,
    )


def line(drill: Drill) -> str:
    """Give the line to add for a drill, without its end: sorted keys, ASCII."""
    past = done(drill)
    facts = {name: getattr(past, name) for name in Done.__slots__}
    rounds = [
        {"destruction": printable(each.destruction), "seconds": each.seconds, "proved": each.proved}
        for each in drill.rounds
    ]
    facts |= {
        "version": VERSION,
        "begun": past.begun.text,
        "rounds": rounds,
        "environment": printable(past.environment),
    }
    return json.dumps(facts, sort_keys=True, ensure_ascii=True)


def added(text: str, drill: Drill) -> str:
    """Return the file's text with a drill's line at its end. What is there stays to the byte."""
    return f"{text}{'' if not text or text.endswith(chr(10)) else chr(10)}{line(drill)}\n"


def read_history(text: str) -> tuple[PastDrill, ...]:
    """Read the lines of a file, in their order; empty ones are none."""
    lines = enumerate(text.split("\n"), start=1)
    return tuple(_read(number, each) for number, each in lines if each.strip())


def _read(number: int, text: str) -> PastDrill:
    try:
        facts = json.loads(text)
    except (ValueError, RecursionError):
        return Unread(number, "is no JSON")
    if not isinstance(facts, dict):
        return Unread(number, "is no drill")
    if facts.get("version") != VERSION:
        return Unread(number, f"is of version {printable(str(facts.get('version')))[:20]}, and this is read: {VERSION}")
    try:
        return _done(facts)
    except (KeyError, TypeError, ValueError) as error:
        return Unread(number, f"is no drill: {printable(str(error))[:100]}")


def _done(facts: dict[str, Any]) -> Done:
    promised = facts["promised"]
    return Done(
        environment=_text(facts, "environment"),
        begun=Instant.parse(_text(facts, "begun")),
        method=_text(facts, "method"),
        commit=_text(facts, "commit"),
        rounds=len(_of(list, facts["rounds"], "rounds")),
        seconds=_length(facts["seconds"], "seconds"),
        promised=None if promised is None else _length(promised, "promised"),
        proved=_of(bool, facts["proved"], "proved"),
    )


def _text(facts: dict[str, Any], name: str) -> str:
    return printable(_of(str, facts[name], name))


def _length(value: Any, name: str) -> float:
    if type(value) not in (int, float) or not 0 <= value < _LONGEST_SECONDS:
        raise ValueError(f"{name} is no length of time")
    return float(value)


def _of(kind: type[_Kind], value: Any, name: str) -> _Kind:
    if not isinstance(value, kind):
        raise TypeError(f"{name} is no {kind.__name__}")
    return value
