"""The moment that is asked for has one meaning, or is refused with how to write it."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from reconciler.cli.options.moment import read_moment
from reconciler.core.values.instant import Instant
from reconciler.errors import InputError

NOW = Instant.parse_strict("2026-11-21T12:00:00.250Z")
ZONES = ["Europe/Berlin", "America/New_York", "Asia/Kolkata", "Asia/Beirut", "Australia/Lord_Howe", "Etc/UTC", "UTC"]

milliseconds = st.integers(0, 999).map(lambda count: timedelta(milliseconds=count))
moments = st.datetimes(datetime(2000, 1, 1), datetime(2037, 1, 1), timezones=st.just(UTC)).map(  # noqa: DTZ001
    lambda moment: moment.replace(microsecond=moment.microsecond // 1000 * 1000)
)


def refusal(text):
    with pytest.raises(InputError) as caught:
        read_moment(text, NOW)
    assert caught.value.hint
    return caught.value


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-11-21T09:55:00Z", "2026-11-21T09:55:00.000Z"),
        ("2026-11-21t09:55:00.5z", "2026-11-21T09:55:00.500Z"),
        ("2026-11-21 09:55Z", "2026-11-21T09:55:00.000Z"),
        (" 2026-11-21 10:55 +01:00 ", "2026-11-21T09:55:00.000Z"),
        ("2026-11-21T10:55:00.125+01:00", "2026-11-21T09:55:00.125Z"),
        ("2026-11-21 10:55 Europe/Berlin", "2026-11-21T09:55:00.000Z"),
        ("2026-07-21T11:55:07 Europe/Berlin", "2026-07-21T09:55:07.000Z"),
        ("2026-11-21 09:55:00.001 UTC", "2026-11-21T09:55:00.001Z"),
        ("2026-11-21 04:55 America/Argentina/Buenos_Aires", "2026-11-21T07:55:00.000Z"),
        ("10 minutes ago", "2026-11-21T11:50:00.250Z"),
        ("1 minute ago", "2026-11-21T11:59:00.250Z"),
        ("10min ago", "2026-11-21T11:50:00.250Z"),
        ("1 hour 30 min ago", "2026-11-21T10:30:00.250Z"),
        ("1h 30min 5s ago", "2026-11-21T10:29:55.250Z"),
        ("2 Days ago", "2026-11-19T12:00:00.250Z"),
        ("1 week 1 d ago", "2026-11-13T12:00:00.250Z"),
        ("90 sec ago", "2026-11-21T11:58:30.250Z"),
    ],
)
def test_what_is_understood_has_this_meaning(text, moment):
    assert moment == str(read_moment(text, NOW))


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("", "is not an RFC 3339 time", "Europe/Berlin"),
        ("yesterday", "is not an RFC 3339 time", "ago"),
        ("now", "is not an RFC 3339 time", "ago"),
        ("2026-11-21", "has a date and no time of day", "10:55"),
        ("21/11/2026 10:55 Europe/Berlin", "is not an RFC 3339 time", "2026-11-21 10:55 Europe/Berlin"),
        ("2026-11-21 10:55", "has no time zone", '"2026-11-21 10:55 Europe/Berlin"'),
        ("2026-11-21 10:55", "has no time zone", '"2026-11-21T10:55:00Z" if it is UTC'),
        ("2026-11-21T10:55:00", "has no time zone", "2026-11-21T10:55:00+01:00"),
        ("2026-11-21T10:55:00.1234Z", "finer than a millisecond", "write it like"),
        ("2026-11-31 10:55 Europe/Berlin", "does not exist", "write it like"),
        ("2026-11-21 24:00 Europe/Berlin", "does not exist", "write it like"),
        ("2026-11-21 10:55 CET", '"CET" is an abbreviation', "Europe/Berlin"),
        ("2026-11-21 10:55 est", '"est" is an abbreviation', "America/New_York"),
        ("2026-11-21 10:55 PDT", '"PDT" is an abbreviation', "America/Los_Angeles"),
        ("2026-11-21 10:55 GMT", '"GMT" is an abbreviation', "UTC"),
        ("2026-11-21 10:55 IST", '"IST" is an abbreviation', "Asia/Kolkata"),
        ("2026-11-21 10:55 Etc/GMT+5", "no time zone", "places"),
        ("2026-11-21 10:55 EST5EDT", "no time zone", ""),
        ("2026-11-21 10:55 europe/berlin", "no time zone", "Europe/Berlin"),
        ("2026-11-21 10:55 Europe/Belin", "no time zone", "did you mean Europe/Berlin"),
        ("2026-11-21 10:55 beirut", "no time zone", "Asia/Beirut"),
        ("2026-11-21 10:55 Mars/Olympus", "no time zone", "named after places"),
        ("10m ago", "minutes or months", '"min"'),
        ("2 months ago", '"months"', "known units"),
        ("30 min 1 hour ago", "larger units to smaller", "1 hour 30 min ago"),
        ("1 min 1 minute ago", "larger units to smaller", "1 hour 30 min ago"),
        ("99999 weeks ago", "more than a century", "1 hour 30 min ago"),
        ("1.5 hours ago", "is not an RFC 3339 time", "1 hour 30 min ago"),
        ("ago", "is not an RFC 3339 time", "ago"),
        ("-10 minutes ago", "is not an RFC 3339 time", "ago"),
        ("in 10 minutes", "is not an RFC 3339 time", "ago"),
        ("\u0661 minute ago", "is not an RFC 3339 time", "ago"),
        ("2026-11-21 10:55 ../etc/passwd", "is not an RFC 3339 time", "Europe/Berlin"),
        ("0001-01-01 00:00 Asia/Tokyo", "calendar", "write it like"),
    ],
)
def test_what_has_no_single_meaning_is_refused(text, message, hint):
    error = refusal(text)
    assert message in error.message
    assert hint in error.hint


def test_a_skipped_time_is_refused():
    error = refusal("2026-03-29 02:30 Europe/Berlin")
    assert "skipped 2026-03-29 02:30:00 Europe/Berlin" in error.message
    assert '"2026-03-29T00:30:00.000Z" for 01:30:00' in error.hint
    assert '"2026-03-29T01:30:00.000Z" for 03:30:00' in error.hint


def test_a_repeated_time_is_refused():
    error = refusal("2026-10-25 02:30 Europe/Berlin")
    assert "twice: at 2026-10-25T00:30:00.000Z, and again at 2026-10-25T01:30:00.000Z" in error.message
    assert '"2026-10-25T00:30:00.000Z" for the first time, or "2026-10-25T01:30:00.000Z" for the second' in error.hint


@given(moments, st.sampled_from(ZONES))
def test_a_clock_time_means_its_moment(moment, zone):
    shown = moment.astimezone(ZoneInfo(zone))
    text = f"{shown:%Y-%m-%d %H:%M:%S}.{shown.microsecond // 1000:03d} {zone}"
    try:
        read = read_moment(text, NOW)
    except InputError as error:
        assert "twice" in error.message
        assert str(Instant.of(moment)) in error.hint
    else:
        assert read == Instant.of(moment)


@given(st.datetimes(datetime(2000, 1, 1), datetime(2037, 1, 1)), st.sampled_from(ZONES))  # noqa: DTZ001
def test_a_moment_is_what_the_clocks_showed(clock, zone):
    clock = clock.replace(microsecond=0)
    around = [clock.replace(tzinfo=UTC) + timedelta(minutes=minutes) for minutes in range(-15 * 60, 15 * 60 + 1, 15)]
    showing = [each for each in around if each.astimezone(ZoneInfo(zone)).replace(tzinfo=None) == clock]
    try:
        read = read_moment(f"{clock:%Y-%m-%d %H:%M:%S} {zone}", NOW)
    except InputError as error:
        assert len(showing) == (2 if "twice" in error.message else 0)
        assert all(str(Instant.of(each)) in error.hint for each in showing)
    else:
        assert [Instant.of(each) for each in showing] == [read]


@given(st.integers(0, 9999), st.integers(0, 99), st.integers(0, 999))
def test_a_span_lies_exactly_so_long_before_now(days, hours, minutes):
    span = timedelta(days=days, hours=hours, minutes=minutes)
    assert NOW - read_moment(f"{days} days {hours} h {minutes} minutes ago", NOW) == span


@given(moments, milliseconds)
def test_rfc_3339_is_read_as_in_files(moment, fraction):
    asked = Instant.of(moment + fraction)
    assert read_moment(str(asked), NOW) == asked


@given(st.text(max_size=30))
def test_any_text_is_a_moment_or_an_error(text):
    assume("ago" not in text)
    try:
        read_moment(text, NOW)
    except InputError as error:
        assert error.hint
