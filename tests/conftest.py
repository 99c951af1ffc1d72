"""What every test shares."""

import pytest
from hypothesis import settings

# Machines are noisy: no example fails for being slow.
settings.register_profile("here", deadline=None, max_examples=150)
settings.load_profile("here")


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"
