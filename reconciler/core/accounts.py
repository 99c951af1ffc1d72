"""The roles and the databases of a branch, as Neon lists them: what is read of them, apart from every rule."""

from dataclasses import dataclass

from reconciler.core.instant import Instant


@dataclass(frozen=True, slots=True)
class Account:
    """A role or a database: when Neon noted that it was created, and that it was changed."""

    name: str
    created_at: Instant
    updated_at: Instant


@dataclass(frozen=True, slots=True)
class Accounts:
    """The roles and the databases of the branch with this id."""

    branch_id: str
    roles: tuple[Account, ...]
    databases: tuple[Account, ...]
