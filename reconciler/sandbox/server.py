"""The sandbox: Neon's and Cloudflare's API and its own, on one port of 127.0.0.1."""

import asyncio
import contextlib
import pickle
import secrets
import subprocess
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from aiohttp import web

from reconciler.sandbox import cleanup, cloudflare, example_project, exchange_log, neon
from reconciler.sandbox.cloudflare.api import PREFIX as CLOUDFLARE_PREFIX
from reconciler.sandbox.cloudflare.state import State
from reconciler.sandbox.computes import ADDRESS
from reconciler.sandbox.control_api import CannotRewind, ControlApi, LoggedRequest
from reconciler.sandbox.faults import Faults
from reconciler.sandbox.middleware import Middleware
from reconciler.sandbox.neon.api import PREFIX as NEON_PREFIX
from reconciler.sandbox.neon.state import NeonState
from reconciler.sandbox.postgres.clusters import PostgresStorage
from reconciler.sandbox.postgres.installation import find_installation
from reconciler.sandbox.without_postgres.storage import StorageWithoutPostgres
from reconciler.sandbox.workers import Workers
from reconciler.sandbox.workspace import Workspace, open_workspace

_SHUTDOWN_SECONDS = 0.2
_LARGEST_BODY_BYTES = 64 * 1024 * 1024  # a Worker with its modules


class Api(Protocol):
    """Neon's or Cloudflare's API."""

    @property
    def state(self) -> Any:
        """Its whole state, which can be pickled."""


class Sandbox:
    """A local Neon and Cloudflare. `await start()`, use `environment`, `await stop()`.

    Without PostgreSQL (`postgres=False`) it has branches, computes, configs, Workers and logins, but no rows, and
    refuses queries about them. Such a sandbox can be rewound to an earlier state (`snapshot`, `rewind`).
    `served` is called after each request to one of the two APIs, whatever its outcome.
    `failures` collects unexpected exceptions; each is a defect of the sandbox.
    `start` raises PostgresMissing, WorkspaceError, StorageError or OSError (port taken).
    """

    def __init__(
        self,
        directory: Path | None = None,
        *,
        port: int = 0,
        empty: bool = False,
        verbose: bool = False,
        postgres: bool = True,
    ) -> None:
        self._directory = directory
        self._port = port
        self._empty = empty
        self._verbose = verbose
        self._postgres = postgres
        self._neon_key = f"napi_{secrets.token_hex(24)}"
        self._cloudflare_token = secrets.token_hex(20)
        self._account_id = secrets.token_hex(16)
        self._apis: dict[str, Api] = {}
        self._before: dict[str, bytes] = {}
        self.served: Callable[[LoggedRequest], None] = lambda _request: None
        self._faults = Faults()
        self._stack = contextlib.AsyncExitStack()
        self._storage: StorageWithoutPostgres | None = None
        self.failures: list[BaseException] = []

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://{ADDRESS}:{self._port}"

    @property
    def environment(self) -> dict[str, str]:
        """The variables through which clients find the sandbox, named as the official CLIs name them."""
        return {
            "NEON_API_HOST": self.url + NEON_PREFIX,
            "NEON_API_KEY": self._neon_key,
            "CLOUDFLARE_API_BASE_URL": self.url + CLOUDFLARE_PREFIX,
            "CLOUDFLARE_API_TOKEN": self._cloudflare_token,
            "CLOUDFLARE_ACCOUNT_ID": self._account_id,
        }

    async def worker_url(self, name: str) -> str:
        """Return the URL of a Worker, which never changes. Raises KeyError if there is none of this name."""
        return await self._workers.url(name)

    async def start(self) -> None:
        """Start, and return when everything is ready. A start that fails leaves nothing behind."""
        async with contextlib.AsyncExitStack() as stack:
            await self._start(stack)
            self._stack = stack.pop_all()

    async def stop(self) -> None:
        """Stop; no process, port or directory is left."""
        await self._stack.aclose()

    async def _start(self, stack: contextlib.AsyncExitStack) -> None:
        workspace = open_workspace(self._directory)
        stack.callback(workspace.remove)
        await _start_cleanup(workspace, stack)
        storage = self._make_storage(workspace)
        stack.push_async_callback(storage.close)
        control = ControlApi(self._faults, self._switches, self)
        neon_api = neon.Neon(self._neon_key, storage, self._faults.pause, self.failures)
        cloudflare_api = cloudflare.Cloudflare(self._account_id, self._cloudflare_token)
        stack.push_async_callback(neon_api.close)
        stack.push_async_callback(cloudflare_api.close)
        self._apis = {NEON_PREFIX: neon_api, CLOUDFLARE_PREFIX: cloudflare_api}
        self._workers = Workers(cloudflare_api.state, workspace.workers, self.note_failure)
        stack.push_async_callback(self._workers.close)
        cloudflare_api.changed = self._workers.changed
        routes = [*neon_api.routes(), *cloudflare_api.routes(), *control.routes(), *self._workers.routes()]
        middleware = Middleware(self, control, stack.enter_context(exchange_log.opened()))
        await self._listen(stack, routes, middleware)
        if isinstance(storage, PostgresStorage):
            await storage.prepare()
        if not self._empty:
            await example_project.seed(neon_api, cloudflare_api, storage)

    def _make_storage(self, workspace: Workspace) -> PostgresStorage | StorageWithoutPostgres:
        if not self._postgres:
            workspace.sockets.mkdir(mode=0o700, exist_ok=True)
            self._storage = StorageWithoutPostgres(workspace.sockets)
            return self._storage
        return PostgresStorage(find_installation(workspace.path), workspace.clusters, workspace.sockets)

    async def _listen(
        self, stack: contextlib.AsyncExitStack, routes: list[web.RouteDef], middleware: Middleware
    ) -> None:
        application = web.Application(middlewares=[middleware.pass_through], client_max_size=_LARGEST_BODY_BYTES)
        application.add_routes(routes)
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=_SHUTDOWN_SECONDS)
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        await web.TCPSite(runner, ADDRESS, self._port).start()
        self._port = int(runner.addresses[0][1])

    def _switches(self) -> dict[str, Any]:
        return {
            "neon": self._apis[NEON_PREFIX].state.switches,
            "cloudflare": self._apis[CLOUDFLARE_PREFIX].state.switches,
        }

    # Snapshots, without PostgreSQL only.

    @property
    def storage(self) -> StorageWithoutPostgres:
        """The storage without PostgreSQL. Raises CannotRewind in a sandbox with PostgreSQL."""
        if self._storage is None:
            raise CannotRewind("a sandbox with PostgreSQL cannot be rewound: start it with --without-postgres")
        return self._storage

    @property
    def states(self) -> tuple[NeonState, State]:
        """The states of Neon and Cloudflare."""
        neon_api, cloudflare_api = self._apis[NEON_PREFIX], self._apis[CLOUDFLARE_PREFIX]
        return neon_api.state, cloudflare_api.state

    def snapshot(self) -> bytes:
        """Return the whole state, unfinished operations included. Raises CannotRewind."""
        return pickle.dumps((*self.states, self.storage.snapshot()))

    async def rewind(self, snapshot: bytes) -> None:
        """Return to a snapshot of this sandbox, and abandon the operations that run.

        Faults, latencies and the logs stay as they are. Raises CannotRewind.
        """
        storage = self.storage
        neon_state, cloudflare_state, clusters = pickle.loads(snapshot)  # noqa: S301 - made by this process
        neon_api = self._apis[NEON_PREFIX]
        assert isinstance(neon_api, neon.Neon)
        await neon_api.rewind(neon_state)
        vars(self._apis[CLOUDFLARE_PREFIX].state).update(vars(cloudflare_state))
        await storage.rewind(clusters)
        self._before.clear()

    # The protocol `Apis` of the middleware.

    @property
    def faults(self) -> Faults:
        """The faults and latencies in force."""
        return self._faults

    def prefix_of(self, path: str) -> str | None:
        """Return the prefix of the API that a path belongs to; None for the sandbox's own paths."""
        return next((prefix for prefix in self._apis if path.startswith(prefix + "/")), None)

    def view(self, prefix: str, method: str, *, stale: bool) -> Any:
        """Return the state that a request sees; before a write, keep a copy of it for the fault `stale`."""
        state = self._apis[prefix].state
        if method != "GET":
            self._before[prefix] = pickle.dumps(state)
            return state
        before = self._before.get(prefix)
        return pickle.loads(before) if stale and before else state  # noqa: S301 - made by this process

    def retry_after(self, prefix: str) -> str:
        """Return the header `Retry-After` of a refusal, which is a switch of Neon; empty for none."""
        return str(self._apis[prefix].state.switches.retry_after) if prefix == NEON_PREFIX else ""

    def note_served(self, entry: LoggedRequest) -> None:
        """Call `served`."""
        self.served(entry)

    def note_failure(self, error: BaseException) -> None:
        """Keep an unexpected exception; with `verbose`, print it as one line on standard error."""
        self.failures.append(error)
        if self._verbose:
            place = traceback.extract_tb(error.__traceback__)[-1]
            text = f"{type(error).__name__}: {error} at {place.filename}:{place.lineno}"
            sys.stderr.write(f"sandbox: {text.splitlines()[0]}\n")


async def _start_cleanup(workspace: Workspace, stack: contextlib.AsyncExitStack) -> None:
    """Start the process that cleans up if this one ends without doing so."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-I",
        "-S",
        cleanup.__file__,
        *map(str, workspace.removable),
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd="/",
        start_new_session=True,
    )

    async def dismiss() -> None:
        if process.stdin:
            process.stdin.close()
        await process.wait()

    stack.push_async_callback(dismiss)
