"""Restore in place: the branch keeps its id, computes, hosts and passwords; a preserved branch gets its former data.

Source: the API description, `POST …/branches/{branch_id}/restore`; docs: Instant restore, Reset from parent.
"""

import copy
from datetime import timedelta

from aiohttp import web

from reconciler.sandbox import timestamps
from reconciler.sandbox.neon import rendering, requests
from reconciler.sandbox.neon.control_plane import ControlPlane, set_state, writable_project
from reconciler.sandbox.neon.errors import malformed, refused
from reconciler.sandbox.neon.operations import Job
from reconciler.sandbox.neon.state import Branch, Project
from reconciler.sandbox.storage import Mark, Point


class Restore:
    """The handler of the path."""

    def __init__(self, control: ControlPlane) -> None:
        self._control = control

    def routes(self) -> list[web.RouteDef]:
        """Return the routes."""
        return [web.post("/api/v2/projects/{project_id}/branches/{branch_id}/restore", self.restore)]

    async def restore(self, request: web.Request) -> web.Response:
        """Replace a branch's data by that of a branch, now or at a point in time."""
        project = writable_project(self._control, request)
        target = requests.branch(request)
        asked = await requests.body(request)
        source = requests.branch_of(project, asked.required("source_branch_id"))
        point, kept = asked.point("source_timestamp", "source_lsn"), asked.name("preserve_under_name")
        self._check(project, target, source, point, kept)
        mark = await self._control.mark(project, source, point)
        preserved = self._preserved(project, target, source, kept) if kept else None
        job = self._restore_job(project, target, source, mark, preserved)
        jobs = [*map(self._control.suspend_job, project.endpoints_of(target.id)), job]
        if preserved is None:
            jobs.append(self._discard_job(target))
        set_state(target, "resetting", "ready")
        reset_before, target.last_reset_at = target.last_reset_at, timestamps.now()
        if point is None and source.id == target.parent_id and target.ttl_seconds is not None:
            target.expires_at = target.last_reset_at + timedelta(seconds=target.ttl_seconds)
        target.parent_lsn = None if target.parent_id is None else mark.lsn

        async def undo() -> None:
            set_state(target, "ready")
            target.last_reset_at = reset_before
            if preserved:
                project.branches.pop(preserved.id, None)

        answer = rendering.branch(requests.state(request), target)
        if preserved and source is target and self._control.state.switches.parent_id_in_restore_answer:
            answer["parent_id"] = preserved.id
        operations = self._control.schedule(request, project, jobs, undo)
        return web.json_response({"branch": answer} | rendering.operations(operations))

    def _check(self, project: Project, target: Branch, source: Branch, point: Point, kept: str | None) -> None:
        if target.protected:
            raise refused("cannot reset protected branch")
        requests.cluster(target)
        requests.cluster(source)
        itself = source is target
        if itself and point is None:
            raise malformed("source_timestamp or source_lsn is required when a branch is restored from itself")
        if kept is None and (itself or project.children_of(target.id)):
            raise refused("Branch has children, preserve_under_name is required")
        if target.restored_from is not None and point is not None:
            raise self._control.snapshot_restore_ongoing()
        if point and target.parent_id is not None and not self._control.state.switches.child_as_target:
            raise refused("instant restore to a point in time is available for root branches only")
        if kept is not None:
            self._control.check_name(project, kept)
            self._control.check_room(project, root=target.parent_id is None)

    def _preserved(self, project: Project, target: Branch, source: Branch, name: str) -> Branch:
        """Make the record of the branch that gets the target's present data. It has no compute."""
        preserved = self._control.new_branch(project, name, None)
        preserved.parent_id = target.parent_id
        preserved.parent_lsn = target.parent_lsn
        preserved.parent_timestamp = target.parent_timestamp
        preserved.first = target.first and source is not target
        for inherited in self._control.state.switches.preserved_inherits:
            setattr(preserved, inherited, copy.deepcopy(getattr(target, inherited)))
        preserved.annotated_at = preserved.created_at
        project.branches[preserved.id] = preserved
        return preserved

    def _restore_job(
        self, project: Project, target: Branch, source: Branch, mark: Mark, preserved: Branch | None
    ) -> Job:
        control = self._control

        async def restore() -> None:
            restored = copy.deepcopy(target)
            restored.roles = copy.deepcopy(source.roles) | restored.roles
            fork = await control.fork(mark, restored, new_passwords=True)
            await control.storage.stop(fork.cluster)
            for endpoint in project.endpoints_of(target.id):
                await control.computes.suspend(endpoint.id)
            # nothing below awaits, so no connection sees the change half done
            if preserved:
                preserved.cluster = target.cluster
                preserved.history_start, preserved.history_lsn = target.history_start, target.history_lsn
                preserved.roles, preserved.databases = target.roles, target.databases
                for child in project.children_of(target.id):
                    child.parent_id = preserved.id
                set_state(preserved, "ready")
            target.cluster = fork.cluster
            if not control.state.switches.history_before_reset:
                target.history_start, target.history_lsn = timestamps.now(), fork.lsn
            target.roles, target.databases = restored.roles, restored.databases
            if target.parent_id is not None:
                target.parent_id = preserved.id if preserved and source is target else source.id
                target.parent_lsn, target.parent_timestamp = fork.lsn, fork.resolved
            set_state(target, "ready")

        return Job("create_branch", target.id, None, restore)

    def _discard_job(self, target: Branch) -> Job:
        replaced = requests.cluster(target)

        async def discard() -> None:
            await self._control.storage.drop(replaced)

        return Job("delete_timeline", target.id, None, discard)
