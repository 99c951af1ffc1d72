"""The receipts of a repository, read with git alone."""

from reconciler.core.records.receipt import parse
from tests.support.remotes import git


def receipts(repository):
    """Give (commit, receipt) of every receipt in a repository, the oldest first."""
    found = []
    for line in git(repository, "notes", "--ref=reconciler", "list").splitlines():
        blob, commit = line.split()
        content = git(repository, "cat-file", "blob", blob)
        found += [(commit, parse(each)) for each in content.splitlines() if each.strip()]
    return sorted(found, key=lambda each: each[1].began)
