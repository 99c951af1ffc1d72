"""Names that git could take for options, other refs or commands are names, or errors in a sentence."""

import os
import subprocess

import pytest

from reconciler.errors import ReconcilerError
from reconciler.providers.git.repository import Repository

_GIT = {"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1", "GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@b"}
_IDENTITY = {**_GIT, "GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@b"}
NAMES = [
    "-rf", "--upload-pack=touch evil", "--output=evil", "ext::sh -c touch% evil", "a\nb", "a\x00b", "../../evil",
    "+main:evil", "a" * 256, "\u202eevil",
]  # fmt: skip


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A clone with one commit, and its remote."""
    top = tmp_path_factory.mktemp("hostile")
    environment = {**_IDENTITY, "PATH": os.environ["PATH"]}
    for command in (["init", "-q", "--bare", "hub"], ["init", "-q", "-b", "main", "desk"]):
        subprocess.run(["git", *command], cwd=top, check=True, env=environment)
    desk = top / "desk"
    (desk / "file").write_text("content")
    for command in (["add", "."], ["commit", "-qm", "first"], ["remote", "add", "origin", str(top / "hub")]):
        subprocess.run(["git", *command], cwd=desk, check=True, env=environment)
    repository = Repository.containing(desk, environment)
    repository.push(repository.head(), "refs/heads/main", expected="")
    return top, repository


@pytest.mark.parametrize("name", NAMES, ids=lambda name: ascii(name)[:24])
def test_a_hostile_name_is_a_name_or_error(place, name):
    top, repository = place
    head = repository.head()
    ways = {
        "resolve": lambda: repository.resolve(name),
        "read": lambda: repository.read(head, name),
        "changes": lambda: repository.changes(head, name),
        "set_branch": lambda: repository.set_branch(name, head),
        "fetch": lambda: repository.fetch(name),
        "push": lambda: repository.push(head, f"refs/heads/{name}", expected=""),
        "remote": lambda: Repository.containing(
            repository.root, {**repository.git.environment, "RECONCILER_REMOTE": name}
        ),
    }
    for way, call in ways.items():
        try:
            call()
        except ReconcilerError as error:
            assert error.message, way
            assert "Traceback" not in error.report
    assert not [found for found in top.rglob("*") if found.name == "evil" and "refs" not in found.parts]
    assert repository.head() == head
    assert not list(top.rglob("*.lock"))
