"""Reads old versions of a desired-state file for what they asked, leniently: rules that came later do not count."""

import re
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from reconciler.core.file import jsonc
from reconciler.core.model.desired import Primary
from reconciler.core.values.instant import Instant
from reconciler.core.values.lsn import Lsn
from reconciler.core.values.timeline import ORIGIN, Timeline
from reconciler.errors import JsoncError

DEFAULT_HOLD = Primary(project="", branch="").hold

_HOLD = re.compile(r"([1-9][0-9]{0,3})([hdw])")
_UNITS = {"h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}


@dataclass(frozen=True, slots=True)
class Version:
    """What a version of the file asked for. `settings` is all of it, by key; `hold` None is for ever."""

    timeline: Timeline
    reason: str = ""
    source: Timeline | None = None
    hold: timedelta | None = DEFAULT_HOLD
    settings: dict[str, Any] = field(default_factory=dict, compare=False)


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A version of the file that does not say what it asks for, and why not."""

    problem: str


def read_version(text: str) -> Version | Unreadable:
    """Read a version of the file. Never raises."""
    try:
        value = jsonc.read(text).value
    except JsoncError as error:
        return Unreadable(f"line {error.line}, column {error.column}: {error.message}")
    primary = value.get("primary") if isinstance(value, dict) else None
    if not isinstance(primary, dict):
        return Unreadable("it has no primary")
    restore = primary.get("restore")
    if restore is None:
        return Version(ORIGIN, hold=_hold(primary.get("hold")), settings=_settings(value))
    if not isinstance(restore, dict):
        return Unreadable("primary.restore is neither null nor an object")
    try:
        timeline = _timeline(restore)
    except ValueError as error:
        return Unreadable(f"primary.restore: {error}")
    reason, source = restore.get("reason"), restore.get("from")
    return Version(
        timeline,
        reason if isinstance(reason, str) else "",
        Timeline.parse(source) if isinstance(source, str) else None,
        _hold(primary.get("hold")),
        _settings(value),
    )


def differences(old: Version, new: Version) -> tuple[str, ...]:
    """Name the settings that differ, in alphabetical order."""
    names = old.settings.keys() | new.settings.keys()
    missing = object()
    return tuple(sorted(name for name in names if old.settings.get(name, missing) != new.settings.get(name, missing)))


def _timeline(restore: dict[str, Any]) -> Timeline:
    key = "to_lsn" if "to_lsn" in restore else "to"
    to, identity = restore.get(key), restore.get("id")
    if not isinstance(to, str):
        raise ValueError(f"it has no moment ({key})")  # noqa: TRY004  what a file says wrong is one kind of error
    try:
        point = Lsn.parse_strict(to) if key == "to_lsn" else Instant.parse_strict(to)
        named = Timeline(point, identity if isinstance(identity, str) else "")
    except ValueError as error:
        raise ValueError(f"{key} {error}") from error
    if Timeline.parse(named.name) != named:
        raise ValueError("its id cannot be part of a timeline's name")
    return named


def _hold(value: Any) -> timedelta | None:
    if value == "forever":
        return None
    found = _HOLD.fullmatch(value) if isinstance(value, str) else None
    return int(found[1]) * _UNITS[found[2]] if found else DEFAULT_HOLD


def _settings(value: dict[str, Any]) -> dict[str, Any]:
    """Give every top-level setting, and those of `primary` each by itself."""
    flat = {key: setting for key, setting in value.items() if key != "primary"}
    return flat | {f"primary.{key}": setting for key, setting in value["primary"].items()}
