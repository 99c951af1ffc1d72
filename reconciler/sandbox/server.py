"""The sandbox: both APIs and its own on one port of 127.0.0.1, with faults, latency and a log in front of the two."""

import asyncio
import contextlib
import pickle
import secrets
import subprocess
import sys
import time
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from aiohttp import web
from aiohttp.typedefs import Handler

from reconciler.sandbox import cloudflare, example_project, neon, postgres_binaries, transcript, warden
from reconciler.sandbox.cloudflare.state import State
from reconciler.sandbox.clusters import PostgresStorage
from reconciler.sandbox.compute import ADDRESS
from reconciler.sandbox.control import CannotBePutBack, Control, LoggedRequest
from reconciler.sandbox.faults import Action, Faults, Kind
from reconciler.sandbox.neon.api import refusal
from reconciler.sandbox.neon.state import NeonState, Status
from reconciler.sandbox.storage_without_postgres import StorageWithoutPostgres
from reconciler.sandbox.transcript import Transcript
from reconciler.sandbox.workers import Workers
from reconciler.sandbox.workspace import Workspace, open_workspace

NEON_PREFIX = "/api/v2"
CLOUDFLARE_PREFIX = "/client/v4"
_SHUTDOWN_SECONDS = 0.2
_LARGEST_BODY_BYTES = 64 * 1024 * 1024  # a Worker with its modules


class Api(Protocol):
    """One of the two halves."""

    @property
    def state(self) -> Any:
        """Everything it knows, such that `pickle` gives a snapshot."""


class Sandbox:
    """A local Neon and Cloudflare. `await start()`, use `environment`, `await stop()`.

    Without PostgreSQL (`postgres=False`) it keeps no rows: branches, computes, configs and Workers are there, people
    can log in, and whatever needs rows is refused. Then it can be put back (`snapshot`, `rewind`).
    `served` is called after each request to one of the two APIs, whatever became of it.
    `failures` collects unexpected exceptions: an empty list at the end means that no defect was met.
    Raises PostgresMissing, WorkspaceError, StorageError or OSError (port taken) from `start`.
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
        """The variables by which clients find the sandbox, under the names that the official CLIs use."""
        return {
            "NEON_API_HOST": self.url + NEON_PREFIX,
            "NEON_API_KEY": self._neon_key,
            "CLOUDFLARE_API_BASE_URL": self.url + CLOUDFLARE_PREFIX,
            "CLOUDFLARE_API_TOKEN": self._cloudflare_token,
            "CLOUDFLARE_ACCOUNT_ID": self._account_id,
        }

    async def worker_url(self, name: str) -> str:
        """Give where a Worker answers, which stays the same; raises KeyError where there is none of this name."""
        return await self._workers.url(name)

    async def start(self) -> None:
        """Start, and return when everything can be used; where that fails, nothing is left."""
        async with contextlib.AsyncExitStack() as stack:
            await self._start(stack)
            self._stack = stack.pop_all()

    async def stop(self) -> None:
        """Stop; no process, port or directory is left."""
        await self._stack.aclose()

    async def _start(self, stack: contextlib.AsyncExitStack) -> None:
        workspace = open_workspace(self._directory)
        stack.callback(workspace.remove)
        await _watched(workspace, stack)
        storage = self._make_storage(workspace)
        stack.push_async_callback(storage.close)
        control = Control(self._faults, self._switches)
        control.snapshots = self
        neon_half = neon.Neon(self._neon_key, storage, self._faults.pause, self.failures)
        cloudflare_half = cloudflare.Cloudflare(self._account_id, self._cloudflare_token)
        stack.push_async_callback(neon_half.close)
        stack.push_async_callback(cloudflare_half.close)
        self._apis = {NEON_PREFIX: neon_half, CLOUDFLARE_PREFIX: cloudflare_half}
        self._workers = Workers(cloudflare_half.state, workspace.workers, self.note_failure)
        stack.push_async_callback(self._workers.close)
        cloudflare_half.changed = self._workers.changed
        routes = [*neon_half.routes(), *cloudflare_half.routes(), *control.routes(), *self._workers.routes()]
        gate = _Gate(self, control, stack.enter_context(transcript.opened()))
        await self._listen(stack, routes, gate)
        if isinstance(storage, PostgresStorage):
            await storage.prepare()
        if not self._empty:
            await example_project.seed(neon_half, cloudflare_half, storage)

    def _make_storage(self, workspace: Workspace) -> PostgresStorage | StorageWithoutPostgres:
        if not self._postgres:
            workspace.sockets.mkdir(mode=0o700, exist_ok=True)
            self._storage = StorageWithoutPostgres(workspace.sockets)
            return self._storage
        return PostgresStorage(postgres_binaries.find(workspace.path), workspace.clusters, workspace.sockets)

    async def _listen(self, stack: contextlib.AsyncExitStack, routes: list[web.RouteDef], gate: "_Gate") -> None:
        application = web.Application(middlewares=[gate.pass_through], client_max_size=_LARGEST_BODY_BYTES)
        application.add_routes(routes)
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=_SHUTDOWN_SECONDS)
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        await web.TCPSite(runner, ADDRESS, self._port).start()
        self._port = int(runner.addresses[0][1])

    def _switches(self) -> dict[str, Any]:
        return {
            "neon": self._apis[NEON_PREFIX].state.switches,
            "cloudflare": self._apis[CLOUDFLARE_PREFIX].state.settings,
        }

    # What can be put back, without PostgreSQL.

    @property
    def storage(self) -> StorageWithoutPostgres:
        """What stands in PostgreSQL's place. Raises CannotBePutBack with PostgreSQL."""
        if self._storage is None:
            raise CannotBePutBack("a sandbox with PostgreSQL cannot be put back: start it without")
        return self._storage

    @property
    def states(self) -> tuple[NeonState, State]:
        """What the two halves know."""
        neon_half, cloudflare_half = self._apis[NEON_PREFIX], self._apis[CLOUDFLARE_PREFIX]
        return neon_half.state, cloudflare_half.state

    def snapshot(self) -> bytes:
        """Give everything that the sandbox knows, operations that have not ended included. Raises CannotBePutBack."""
        return pickle.dumps((*self.states, self.storage.snapshot()))

    async def rewind(self, snapshot: bytes) -> None:
        """Know again what was known at a snapshot of this very sandbox; operations under way are abandoned.

        Faults, latencies and the log stay as they are. Raises CannotBePutBack.
        """
        storage = self.storage
        neon_state, cloudflare_state, clusters = pickle.loads(snapshot)  # noqa: S301  made by this very process
        neon_half = self._apis[NEON_PREFIX]
        assert isinstance(neon_half, neon.Neon)
        await neon_half.rewind(neon_state)
        vars(self._apis[CLOUDFLARE_PREFIX].state).update(vars(cloudflare_state))
        await storage.rewind(clusters)
        self._before.clear()

    # What the gate asks.

    @property
    def faults(self) -> Faults:
        """The faults and latencies in force."""
        return self._faults

    def prefix_of(self, path: str) -> str | None:
        """Give the prefix of the API that a path belongs to; None for the sandbox's own."""
        return next((prefix for prefix in self._apis if path.startswith(prefix + "/")), None)

    def view(self, prefix: str, method: str, *, stale: bool) -> Any:
        """Give the state that a request sees, and keep a copy of it before a write."""
        state = self._apis[prefix].state
        if method != "GET":
            self._before[prefix] = pickle.dumps(state)
            return state
        before = self._before.get(prefix)
        return pickle.loads(before) if stale and before else state  # noqa: S301  made by this very process

    def retry_after(self, prefix: str) -> str:
        """Give the header of a refusal that says when to come again (a switch of the Neon half); empty for none."""
        return str(self._apis[prefix].state.switches.retry_after) if prefix == NEON_PREFIX else ""

    def note_failure(self, error: BaseException) -> None:
        """Keep an unexpected exception; with `verbose`, say it in one line on standard error."""
        self.failures.append(error)
        if self._verbose:
            place = traceback.extract_tb(error.__traceback__)[-1]
            text = f"{type(error).__name__}: {error} at {place.filename}:{place.lineno}"
            sys.stderr.write(f"sandbox: {text.splitlines()[0]}\n")


class _Gate:
    """What every request goes through: log, transcript, latency, faults, and the state that it may see."""

    def __init__(self, sandbox: Sandbox, control: Control, transcript: Transcript | None) -> None:
        self._sandbox = sandbox
        self._control = control
        self._transcript = transcript

    @web.middleware
    async def pass_through(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        prefix = self._sandbox.prefix_of(request.path)
        if prefix is None:
            return await handler(request)
        begun = time.time()
        entry = self._control.note(request.method, request.path, request.query_string, round(begun * 1000))
        answer = await self._serve(request, handler, prefix)
        entry.status = answer.status if answer is not None else 0
        entry.took_ms = round((time.time() - begun) * 1000, 3)
        if answer is not None and answer.status in {423, 429} and (time_to_wait := self._sandbox.retry_after(prefix)):
            answer.headers.setdefault("Retry-After", time_to_wait)
        lost = bool(request.get("answer_lost"))
        self._sandbox.served(entry)
        if answer is not None and self._transcript and not request.get("answer_spoilt"):
            await self._transcript.note(request, answer, lost=lost)
        return _cut(request) if answer is None or lost else answer

    async def _serve(self, request: web.Request, handler: Handler, prefix: str) -> web.StreamResponse | None:
        """Give the answer; None where the connection is to be closed with nothing done."""
        faults = self._sandbox.faults
        actions = faults.strike(request.method, request.path)
        await asyncio.sleep(faults.pause(request.method, request.path) + _delay(actions))
        kinds = {action.kind for action in actions}
        if Kind.DROP_BEFORE in kinds:
            return None
        for action in actions:
            if action.kind is Kind.STATUS:
                return _busy(request, prefix, action)
        _attach(
            request,
            state=self._sandbox.view(prefix, request.method, stale=Kind.STALE in kinds),
            operation_ends=_end_of_operation(kinds),
            answer_lost=Kind.DROP_AFTER in kinds,
            answer_spoilt=bool(kinds & {Kind.STATUS_AFTER, Kind.GARBLE}),
        )
        return _spoilt(await self._handle(request, handler, prefix), actions)

    async def _handle(self, request: web.Request, handler: Handler, prefix: str) -> web.StreamResponse | None:
        try:
            return await handler(request)
        except web.HTTPException as error:
            return _envelope(request, prefix, error.status, error.reason)
        except ConnectionError:
            return None  # the client left while it was sending
        except Exception as error:  # noqa: BLE001 - whatever it is, the answer must not be a traceback
            self._sandbox.note_failure(error)
            return _envelope(request, prefix, 500, "internal error of the sandbox")


async def _watched(workspace: Workspace, stack: contextlib.AsyncExitStack) -> None:
    """Start the warden, which cleans up if this process ends without doing so."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-I",
        "-S",
        warden.__file__,
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


def _attach(request: web.Request, **values: Any) -> None:
    """Attach values to a request, under plain names: typed keys exist only in aiohttp 3.14 and later, which warns."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", web.NotAppKeyWarning)
        request.update(values)


def _end_of_operation(kinds: set[Kind]) -> Status | None:
    if Kind.ERROR_OPERATION in kinds:
        return Status.ERROR
    return Status.FAILED if Kind.FAIL_OPERATION in kinds else None


def _busy(request: web.Request, prefix: str, action: Action) -> web.Response:
    answer = _envelope(request, prefix, action.number, _words(action.number))
    if action.seconds is not None:
        answer.headers["Retry-After"] = str(action.seconds)
    return answer


def _spoilt(answer: web.StreamResponse | None, actions: list[Action]) -> web.StreamResponse | None:
    """Put something else in the place of the answer to a request that was served."""
    for action in actions:
        if action.kind is Kind.STATUS_AFTER:
            return web.Response(text=f"error code: {action.number}\n", status=action.number)
        if action.kind is Kind.GARBLE and isinstance(answer, web.Response):
            whole = answer.body if isinstance(answer.body, bytes) else b""
            return web.Response(
                body=whole[: len(whole) // 2] or b"{", status=answer.status, content_type="application/json"
            )
    return answer


def _delay(actions: list[Action]) -> float:
    return sum(action.number for action in actions if action.kind is Kind.DELAY) / 1000


def _words(status: int) -> str:
    known = {423: "project already has running conflicting operations, scheduling of new ones is prohibited"}
    return known.get(status, f"injected status {status}")


def _envelope(request: web.Request, prefix: str, status: int, message: str) -> web.Response:
    """Write a refusal as the API does that the path belongs to."""
    if prefix == NEON_PREFIX:
        return refusal(request, status, message)
    body = {
        "success": False,
        "errors": [{"code": 10000 + status, "message": message}],
        "messages": [],
        "result": None,
    }
    return web.json_response(body, status=status)


def _cut(request: web.Request) -> web.Response:
    if request.transport:
        request.transport.abort()
    return web.Response()
