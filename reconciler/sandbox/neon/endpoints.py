"""Endpoints: the computes that make a branch reachable (API description, section Endpoint)."""

from aiohttp import web

from reconciler.sandbox.neon import rendering, requests
from reconciler.sandbox.neon.control_plane import ControlPlane, idle_after, touch, writable_project
from reconciler.sandbox.neon.errors import NeonError, already_exists, malformed, refused
from reconciler.sandbox.neon.operations import Job
from reconciler.sandbox.neon.requests import Fields
from reconciler.sandbox.neon.state import Endpoint, Operation, Project

LONGEST_NAME = 64
_PROJECT = "/api/v2/projects/{project_id}"


class Endpoints:
    """The handlers of the paths under `/endpoints`."""

    def __init__(self, control: ControlPlane) -> None:
        self._control = control

    def routes(self) -> list[web.RouteDef]:
        """Return the routes."""
        every, one = _PROJECT + "/endpoints", _PROJECT + "/endpoints/{endpoint_id}"
        return [
            web.get(every, self.list_all),
            web.get(_PROJECT + "/branches/{branch_id}/endpoints", self.list_of_branch),
            web.post(every, self.create),
            web.get(one, self.get),
            web.patch(one, self.update),
            web.delete(one, self.delete),
            web.post(one + "/{action:start|suspend|restart}", self.act),
        ]

    async def list_all(self, request: web.Request) -> web.Response:
        """List the computes of a project."""
        project = requests.project(request)
        return _several(project, list(project.endpoints.values()))

    async def list_of_branch(self, request: web.Request) -> web.Response:
        """List the computes of a branch."""
        project = requests.project(request)
        return _several(project, project.endpoints_of(requests.branch(request).id))

    async def get(self, request: web.Request) -> web.Response:
        """Return one compute."""
        project = requests.project(request)
        return web.json_response({"endpoint": rendering.endpoint(requests.endpoint(request), project.region_id)})

    async def create(self, request: web.Request) -> web.Response:
        """Make a compute for a branch and start it."""
        project = writable_project(self._control, request)
        asked = (await requests.body(request)).object("endpoint")
        branch = requests.branch_of(project, asked.required("branch_id"))
        kind = asked.required("type")
        if kind not in {"read_write", "read_only"}:
            raise malformed("endpoint.type must be read_write or read_only")
        if kind == "read_write" and any(other.type == kind for other in project.endpoints_of(branch.id)):
            raise already_exists("read_write endpoint")
        name = asked.name("name", LONGEST_NAME)
        suspend = self._control.suspend_timeout(asked) or 0
        _check_settings(asked)
        requests.cluster(branch)
        sizes = requests.compute_sizes(asked)
        endpoint = await self._control.new_endpoint(project, branch, kind, suspend, sizes)
        endpoint.name = name
        operations = self._control.schedule(request, project, [self._control.start_job(endpoint)])
        return _one(project, endpoint, operations, status=201)

    async def update(self, request: web.Request) -> web.Response:
        """Change the settings of a compute."""
        project = writable_project(self._control, request)
        endpoint = requests.endpoint(request)
        asked = (await requests.body(request)).object("endpoint")
        if "branch_id" in asked and asked.text("branch_id") != endpoint.branch_id:
            raise NeonError(501, "the sandbox does not move a compute to another branch")
        name, disabled = asked.name("name", LONGEST_NAME), asked.flag("disabled")
        suspend = self._control.suspend_timeout(asked)
        _check_settings(asked)
        endpoint.name = endpoint.name if name is None else name
        endpoint.disabled = endpoint.disabled if disabled is None else disabled
        former = endpoint.minimum_units, endpoint.maximum_units
        endpoint.minimum_units, endpoint.maximum_units = sizes = requests.compute_sizes(asked, former)
        if suspend is not None:
            endpoint.suspend_timeout_seconds = suspend
            self._control.computes.idle_after(endpoint.id, idle_after(suspend))
        touch(endpoint)
        jobs = [self._control.suspend_job(endpoint)] if disabled else []
        if not endpoint.disabled:
            jobs += self._adjusting_jobs(endpoint, resized=sizes != former, retimed=suspend is not None)
        return _one(project, endpoint, self._control.schedule(request, project, jobs))

    def _adjusting_jobs(self, endpoint: Endpoint, *, resized: bool, retimed: bool) -> list[Job]:
        """Return the operations of a change: an idle compute wakes briefly, an active one restarts to be resized.

        Source: API description, "Update a compute endpoint", and Neon's documentation, "Manage computes".
        """
        start, suspend = self._control.start_job(endpoint), self._control.suspend_job(endpoint)
        if endpoint.current_state == "idle":
            return [start, suspend] if resized or retimed else []
        return [suspend, start] if resized else []

    async def act(self, request: web.Request) -> web.Response:
        """Start, suspend or restart a compute."""
        project = writable_project(self._control, request)
        endpoint = requests.endpoint(request)
        action = request.match_info["action"]
        jobs = [] if action == "start" else [self._control.suspend_job(endpoint)]
        if action != "suspend":
            if endpoint.disabled:
                raise refused("endpoint is disabled")
            jobs.append(self._control.start_job(endpoint))
        endpoint.pending_state = "idle" if action == "suspend" else "active"
        return _one(project, endpoint, self._control.schedule(request, project, jobs))

    async def delete(self, request: web.Request) -> web.Response:
        """Delete a compute; 204 if there is none."""
        project = writable_project(self._control, request)
        endpoint = project.endpoints.get(request.match_info["endpoint_id"])
        if endpoint is None:
            return web.Response(status=204)
        branch = project.branches[endpoint.branch_id]
        if endpoint.type == "read_write" and (branch.default or branch.first):
            raise refused("cannot delete the read-write endpoint of the root or default branch")
        if branch.protected:
            raise refused("cannot delete an endpoint of a protected branch")

        async def delete() -> None:
            await self._control.computes.shut(endpoint.id)
            project.endpoints.pop(endpoint.id, None)

        job = Job("suspend_compute", branch.id, endpoint.id, delete)
        return _one(project, endpoint, self._control.schedule(request, project, [job]))


def _check_settings(asked: Fields) -> None:
    if "settings" in asked and "pg_settings" not in asked.object("settings"):
        raise malformed("settings must not be nil")


def _several(project: Project, endpoints: list[Endpoint]) -> web.Response:
    return web.json_response(rendering.endpoints(endpoints, project.region_id))


def _one(project: Project, endpoint: Endpoint, operations: list[Operation], status: int = 200) -> web.Response:
    answer = {"endpoint": rendering.endpoint(endpoint, project.region_id)}
    return web.json_response(answer | rendering.operations(operations), status=status)
