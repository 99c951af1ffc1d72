"""What is seldom met, and must still be right."""

import pytest

from reconciler.core.file.reading import DesiredStateError
from reconciler.core.values.secret import Secret
from reconciler.core.values.timeline import ORIGIN, HeldName, Timeline
from tests.core.file.test_desired_file import read


@pytest.mark.parametrize("name", ["r-20261321T095500000Z", "r-20260230T095500000Z", "r-20261121T256000000Z"])
def test_impossible_digits_are_no_timeline(name):
    assert Timeline.parse(name) is None
    assert HeldName.parse("main", f"main.held.{name}.before.origin") is None
    assert HeldName.parse("main", f"main.held.origin.before.{name}") is None


@pytest.mark.parametrize("sequence", [1, 2, 999_999])
@pytest.mark.parametrize("in_place", [False, True])
def test_a_held_name_is_read_as_it_was_written(sequence, in_place):
    wanted = HeldName("main", ORIGIN, Timeline.parse("r-20261121T095500000Z-a"), sequence, in_place)
    assert HeldName.parse("main", wanted.name) == wanted


def test_a_secret_is_never_shown():
    secret = Secret("canary-of-the-small-print")
    assert secret.reveal() not in f"{secret} {secret!r} {[secret]}"
    assert str(secret)


def test_a_report_begins_with_the_place():
    with pytest.raises(DesiredStateError) as caught:
        read("{}")
    assert caught.value.report.startswith("desired-state/production.jsonc:1:1: ")


@pytest.mark.parametrize("times", [1, 2])
def test_only_some_of_many_mistakes_are_listed(times):
    with pytest.raises(DesiredStateError) as caught:
        read("{" + ", ".join(f'"unknown{number}": 1' for number in [*range(1000)] * times) + "}")
    assert 10 <= len(caught.value.problems) <= 100
