"""Moments are UTC to the millisecond, whatever zone they were given in."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.values.duration import for_people
from reconciler.core.values.instant import Instant

MOMENTS = st.datetimes(
    min_value=datetime(1971, 1, 1),  # noqa: DTZ001  the strategy wants it without a zone
    max_value=datetime(9000, 1, 1),  # noqa: DTZ001
    timezones=st.just(UTC),
).map(Instant.of)


@given(MOMENTS)
def test_a_moment_is_read_back_the_same(moment):
    assert (24, moment, moment) == (len(moment.text), Instant.parse_strict(moment.text), Instant.parse(moment.text))


@given(MOMENTS, st.integers(-14 * 60, 14 * 60))
def test_a_zone_does_not_change_the_moment(moment, minutes):
    local = datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=moment.milliseconds, minutes=minutes)
    sign, size = "-" if minutes < 0 else "+", abs(minutes)
    written = f"{local:%Y-%m-%dT%H:%M:%S}.{moment.milliseconds % 1000:03d}{sign}{size // 60:02d}:{size % 60:02d}"
    assert moment == Instant.parse_strict(written)


def test_microseconds_are_cut():
    assert "2026-11-21T09:55:00.123Z" == str(Instant.parse("2026-11-21T09:55:00.123999Z"))


@pytest.mark.parametrize("text", ["", "now", "2026-11-21", "2026-11-21T09:55:00", "2026-11-21T09:55:00.Z"])
def test_half_a_moment_is_not_guessed(text):
    with pytest.raises(ValueError, match="is not an RFC 3339 time"):
        Instant.parse(text)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("2026-11-21T09:55:00", "no time zone"),
        ("2026-11-21 09:55:00Z", "RFC 3339"),
        ("2026-11-21T09:55Z", "RFC 3339"),
        ("2026-11-21T09:55:00+25:00", "does not exist"),
        ("2026-11-21T23:59:60Z", "does not exist"),
        ("0001-01-01T00:00:00+01:00", "does not exist"),
        ("२०२६-11-21T09:55:00Z", "RFC 3339"),
        ("", "RFC 3339"),
    ],
)
def test_an_incomplete_time_says_what_is_missing(text, words):
    with pytest.raises(ValueError, match=words):
        Instant.parse_strict(text)


@pytest.mark.parametrize(
    ("span", "said"),
    [
        (timedelta(days=3, hours=4, minutes=5), "3 d 4 h"),
        (timedelta(days=1), "1 d"),
        (timedelta(minutes=5, seconds=20), "5 min 20 s"),
        (timedelta(seconds=-42), "-42 s"),
        (timedelta(milliseconds=420), "0.4 s"),
    ],
)
def test_a_length_of_time_has_two_units(span, said):
    assert said == for_people(span)
