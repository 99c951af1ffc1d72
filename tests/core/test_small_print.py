"""What is seldom met, and must still be right."""

import pytest

from reconciler.core.desired_file import DesiredStateError
from reconciler.core.secret import Secret
from reconciler.core.timeline import ORIGIN, HeldName, Timeline, free_held_name
from tests.core.test_desired_file import read


@pytest.mark.parametrize("name", ["r-20261321T095500000Z", "r-20260230T095500000Z", "r-20261121T256000000Z"])
def test_a_name_whose_digits_are_no_moment_is_no_timeline_and_no_held_branch(name):
    assert Timeline.parse(name) is None
    assert HeldName.parse("main", f"main.held.{name}.before.origin") is None
    assert HeldName.parse("main", f"main.held.origin.before.{name}") is None


def test_the_same_timeline_is_held_under_a_new_count_each_time_it_is_replaced_by_the_same():
    wanted = HeldName("main", ORIGIN, Timeline.parse("r-20261121T095500000Z"))
    first = str(wanted)
    second = free_held_name(wanted, frozenset({first}))
    third = free_held_name(wanted, frozenset({first, second}))
    assert [first, second, third] == [first, f"{first}.2", f"{first}.3"]
    assert HeldName.parse("main", third).count == 3


def test_a_secret_is_no_text_wherever_it_is_put_into_one():
    secret = Secret("canary-of-the-small-print")
    assert secret.reveal() not in f"{secret} {secret!r} {[secret]}"
    assert str(secret)


def test_a_report_of_mistakes_is_their_places_and_nothing_else():
    with pytest.raises(DesiredStateError) as caught:
        read("{}")
    assert caught.value.report.startswith("desired-state/production.jsonc:1:1: ")


@pytest.mark.parametrize("times", [1, 2])
def test_of_a_thousand_mistakes_a_readable_number_is_told(times):
    with pytest.raises(DesiredStateError) as caught:
        read("{" + ", ".join(f'"unknown{number}": 1' for number in [*range(1000)] * times) + "}")
    assert 10 <= len(caught.value.problems) <= 100
