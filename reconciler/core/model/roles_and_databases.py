"""The roles and the databases of a branch, as Neon lists them: what is read of them, apart from every rule."""

from dataclasses import dataclass

from reconciler.core.values.instant import Instant


@dataclass(frozen=True, slots=True)
class RoleOrDatabase:
    """A role or a database: when Neon noted that it was created, and that it was changed."""

    name: str
    created_at: Instant
    updated_at: Instant


@dataclass(frozen=True, slots=True)
class RolesAndDatabases:
    """The roles and the databases of the branch with this id."""

    branch_id: str
    roles: tuple[RoleOrDatabase, ...]
    databases: tuple[RoleOrDatabase, ...]
