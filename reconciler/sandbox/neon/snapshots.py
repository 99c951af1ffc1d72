"""Snapshots: take, list, rename, expire, delete, restore to a preview branch, and finalize that restore.

Source: the API description, section Snapshot; docs: Backup and restore. A snapshot is a fork of its branch that never
runs. A restore makes a root branch from it, beside the target. Finalizing gives that branch the target's name,
computes, default flag and protection. So the branch id changes and the host stays.
"""

import copy
from typing import Any

from aiohttp import web

from reconciler.sandbox import timestamps
from reconciler.sandbox.neon import identifiers, rendering, requests
from reconciler.sandbox.neon.control_plane import ControlPlane, set_state, touch, writable_project
from reconciler.sandbox.neon.errors import malformed, not_found, refused
from reconciler.sandbox.neon.operations import Job
from reconciler.sandbox.neon.state import Branch, Endpoint, Project, Snapshot
from reconciler.sandbox.storage import Mark

_PROJECT = "/api/v2/projects/{project_id}"
_BRANCH = _PROJECT + "/branches/{branch_id}"


class Snapshots:
    """The handlers of the paths of snapshots."""

    def __init__(self, control: ControlPlane) -> None:
        self._control = control

    def routes(self) -> list[web.RouteDef]:
        """Return the routes."""
        every, one = _PROJECT + "/snapshots", _PROJECT + "/snapshots/{snapshot_id}"
        return [
            web.post(_BRANCH + "/snapshot", self.create),
            web.get(every, self.list_all),
            web.patch(one, self.update),
            web.delete(one, self.delete),
            web.post(one + "/restore", self.restore),
            web.post(_BRANCH + "/finalize_restore", self.finalize),
        ]

    async def list_all(self, request: web.Request) -> web.Response:
        """List the snapshots, newest first."""
        found = sorted(requests.project(request).snapshots.values(), key=lambda item: item.created_at, reverse=True)
        return web.json_response({"snapshots": [rendering.snapshot(snapshot) for snapshot in found]})

    async def create(self, request: web.Request) -> web.Response:
        """Take a snapshot of a root branch, now or at a point in time. All parameters are in the query."""
        project, query = writable_project(self._control, request), requests.query(request)
        branch = requests.branch(request)
        point, name, expires_at = query.point("timestamp", "lsn"), query.name("name"), query.moment("expires_at")
        now = timestamps.now()
        if branch.parent_id is not None:
            raise refused("snapshots can be taken of root branches only")
        if expires_at is not None and expires_at <= now:
            raise malformed("expires_at must be in the future")
        if len(project.snapshots) >= (limit := self._control.state.plan.snapshots):
            raise refused(f"manual snapshots limit exceeded; limit:{limit}", "SNAPSHOTS_LIMIT_EXCEEDED")
        mark = await self._control.mark(project, branch, point)
        hidden = self._control.new_branch(project, None, None)
        hidden.roles, hidden.databases = copy.deepcopy(branch.roles), copy.deepcopy(branch.databases)
        snapshot = Snapshot(
            identifiers.snapshot(),
            name or f"{branch.name} at {timestamps.render(mark.moment or now)} (manual)",
            branch.id,
            hidden,
            mark.position or mark.lsn,
            now,
            mark.moment,
            expires_at,
        )
        project.snapshots[snapshot.id] = snapshot
        jobs = [self._take_job(snapshot, mark), Job("timeline_archive", hidden.id)]

        async def undo() -> None:
            del project.snapshots[snapshot.id]

        operations = self._control.schedule(request, project, jobs, undo)
        return web.json_response(_snapshot(snapshot) | rendering.operations(operations))

    async def update(self, request: web.Request) -> web.Response:
        """Rename a snapshot, or set or clear its expiry."""
        writable_project(self._control, request)
        snapshot = _of_path(request)
        asked = (await requests.body(request)).object("snapshot")
        name, expires_at = asked.name("name"), asked.moment("expires_at")
        if expires_at is not None and expires_at <= timestamps.now():
            raise malformed("expires_at must be in the future")
        snapshot.name = snapshot.name if name is None else name
        snapshot.expires_at = expires_at if "expires_at" in asked else snapshot.expires_at
        return web.json_response(_snapshot(snapshot))

    async def delete(self, request: web.Request) -> web.Response:
        """Delete a snapshot. Branches restored from it stay."""
        project, snapshot = writable_project(self._control, request), _of_path(request)
        operations = self._control.schedule(request, project, [self._control.drop_job(project, snapshot)])
        return web.json_response(rendering.operations(operations), status=202)

    async def restore(self, request: web.Request) -> web.Response:
        """Make a root branch from a snapshot, for the target (by default the snapshot's source)."""
        project, snapshot = writable_project(self._control, request), _of_path(request)
        asked = await requests.body(request)
        target = requests.branch_of(project, asked.text("target_branch_id") or snapshot.source_branch_id)
        name, finalizes = asked.name("name"), bool(asked.flag("finalize_restore"))
        if name is not None:
            self._control.check_name(project, name)
        self._control.check_room(project, root=True)
        branch = self._record(project, snapshot, target, name)
        endpoints = []
        jobs = [Job("timeline_unarchive", snapshot.hidden_branch.id), self._restore_job(snapshot, branch)]
        if finalizes:
            jobs += self._finalize_jobs(project, branch, target, None)
        else:
            endpoints.append(await self._control.new_endpoint(project, branch, "read_write", 0))
            jobs.append(self._control.start_job(endpoints[0]))
        operations = self._control.schedule(request, project, jobs)
        answer = {"branch": rendering.branch(requests.state(request), branch)}
        answer |= rendering.endpoints(endpoints, project.region_id) | rendering.operations(operations)
        return web.json_response(answer)

    async def finalize(self, request: web.Request) -> web.Response:
        """Replace the target by a restored branch, and rename the target."""
        project, branch = writable_project(self._control, request), requests.branch(request)
        name = (await requests.body(request)).name("name")
        if branch.restore_status != "restored" or branch.restored_as is None:
            raise refused("branch is not a restored snapshot that waits to be finalized")
        target = requests.branch_of(project, branch.restored_as)
        requests.cluster(branch)
        if name is not None:
            self._control.check_name(project, name, but=target)
        operations = self._control.schedule(request, project, self._finalize_jobs(project, branch, target, name))
        return web.json_response(rendering.operations(operations))

    def _record(self, project: Project, snapshot: Snapshot, target: Branch, name: str | None) -> Branch:
        branch = self._control.new_branch(project, name, None)
        branch.roles = copy.deepcopy(snapshot.hidden_branch.roles | target.roles)
        branch.databases = copy.deepcopy(snapshot.hidden_branch.databases)
        branch.parent_lsn = snapshot.lsn
        branch.restore_status, branch.restored_from, branch.restored_as = "restored", snapshot.id, target.id
        project.branches[branch.id] = branch
        return branch

    def _take_job(self, snapshot: Snapshot, mark: Mark) -> Job:
        hidden = snapshot.hidden_branch

        async def take() -> None:
            fork = await self._control.fork(mark, hidden, new_passwords=False)
            await self._control.storage.stop(fork.cluster)
            hidden.cluster, hidden.history_lsn = fork.cluster, fork.lsn

        return Job("create_branch", hidden.id, None, take)

    def _restore_job(self, snapshot: Snapshot, branch: Branch) -> Job:
        async def restore() -> None:
            mark = await self._control.storage.mark(requests.cluster(snapshot.hidden_branch), None)
            fork = await self._control.fork(mark, branch, new_passwords=True)
            branch.cluster, branch.history_lsn = fork.cluster, fork.lsn
            set_state(branch, "ready")

        return Job("create_branch", branch.id, None, restore)

    def _finalize_jobs(self, project: Project, branch: Branch, target: Branch, name: str | None) -> list[Job]:
        control, moved = self._control, project.endpoints_of(target.id)

        async def swap() -> None:
            for preview in project.endpoints_of(branch.id):
                await control.computes.shut(preview.id)
                project.endpoints.pop(preview.id, None)
            _swap(project, branch, target, moved, name)

        suspended = [control.suspend_job(endpoint) for endpoint in moved]
        started = [Job("start_compute", branch.id, job.endpoint_id, job.work) for job in map(control.start_job, moved)]
        return [*suspended, Job("swap_binding_id", branch.id, None, swap), *started]


def _swap(project: Project, branch: Branch, target: Branch, moved: list[Endpoint], name: str | None) -> None:
    """Move the name, computes and flags of the target to a branch."""
    former = target.name
    target.name = name or _free_name(project, f"{former} (old)")
    branch.name = former
    for endpoint in moved:
        endpoint.branch_id = branch.id
        touch(endpoint)
    for flag in ("default", "protected", "first"):
        setattr(branch, flag, getattr(target, flag))
        setattr(target, flag, False)
    branch.restore_status = "finalized"
    touch(branch)
    touch(target)


def _free_name(project: Project, wanted: str) -> str:
    taken = {branch.name for branch in project.branches.values()}
    name, count = wanted, 1
    while name in taken:
        count += 1
        name = f"{wanted} {count}"
    return name


def _of_path(request: web.Request) -> Snapshot:
    found = requests.project(request).snapshots.get(request.match_info["snapshot_id"])
    if found is None:
        raise not_found("snapshot")
    return found


def _snapshot(snapshot: Snapshot) -> dict[str, Any]:
    return {"snapshot": rendering.snapshot(snapshot)}
