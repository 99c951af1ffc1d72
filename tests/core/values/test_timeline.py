"""Names of timelines, and of what is held."""

import pytest

from reconciler.core.values.timeline import ORIGIN, HeldName, Timeline


@pytest.mark.parametrize("name", ["r-20261321T095500000Z", "r-20260230T095500000Z", "r-20261121T256000000Z"])
def test_impossible_digits_are_no_timeline(name):
    assert Timeline.parse(name) is None
    assert HeldName.parse("main", f"main.held.{name}.before.origin") is None
    assert HeldName.parse("main", f"main.held.origin.before.{name}") is None


@pytest.mark.parametrize("sequence", [1, 2, 999_999])
@pytest.mark.parametrize("in_place", [False, True])
def test_a_held_name_is_read_as_written(sequence, in_place):
    wanted = HeldName("main", ORIGIN, Timeline.parse("r-20261121T095500000Z-a"), sequence, in_place)
    assert HeldName.parse("main", wanted.name) == wanted
