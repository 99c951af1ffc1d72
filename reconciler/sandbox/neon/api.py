"""Neon's API as the server mounts it: routes, access, one write at a time in a project, and expiry."""

import asyncio
import secrets
import uuid
from collections import defaultdict
from datetime import datetime

from aiohttp import web
from aiohttp.typedefs import Handler

from reconciler.sandbox import timestamps
from reconciler.sandbox.neon import account, unserved
from reconciler.sandbox.neon.branches import Branches, check_deletable
from reconciler.sandbox.neon.control_plane import ControlPlane
from reconciler.sandbox.neon.endpoints import Endpoints
from reconciler.sandbox.neon.errors import NeonError
from reconciler.sandbox.neon.operations import Pause
from reconciler.sandbox.neon.projects import Projects
from reconciler.sandbox.neon.recovery import Recovery
from reconciler.sandbox.neon.restore import Restore
from reconciler.sandbox.neon.roles_and_databases import RolesAndDatabases
from reconciler.sandbox.neon.schemas import Schemas
from reconciler.sandbox.neon.snapshots import Snapshots
from reconciler.sandbox.neon.state import NeonState, Project
from reconciler.sandbox.storage import NoData, Storage, StorageError

PREFIX = "/api/v2"


class Neon:
    """Neon's API. `pause` returns the delay of an operation in seconds; `failures` collects unexpected exceptions."""

    def __init__(self, key: str, storage: Storage, pause: Pause, failures: list[BaseException]) -> None:
        self._key = key
        self._control = ControlPlane(storage, pause, failures)
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._expiry: asyncio.Task[None] | None = None
        self.projects = Projects(self._control)

    @property
    def state(self) -> NeonState:
        """The whole state, which can be pickled."""
        return self._control.state

    def routes(self) -> list[web.RouteDef]:
        """Return the routes, with full paths."""
        control = self._control
        routes = [*self.projects.routes(), *account.routes()]
        for handlers in (Branches, Restore, Recovery, Snapshots, Schemas, Endpoints, RolesAndDatabases):
            routes += handlers(control).routes()
        served = [web.route(route.method, route.path, self._guarded(route.handler)) for route in routes]
        return [*served, web.route("*", PREFIX + "/{path:.*}", self._guarded(_unserved))]

    async def close(self) -> None:
        """Abandon operations and close every port."""
        if self._expiry:
            self._expiry.cancel()
            await asyncio.gather(self._expiry, return_exceptions=True)
        await self._control.close()

    async def rewind(self, state: NeonState) -> None:
        """Return to an earlier state, with its computes at the same ports."""
        if self._expiry:
            self._expiry.cancel()
            await asyncio.gather(self._expiry, return_exceptions=True)
        self._locks.clear()
        await self._control.rewind(state)

    def _guarded(self, handler: object) -> Handler:
        """Wrap a handler: check access, allow one write at a time in a project, answer refusals in Neon's format."""

        async def guarded(request: web.Request) -> web.StreamResponse:
            try:
                self._check_key(request)
                if request.method == "GET":
                    return await handler(request)  # type: ignore[operator,no-any-return]
                async with self._locks[request.match_info.get("project_id", "")]:
                    answer: web.StreamResponse = await handler(request)  # type: ignore[operator]
                self._watch_expiry()
                return answer
            except NeonError as error:
                return refusal(request, error.status, error.message, error.code)
            except StorageError as error:
                return refusal(request, 501 if isinstance(error, NoData) else 500, str(error))

        return guarded

    def _check_key(self, request: web.Request) -> None:
        scheme, _, key = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not secrets.compare_digest(key.encode(), self._key.encode()):
            raise NeonError(401, "supplied credentials do not pass authentication")

    def _watch_expiry(self) -> None:
        """Wait for the next expiry. Called after every write, as a write may change when that is."""
        if self._expiry:
            self._expiry.cancel()
        self._expiry = asyncio.create_task(self._expire())

    async def _expire(self) -> None:
        while times := self._expiries():
            await asyncio.sleep(max(0.0, (min(times) - timestamps.now()).total_seconds()))
            for project in list(self.state.projects.values()):
                async with self._locks[project.id]:
                    await self._control.operations.settled(project)
                    self._delete_expired(project)
            for project in list(self.state.projects.values()):
                await self._control.operations.settled(project)

    def _expiries(self) -> list[datetime]:
        found: list[datetime | None] = []
        for project in self.state.projects.values():
            found += [branch.expires_at for branch in project.branches.values()]
            found += [snapshot.expires_at for snapshot in project.snapshots.values()]
        return [moment for moment in found if moment is not None]

    def _delete_expired(self, project: Project) -> None:
        now = timestamps.now()
        snapshots = [item for item in project.snapshots.values() if item.expires_at and item.expires_at <= now]
        jobs = [self._control.drop_job(project, snapshot) for snapshot in snapshots]
        for branch in list(project.branches.values()):
            if branch.expires_at and branch.expires_at <= now:
                try:
                    check_deletable(project, branch)
                except NeonError:
                    branch.expires_at = None  # by now it must not be deleted
                    continue
                jobs += self._control.delete_jobs(project, branch, method="ttl")
        self._control.operations.schedule(project, jobs)


def refusal(request: web.Request, status: int, message: str, code: str = "") -> web.Response:
    """Render a refusal (API description: GeneralError)."""
    request_id = request.headers.get("X-Request-ID") or str(uuid.uuid4())
    return web.json_response({"request_id": request_id, "code": code, "message": message}, status=status)


async def _unserved(request: web.Request) -> web.Response:
    raise unserved.refusal(request.method, request.path)
