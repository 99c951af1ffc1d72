"""The databases and roles of a Neon branch."""

from urllib.parse import quote

from reconciler.core.model.observed import Table
from reconciler.core.model.roles_and_databases import RoleOrDatabase
from reconciler.core.values.instant import Instant
from reconciler.core.values.secret import Secret
from reconciler.core.values.timeline import Point
from reconciler.errors import ProviderError
from reconciler.ports import Origin
from reconciler.providers.neon import wire
from reconciler.providers.neon.client import NeonClient


class Databases(NeonClient):
    """The port `Databases`."""

    async def databases(self, project: str, branch: str) -> tuple[RoleOrDatabase, ...]:
        """Read the databases of a branch. Neon lists them on one page."""
        return await self._list(project, branch, "databases")

    async def roles(self, project: str, branch: str) -> tuple[RoleOrDatabase, ...]:
        """Read the roles of a branch. Neon lists them on one page."""
        return await self._list(project, branch, "roles")

    async def _list(self, project: str, branch: str, what: str) -> tuple[RoleOrDatabase, ...]:
        listed = await self._get(f"/projects/{project}/branches/{branch}/{what}")
        return tuple(map(wire.role_or_database, listed.each(what)))

    async def tables(self, project: str, branch: str, database: str, at: Point) -> frozenset[Table]:
        """List the tables of a database as it was at a moment or an LSN.

        Source: API reference, "Retrieve database schema": it takes a moment or an LSN as a new branch does.
        """
        path = f"/projects/{project}/branches/{branch}/schema"
        body = await self._get(path, db_name=database, format="json", **wire.point("", at))
        return frozenset(Table(each.text("schema"), each.text("name")) for each in body.part("json").each("tables"))

    async def create_database(self, project: str, branch: str, database: str, owner: str) -> None:
        """Create a database owned by a role."""
        body = {"database": {"name": database, "owner_name": owner}}
        await self._write(project, "POST", f"/branches/{branch}/databases", body)

    async def owner(self, project: str, branch: str, database: str) -> str:
        """Return the role that owns a database: only it can change the database's settings."""
        path = f"/projects/{project}/branches/{branch}/databases/{quote(database, safe='')}"
        return (await self._get(path)).part("database").text("owner_name")

    async def password_changed(self, project: str, branch: str, role: str) -> Instant | None:
        """Return when a role was last changed: a password reset changes it (API reference, "Reset role password")."""
        path = f"/projects/{project}/branches/{branch}/roles/{quote(role, safe='')}"
        return (await self._get(path)).part("role").maybe_moment("updated_at")

    async def origin(self, project: str, branch: str, database: str, role: str) -> Origin:
        """Return how to log in. A child of a protected parent has new passwords, so none is ever reused."""
        body = await self._get(
            f"/projects/{project}/connection_uri",
            branch_id=branch,
            database_name=database,
            role_name=role,
            pooled=False,
        )
        host, port, password = wire.login(body.text("uri"))
        if not host or not password:
            raise ProviderError(f"Neon: the connection URI of role {role} on branch {branch} has no password")
        return Origin(host, port, database, role, Secret(password))
