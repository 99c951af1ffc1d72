"""Projects, their operations, and connection strings (API description, sections Project and Operation)."""

from typing import Any

from aiohttp import web

from reconciler.sandbox import timestamps
from reconciler.sandbox.neon import identifiers, rendering, requests
from reconciler.sandbox.neon.branches import connection_uris
from reconciler.sandbox.neon.connections import connection_uri
from reconciler.sandbox.neon.control_plane import ControlPlane, set_state, touch, writable_project
from reconciler.sandbox.neon.errors import malformed, not_found, refused, role_not_found
from reconciler.sandbox.neon.operations import Job
from reconciler.sandbox.neon.requests import Fields
from reconciler.sandbox.neon.state import Branch, Endpoint, Operation, Project, Role

LARGEST_PAGE = 400
DEFAULT_PAGE = 10
LARGEST_PAGE_OF_OPERATIONS = 1000
LONGEST_HISTORY_SECONDS = 2_592_000
_PROJECTS = "/api/v2/projects"
_PROJECT = _PROJECTS + "/{project_id}"


class Projects:
    """The handlers of the paths of projects and operations."""

    def __init__(self, control: ControlPlane) -> None:
        self._control = control

    def routes(self) -> list[web.RouteDef]:
        """Return the routes."""
        return [
            web.get(_PROJECTS, self.list_all),
            web.post(_PROJECTS, self.create),
            web.get(_PROJECTS + "/shared", self.shared),
            web.get(_PROJECT, self.get),
            web.patch(_PROJECT, self.update),
            web.delete(_PROJECT, self.delete),
            web.get(_PROJECT + "/connection_uri", self.connection_uri),
            web.get(_PROJECT + "/operations", self.operations),
            web.get(_PROJECT + "/operations/{operation_id}", self.operation),
        ]

    async def list_all(self, request: web.Request) -> web.Response:
        """List the projects, a page at a time."""
        state, part = requests.state(request), request.query.get("search", "")
        found = sorted(
            (project for project in state.projects.values() if part in project.name or part in project.id),
            key=lambda project: project.id,
        )
        cursor = request.query.get("cursor", "")
        page = [project for project in found if project.id > cursor]
        page = page[: requests.limit(request, DEFAULT_PAGE, LARGEST_PAGE)]
        answer = _projects([rendering.project(state, project) for project in page])
        return web.json_response(answer | ({"pagination": {"cursor": page[-1].id}} if page else {}))

    async def shared(self, _request: web.Request) -> web.Response:
        """List the projects shared with the account: none."""
        return web.json_response(_projects([]))

    async def get(self, request: web.Request) -> web.Response:
        """Return one project."""
        return web.json_response(self._answer(request, requests.project(request)))

    async def create(self, request: web.Request) -> web.Response:
        """Make a project with a root branch, its compute, a role and a database."""
        asked = (await requests.body(request)).object("project")
        project, branch, endpoint = await self._records(asked)
        jobs = self._create_jobs(project, branch, endpoint)
        operations = self._control.schedule(request, project, jobs)
        return web.json_response(self._created(request, project, branch, endpoint, operations), status=201)

    async def update(self, request: web.Request) -> web.Response:
        """Rename a project, or change its settings or its history window."""
        project = writable_project(self._control, request)
        asked = (await requests.body(request)).object("project")
        name, history = asked.name("name"), self._history(asked)
        project.name = project.name if name is None else name
        if history is not None:
            if history > project.history_retention_seconds:
                oldest = timestamps.now().timestamp() - project.history_retention_seconds
                project.history_start = max(project.history_start, timestamps.at(oldest))
            project.history_retention_seconds = history
        project.settings |= asked.object("settings").raw()
        project.default_endpoint_settings |= asked.object("default_endpoint_settings").raw()
        touch(project)
        return web.json_response(self._answer(request, project) | {"operations": []})

    async def delete(self, request: web.Request) -> web.Response:
        """Delete a project with everything in it."""
        project = writable_project(self._control, request)
        if any(branch.protected for branch in project.branches.values()):
            raise refused("cannot delete a project with a protected branch")
        answer = self._answer(request, project)
        del self._control.state.projects[project.id]
        for endpoint in project.endpoints.values():
            await self._control.computes.shut(endpoint.id)
        for branch in project.branches.values():
            if branch.cluster:
                await self._control.storage.drop(branch.cluster)
        for deleted in project.deleted.values():
            await self._control.erase(deleted)
        for snapshot in project.snapshots.values():
            if snapshot.hidden_branch.cluster:
                await self._control.storage.drop(snapshot.hidden_branch.cluster)
        return web.json_response(answer)

    async def connection_uri(self, request: web.Request) -> web.Response:
        """Return the connection string of a role to a database of a branch."""
        project, query = requests.project(request), requests.query(request)
        database, role_name = query.required("database_name"), query.required("role_name")
        branch_id, endpoint_id = query.text("branch_id"), query.text("endpoint_id")
        branch = requests.branch_of(project, branch_id) if branch_id else project.default_branch()
        endpoints = [
            endpoint
            for endpoint in project.endpoints_of(branch.id)
            if endpoint.id == endpoint_id or (endpoint_id is None and endpoint.type == "read_write")
        ]
        if not endpoints:
            raise not_found("endpoint")
        role = branch.roles.get(role_name)
        if role is None or role.password is None:
            raise role_not_found(role_name, branch.id)
        if database not in branch.databases:
            raise not_found("database")
        return web.json_response({"uri": connection_uri(endpoints[0], role.name, role.password, database)})

    async def operations(self, request: web.Request) -> web.Response:
        """List the operations of a project, newest first, a page at a time."""
        found = requests.project(request).operations.values()
        newest = sorted(found, key=lambda operation: operation.created_at, reverse=True)
        cursor = requests.query(request).moment("cursor")
        page = [operation for operation in newest if cursor is None or operation.created_at < cursor]
        page = page[: requests.limit(request, 100, LARGEST_PAGE_OF_OPERATIONS)]
        answer = rendering.operations(page)
        last = {"cursor": page[-1].created_at.isoformat().replace("+00:00", "Z")} if page else None
        return web.json_response(answer | ({"pagination": last} if last else {}))

    async def operation(self, request: web.Request) -> web.Response:
        """Return one operation."""
        found = requests.project(request).operations.get(request.match_info["operation_id"])
        if found is None:
            raise not_found("operation")
        return web.json_response({"operation": rendering.operation(found)})

    async def seed(self, identifier: str, name: str, role: str, database: str) -> tuple[Project, Branch, Endpoint]:
        """Make a project outside any request, and wait until it is ready. Raises RuntimeError when it fails."""
        asked = {"name": name, "branch": {"role_name": role, "database_name": database}}
        project, branch, endpoint = await self._records(Fields(asked), identifier)
        self._control.schedule(None, project, self._create_jobs(project, branch, endpoint))
        await self._control.operations.settled(project)
        failed = [operation.error for operation in project.operations.values() if operation.error]
        if failed:
            raise RuntimeError(f"the project {name} could not be made: {failed[0]}")
        return project, branch, endpoint

    def _answer(self, request: web.Request, project: Project) -> dict[str, Any]:
        return {"project": rendering.project(requests.state(request), project)}

    def _history(self, asked: Fields) -> int | None:
        history = asked.integer("history_retention_seconds", 0, LONGEST_HISTORY_SECONDS)
        most = self._control.state.plan.history_seconds
        if history is not None and history > most:
            raise malformed(
                "requested history retention seconds exceeds allowed maximum; "
                f'requested_history_retention_seconds:"{history}", max:"{most}"'
            )
        return history

    async def _records(self, asked: Fields, identifier: str | None = None) -> tuple[Project, Branch, Endpoint]:
        name, history, first = asked.name("name"), self._history(asked), asked.object("branch")
        database = first.name("database_name", 63) or "neondb"
        role = first.name("role_name", 63) or f"{database}_owner"
        store_passwords = asked.flag("store_passwords")
        now, identifier = timestamps.now(), identifier or identifiers.project()
        project = Project(
            id=identifier,
            name=name or identifier,
            region_id=asked.text("region_id") or "aws-eu-central-1",
            pg_version=self._control.storage.version,
            history_retention_seconds=(
                self._control.state.plan.default_history_seconds if history is None else history
            ),
            created_at=now,
            updated_at=now,
            history_start=now,
            store_passwords=store_passwords is not False,
            settings=asked.object("settings").raw(),
            default_endpoint_settings=asked.object("default_endpoint_settings").raw(),
        )
        branch = self._control.new_branch(project, first.name("name") or "main", None)
        branch.default = branch.first = True
        branch.roles[role] = Role(role, identifiers.password(), True, now, now)
        branch.databases[database] = self._control.new_database(database, role)
        project.branches[branch.id] = branch
        self._control.state.projects[project.id] = project
        endpoint = await self._control.new_endpoint(project, branch, "read_write", 0)
        return project, branch, endpoint

    def _create_jobs(self, project: Project, branch: Branch, endpoint: Endpoint) -> list[Job]:
        storage = self._control.storage

        async def create() -> None:
            cluster = await storage.create()
            for role in branch.roles.values():
                await storage.create_role(cluster, role.name, role.password)
            for database in branch.databases.values():
                await storage.create_database(cluster, database.name, database.owner_name)
            branch.cluster = cluster
            branch.history_start = project.history_start = timestamps.now()
            set_state(branch, "ready")

        return [Job("create_timeline", branch.id, None, create), self._control.start_job(endpoint)]

    def _created(
        self,
        request: web.Request,
        project: Project,
        branch: Branch,
        endpoint: Endpoint,
        operations: list[Operation],
    ) -> dict[str, Any]:
        answer = self._answer(request, project) | {
            "branch": rendering.branch(requests.state(request), branch),
            "connection_uris": connection_uris(branch, [endpoint]),
        }
        return (
            answer
            | rendering.endpoints([endpoint], project.region_id)
            | rendering.operations(operations)
            | rendering.roles_and_databases(branch, with_passwords=True)
        )


def _projects(projects: list[dict[str, Any]]) -> dict[str, Any]:
    return {"projects": projects, "unavailable_project_ids": [], "applications": {}, "integrations": {}}
