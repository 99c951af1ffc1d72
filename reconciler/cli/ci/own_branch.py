"""Protects work of others: a job overwrites a branch only if all its commits are from such a job."""

from collections.abc import Collection

from reconciler.errors import InputError
from reconciler.providers.git.repository import Repository


def refuse_work_of_others(repository: Repository, name: str, standing: str, tip: str, files: Collection[str]) -> None:
    """Raise InputError if a branch holds anything that this job did not put there; `standing` is its tip.

    The branch may be merged into `tip`, or be one commit on its history that changes only these files.
    """
    if repository.is_ancestor(standing, tip):
        return
    parent = repository.resolve(f"{standing}^") or ""
    if parent and repository.is_ancestor(parent, tip) and {*repository.changed_files(parent, standing)} <= {*files}:
        return
    hint = "merge or delete the branch: the job then creates it again"
    raise InputError(f"branch {name} holds work that this job did not write ({standing[:12]})", hint=hint)
