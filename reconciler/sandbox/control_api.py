"""The sandbox's own API, under /sandbox: readiness, request log, faults, latency, switches and snapshots."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import Any, Protocol

from aiohttp import web

from reconciler.sandbox.faults import FaultError, Faults, parse_faults, parse_latencies


class CannotRewind(Exception):
    """The sandbox has its data in PostgreSQL, which cannot be rewound; the text is one sentence."""


@dataclass
class LoggedRequest:
    """A request to one of the two APIs. `status` and `took_ms` are None until the answer; 0: nothing was done."""

    n: int
    at_ms: int
    method: str
    path: str
    query: str
    status: int | None = None
    took_ms: float | None = None

    def render(self) -> dict[str, Any]:
        """Return the entry as JSON."""
        names = ("n", "at_ms", "took_ms", "method", "path", "query", "status")
        return {name: getattr(self, name) for name in names}


class Snapshots(Protocol):
    """What has a state that can be saved and rewound."""

    def snapshot(self) -> bytes:
        """Return the whole state. Raises CannotRewind."""

    async def rewind(self, snapshot: bytes) -> None:
        """Return to a snapshot."""


@dataclass
class ControlApi:
    """The handlers. `switches` returns the switches of Neon and Cloudflare, by name."""

    faults: Faults
    switches: Callable[[], dict[str, Any]]
    snapshots: Snapshots
    kept: dict[str, bytes] = field(default_factory=dict)
    log: list[LoggedRequest] = field(default_factory=list)
    count: int = 0

    def routes(self) -> list[web.RouteDef]:
        """Return the routes."""
        return [
            web.get("/sandbox/ready", self.ready),
            web.get("/sandbox/requests", self.requests),
            web.delete("/sandbox/requests", self.clear_requests),
            web.post("/sandbox/faults", self.set_faults),
            web.delete("/sandbox/faults", self.clear_faults),
            web.post("/sandbox/latency", self.set_latency),
            web.delete("/sandbox/latency", self.clear_latency),
            web.get("/sandbox/switches", self.get_switches),
            web.post("/sandbox/switches", self.set_switches),
            web.put("/sandbox/snapshots/{name}", self.keep_snapshot),
            web.post("/sandbox/snapshots/{name}/rewind", self.rewind),
        ]

    def note(self, method: str, path: str, query: str, at_ms: int) -> LoggedRequest:
        """Add a request to the log."""
        self.count += 1
        entry = LoggedRequest(self.count, at_ms, method, path, query)
        self.log.append(entry)
        return entry

    async def ready(self, _request: web.Request) -> web.Response:
        """Answer that the sandbox is ready."""
        return web.json_response({"ready": True})

    async def requests(self, _request: web.Request) -> web.Response:
        """Return the log, oldest first."""
        return web.json_response([entry.render() for entry in self.log])

    async def clear_requests(self, _request: web.Request) -> web.Response:
        """Empty the log, and count from 1 again."""
        self.log.clear()
        self.count = 0
        return web.Response(status=204)

    async def set_faults(self, request: web.Request) -> web.Response:
        """Add faults to those in force."""
        try:
            faults = parse_faults(await _json(request))
        except FaultError as error:
            return _bad(error)
        self.faults.faults += faults
        return web.json_response({"faults": len(self.faults.faults)})

    async def clear_faults(self, _request: web.Request) -> web.Response:
        """Remove all faults."""
        self.faults.faults.clear()
        return web.Response(status=204)

    async def set_latency(self, request: web.Request) -> web.Response:
        """Replace the latencies in force."""
        try:
            self.faults.latencies = parse_latencies(await _json(request))
        except FaultError as error:
            return _bad(error)
        return web.json_response({"latencies": len(self.faults.latencies)})

    async def clear_latency(self, _request: web.Request) -> web.Response:
        """Remove all latencies."""
        self.faults.latencies = []
        return web.Response(status=204)

    async def get_switches(self, _request: web.Request) -> web.Response:
        """Return all switches with their values."""
        return web.json_response({name: vars(record) for name, record in self.switches().items()})

    async def keep_snapshot(self, request: web.Request) -> web.Response:
        """Save the present state under a name. 501 with PostgreSQL, whose clusters cannot be rewound."""
        try:
            self.kept[request.match_info["name"]] = self.snapshots.snapshot()
        except CannotRewind as error:
            return web.json_response({"message": str(error)}, status=501)
        return web.Response(status=204)

    async def rewind(self, request: web.Request) -> web.Response:
        """Return to a snapshot, as often as needed."""
        kept = self.kept.get(request.match_info["name"])
        if kept is None:
            return web.json_response({"message": f"there is no snapshot {request.match_info['name']}"}, status=404)
        await self.snapshots.rewind(kept)
        return web.Response(status=204)

    async def set_switches(self, request: web.Request) -> web.Response:
        """Set some switches: `{"neon": {"child_as_source": false}}`."""
        try:
            _switch(self.switches(), await _json(request))
        except FaultError as error:
            return _bad(error)
        return await self.get_switches(request)


def _switch(records: dict[str, Any], value: Any) -> None:
    """Set switches, all or none."""
    changes = []
    for api, wanted in _object(value, "the body").items():
        if api not in records:
            raise FaultError(f"{api!r} has no switches; only {', '.join(records)} have")
        known = {item.name: item for item in fields(records[api])}
        for name, setting in _object(wanted, api).items():
            if name not in known:
                raise FaultError(f"{api} has no switch {name!r}; it has {', '.join(sorted(known))}")
            former = getattr(records[api], name)
            if not _is_like(setting, former):
                raise FaultError(f"{api}.{name} must be like {former!r}")
            choices = known[name].metadata.get("choices", (setting,))
            if setting not in choices:
                raise FaultError(f"{api}.{name} must be one of {', '.join(choices)}")
            changes.append((records[api], name, type(former)(setting)))
    for record, name, setting in changes:
        setattr(record, name, setting)


def _is_like(setting: Any, former: Any) -> bool:
    """Whether a JSON value has the type of another value."""
    if isinstance(former, float):
        return isinstance(setting, int | float) and not isinstance(setting, bool)
    return isinstance(setting, list) if isinstance(former, tuple) else type(setting) is type(former)


def _object(value: Any, place: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise FaultError(f"{place} must be an object")
    return value


async def _json(request: web.Request) -> Any:
    try:
        return await request.json()
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise FaultError(f"the body is not JSON: {error}") from None


def _bad(error: FaultError) -> web.Response:
    return web.json_response({"message": str(error)}, status=400)
