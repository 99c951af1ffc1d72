"""The worlds of these tests."""

import pytest

from tests.engine.without_rows.stage import worlds_of_this_process


@pytest.fixture(scope="module")
def worlds():
    with worlds_of_this_process() as worlds:
        yield worlds
