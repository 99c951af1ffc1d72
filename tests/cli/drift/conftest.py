"""A production that was applied, the desk of somebody who has its repository, and a job there."""

import pytest

from tests.cli.drift.by_hand import TOKEN, new_desk, repair
from tests.support.desk import Runner
from tests.support.job import Job


@pytest.fixture
def world(shared_production):
    """A production that every test of the module has in turn: what is done to its Worker is undone after each."""
    production = shared_production
    before = set(production.configs())
    yield production
    repair(production)
    for name, config in production.configs().items():
        if name not in before:
            production.sandbox.cloudflare("DELETE", f"/hyperdrive/configs/{config['id']}")


@pytest.fixture
def desk(world, tmp_path):
    """The clone of a production, whose file was applied."""
    return new_desk(world, tmp_path)


@pytest.fixture
def make_job(make_github, monkeypatch, capsys, tmp_path):
    """Make a job at a desk, with a GitHub that has the desk's remote."""
    made = []

    def make(desk):
        runner = Runner(monkeypatch, capsys)
        made.append((runner, Job(runner, desk, make_github(token=TOKEN, bare=desk.remote.path), tmp_path / "job")))
        return made[-1][1]

    yield make
    for runner, job in made:
        job.check([TOKEN])
        runner.check([TOKEN])


@pytest.fixture
def job(desk, make_job):
    return make_job(desk)


@pytest.fixture
def github(job):
    return job.github
