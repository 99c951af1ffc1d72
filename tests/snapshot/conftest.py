"""One server of each kind for all tests of this directory; every test has databases of its own in it."""

import os
import secrets
import tempfile
from pathlib import Path

import pytest

from tests.support import plain_postgres, rich_database
from tests.support.memory import memory
from tests.support.plain_words import run_main
from tests.support.waiting import eventually


@pytest.fixture(scope="session")
def plain():
    with tempfile.TemporaryDirectory(dir=memory(), prefix="reconciler-tests-") as directory:
        place = Path(directory)
        place.chmod(0o711)
        with plain_postgres.plain_server(place) as server:
            yield server


@pytest.fixture(scope="session")
def container():
    if plain_postgres.image() is None:
        pytest.skip("RECONCILER_TEST_POSTGRES_IMAGE names no image: see .ci/postgres-image")
    with plain_postgres.server_in_container(plain_postgres.image()) as server:
        yield server


@pytest.fixture(params=["plain", "container"])
def server(request):
    return request.getfixturevalue(request.param)


class Desk:
    """A database with everything in it, a directory of snapshots, and the program."""

    def __init__(self, server, directory, monkeypatch, capsys):
        self.server = server
        self.directory = directory / "snapshots"
        self.name = f"shop_{secrets.token_hex(4)}"
        self._run = lambda *words: run_main(monkeypatch, capsys, *words)

    @property
    def options(self):
        return *self.server.options(self.name), "--directory", str(self.directory)

    def __call__(self, verb, *words):
        """Run it, and see that no password is said and nothing of it runs on."""
        status, stdout, stderr = self._run("snapshot", verb, *self.options, *words)
        assert plain_postgres.PASSWORD not in stdout + stderr
        self.see_nothing_running()
        return status, stdout, stderr

    def see_nothing_running(self):
        """The server takes a moment to see that somebody has left."""
        eventually(lambda: self.server.busy() == 0, "the end of what was run")

    def do(self, verb, *words):
        """Run it, and it must succeed. Returns what it printed."""
        status, stdout, stderr = self(verb, *words)
        assert status == 0, stderr
        return stdout

    def without_place(self, verb, *words):
        return self._run("snapshot", verb, "--directory", str(self.directory), *words)

    def execute(self, statement):
        with self.server.connect(self.name) as connection:
            return connection.execute(statement)

    def everything(self, name=None):
        return rich_database.everything(self.server, name or self.name)

    def names(self):
        """The databases that are there because of ours."""
        return {name.removeprefix(self.name) for name in self.server.names() if name.startswith(self.name)}

    def files(self):
        return sorted(os.listdir(self.directory)) if self.directory.exists() else []  # noqa: PTH208  names are enough


@pytest.fixture
def make_desk(tmp_path, monkeypatch, capsys):
    def make(server):
        made = Desk(server, tmp_path, monkeypatch, capsys)
        rich_database.fill(server, made.name)
        return made

    monkeypatch.delenv("DATABASE_URL", raising=False)
    monkeypatch.delenv("GIT_DIR", raising=False)
    monkeypatch.chdir(tmp_path)
    return make


@pytest.fixture
def desk(make_desk, server):
    return make_desk(server)


@pytest.fixture
def plain_desk(make_desk, plain):
    return make_desk(plain)
