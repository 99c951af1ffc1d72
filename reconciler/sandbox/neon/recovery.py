"""The recovery of deleted branches, if the switch `soft_delete` is on (a preview that not every account has).

Source: the API description, `POST …/branches/{branch_id}/recover`; docs: Branch Recovery. A deleted branch keeps its
data, its computes and their ports for seven days; during that time the computes take no connections.
"""

from aiohttp import web

from reconciler.sandbox.neon import rendering, requests
from reconciler.sandbox.neon.control_plane import ControlPlane, touch, writable_project
from reconciler.sandbox.neon.errors import not_found, refused


class Recovery:
    """The handler of the path."""

    def __init__(self, control: ControlPlane) -> None:
        self._control = control

    def routes(self) -> list[web.RouteDef]:
        """Return the routes."""
        return [web.post("/api/v2/projects/{project_id}/branches/{branch_id}/recover", self.recover)]

    async def recover(self, request: web.Request) -> web.Response:
        """Bring a deleted branch back, with its computes, which are idle, and without an expiry."""
        project = writable_project(self._control, request)
        deleted = project.deleted.get(request.match_info["branch_id"])
        if deleted is None:
            raise not_found("branch")
        branch = deleted.branch
        if branch.parent_id is not None and branch.parent_id not in project.branches:
            raise refused("the parent of the branch has been deleted")
        self._control.check_name(project, branch.name)
        self._control.check_room(project, root=branch.parent_id is None)
        del project.deleted[branch.id]
        branch.expires_at = branch.ttl_seconds = None
        project.branches[branch.id] = branch
        project.endpoints |= {endpoint.id: endpoint for endpoint in deleted.endpoints}
        touch(branch)
        answer = {"branch": rendering.branch(requests.state(request), branch)}
        return web.json_response(answer | rendering.endpoints(deleted.endpoints, project.region_id))
