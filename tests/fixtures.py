"""Fixtures of the tests that run against a sandbox: one for the whole session, in which each test has a production."""

import copy

import pytest
import stamina

from tests.support.command import Command
from tests.support.production import Production
from tests.support.sandbox_process import SandboxProcess
from tests.support.shops import Shops
from tests.support.warm_process import WarmProcess
from tests.support.web import WebServer


@pytest.fixture(scope="session")
def sandbox():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NO_PROXY", "127.0.0.1")
        process = SandboxProcess()
        try:
            yield process
            complaints = process.said()
        finally:
            process.close()
    # A client that is killed while it sends a body is no defect.
    defects = [line for line in complaints.splitlines() if "sandbox: " in line and "ConnectionResetError" not in line]
    assert not defects, f"the sandbox met a defect of its own: {defects}"


@pytest.fixture(scope="session")
def shops(sandbox):
    return Shops(sandbox)


@pytest.fixture
def make_production(sandbox, shops, tmp_path):
    """Make a production: `make_production(hyperdrive=True, workers=1, protected=False, upload=None)`."""
    made = []

    def make(**options):
        root = tmp_path / f"repository{len(made) or ''}"
        root.mkdir()
        made.append(Production(sandbox, shops.take(), root, **options))
        return made[-1]

    make.made = made
    before = sandbox.switches()
    yield make
    for production in made:
        production.remove()
    for half, settings in before.items():
        sandbox.switch(half, **settings)


@pytest.fixture
def production(make_production):
    """A production with one Worker, whose good moment has passed."""
    return make_production()


@pytest.fixture(scope="module")
def shared_production(sandbox, shops, tmp_path_factory):
    production = Production(sandbox, shops.take(), tmp_path_factory.mktemp("shared"))
    yield production
    production.remove()


@pytest.fixture
def untouched(shared_production):
    """A production for tests that change only files: other tests of the module have the same one."""
    production = shared_production
    before = production.files(), copy.deepcopy(production.desired), dict(production.environment)
    production.sandbox.forget_requests()
    yield production
    assert production.sandbox.writes() == []
    files, production.desired, production.environment = before
    production.put_files(files)


@pytest.fixture
def without_waiting():
    """What is tried again is tried again at once."""
    with stamina.set_testing(True, attempts=100, cap=True):
        yield


@pytest.fixture(scope="session")
def warm_process():
    process = WarmProcess()
    yield process
    process.close()


@pytest.fixture
def command(sandbox, make_production, tmp_path, warm_process):
    """Run `reconciler`: `command(production, "plan", NEON_API_KEY=None)`. What it says must hold no secret."""
    directory = tmp_path / "command"
    directory.mkdir()
    runner = Command(directory, warm_process)
    yield runner
    runner.end()
    keys = [sandbox.environment["NEON_API_KEY"], sandbox.environment["CLOUDFLARE_API_TOKEN"]]
    runner.check(keys)


@pytest.fixture
def web():
    server = WebServer()
    yield server
    server.close()
