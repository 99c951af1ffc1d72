"""An apply in this process, on a sandbox without PostgreSQL and on simulated time: it takes a fraction of a second."""

import asyncio
import copy
import gc
import re
import ssl
from contextlib import contextmanager

import httpx
import pytest

from reconciler.cli import wiring
from reconciler.core.plan.plan import plan
from reconciler.engine.events import StepStarted
from reconciler.engine.loop import Apply
from reconciler.engine.observe import observe
from reconciler.errors import LeaseLost
from reconciler.sandbox import timestamps
from reconciler.sandbox.faults import Action, Fault, Kind, parse_latencies
from tests.exhaustive.campaign import Worlds
from tests.exhaustive.invariants import Watch

FIRST = "first restore, rebind"
GATED = "HTTP gate at 0 %"
DAY_SECONDS = 86_400

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
        worlds = Worlds()
        try:
            yield worlds
        finally:
            worlds.close()
            asyncio.set_event_loop(None)
            gc.set_threshold(*threshold)


class Killed(BaseException):
    """The process does nothing more."""


class EndsWhen:
    """A lease, or a suspension, that ends with an error as soon as `is_over()`."""

    def __init__(self, is_over, error=None):
        self._is_over = is_over
        self._error = error or LeaseLost("it is someone else's now")

    async def confirm(self):
        if self._is_over():
            raise self._error


def after(questions):
    """A condition that is false so many times, and true from then on."""
    left = iter(range(questions))
    return lambda: next(left, None) is None


def names(steps):
    return [step.wire_name for step in steps]


def taken(outcome):
    """The names of the steps that an apply has taken."""
    return names(done.step for done in outcome.taken)


def rules(found):
    """The rules by which a plan, or the last plan of an apply, was refused."""
    return [each.rule for each in getattr(found, "final", found).refusals]


class Simulation:
    """One scenario's production, put back to where it begins; `events` is what its applies have reported."""

    def __init__(self, worlds, scenario=FIRST, **changes):
        self.world = worlds.world(scenario)
        self.loop = worlds.loop
        self.world.sandbox.faults.latencies.clear()
        self.world.route.heal()
        self.do(self.world.put_back(scenario))
        self.desired = self.world.desired
        self.change(**changes)
        self.watch = Watch(self.world, self.desired["verify"])
        self.events = []

    def do(self, coroutine):
        return self.loop.run_until_complete(coroutine)

    def change(self, **sections):
        """Change sections of the file: a mapping changes its keys, and anything else replaces the section."""
        for name, value in sections.items():
            if isinstance(value, dict):
                self.desired.setdefault(name, {}).update(value)
            else:
                self.desired[name] = value
        self.world.write()

    def ask(self, restore):
        """Ask for a restore as the file has it; None asks for `origin`."""
        self.change(primary={"restore": restore})

    def leave_out(self, *sections):
        for name in sections:
            del self.desired[name]
        self.world.write()

    def leap(self, seconds):
        self.loop.leapt += seconds

    # What goes wrong, and what others do.

    def fault(self, kind, method, path, number=0, *, nth=1, times=1):
        fault = Fault(method, re.compile(path), nth, times, Action(Kind(kind), number))
        self.world.sandbox.faults.faults.append(fault)

    def slow(self, what, seconds):
        """Have a request, or an operation of Neon, take its time: `slow("OPERATION create_branch", 60)`."""
        self.world.sandbox.faults.latencies[:] = parse_latencies({what: seconds * 1000})

    def neon(self, method, path, **body):
        """Change the project by hand, and wait until that is done."""
        self.do(self.world.neon(method, f"/projects/{self.world.project_id}{path}", json=body or None))
        self.do(self.world.settle())

    def change_branch(self, branch, /, **fields):
        self.neon("PATCH", f"/branches/{self.branch(branch).id}", branch=fields)

    def delete_branch(self, name):
        self.neon("DELETE", f"/branches/{self.branch(name).id}")

    def add_branch(self, like, name, **changes):
        """Add a branch at once, in the middle of a run too, that is like another one but for these changes."""
        made = copy.copy(self.branch(like))
        vars(made).update(id="br-by-hand-12345678", name=name, default=False, **changes)
        self.world.project.branches[made.id] = made

    def deploy_by_hand(self, *shares):
        """Deploy (version, percentage) pairs of the first Worker."""
        versions = [{"version_id": version.id, "percentage": percentage} for version, percentage in shares]
        body = {"strategy": "percentage", "versions": versions}
        self.do(self.world.cloudflare("POST", f"/workers/scripts/{self.script.name}/deployments", json=body))

    @contextmanager
    def bound_by_hand(self, name="reports"):
        """What binds another Worker to the config of the version that served before; it is gone in the end."""
        scripts = self.world.account.scripts

        def bind():
            other = copy.deepcopy(self.script)
            other.name, other.deployments = name, other.deployments[1:]
            scripts[name] = other

        yield bind
        del scripts[name]

    # What is there.

    @property
    def script(self):
        """The first Worker."""
        return self.world.script(self.world.scripts[0])

    @property
    def timeline(self):
        """The name of the timeline that the file asks for."""
        return self.world.timeline_asked()

    @property
    def held(self):
        """The name of the one branch that is held."""
        (found,) = [name for name in self.names() if ".held." in name]
        return found

    @property
    def candidate(self):
        return self.branch(f"main.candidate.{self.timeline}")

    def branch(self, name):
        (found,) = [each for each in self.world.project.branches.values() if each.name == name]
        return found

    def compute(self, name="main"):
        (found,) = self.world.project.endpoints_of(self.branch(name).id)
        return found

    def config(self, name):
        (found,) = [each for each in self.world.account.configs.values() if each.name == name]
        return found

    def names(self):
        return sorted(each.name for each in self.world.project.branches.values())

    def configs(self):
        return sorted(each.name for each in self.world.account.configs.values())

    def writes(self):
        """Every write since it was put back, as "POST branches"."""
        asked = [(method, path) for method, path, _ in self.watch.requests if method != "GET"]
        return [f"{method} {path.rsplit('/', 1)[1]}" for method, path in asked]

    def reads(self, path):
        """The paths of every read whose path ends like this."""
        return [each for method, each, _ in self.watch.requests if method == "GET" and each.endswith(path)]

    def reported(self, kind):
        return [each for each in self.events if isinstance(each, kind)]

    # What reconciler does.

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

    def plan(self):
        return plan(*self.observe())

    def apply(self, expect=None, lease=None, suspension=None, **meddling):
        """Apply. `meddling` says what happens by hand at the moment that the first step of a kind begins."""

        def report(event):
            self.events.append(event)
            if isinstance(event, StepStarted) and (meddle := meddling.pop(event.step.wire_name, None)):
                meddle()

        async def run(desired, ports):
            return await Apply(desired, ports, report, lease, suspension).run(expect)

        outcome = self.connected(run)
        assert not meddling, "that step was never begun"
        return outcome

    def converge(self, **meddling):
        """Apply until all is as the file asks; return the names of the steps taken."""
        outcome = self.apply(**meddling)
        assert outcome.converged, rules(outcome)
        return taken(outcome)

    def kill_at(self, event, step):
        """Apply, and be killed when the first such event of such a step is reported."""

        def die(happened):
            if isinstance(happened, event) and happened.step.wire_name == step:
                raise Killed

        with pytest.raises(Killed):
            self.connected(lambda desired, ports: Apply(desired, ports, die).run())

    def kill_after(self, method, path):
        """Apply, and be killed when this write has been served, before its answer is read."""
        served = []

        async def run(desired, ports):
            task = asyncio.current_task()

            def look(_number):
                sent, where, _ = self.watch.requests[-1]
                if sent == method and re.search(path, where):
                    served.append(where)
                    task.cancel()

            self.watch.on_request = look
            await Apply(desired, ports, self.events.append, EndsWhen(lambda: served)).run()

        with pytest.raises(asyncio.CancelledError):
            self.connected(run)
        self.watch.on_request = lambda _number: None
