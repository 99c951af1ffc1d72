"""All Workers of the account: their URLs, and which versions of them run.

After each change of the account (`changed`) the versions in the current deployments are started and the others drained.
A Worker runs from the first request for its URL on, so a sandbox whose Workers are not used runs none.
"""

import asyncio
import itertools
import time
from collections import deque
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path

import aiohttp
from aiohttp import web

from reconciler.sandbox.cloudflare.state import Script, State, Version
from reconciler.sandbox.workers import binary
from reconciler.sandbox.workers.configuration import configure
from reconciler.sandbox.workers.front import Front, Unreached, client, forward
from reconciler.sandbox.workers.instance import Instance
from reconciler.sandbox.workers.relay import Relay
from reconciler.sandbox.workers.routing import pick
from reconciler.sandbox.workers.runtime import NotStarted, Runtime

_LOG_LINES = 1000
_ATTEMPTS = 2  # a process that died since the last request is replaced, and the request is sent again
_Key = tuple[str, tuple[object, ...]]
"""A version and its database logins: with other logins it must start again."""


@dataclass(frozen=True)
class LogLine:
    """A line that a Worker printed, why it did not start, or what it lacks. `at_ms` is Unix time in milliseconds."""

    at_ms: int
    worker: str
    version: str
    text: str


@dataclass
class _Worker:
    front: Front
    instances: dict[_Key, Instance] = field(default_factory=dict)


class Workers:
    """The Workers of an account, with their own directory. `failed` gets every unexpected exception."""

    def __init__(self, state: State, directory: Path, failed: Callable[[BaseException], None]) -> None:
        self._state = state
        self._directory = directory
        self._failed = failed
        self._workers: dict[str, _Worker] = {}
        self._relays: dict[str, Relay] = {}
        self._draining: dict[asyncio.Task[None], Instance] = {}
        self._numbers = itertools.count(1)
        self._opening = asyncio.Lock()
        self._program = binary.locate()
        self._workerd: binary.Workerd | None = None
        self._session: aiohttp.ClientSession | None = None
        self._closed = False
        self.log: deque[LogLine] = deque(maxlen=_LOG_LINES)

    def routes(self) -> list[web.RouteDef]:
        """Return the routes below /sandbox."""
        return [web.get("/sandbox/workers", self._list), web.get("/sandbox/workers/log", self._show_log)]

    async def urls(self) -> dict[str, str]:
        """Start all Workers; return their URLs by name."""
        return {name: await self.url(name) for name in list(self._state.scripts)}

    async def url(self, name: str) -> str:
        """Start a Worker; return its URL, which never changes. Raises KeyError if there is none."""
        if name not in self._state.scripts:
            raise KeyError(name)
        async with self._opening:
            if name not in self._workers:
                front = Front(partial(self._serve, name))
                await front.open()
                self._workers[name] = _Worker(front)
        self.changed()
        return self._workers[name].front.url

    def changed(self) -> None:
        """Start the versions that are deployed, and drain the others."""
        if self._closed:
            return
        for relay in self._relays.values():
            relay.refresh()
        for name, worker in self._workers.items():
            script = self._state.scripts.get(name)
            wanted = {self._key(version): version for version in _deployed(script)} if self._program else {}
            for key in worker.instances.keys() - wanted.keys():
                self._drain(worker.instances.pop(key))
            for key, version in wanted.items():
                if key not in worker.instances:
                    worker.instances[key] = Instance(partial(self._start, name, version))

    async def close(self) -> None:
        """Stop everything at once."""
        self._closed = True
        workers, self._workers = self._workers, {}
        draining = dict(self._draining)
        for task in draining:
            task.cancel()
        await asyncio.gather(*draining, return_exceptions=True)
        running = [instance for worker in workers.values() for instance in worker.instances.values()]
        ending = (instance.kill() for instance in [*draining.values(), *running])
        await asyncio.gather(*ending, return_exceptions=True)  # first, so that nothing keeps a process alive
        for worker in workers.values():
            await worker.front.close()
        for relay in self._relays.values():
            await relay.close()
        if self._session:
            await self._session.close()

    async def _serve(self, name: str, request: web.BaseRequest) -> web.StreamResponse:
        try:
            return await self._answer(name, request)
        except NotStarted as error:
            return _page(502, f"Error 1101: the Worker {name} could not be started: {error}")
        except (Unreached, aiohttp.ClientError) as error:
            return _page(502, f"Error 1101: the Worker {name} ended while it answered: {error}")
        except Exception as error:  # noqa: BLE001 - whatever it is, the answer must not be a traceback
            self._failed(error)
            return _page(500, "internal error of the sandbox")

    async def _answer(self, name: str, request: web.BaseRequest) -> web.StreamResponse:
        if self._program is None:
            return _page(503, binary.HOW_TO_GET_IT)
        if self._session is None:
            self._session = client()
        for attempt in range(_ATTEMPTS):
            script, worker = self._state.scripts.get(name), self._workers.get(name)
            if script is None or worker is None:
                break
            key = self._key(pick(script, request.headers))
            if key not in worker.instances:
                self.changed()
            async with worker.instances[key].lease() as runtime:
                try:
                    return await forward(request, self._session, runtime.port)
                except Unreached:
                    if attempt == _ATTEMPTS - 1:
                        raise
                    await runtime.kill()  # it accepts no connections, if it exists at all
        return _page(404, f"There is no Worker {name}.")

    def _key(self, version: Version) -> _Key:
        return version.id, tuple(self._relay(config_id).credentials for config_id in _configs(version))

    def _relay(self, config_id: str) -> Relay:
        if config_id not in self._relays:
            self._relays[config_id] = Relay(config_id, self._state)
        return self._relays[config_id]

    async def _start(self, name: str, version: Version) -> Runtime:
        say = partial(self._say, name, version.id)
        try:
            workerd = await self._examined()
            logins = {config_id: await self._relay(config_id).open() for config_id in _configs(version)}
            configuration = configure(version, logins, workerd.newest_date)
            for note in configuration.notes:
                say(note)
            directory = self._directory / str(next(self._numbers))
            return await Runtime.start(workerd, directory, configuration, say)
        except NotStarted as error:
            say(f"could not be started: {error}")
            raise

    async def _examined(self) -> binary.Workerd:
        assert self._program is not None, "nothing is started without workerd"
        if self._workerd is None:
            try:
                self._workerd = await binary.examine(self._program)
            except OSError as error:
                raise NotStarted(str(error)) from error
        return self._workerd

    def _drain(self, instance: Instance) -> None:
        task = asyncio.get_running_loop().create_task(instance.drain())
        self._draining[task] = instance
        task.add_done_callback(lambda done: self._draining.pop(done, None))

    def _say(self, name: str, version_id: str, text: str) -> None:
        self.log.append(LogLine(round(time.time() * 1000), name, version_id, text))

    async def _list(self, _request: web.Request) -> web.Response:
        return web.json_response(await self.urls())

    async def _show_log(self, _request: web.Request) -> web.Response:
        return web.json_response([asdict(line) for line in self.log])


def _deployed(script: Script | None) -> list[Version]:
    """Return the versions of the current deployment, whatever their share."""
    if script is None or not script.deployments:
        return []
    ids = {version_id for version_id, _ in script.deployments[0].split}
    return [version for version in script.versions if version.id in ids]


def _configs(version: Version) -> list[str]:
    bound = (str(binding.get("id")) for binding in version.bindings if binding["type"] == "hyperdrive")
    return list(dict.fromkeys(bound))


def _page(status: int, text: str) -> web.Response:
    return web.Response(status=status, text=text + "\n")
