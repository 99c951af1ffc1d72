"""Fixtures of the tests that talk to a GitHub on loopback."""

import os
import subprocess

import pytest

from tests.support.github import GitHubServer
from tests.support.github_description import require


@pytest.fixture(scope="session")
def github_description():
    """GitHub's own description of its API; without it a test is skipped, and fails in CI."""
    return require()


@pytest.fixture
def make_github(github_description):
    """Make a GitHub: `make_github(bare=None, repository="acme/shop", permissions=None)`. All it was sent is valid."""
    made = []

    def make(**options):
        made.append(GitHubServer(github_description, **options))
        return made[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NO_PROXY", "127.0.0.1")
        yield make
    for server in made:
        server.close()
    violations = [violation for server in made for violation in server.violations]
    assert violations == []


@pytest.fixture
def github(make_github):
    """A GitHub whose repository has no commits: for issues, comments, statuses and deployments."""
    return make_github()


@pytest.fixture
def github_bare(tmp_path):
    """A bare repository with a branch `main` that has one commit."""
    path = tmp_path / "hosted.git"
    _git("init", "--quiet", "--bare", "--initial-branch=main", str(path))
    add_commit(path, "main", "the first")
    return path


@pytest.fixture
def github_with_code(make_github, github_bare):
    """A GitHub with a bare repository (`github_bare`), for pull requests."""
    return make_github(bare=github_bare)


def add_commit(bare, branch, message, start="main", files=()):
    """Put a commit on a branch of a bare repository, which may be new, and give its id."""
    tip = _git("--git-dir", str(bare), "for-each-ref", "--format=%(objectname)", f"refs/heads/{branch}")
    parent = tip or _git("--git-dir", str(bare), "for-each-ref", "--format=%(objectname)", f"refs/heads/{start}")
    lines = ["", *_git("--git-dir", str(bare), "ls-tree", parent).splitlines()] if parent else [""]
    for name, text in dict(files or {f"{message}.txt": message}).items():
        blob = _git("--git-dir", str(bare), "hash-object", "-w", "--stdin", given=text)
        lines = [line for line in lines if line and not line.endswith(f"\t{name}")] + [f"100644 blob {blob}\t{name}"]
    tree = _git("--git-dir", str(bare), "mktree", given="\n".join(lines) + "\n")
    parents = ["-p", parent] if parent else []
    commit = _git("--git-dir", str(bare), "commit-tree", tree, *parents, "-m", message)
    _git("--git-dir", str(bare), "update-ref", f"refs/heads/{branch}", commit)
    return commit


def _git(*arguments, given=None):
    who = {"GIT_AUTHOR_NAME": "Dora", "GIT_AUTHOR_EMAIL": "dora@example.com"}
    who |= {"GIT_COMMITTER_NAME": "Dora", "GIT_COMMITTER_EMAIL": "dora@example.com"}
    done = subprocess.run(["git", *arguments], input=given, env=os.environ | who, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()
