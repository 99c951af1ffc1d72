"""What all handlers share: the state, the storage, the computes and the operations, with their common rules."""

import copy
from collections.abc import Sequence
from datetime import datetime, timedelta

from aiohttp import web

from reconciler.sandbox import timestamps
from reconciler.sandbox.computes import Computes
from reconciler.sandbox.neon import identifiers
from reconciler.sandbox.neon.errors import NeonError, busy, refused
from reconciler.sandbox.neon.operations import Job, Operations, Pause, Work
from reconciler.sandbox.neon.requests import SMALLEST_UNITS, Fields, cluster, state
from reconciler.sandbox.neon.state import (
    Branch,
    Database,
    Deleted,
    Endpoint,
    NeonState,
    Operation,
    Project,
    Role,
    Snapshot,
)
from reconciler.sandbox.storage import BeyondTheEnd, Fork, Mark, Point, Storage, StorageError, position

DEFAULT_SUSPEND_SECONDS = 300
LONGEST_SUSPEND_SECONDS = 604_800


class ControlPlane:
    """The state, and the changes to it that several handlers need."""

    def __init__(self, storage: Storage, pause: Pause, failures: list[BaseException]) -> None:
        self.state = NeonState()
        self.storage = storage
        self.computes = Computes(storage)
        self.computes.directory = self
        self.operations = Operations(self.state, pause, failures)

    async def close(self) -> None:
        """Abandon operations and close every port."""
        await self.operations.close()
        await self.computes.close()

    async def rewind(self, state: NeonState) -> None:
        """Abandon operations and return to an earlier state, with its computes."""
        await self.operations.close()
        vars(self.state).update(vars(state))
        endpoints = [each for project in state.projects.values() for each in project.endpoints.values()]
        await self.computes.keep({each.id: (each.port, idle_after(each.suspend_timeout_seconds)) for each in endpoints})

    # The protocol `Directory` of the computes.

    async def settled(self, compute: str) -> None:
        """Wait while an operation works on the compute's branch."""
        for project in list(self.state.projects.values()):  # projects may be made while this waits
            if endpoint := project.endpoints.get(compute):
                await self.operations.settled(project, endpoint.branch_id)

    def cluster(self, compute: str) -> str | None:
        """Return the cluster behind a compute; None if it refuses connections."""
        project, endpoint = self._find(compute)
        if project is None or endpoint is None or endpoint.disabled:
            return None
        return project.branches[endpoint.branch_id].cluster

    async def past(self, compute: str, point: str) -> str:
        """Make a cluster of a compute's branch at a point in time. Raises StorageError."""
        await self.settled(compute)
        project, endpoint = self._find(compute)
        if project is None or endpoint is None:
            raise StorageError(f"the compute {compute} is gone")
        branch = project.branches[endpoint.branch_id]
        name, _, value = point.partition(":")
        try:
            mark = await self.mark(project, branch, Fields({name: value}).point("neon_timestamp", "neon_lsn"))
            return (await self.fork(mark, copy.deepcopy(branch), new_passwords=False)).cluster
        except NeonError as error:
            raise StorageError(error.message) from error

    def woken(self, compute: str) -> None:
        """Note that a compute is active."""
        _, endpoint = self._find(compute)
        if endpoint:
            endpoint.current_state, endpoint.pending_state = "active", None
            endpoint.started_at = endpoint.last_active = timestamps.now()
            endpoint.suspended_at = None

    def suspended(self, compute: str) -> None:
        """Note that a compute is idle."""
        _, endpoint = self._find(compute)
        if endpoint:
            endpoint.current_state, endpoint.pending_state = "idle", None
            endpoint.suspended_at = timestamps.now()

    def _find(self, compute: str) -> tuple[Project | None, Endpoint | None]:
        for project in self.state.projects.values():
            if endpoint := project.endpoints.get(compute):
                return project, endpoint
        return None, None

    # For the handlers.

    def schedule(
        self, request: web.Request | None, project: Project, jobs: Sequence[Job], undo: Work | None = None
    ) -> list[Operation]:
        """Schedule operations for a request. A fault on the request can make the first one fail."""
        fails = request.get("operation_ends") if request is not None else None
        return self.operations.schedule(project, jobs, fails=fails, undo=undo)

    def check_unlocked(self, project: Project) -> None:
        """Refuse a write while an operation of the project is unfinished."""
        if project.busy:
            raise busy()

    def check_name(self, project: Project, name: str, but: Branch | None = None) -> None:
        """Refuse a branch name that another branch of the project has."""
        if any(branch.name == name and branch is not but for branch in project.branches.values()):
            switches = self.state.switches
            message = switches.conflict_message or f'branch with name "{name}" already exists'
            raise NeonError(409, message, switches.conflict_code)

    def check_room(self, project: Project, *, root: bool) -> None:
        """Refuse a branch beyond the plan's limit."""
        plan = self.state.plan
        if len(project.branches) >= plan.branches:
            raise refused(f"branches limit exceeded; limit:{plan.branches}", "BRANCHES_LIMIT_EXCEEDED")
        roots = sum(branch.parent_id is None for branch in project.branches.values())
        if root and roots >= plan.root_branches:
            message = f"root branches limit exceeded; limit:{plan.root_branches}"
            raise refused(message, "ROOT_BRANCHES_LIMIT_EXCEEDED")

    def check_protected_room(self, project: Project) -> None:
        """Refuse a protected branch beyond the plan's limit."""
        protected = sum(branch.protected for branch in project.branches.values())
        if protected >= self.state.plan.protected_branches:
            raise refused(
                "You have reached the maximum number of protected branches for your current plan",
                "BRANCHES_PROTECTED_LIMIT_EXCEEDED",
            )

    def suspend_timeout(self, asked: Fields) -> int | None:
        """Read the seconds after which a compute suspends; None if the request does not say."""
        seconds = asked.integer("suspend_timeout_seconds", -1, LONGEST_SUSPEND_SECONDS)
        if seconds is not None and self.state.plan.fixed_suspension:
            raise NeonError(412, "modifying suspend_timeout_seconds is not permitted on the current plan")
        return seconds

    def check_point(self, project: Project, source: Branch, point: datetime | str) -> None:
        """Refuse a moment or a position outside the history of the source, as far as its record shows."""
        if source.parent_id is not None and not self.state.switches.child_as_source:
            raise refused("a point in time is available for root branches only")
        if source.restored_from is not None:
            raise self.snapshot_restore_ongoing()
        if project.history_retention_seconds == 0:
            raise self._bad_point(point, "outside the history window, which is 0 seconds")
        if isinstance(point, datetime):
            self._check_moment(project, source, point)
        elif source.history_lsn is not None and position(point) < position(source.history_lsn):
            raise self._bad_point(point, f"before the start of the history of the branch, {source.history_lsn}")

    def _check_moment(self, project: Project, source: Branch, moment: datetime) -> None:
        now = timestamps.now()
        if moment > now:
            raise self._bad_point(moment, "in the future")
        if moment < source.history_start:
            start = source.history_start.isoformat()
            raise self._bad_point(moment, f"before the start of the history of the branch, {start}")
        oldest = max(now - timedelta(seconds=project.history_retention_seconds), project.history_start)
        if moment < oldest:
            raise self._bad_point(moment, f"outside the history window, which starts at {oldest.isoformat()}")

    def _bad_point(self, point: datetime | str, why: str) -> NeonError:
        """Return the refusal of a point outside the history. Neon publishes no part of it: all are switches."""
        switches = self.state.switches
        asked = f"LSN {point}" if isinstance(point, str) else f"timestamp {point.isoformat()}"
        message = switches.bad_time_message or f"requested {asked} is {why}"
        return NeonError(switches.bad_time_status, message, switches.bad_time_code)

    def snapshot_restore_ongoing(self) -> NeonError:
        """Return the refusal of a point in the history of a branch from a snapshot. The status is a switch."""
        message = "restore from snapshot on target branch is still ongoing"
        return NeonError(self.state.switches.snapshot_restore_status, message)

    async def mark(self, project: Project, source: Branch, point: Point) -> Mark:
        """Fix a point in the history of a branch. Raises NeonError."""
        if point is not None:
            self.check_point(project, source, point)
        try:
            return await self.storage.mark(cluster(source), point)
        except BeyondTheEnd as error:
            raise self._bad_point(str(point), str(error)) from error

    def new_branch(self, project: Project, name: str | None, parent: Branch | None) -> Branch:
        """Make the record of a branch with its parent's roles and databases, and do not add it to the project."""
        now = timestamps.now()
        identifier = identifiers.branch()
        branch = Branch(
            id=identifier,
            project_id=project.id,
            name=name or identifier,
            created_at=now,
            updated_at=now,
            state_changed_at=now,
            history_start=now,
            parent_id=parent.id if parent else None,
        )
        if parent:
            branch.roles = copy.deepcopy(parent.roles)
            branch.databases = copy.deepcopy(parent.databases)
        if parent and parent.protected:
            for role in branch.roles.values():
                role.password, role.updated_at = (identifiers.password() if role.login else None), now
        return branch

    async def fork(self, mark: Mark, branch: Branch, *, new_passwords: bool) -> Fork:
        """Make a cluster for a branch, and match the roles, databases and passwords of cluster and record."""
        fork = await self.storage.fork(mark)
        try:
            await self._fill(branch, fork, new_passwords=new_passwords)
        except BaseException:
            await self.storage.drop(fork.cluster)
            raise
        return fork

    async def _fill(self, branch: Branch, fork: Fork, *, new_passwords: bool) -> None:
        inventory = await self.storage.inventory(fork.cluster)
        now = timestamps.now()
        for name, login in inventory.roles.items():
            if name not in branch.roles:
                password = identifiers.password() if login and new_passwords else None
                branch.roles[name] = Role(name, password, login, now, now)
        branch.roles = {name: role for name, role in branch.roles.items() if name in inventory.roles}
        for name, owner in inventory.databases.items():
            if name not in branch.databases:
                branch.databases[name] = self.new_database(name, owner)
            branch.databases[name].owner_name = owner
        branch.databases = {n: database for n, database in branch.databases.items() if n in inventory.databases}
        passwords = {
            role.name: role.password
            for role in branch.roles.values()
            if role.password and (new_passwords or fork.resolved is None or role.updated_at > fork.resolved)
        }
        if passwords:
            await self.storage.set_passwords(fork.cluster, passwords)

    def new_database(self, name: str, owner: str) -> Database:
        """Make the record of a database."""
        self.state.database_count += 1
        now = timestamps.now()
        return Database(1_000_000 + self.state.database_count, name, owner, now, now)

    async def new_endpoint(
        self,
        project: Project,
        branch: Branch,
        kind: str,
        suspend_seconds: int,
        sizes: tuple[float, float] = (SMALLEST_UNITS, SMALLEST_UNITS),
    ) -> Endpoint:
        """Open a port for a new compute and add its record to the project."""
        identifier = identifiers.endpoint()
        port = await self.computes.open(identifier, idle_after(suspend_seconds))
        now = timestamps.now()
        endpoint = Endpoint(identifier, project.id, branch.id, kind, port, now, now)
        endpoint.suspend_timeout_seconds = suspend_seconds
        endpoint.minimum_units, endpoint.maximum_units = sizes
        project.endpoints[identifier] = endpoint
        return endpoint

    def start_job(self, endpoint: Endpoint) -> Job:
        """Return the operation that starts a compute."""

        async def start() -> None:
            await self.computes.wake(endpoint.id)

        return Job("start_compute", endpoint.branch_id, endpoint.id, start)

    def suspend_job(self, endpoint: Endpoint) -> Job:
        """Return the operation that suspends a compute."""

        async def suspend() -> None:
            await self.computes.suspend(endpoint.id)

        return Job("suspend_compute", endpoint.branch_id, endpoint.id, suspend)

    def delete_jobs(
        self, project: Project, branch: Branch, *, method: str = "user", for_good: bool = False
    ) -> list[Job]:
        """Return the operations that remove a branch with its computes."""
        endpoints = project.endpoints_of(branch.id)

        async def delete() -> None:
            for endpoint in endpoints:
                project.endpoints.pop(endpoint.id, None)
            project.branches.pop(branch.id, None)
            deleted = Deleted(branch, endpoints, timestamps.now(), method)
            if self.state.switches.soft_delete and not for_good:
                project.deleted[branch.id] = deleted
            else:
                await self.erase(deleted)

        return [*map(self.suspend_job, endpoints), Job("delete_timeline", branch.id, None, delete)]

    async def erase(self, deleted: Deleted) -> None:
        """Remove the data of a deleted branch and the ports of its computes."""
        for endpoint in deleted.endpoints:
            await self.computes.shut(endpoint.id)
        if deleted.branch.cluster:
            await self.storage.drop(deleted.branch.cluster)

    def drop_job(self, project: Project, snapshot: Snapshot) -> Job:
        """Return the operation that removes a snapshot."""

        async def drop() -> None:
            if snapshot.hidden_branch.cluster:
                await self.storage.drop(snapshot.hidden_branch.cluster)
            project.snapshots.pop(snapshot.id, None)

        return Job("delete_timeline", snapshot.hidden_branch.id, None, drop)


def touch(record: Branch | Endpoint | Project) -> None:
    """Note that a record has changed."""
    record.updated_at = timestamps.now()


def set_state(branch: Branch, current: str, pending: str | None = None) -> None:
    """Move a branch to another state."""
    branch.current_state, branch.pending_state = current, pending
    branch.state_changed_at = branch.updated_at = timestamps.now()


def idle_after(suspend_seconds: int) -> float:
    """Return after how many unused seconds a compute suspends. A setting of 0 means the default, -1 never."""
    return float(suspend_seconds or DEFAULT_SUSPEND_SECONDS)


def writable_project(control: ControlPlane, request: web.Request) -> Project:
    """Find the project of the path, for a write: refuses while an operation of it is unfinished."""
    found = state(request).projects.get(request.match_info["project_id"])
    if found is None:
        raise NeonError(404, "project not found")
    control.check_unlocked(found)
    return found
