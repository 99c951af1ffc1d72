"""Branches: create (also at a moment), read, list, rename, protect, expire, set as default, delete.

Source: the API description, section Branch; docs: Manage branches, Branch expiration, Protected branches.
"""

import base64
import json
from datetime import datetime, timedelta
from typing import Any

from aiohttp import web

from reconciler.sandbox import timestamps
from reconciler.sandbox.neon import rendering, requests
from reconciler.sandbox.neon.connections import connection_uri, host
from reconciler.sandbox.neon.control_plane import ControlPlane, set_state, touch, writable_project
from reconciler.sandbox.neon.errors import NeonError, malformed, refused
from reconciler.sandbox.neon.operations import Job
from reconciler.sandbox.neon.requests import Fields
from reconciler.sandbox.neon.state import Branch, Endpoint, Operation, Project
from reconciler.sandbox.storage import Mark

LARGEST_PAGE = 10_000
MOST_ANNOTATIONS = 50
LONGEST_LIFE = timedelta(days=30)
_BRANCHES = "/api/v2/projects/{project_id}/branches"
_SORT_KEYS = ("updated_at", "created_at", "name")


class Branches:
    """The handlers of the paths under `/branches`, except restore, roles and databases."""

    def __init__(self, control: ControlPlane) -> None:
        self._control = control

    def routes(self) -> list[web.RouteDef]:
        """Return the routes."""
        one = _BRANCHES + "/{branch_id}"
        return [
            web.get(_BRANCHES, self.list_all),
            web.post(_BRANCHES, self.create),
            web.get(_BRANCHES + "/count", self.count),
            web.get(one, self.get),
            web.patch(one, self.update),
            web.delete(one, self.delete),
            web.post(one + "/set_as_default", self.set_as_default),
        ]

    async def list_all(self, request: web.Request) -> web.Response:
        """List the branches, newest change first, a page at a time."""
        project = requests.project(request)
        found = _search(project, request)
        if request.query.get("include_deleted") == "true":
            found += [deleted.branch for deleted in project.deleted.values()]
        key = request.query.get("sort_by", "updated_at")
        order = request.query.get("sort_order", "desc").lower()
        if key not in _SORT_KEYS or order not in {"asc", "desc"}:
            raise malformed("sort_by must be name, created_at or updated_at, and sort_order asc or desc")
        found.sort(key=lambda branch: (_sort_value(branch, key), branch.id), reverse=order == "desc")
        start = _position(found, request.query.get("cursor"), key, order)
        switches = self._control.state.switches
        size = requests.limit(request, switches.page_size, LARGEST_PAGE)
        page = found[start : start + size]
        pagination = {"sort_by": key, "sort_order": order.upper()}
        if start + size < len(found) or (page and switches.next_on_short_page):
            pagination["next"] = _cursor(page[-1], key, order)
        state = requests.state(request)
        return web.json_response(
            {
                "branches": [
                    rendering.branch(state, branch) | rendering.recovery(project.deleted.get(branch.id))
                    for branch in page
                ],
                "annotations": {branch.id: rendering.annotation(branch) for branch in page if branch.annotation},
                "pagination": pagination,
            }
        )

    async def count(self, request: web.Request) -> web.Response:
        """Count the branches."""
        return web.json_response({"count": len(_search(requests.project(request), request))})

    async def get(self, request: web.Request) -> web.Response:
        """Return one branch with its annotation."""
        found = requests.branch(request)
        body = self._answer(request, found) | {"annotation": rendering.annotation(found)}
        return web.json_response(body)

    async def create(self, request: web.Request) -> web.Response:
        """Make a branch from the present state of another, or from a point in its history."""
        project = writable_project(self._control, request)
        body = await requests.body(request)
        asked = body.object("branch")
        parent, root = self._parent(project, asked), _is_schema_only(asked)
        wanted = [self._compute(item) for item in body.objects("endpoints")]
        if root and [kind for kind, _, _ in wanted] != ["read_write"]:
            raise refused("a schema-only branch needs exactly one read_write compute")
        mark_of = asked.point("parent_timestamp", "parent_lsn")
        branch = self._record(project, parent, asked, body.object("annotation_value"))
        mark = await self._control.mark(project, parent, mark_of)
        branch.parent_lsn = None if root else mark.position or mark.lsn
        project.branches[branch.id] = branch
        endpoints = [await self._control.new_endpoint(project, branch, *compute) for compute in wanted]
        jobs = [self._create_job(branch, mark, parent, keep_running=bool(endpoints))]
        jobs += [self._control.start_job(endpoint) for endpoint in endpoints]
        operations = self._control.schedule(request, project, jobs)
        return web.json_response(self._created(request, project, branch, endpoints, operations), status=201)

    async def update(self, request: web.Request) -> web.Response:
        """Rename, protect or unprotect a branch, or set or clear its expiry."""
        project = writable_project(self._control, request)
        branch = requests.branch(request)
        asked = (await requests.body(request)).object("branch")
        name, protected = asked.name("name"), asked.flag("protected")
        if name is not None:
            self._control.check_name(project, name, but=branch)
            if branch.protected and not self._control.state.switches.rename_protected:
                raise refused("cannot rename protected branch")
        if protected and not branch.protected:
            self._control.check_protected_room(project)
        expires_at = asked.moment("expires_at") if "expires_at" in asked else branch.expires_at
        if "expires_at" in asked and expires_at is not None:
            self._check_expiry(expires_at)
        self._check_life(project, branch, expires_at, branch.protected if protected is None else protected)
        branch.name = branch.name if name is None else name
        branch.protected = branch.protected if protected is None else protected
        if "expires_at" in asked:
            _set_expiry(branch, expires_at)
        touch(branch)
        return web.json_response(self._answer(request, branch) | {"operations": []})

    async def set_as_default(self, request: web.Request) -> web.Response:
        """Move the default flag to a branch. Traffic, protection and schedules stay."""
        project = writable_project(self._control, request)
        branch = requests.branch(request)
        if branch.expires_at:
            raise refused("branch with an expiration date cannot be set as default")
        for other in project.branches.values():
            other.default = other is branch
        touch(branch)
        return web.json_response(self._answer(request, branch) | {"operations": []})

    async def delete(self, request: web.Request) -> web.Response:
        """Delete a branch with its computes; 204 if there is none."""
        project = writable_project(self._control, request)
        branch = project.branches.get(request.match_info["branch_id"])
        if branch is None:
            return web.Response(status=204)
        check_deletable(project, branch)
        for_good = request.query.get("hard_delete") == "true"
        jobs = self._control.delete_jobs(project, branch, for_good=for_good)
        operations = self._control.schedule(request, project, jobs)
        answer = self._answer(request, branch)
        answer["branch"] |= {"current_state": "ready", "pending_state": "storage_deleted"}
        return web.json_response(answer | rendering.operations(operations))

    def _answer(self, request: web.Request, branch: Branch) -> dict[str, Any]:
        return {"branch": rendering.branch(requests.state(request), branch)}

    def _compute(self, item: Fields) -> tuple[str, int, tuple[float, float]]:
        """Read the kind, the seconds until suspension and the sizes of a requested compute."""
        kind = item.required("type")
        if kind not in {"read_write", "read_only"}:
            raise malformed("endpoints[].type must be read_write or read_only")
        return kind, self._control.suspend_timeout(item) or 0, requests.compute_sizes(item)

    def _parent(self, project: Project, asked: Fields) -> Branch:
        parent_id = asked.text("parent_id")
        parent = requests.branch_of(project, parent_id) if parent_id else project.default_branch()
        if asked.text("init_source") not in {None, "parent-data", "schema-only"}:
            raise NeonError(501, "the sandbox makes branches with the parent's data, or with its schema only")
        if parent.expires_at:
            raise refused("cannot create a branch from a branch with an expiration date")
        requests.cluster(parent)
        return parent

    def _record(self, project: Project, parent: Branch, asked: Fields, annotation: Fields) -> Branch:
        name, protected, expires_at = asked.name("name"), asked.flag("protected"), asked.moment("expires_at")
        if name is not None:
            self._control.check_name(project, name)
        root = _is_schema_only(asked)
        self._control.check_room(project, root=root)
        if protected:
            self._control.check_protected_room(project)
        branch = self._control.new_branch(project, name, parent)
        branch.protected = bool(protected)
        if root:
            branch.parent_id, branch.init_source = None, "schema-only"
        if expires_at is not None:
            self._check_expiry(expires_at)
            self._check_life(project, branch, expires_at, branch.protected)
            _set_expiry(branch, expires_at)
        branch.annotation = annotation.strings(MOST_ANNOTATIONS)
        branch.annotated_at = branch.created_at
        return branch

    def _check_expiry(self, expires_at: datetime) -> None:
        if not self._control.state.switches.expires_at_available:
            raise refused("branch expiration is not available for this account")
        now = timestamps.now()
        if not now < expires_at <= now + LONGEST_LIFE:
            raise malformed("expires_at must be in the future, and at most 30 days ahead")

    def _check_life(
        self,
        project: Project,
        branch: Branch,
        expires_at: datetime | None,
        protected: bool,  # noqa: FBT001 - one rule
    ) -> None:
        """Refuse an expiry on a branch that must not be deleted."""
        if expires_at is None:
            return
        if branch.default:
            raise refused("default branch cannot have an expiration date")
        if protected:
            raise refused("protected branch cannot have an expiration date")
        if project.children_of(branch.id):
            raise refused("branch that has children cannot have an expiration date")

    def _create_job(self, branch: Branch, mark: Mark, parent: Branch, *, keep_running: bool) -> Job:
        # the parent's protection at the time of the request counts, not a later change
        new_passwords = parent.protected

        async def create() -> None:
            fork = await self._control.fork(mark, branch, new_passwords=new_passwords)
            branch.history_lsn = fork.lsn
            if branch.init_source == "schema-only":
                await self._control.storage.empty(fork.cluster)
                branch.history_start = timestamps.now()
            else:
                branch.parent_lsn = fork.lsn
                branch.parent_timestamp = fork.resolved or parent.created_at
            if not keep_running:
                await self._control.storage.stop(fork.cluster)
            branch.cluster = fork.cluster
            set_state(branch, "ready")

        return Job("create_branch", branch.id, None, create)

    def _created(
        self,
        request: web.Request,
        project: Project,
        branch: Branch,
        endpoints: list[Endpoint],
        operations: list[Operation],
    ) -> dict[str, Any]:
        uris = connection_uris(branch, endpoints)
        return (
            self._answer(request, branch)
            | rendering.endpoints(endpoints, project.region_id)
            | rendering.operations(operations)
            | rendering.roles_and_databases(branch)
            | ({"connection_uris": uris} if uris else {})
        )


def connection_uris(branch: Branch, endpoints: list[Endpoint]) -> list[dict[str, Any]]:
    """Return the connection strings of a new branch; none if it has several roles or databases, as at Neon."""
    if len(branch.roles) != 1 or len(branch.databases) != 1 or not endpoints:
        return []
    (role,), (database,) = branch.roles.values(), branch.databases.values()
    if role.password is None:
        return []
    parameters = {
        "database": database.name,
        "role": role.name,
        "password": role.password,
        "host": host(endpoints[0]),
        "pooler_host": host(endpoints[0]),
    }
    uri = connection_uri(endpoints[0], role.name, role.password, database.name)
    return [{"connection_uri": uri, "connection_parameters": parameters}]


def check_deletable(project: Project, branch: Branch) -> None:
    """Refuse the deletion of a branch that Neon keeps (docs: Manage branches, Delete a branch)."""
    if branch.protected:
        raise refused("cannot delete protected branch")
    if children := project.children_of(branch.id):
        raise refused(f"cannot delete branch that has children: {children[0].id}")
    if branch.first:
        raise refused("cannot delete the root branch")
    if branch.default:
        raise refused("cannot delete the default branch")


def _is_schema_only(asked: Fields) -> bool:
    return asked.text("init_source") == "schema-only"


def _set_expiry(branch: Branch, expires_at: datetime | None) -> None:
    branch.expires_at = expires_at.replace(microsecond=0) if expires_at else None
    branch.ttl_seconds = round((expires_at - timestamps.now()).total_seconds()) if expires_at else None


def _search(project: Project, request: web.Request) -> list[Branch]:
    part = request.query.get("search", "")
    return [branch for branch in project.branches.values() if part in branch.name or part in branch.id]


def _sort_value(branch: Branch, key: str) -> str:
    value = getattr(branch, key)
    return value.isoformat(timespec="microseconds") if isinstance(value, datetime) else str(value)


def _cursor(branch: Branch, key: str, order: str) -> str:
    fields = {
        "branch_id": branch.id,
        "sort_by": key,
        "sort_by_value": _sort_value(branch, key),
        "sort_order": order.upper(),
    }
    return base64.urlsafe_b64encode(json.dumps(fields).encode()).decode()


def _position(found: list[Branch], cursor: str | None, key: str, order: str) -> int:
    """Return the index of the first branch after the cursor, whose own branch may be deleted."""
    if not cursor:
        return 0
    try:
        fields = json.loads(base64.urlsafe_b64decode(cursor))
        last = (str(fields["sort_by_value"]), str(fields["branch_id"]))
    except (ValueError, KeyError, TypeError):
        raise malformed("cursor is malformed") from None

    def after(branch: Branch) -> bool:
        here = (_sort_value(branch, key), branch.id)
        return here < last if order == "desc" else here > last

    return next((index for index, branch in enumerate(found) if after(branch)), len(found))
