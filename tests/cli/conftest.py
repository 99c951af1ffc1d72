"""What tests of commands at a desk share."""

import pytest

from tests.support.desk import Runner

TOKEN = "canary-github-token"


@pytest.fixture
def run(monkeypatch, capsys, tmp_path):
    """Run a command at a desk, in this process. No secret may be in what it says, nor below `tmp_path`."""
    runner = Runner(monkeypatch, capsys)
    yield runner
    runner.check([TOKEN])
