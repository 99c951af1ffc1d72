"""A remote, reached by its path and over HTTP, and clones of it."""

import shutil

import pytest

from tests.providers.git_repository.clones import FILES, opened
from tests.support.remotes import (
    BareRemote,
    HttpRemote,
    clone,
    commit_files,
    copy_clone,
)


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    """A remote and a clone of it, with one commit; tests get copies, which is quicker."""
    directory = tmp_path_factory.mktemp("template")
    commit_files(clone(BareRemote(directory), directory / "checkout"), FILES, "The first\n\nmore of it", push=True)
    return directory


@pytest.fixture
def http(template, tmp_path):
    shutil.copytree(template / "remote.git", tmp_path / "remote.git")
    remote = HttpRemote(tmp_path)
    yield remote
    remote.close()


@pytest.fixture(params=["path", "http"])
def remote(request, template, tmp_path):
    """A remote with one commit, once reached by its path and once over HTTP."""
    shutil.copytree(template / "remote.git", tmp_path / "remote.git")
    made = (BareRemote if request.param == "path" else HttpRemote)(tmp_path)
    yield made
    made.close()


@pytest.fixture
def checkout(template, tmp_path):
    """A clone, with one commit, of a remote that is reached by its path."""
    shutil.copytree(template / "remote.git", tmp_path / "remote.git")
    return copy_clone(template / "checkout", tmp_path / "check out ü", tmp_path / "remote.git")


@pytest.fixture
def cloned(template, tmp_path):
    """Clone a remote: `cloned(remote)` is its repository, with the credentials in the address of the remote."""

    def make(remote, name="one"):
        address = getattr(remote, "url_with_credentials", remote.url)
        return opened(copy_clone(template / "checkout", tmp_path / name, address))

    return make
