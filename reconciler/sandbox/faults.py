"""Faults and latencies: which requests fail or take longer, and how.

A fault counts the matching requests after it was set. It strikes the `nth` of them and the following ones, `times` in
all.
"""

import re
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class FaultError(ValueError):
    """The body is not a list of faults, a table of latencies or a set of switches; the text says what is wrong."""


class Kind(StrEnum):
    """What a fault does."""

    STATUS = "status"
    """The answer is a status, with `Retry-After` if seconds are given; nothing is done."""
    STATUS_AFTER = "status-after"
    """Everything is done, and the answer is a status, as from a proxy that timed out."""
    GARBLE = "garble"
    """Everything is done, and the answer is cut in the middle, so that it is not JSON."""
    DROP_BEFORE = "drop-before"
    """The connection is closed; nothing is done."""
    DROP_AFTER = "drop-after"
    """Everything is done, and the connection is closed before the answer."""
    DELAY = "delay"
    """The request is served later."""
    STALE = "stale"
    """A read returns the state before the last write."""
    FAIL_OPERATION = "fail-operation"
    """A write is accepted, and the first of its operations ends as `failed`."""
    ERROR_OPERATION = "error-operation"
    """A write is accepted, and the first of its operations ends as `error`."""


_NUMBERED = frozenset({Kind.STATUS, Kind.STATUS_AFTER, Kind.DELAY})


@dataclass(frozen=True)
class Action:
    """A kind with its number: the status, or the delay in milliseconds. `seconds` is the Retry-After."""

    kind: Kind
    number: int = 0
    seconds: int | None = None


@dataclass
class Fault:
    """A fault that was set. `seen` counts the requests that matched it."""

    method: str
    path: re.Pattern[str]
    nth: int
    times: int
    action: Action
    seen: int = 0

    def strikes(self, method: str, path: str) -> bool:
        """Count a request; return whether it is struck."""
        if not _matches(self.method, self.path, method, path):
            return False
        self.seen += 1
        return self.nth <= self.seen < self.nth + self.times


@dataclass
class Faults:
    """The faults and latencies in force."""

    faults: list[Fault] = field(default_factory=list)
    latencies: list[tuple[str, re.Pattern[str], float]] = field(default_factory=list)

    def strike(self, method: str, path: str) -> list[Action]:
        """Count a request with every fault; return the actions of the faults that strike it, in order."""
        return [fault.action for fault in self.faults if fault.strikes(method, path)]

    def pause(self, method: str, path: str) -> float:
        """Return the latency of a request in seconds: the first matching entry decides."""
        for wanted, pattern, milliseconds in self.latencies:
            if _matches(wanted, pattern, method, path):
                return milliseconds / 1000
        return 0.0


def parse_faults(value: Any) -> list[Fault]:
    """Read the body of POST /sandbox/faults. Raises FaultError."""
    if not isinstance(value, list):
        raise FaultError("the body must be a list of faults")
    return [_fault(item, f"fault {index}") for index, item in enumerate(value)]


def parse_latencies(value: Any) -> list[tuple[str, re.Pattern[str], float]]:
    """Read the body of POST /sandbox/latency. Raises FaultError."""
    if not isinstance(value, dict):
        raise FaultError('the body must be an object such as {"POST /branches": 250}')
    latencies = []
    for key, milliseconds in value.items():
        method, _, path = key.partition(" ")
        if not path:
            raise FaultError(f"{key!r} must be a method, a space and a regular expression for the path")
        if isinstance(milliseconds, bool) or not isinstance(milliseconds, int | float) or milliseconds < 0:
            raise FaultError(f"the latency of {key!r} must be a number of milliseconds, 0 or more")
        latencies.append((method.upper(), _pattern(path, key), float(milliseconds)))
    return latencies


def _fault(item: Any, place: str) -> Fault:
    if not isinstance(item, dict):
        raise FaultError(f"{place} must be an object")
    if unknown := sorted(set(item) - {"method", "path", "nth", "times", "action"}):
        raise FaultError(f"{place} has the unknown key {unknown[0]!r}; keys are method, path, nth, times, action")
    method, path = item.get("method", "*"), item.get("path", "")
    if not isinstance(method, str) or not isinstance(path, str):
        raise FaultError(f"{place}: method and path must be strings")
    return Fault(
        method.upper(),
        _pattern(path, place),
        _count(item, "nth", place),
        _count(item, "times", place),
        _action(item.get("action"), place),
    )


def _count(item: dict[str, Any], name: str, place: str) -> int:
    value = item.get(name, 1)
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise FaultError(f"{place}: {name} must be a whole number, 1 or more")
    return value


def _action(text: Any, place: str) -> Action:
    kinds = "status:NNN[:SECONDS], status-after:NNN, garble, drop-before, drop-after, delay:MS, stale, "
    kinds += "fail-operation, error-operation"
    if not isinstance(text, str):
        raise FaultError(f"{place}: action must be one of {kinds}")
    name, colon, numbers = text.partition(":")
    number, then, seconds = numbers.partition(":")
    if name not in set(Kind):
        raise FaultError(f"{place}: unknown action {text!r}; actions are {kinds}")
    kind = Kind(name)
    wanted = "[0-9]{1,7}" if kind in _NUMBERED else ""
    if bool(colon) != bool(wanted) or not re.fullmatch(wanted, number):
        raise FaultError(f"{place}: {text!r} is malformed; actions are {kinds}")
    if then and (kind is not Kind.STATUS or not re.fullmatch("[0-9]{1,6}", seconds)):
        raise FaultError(f"{place}: {text!r} is malformed; actions are {kinds}")
    if kind in {Kind.STATUS, Kind.STATUS_AFTER} and not 400 <= int(number) <= 599:
        raise FaultError(f"{place}: the status must be between 400 and 599")
    return Action(kind, int(number or 0), int(seconds) if then else None)


def _pattern(text: str, place: str) -> re.Pattern[str]:
    try:
        return re.compile(text)
    except re.error as error:
        raise FaultError(f"{place}: {text!r} is no regular expression: {error}") from None


def _matches(wanted: str, pattern: re.Pattern[str], method: str, path: str) -> bool:
    return wanted in {"*", method.upper()} and pattern.search(path) is not None
