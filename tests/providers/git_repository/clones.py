"""What the tests of the repository have in common: the files of its first commit, and how it is opened."""

from reconciler.providers.git.repository import Repository
from tests.support.remotes import git_environment

MAIN = "refs/heads/main"
FILES = {"desired-state/production.jsonc": "{}\r\n", "läden und mehr/ä.txt": "eins"}


def opened(root, **environment):
    return Repository.containing(root, git_environment(**environment))
