"""What a job may overwrite: a branch that holds nothing but what such a job put there."""

from collections.abc import Collection

from reconciler.errors import InputError
from reconciler.providers.git.repository import Repository


def refuse_work_of_others(repository: Repository, name: str, standing: str, tip: str, files: Collection[str]) -> None:
    """Raise InputError where a branch holds more than a job of ours puts there; `standing` is its tip.

    It may be merged into `tip`, or be one commit on its history that changes these files alone. GitError as ever.
    """
    if repository.is_ancestor(standing, tip):
        return
    parent = repository.resolve(f"{standing}^") or ""
    if parent and repository.is_ancestor(parent, tip) and {*repository.changed_files(parent, standing)} <= {*files}:
        return
    hint = "merge it or delete it: it is made anew then"
    raise InputError(f"branch {name} holds work that is not this job's ({standing[:12]})", hint=hint)
