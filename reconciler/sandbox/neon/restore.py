"""Restore in place: the branch keeps its id, computes, hosts and passwords; what it held moves to a preserved branch.

Source: the API description, `POST …/branches/{branch_id}/restore`; docs: Instant restore, Reset from parent.
"""

import copy
from datetime import datetime

from aiohttp import web

from reconciler.sandbox import timestamps
from reconciler.sandbox.neon import rendering, requests
from reconciler.sandbox.neon.control_plane import ControlPlane, set_state, writable_project
from reconciler.sandbox.neon.errors import NeonError, malformed, refused
from reconciler.sandbox.neon.operations import Job
from reconciler.sandbox.neon.requests import Fields
from reconciler.sandbox.neon.state import Branch, Project
from reconciler.sandbox.storage import Mark


class Restore:
    """The handler of the path."""

    def __init__(self, control: ControlPlane) -> None:
        self._control = control

    def routes(self) -> list[web.RouteDef]:
        """Give the routes."""
        return [web.post("/api/v2/projects/{project_id}/branches/{branch_id}/restore", self.restore)]

    async def restore(self, request: web.Request) -> web.Response:
        """Replace what a branch holds by what a branch held at a moment, or holds now."""
        project = writable_project(self._control, request)
        target = requests.branch(request)
        asked = await requests.body(request)
        source = requests.branch_of(project, asked.required("source_branch_id"))
        moment, kept = _moment(asked), asked.name("preserve_under_name")
        self._check(project, target, source, moment, kept)
        mark = await self._control.mark(project, source, moment)
        preserved = self._preserved(project, target, source, kept) if kept else None
        job = self._restore_job(project, target, source, mark, preserved)
        jobs = [*map(self._control.suspend_job, project.endpoints_of(target.id)), job]
        if preserved is None:
            jobs.append(self._discard_job(target))
        set_state(target, "resetting", "ready")
        target.last_reset_at = timestamps.now()
        target.parent_lsn = None if target.parent_id is None else mark.lsn

        async def undo() -> None:
            set_state(target, "ready")
            if preserved:
                project.branches.pop(preserved.id, None)

        operations = self._control.schedule(request, project, jobs, undo)
        return web.json_response(
            {
                "branch": rendering.branch(requests.state(request), target),
                "operations": [rendering.operation(operation) for operation in operations],
            }
        )

    def _check(
        self, project: Project, target: Branch, source: Branch, moment: datetime | None, kept: str | None
    ) -> None:
        if target.protected:
            raise refused("cannot reset protected branch")
        requests.cluster(target)
        requests.cluster(source)
        itself = source is target
        if itself and moment is None:
            raise malformed("source_timestamp or source_lsn is required when a branch is restored from itself")
        if kept is None and (itself or project.children_of(target.id)):
            raise refused("Branch has children, preserve_under_name is required")
        if moment and target.parent_id is not None and not self._control.state.switches.child_as_target:
            raise refused("instant restore to a point in time is available for root branches only")
        if kept is not None:
            self._control.check_name(project, kept)
            self._control.check_room(project, root=target.parent_id is None)

    def _preserved(self, project: Project, target: Branch, source: Branch, name: str) -> Branch:
        """Make the record of the branch that will hold what the target holds now. It has no compute."""
        preserved = self._control.new_branch(project, name, None)
        preserved.parent_id = target.parent_id
        preserved.parent_lsn = target.parent_lsn
        preserved.parent_timestamp = target.parent_timestamp
        preserved.first = target.first and source is not target
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
            # from here to the end nothing waits, so that no connection finds the change half done
            if preserved:
                preserved.cluster, preserved.history_start = target.cluster, target.history_start
                preserved.roles, preserved.databases = target.roles, target.databases
                for child in project.children_of(target.id):
                    child.parent_id = preserved.id
                set_state(preserved, "ready")
            target.cluster, target.history_start = fork.cluster, timestamps.now()
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


def _moment(asked: Fields) -> datetime | None:
    if asked.text("source_lsn") and asked.text("source_timestamp"):
        raise malformed("source_lsn and source_timestamp are mutually exclusive")
    if asked.text("source_lsn"):
        raise NeonError(501, "the sandbox restores to a time or the head, not to an LSN")
    return asked.moment("source_timestamp")
