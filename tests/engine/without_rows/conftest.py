"""The worlds of these tests, and the simulations in them."""

import pytest

from tests.engine.without_rows.simulation import Simulation, worlds_of_this_process


@pytest.fixture(scope="module")
def worlds():
    with worlds_of_this_process() as worlds:
        yield worlds


@pytest.fixture
def simulate(worlds):
    """Begin a scenario: `simulate("first restore, fenced", primary={"method": "in-place"})`.

    The invariants hold after every request; `watch.violations.clear()` says that they are not about what was done.
    """
    begun = []

    def begin(*scenario, **changes):
        begun.append(Simulation(worlds, *scenario, **changes))
        return begun[-1]

    yield begin
    for each in begun:
        assert each.watch.violations == []


@pytest.fixture
def first(simulate):
    """A production that is asked for its first restore."""
    return simulate()
