"""The loop on which waiting costs nothing comes to an end all the same."""

import asyncio

import pytest

from tests.exhaustive.virtual_time import Endless, VirtualTimeLoop, waits

# So late that what is added to it below is lost in rounding.
_LATE_SECONDS, _NOTHING_SECONDS = 2.0**17, 1e-12
_HALF_A_YEAR_SECONDS = 16_934_155.767699834


@pytest.fixture
def loop():
    made = VirtualTimeLoop()
    yield made
    for task in asyncio.all_tasks(made):
        task.cancel()
        made.run_until_complete(asyncio.wait([task]))
    made.close()


async def _wait_until(loop, seconds):
    """As a limiter of requests does: set a timer for what is left, and when it is due look how much is left."""
    while loop.time() < seconds:
        due = loop.create_future()
        loop.call_at(loop.time() + _NOTHING_SECONDS, due.set_result, None)
        await due


async def _for_ever():
    while True:  # noqa: ASYNC110  this is what is to be ended
        await asyncio.sleep(0)


def test_whoever_waits_for_less_than_a_clock_can_tell_waits_no_longer_than_for_a_little(loop):
    loop.leapt, loop.turns_left = _LATE_SECONDS, 100
    loop.run_until_complete(_wait_until(loop, _LATE_SECONDS + 1e-6))


def test_a_pause_ends_in_half_a_year_too(loop):
    """By then a nanosecond more is no more, which asyncio asks a clock for before it calls what is due."""
    loop.leapt, loop.turns_left = _HALF_A_YEAR_SECONDS, 100
    loop.run_until_complete(asyncio.sleep(0.1))


def test_what_does_not_end_is_ended_and_it_is_said_where_it_waits(loop):
    loop.turns_left = 100
    with pytest.raises(Endless):
        loop.run_until_complete(_for_ever())
    assert [each.partition(":")[0] for each in waits(asyncio.all_tasks(loop))] == ["_for_ever"]
