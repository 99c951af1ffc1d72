"""Roles and databases of a branch (API description, sections of these names). Operations apply the changes."""

from typing import Any

from aiohttp import web

from reconciler.sandbox import timestamps
from reconciler.sandbox.neon import identifiers, rendering, requests
from reconciler.sandbox.neon.control_plane import ControlPlane, writable_project
from reconciler.sandbox.neon.errors import NeonError, already_exists, not_found, refused, role_not_found
from reconciler.sandbox.neon.operations import Job, Work
from reconciler.sandbox.neon.state import Branch, Database, Project, Role

LONGEST_NAME = 63
_BRANCH = "/api/v2/projects/{project_id}/branches/{branch_id}"


class RolesAndDatabases:
    """The handlers of the paths under `/roles` and `/databases` of a branch."""

    def __init__(self, control: ControlPlane) -> None:
        self._control = control

    def routes(self) -> list[web.RouteDef]:
        """Return the routes."""
        roles, databases = _BRANCH + "/roles", _BRANCH + "/databases"
        role, database = roles + "/{role_name}", databases + "/{database_name}"
        return [
            web.get(roles, self.list_roles),
            web.post(roles, self.create_role),
            web.get(role, self.get_role),
            web.delete(role, self.delete_role),
            web.get(role + "/reveal_password", self.reveal_password),
            web.post(role + "/reset_password", self.reset_password),
            web.get(databases, self.list_databases),
            web.post(databases, self.create_database),
            web.get(database, self.get_database),
            web.patch(database, self.update_database),
            web.delete(database, self.delete_database),
        ]

    async def list_roles(self, request: web.Request) -> web.Response:
        """List the roles of a branch."""
        branch = requests.branch(request)
        return web.json_response({"roles": [rendering.role(role, branch.id) for role in branch.roles.values()]})

    async def get_role(self, request: web.Request) -> web.Response:
        """Return one role."""
        branch = requests.branch(request)
        return web.json_response({"role": rendering.role(_role(request, branch), branch.id)})

    async def create_role(self, request: web.Request) -> web.Response:
        """Make a role with a password, or one that cannot log in."""
        project, branch, cluster = self._target(request)
        asked = (await requests.body(request)).object("role")
        name = asked.name("name", LONGEST_NAME) or asked.required("name")
        if name in branch.roles:
            raise already_exists(f'role "{name}"')
        now = timestamps.now()
        password = None if asked.flag("no_login") else identifiers.password()
        role = branch.roles[name] = Role(name, password, password is not None, now, now)

        async def create() -> None:
            await self._control.storage.create_role(cluster, name, password)

        async def undo() -> None:
            del branch.roles[name]

        operations = self._apply(request, project, branch, create, undo)
        answer = {"role": rendering.role(role, branch.id, with_password=True)}
        return web.json_response(answer | operations, status=201)

    async def delete_role(self, request: web.Request) -> web.Response:
        """Delete a role; 204 if there is none."""
        project, branch, cluster = self._target(request)
        role = branch.roles.get(request.match_info["role_name"])
        if role is None:
            return web.Response(status=204)
        owned = [database.name for database in branch.databases.values() if database.owner_name == role.name]
        if owned:
            raise refused(f'role "{role.name}" owns the database "{owned[0]}"')
        del branch.roles[role.name]

        async def delete() -> None:
            await self._control.storage.drop_role(cluster, role.name)

        async def undo() -> None:
            branch.roles[role.name] = role

        operations = self._apply(request, project, branch, delete, undo)
        return web.json_response({"role": rendering.role(role, branch.id)} | operations)

    async def reveal_password(self, request: web.Request) -> web.Response:
        """Return the password of a role."""
        project, branch = requests.project(request), requests.branch(request)
        if not project.store_passwords:
            raise NeonError(412, "storing passwords is disabled for the project")
        role = _role(request, branch)
        if role.password is None:
            raise not_found(f'password of role "{role.name}"')
        return web.json_response({"password": role.password})

    async def reset_password(self, request: web.Request) -> web.Response:
        """Return a role a new password."""
        project, branch, cluster = self._target(request)
        role = _role(request, branch)
        if not role.login:
            raise refused(f'role "{role.name}" may not log in')
        former, password = role.password, identifiers.password()
        role.password, role.updated_at = password, timestamps.now()

        async def apply() -> None:
            await self._control.storage.set_passwords(cluster, {role.name: password})

        async def undo() -> None:
            role.password = former

        operations = self._apply(request, project, branch, apply, undo)
        return web.json_response({"role": rendering.role(role, branch.id, with_password=True)} | operations)

    async def list_databases(self, request: web.Request) -> web.Response:
        """List the databases of a branch."""
        branch = requests.branch(request)
        found = [rendering.database(database, branch.id) for database in branch.databases.values()]
        return web.json_response({"databases": found})

    async def get_database(self, request: web.Request) -> web.Response:
        """Return one database."""
        branch = requests.branch(request)
        return web.json_response({"database": rendering.database(_database(request, branch), branch.id)})

    async def create_database(self, request: web.Request) -> web.Response:
        """Make a database that a role owns."""
        project, branch, cluster = self._target(request)
        asked = (await requests.body(request)).object("database")
        name = asked.name("name", LONGEST_NAME) or asked.required("name")
        owner = asked.required("owner_name")
        if name in branch.databases:
            raise already_exists(f'database "{name}"')
        if owner not in branch.roles:
            raise role_not_found(owner, branch.id)
        database = branch.databases[name] = self._control.new_database(name, owner)

        async def create() -> None:
            await self._control.storage.create_database(cluster, name, owner)

        async def undo() -> None:
            del branch.databases[name]

        operations = self._apply(request, project, branch, create, undo)
        return web.json_response({"database": rendering.database(database, branch.id)} | operations, status=201)

    async def update_database(self, request: web.Request) -> web.Response:
        """Rename a database, or give it another owner."""
        project, branch, cluster = self._target(request)
        database = _database(request, branch)
        asked = (await requests.body(request)).object("database")
        former, former_owner = database.name, database.owner_name
        name = asked.name("name", LONGEST_NAME) or former
        owner = asked.text("owner_name") or former_owner
        if name != former and name in branch.databases:
            raise already_exists(f'database "{name}"')
        if owner not in branch.roles:
            raise role_not_found(owner, branch.id)

        def rename(old: str, new: str, new_owner: str) -> None:
            branch.databases[new] = branch.databases.pop(old)
            database.name, database.owner_name, database.updated_at = new, new_owner, timestamps.now()

        async def alter() -> None:
            await self._control.storage.alter_database(cluster, former, name, owner)

        async def undo() -> None:
            rename(name, former, former_owner)

        rename(former, name, owner)
        operations = self._apply(request, project, branch, alter, undo)
        return web.json_response({"database": rendering.database(database, branch.id)} | operations)

    async def delete_database(self, request: web.Request) -> web.Response:
        """Delete a database; 204 if there is none."""
        project, branch, cluster = self._target(request)
        database = branch.databases.pop(request.match_info["database_name"], None)
        if database is None:
            return web.Response(status=204)

        async def delete() -> None:
            await self._control.storage.drop_database(cluster, database.name)

        async def undo() -> None:
            branch.databases[database.name] = database

        operations = self._apply(request, project, branch, delete, undo)
        return web.json_response({"database": rendering.database(database, branch.id)} | operations)

    def _target(self, request: web.Request) -> tuple[Project, Branch, str]:
        project = writable_project(self._control, request)
        branch = requests.branch(request)
        return project, branch, requests.cluster(branch)

    def _apply(self, request: web.Request, project: Project, branch: Branch, work: Work, undo: Work) -> dict[str, Any]:
        endpoints = project.endpoints_of(branch.id)

        async def apply() -> None:
            if endpoints:
                await self._control.computes.wake(endpoints[0].id)  # so that it suspends again when unused
            await work()
            if not endpoints and branch.cluster:
                await self._control.storage.stop(branch.cluster)

        job = Job("apply_config", branch.id, endpoints[0].id if endpoints else None, apply)
        operations = self._control.schedule(request, project, [job], undo)
        return rendering.operations(operations)


def _role(request: web.Request, branch: Branch) -> Role:
    name = request.match_info["role_name"]
    if name not in branch.roles:
        raise role_not_found(name, branch.id)
    return branch.roles[name]


def _database(request: web.Request, branch: Branch) -> Database:
    name = request.match_info["database_name"]
    if name not in branch.databases:
        raise not_found("database")
    return branch.databases[name]
