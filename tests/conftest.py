"""What every test shares."""

import pytest
from hypothesis import settings

from tests.fixtures import (  # noqa: F401  fixtures are found by being here
    command,
    make_production,
    production,
    sandbox,
    shared_production,
    shops,
    untouched,
    web,
    without_waiting,
)
from tests.github_fixtures import (  # noqa: F401
    github,
    github_bare,
    github_description,
    github_with_code,
    make_github,
)

pytest_plugins = ("tests.conformance.plugin",)

# Machines are noisy: no example fails for being slow.
settings.register_profile("here", deadline=None, max_examples=80)
settings.load_profile("here")


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"
