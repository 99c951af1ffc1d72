"""An apply in this very process, on a sandbox without PostgreSQL and on a time that leaps: a fraction of a second."""

import asyncio
import gc
import json
import re
import ssl
from contextlib import contextmanager

import httpx
import pytest

from reconciler.cli import wiring
from reconciler.engine.events import StepStarted
from reconciler.engine.loop import Apply
from reconciler.engine.observe import observe
from reconciler.errors import LeaseLost
from reconciler.sandbox import timestamps
from reconciler.sandbox.faults import Action, Fault, Kind, parse_latencies
from tests.exhaustive.campaign import Bench
from tests.exhaustive.invariants import Watch

# What `prepare_process` changes.
_CHANGED = (
    (wiring, "SystemClock"),
    (timestamps, "read_clock"),
    (httpx._client, "AsyncHTTPTransport"),
    (ssl, "create_default_context"),
)


@contextmanager
def worlds_of_this_process():
    """The worlds of the exhaustive run. Whatever they change in this process is as it was when they are gone."""
    threshold = gc.get_threshold()
    with pytest.MonkeyPatch.context() as patch:
        for owner, name in _CHANGED:
            patch.setattr(owner, name, getattr(owner, name))
        worlds = Bench()
        try:
            yield worlds
        finally:
            worlds.close()
            asyncio.set_event_loop(None)
            gc.set_threshold(*threshold)


class _Life:
    """A permit: what is killed does nothing any more."""

    ended = False

    async def confirm(self):
        if self.ended:
            raise LeaseLost("it was killed")


class Stage:
    """One scenario's production, put back to where it begins; `events` is what the last apply reported."""

    def __init__(self, worlds, scenario):
        self.world = worlds.world(scenario)
        self.loop = worlds.loop
        self.world.sandbox.faults.latencies.clear()
        self.world.route.heal()
        self.do(self.world.put_back(scenario))
        self.asked = json.loads(self.world.file.read_text())
        self.watch = Watch(self.world, self.asked["verify"])
        self.events = []

    def do(self, coroutine):
        return self.loop.run_until_complete(coroutine)

    def write(self):
        """Have the file say what `asked` says by now."""
        self.world.file.write_text(json.dumps(self.asked))

    def fault(self, kind, method, path, number=0, *, nth=1, times=1):
        fault = Fault(method, re.compile(path), nth, times, Action(Kind(kind), number))
        self.world.sandbox.faults.faults.append(fault)

    def slow(self, what, seconds):
        """Let a request, or an operation of Neon, take its time: `slow("OPERATION create_branch", 60)`."""
        self.world.sandbox.faults.latencies[:] = parse_latencies({what: seconds * 1000})

    def writes(self):
        """Every write since it was put back, as "POST branches"."""
        asked = [(method, path) for method, path, _ in self.watch.requests if method != "GET"]
        return [f"{method} {path.rsplit('/', 1)[1]}" for method, path in asked]

    def branch(self, name):
        (found,) = [each for each in self.world.project.branches.values() if each.name == name]
        return found

    def names(self):
        return sorted(each.name for each in self.world.project.branches.values())

    def connected(self, use):
        """Run `use(desired, ports)`."""

        async def run():
            desired = self.world.read()
            async with self.world.connected(desired) as ports:
                return await use(desired, ports)

        return self.do(run())

    def observe(self):
        async def look(desired, ports):
            return desired, await observe(desired, ports)

        return self.connected(look)

    def apply(self, expect=None, permit=None, consent=None, **meddling):
        """Apply. `meddling` says what somebody does at the moment that the first step of a kind begins."""

        def report(event):
            self.events.append(event)
            if isinstance(event, StepStarted) and (meddle := meddling.pop(event.step.wire_name, None)):
                meddle()

        async def run(desired, ports):
            return await Apply(desired, ports, report, permit, consent).run(expect)

        outcome = self.connected(run)
        assert not meddling, "that step was never begun"
        return outcome

    def kill_after(self, method, path):
        """Apply, and be killed when this write has been served, before its answer is read."""

        async def run(desired, ports):
            task, life = asyncio.current_task(), _Life()

            def look(_number):
                sent, where, _ = self.watch.requests[-1]
                if sent == method and re.search(path, where):
                    life.ended = True
                    task.cancel()

            self.watch.on_request = look
            await Apply(desired, ports, self.events.append, life).run()

        with pytest.raises(asyncio.CancelledError):
            self.connected(run)
        self.watch.on_request = lambda _number: None

    def said(self, kind):
        return [each for each in self.events if isinstance(each, kind)]
