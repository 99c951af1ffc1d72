"""A repository, and a way to run one small workflow in it."""

import pytest

from tests.support.workflow_runner import NOBODY, Runner
from tests.workflows.small import Repository


@pytest.fixture
def repository(tmp_path):
    return Repository(tmp_path)


@pytest.fixture
def run(repository, tmp_path):
    """Run one workflow, as it is pushed: `run(jobs, on="push", files={}, **options of Runner)`."""

    def started(jobs, files=(), workflow=(), **options):
        described = {"on": "push", "jobs": jobs, **dict(workflow)}
        commit = repository.commit({".github/workflows/it.yml": described, **dict(files)})
        runner = Runner(directory=tmp_path / f"runner-{commit}", repository=repository.bare, **options)
        (found,) = runner.push(NOBODY, commit)
        return found

    return started
