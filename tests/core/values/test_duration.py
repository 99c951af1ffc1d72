"""Durations: what people write, and what they read."""

from datetime import timedelta

import pytest

from reconciler.core.values.duration import as_written, parse_duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("500ms", 0.5), ("90s", 90), ("30m", 1_800), ("2h", 7_200), ("7d", 604_800), ("2w", 1_209_600)],
)
def test_a_duration_is_a_number_and_a_unit(text, seconds):
    assert timedelta(seconds=seconds) == parse_duration(text)


@pytest.mark.parametrize("text", ["", "5", "0m", "1.5h", "-1d", "5 m", "5y", "9999999s"])
def test_other_text_is_no_duration(text):
    with pytest.raises(ValueError, match="is not a duration"):
        parse_duration(text)


@pytest.mark.parametrize("text", ["36h", "30d"])
def test_whole_hours_are_written_as_in_a_file(text):
    assert text == as_written(parse_duration(text))
