"""What every test shares."""

import importlib.util
import os
import sys

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
    warm_process,
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
from tests.support.memory import memory

# httpcore looks for this module with every request; where it is not there, that takes longer than the request.
if importlib.util.find_spec("sniffio") is None:
    sys.modules["sniffio"] = None

# Where pytest has the directories of `tmp_path`, unless somebody says otherwise.
if place := memory():
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(place))

pytest_plugins = ("tests.conformance.plugin",)

# Machines are noisy: no example fails for being slow.
settings.register_profile("here", deadline=None, max_examples=30)
settings.register_profile("ci", deadline=None, max_examples=80)
settings.load_profile("ci" if os.environ.get("CI") else "here")


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"
