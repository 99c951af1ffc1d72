"""Reads moments as people write them: `2026-11-21T09:55:00Z`, `2026-11-21 10:55 Europe/Berlin`, `10 minutes ago`.

A small grammar of our own, as date libraries guess: "10m ago" may be minutes or months, 05/11 is May in
one country and November in another, CET is wrong for half of the year, and a repeated clock time
is one of two moments. A wrong guess would restore production to a wrong moment.
So a text has one meaning here, or it is an error that says how to write it.

Zone names are those of the IANA time zone database, https://www.iana.org/time-zones.
"""

import difflib
import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, available_timezones

from reconciler.core.values.duration import UNITS
from reconciler.core.values.instant import Instant
from reconciler.errors import InputError

_LOCAL = re.compile(
    r"(?P<date>[0-9]{4}-[0-9]{2}-[0-9]{2})(?:[Tt]| +)"
    r"(?P<time>[0-9]{2}:[0-9]{2})(?P<seconds>:[0-9]{2})?(?P<fraction>\.[0-9]{1,3})?"
    r"(?: *(?P<offset>[Zz]|[+-][0-9]{2}:[0-9]{2})| +(?P<zone>[A-Za-z][A-Za-z0-9_+/-]*))?"
)
_AGO = re.compile(r"(?P<spans>[0-9]{1,5} *[a-z]+(?: +[0-9]{1,5} *[a-z]+)*) +ago", re.IGNORECASE)
_SPAN = re.compile(r"(?P<count>[0-9]+) *(?P<unit>[a-z]+)")
_UNITS = {
    "w": ("w", "week", "weeks"),
    "d": ("d", "day", "days"),
    "h": ("h", "hour", "hours"),
    "m": ("min", "minute", "minutes"),
    "s": ("s", "sec", "second", "seconds"),
}
_LONGEST = timedelta(days=36_525)
_HINT = 'write it like "2026-11-21T09:55:00Z", "2026-11-21 10:55 Europe/Berlin" or "1 hour 30 min ago"'
# An abbreviation names an offset and no place, several at once (CST, IST), or one that is wrong half of the year.
_PLACES = {
    "AEST": ("Australia/Sydney", "Australia/Brisbane"),
    "BST": ("Europe/London", "Asia/Dhaka"),
    "CEST": ("Europe/Berlin", "Europe/Paris"),
    "CET": ("Europe/Berlin", "Europe/Paris"),
    "CST": ("America/Chicago", "Asia/Shanghai"),
    "EET": ("Europe/Athens", "Asia/Beirut"),
    "EST": ("America/New_York", "America/Toronto"),
    "GMT": ("UTC", "Europe/London"),
    "IST": ("Asia/Kolkata", "Europe/Dublin", "Asia/Jerusalem"),
    "JST": ("Asia/Tokyo",),
    "MST": ("America/Denver", "America/Phoenix"),
    "PST": ("America/Los_Angeles", "America/Vancouver"),
    "WET": ("Europe/Lisbon",),
}
_PLACES |= {name: _PLACES[name[0] + "ST"] for name in ("EDT", "CDT", "MDT", "PDT")}
_PLACES |= {"EEST": _PLACES["EET"], "WEST": _PLACES["WET"], "AEDT": _PLACES["AEST"]}


def read_moment(text: str, now: Instant) -> Instant:
    """Read a moment, to the millisecond. `now` (UTC) is what "ago" counts from; a day is 24 hours, a week 7 days.

    Raises InputError for everything without exactly one meaning, with how to write it.
    """
    wanted = text.strip()
    if found := _AGO.fullmatch(wanted):
        return _before(now, found["spans"].lower(), wanted)
    found = _LOCAL.fullmatch(wanted)
    if found is None:
        return _rfc3339(wanted)
    local = f"{found['date']}T{found['time']}{found['seconds'] or ':00'}{found['fraction'] or ''}"
    if found["offset"]:
        return _rfc3339(local + found["offset"].upper())
    clock = _on_the_clock(local, wanted)
    if not found["zone"]:
        raise InputError(
            f'"{wanted}" has no time zone, and is another moment in each',
            hint=f'add one: "{wanted} Europe/Berlin", "{wanted}+01:00", or "{local}Z" if it is UTC',
        )
    return _in_zone(clock, _zone(found["zone"]))


def _rfc3339(text: str) -> Instant:
    try:
        return Instant.parse_strict(text)
    except ValueError as error:
        raise InputError(f'"{text}" {error}', hint=_HINT) from error


def _before(now: Instant, spans: str, text: str) -> Instant:
    total, last = timedelta(), -1
    for found in _SPAN.finditer(spans):
        order = _order(found["unit"], text)
        if order <= last:
            raise InputError(f'"{text}" does not go from larger units to smaller, each once', hint=_HINT)
        total += int(found["count"]) * UNITS[list(_UNITS)[order]]
        last = order
    if total > _LONGEST:
        raise InputError(f'"{text}" is more than a century ago', hint=_HINT)
    return now.before(total)


def _order(unit: str, text: str) -> int:
    """Return the place of a unit in their order, from the largest on."""
    for order, words in enumerate(_UNITS.values()):
        if unit in words:
            return order
    if unit == "m":
        raise InputError(f'"m" in "{text}" may be minutes or months', hint='write "min" for minutes')
    known = ", ".join(word for words in _UNITS.values() for word in words)
    raise InputError(f'"{unit}" in "{text}" is not a known unit of time', hint=f"known units: {known}")


def _on_the_clock(local: str, text: str) -> datetime:
    try:
        return datetime.fromisoformat(local)
    except ValueError as error:
        raise InputError(f'"{text}" names a day or a time of day that does not exist', hint=_HINT) from error


def _zone(name: str) -> ZoneInfo:
    """Find a zone by its exact name: a place, or UTC."""
    names = [each for each in available_timezones() if _names_a_place(each)]
    if name in names:
        return ZoneInfo(name)
    if places := _PLACES.get(name.upper()):
        message = f'"{name}" is an abbreviation, which is not the same offset all year round, or everywhere'
        raise InputError(message, hint=f"name a place: {', '.join(places)}")
    close = _closest(name, names)
    hint = f"did you mean {' or '.join(close)}?" if close else "zones are named after places: Europe/Berlin, or UTC"
    raise InputError(f'there is no time zone "{name}"', hint=hint)


def _names_a_place(name: str) -> bool:
    """Whether a zone means what its name says: "EST" is no place, and Etc/GMT+5 is west of Greenwich."""
    return name in ("UTC", "Etc/UTC") or ("/" in name and not name.startswith("Etc/"))


def _closest(name: str, names: Iterable[str]) -> list[str]:
    """Find the names that look like this one, or whose city does."""
    by_key: dict[str, list[str]] = {}
    for each in sorted(names):
        for key in {each.lower(), each.rpartition("/")[2].lower()}:
            by_key.setdefault(key, []).append(each)
    keys = difflib.get_close_matches(name.lower().replace(" ", "_"), by_key, n=3, cutoff=0.75)
    return list(dict.fromkeys(each for key in keys for each in by_key[key]))[:3]


def _in_zone(clock: datetime, zone: ZoneInfo) -> Instant:
    """Find the moment at which the clocks of a zone showed this, if there is exactly one."""
    first, second = (_utc(clock, zone, fold) for fold in (0, 1))
    if first == second:
        return Instant.of(first)
    shown = f"{clock:%Y-%m-%d %H:%M:%S} {zone.key}"
    earlier, later = (Instant.of(each) for each in sorted((first, second)))
    if first > second:
        before, after = (each.astimezone(zone).strftime("%H:%M:%S") for each in (second, first))
        raise InputError(
            f"the clocks skipped {shown}: they went forward over it",
            hint=f'write "{earlier}" for {before} there, or "{later}" for {after}',
        )
    raise InputError(
        f"the clocks showed {shown} twice: at {earlier}, and again at {later} after they had gone back",
        hint=f'write "{earlier}" for the first time, or "{later}" for the second',
    )


def _utc(clock: datetime, zone: ZoneInfo, fold: int) -> datetime:
    try:
        return clock.replace(tzinfo=zone, fold=fold).astimezone(UTC)
    except OverflowError as error:
        raise InputError(f"{clock} lies outside of what a calendar holds", hint=_HINT) from error
