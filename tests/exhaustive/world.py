"""A production in a sandbox without PostgreSQL, in this very process: made once, and put back before every run."""

import functools
import gc
import json
import re
import ssl
import sys
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import httpx
from aiohttp import web

from reconciler.cli.repository.environments import EnvironmentFile
from reconciler.cli.wiring import connected
from reconciler.sandbox import timestamps
from reconciler.sandbox.faults import Fault as SandboxFault
from reconciler.sandbox.server import NEON_PREFIX, Sandbox
from tests.exhaustive import upload_stand_in
from tests.exhaustive.checkpoints import Checkpoint, PausedApply
from tests.exhaustive.fence_stand_in import FenceStandIn
from tests.exhaustive.histories import Histories
from tests.exhaustive.lean_transport import LeanTransport
from tests.exhaustive.reserved_ports import ReservedPorts
from tests.exhaustive.seeded_ids import seed_ids
from tests.exhaustive.virtual_time import LoopClock
from tests.support import database
from tests.support.cloudflare import BINDING, Upload, new_config

ROLE, DATABASE, PRIMARY, NAME = "app", "tech961", "main", "shop"
SQL_GATE = "select true"
_BEGUN_SECONDS = 1_767_225_600.0  # the year 2026, whatever the year is: what is done twice has the same names
_EVERYTHING = re.compile("")
_WRANGLER = """\
{
  // The reconciler changes the id below, and nothing else.
  "name": "%s",
  "main": "src/index.js",
  "compatibility_date": "2025-09-01",
  "hyperdrive": [{ "binding": "HYPERDRIVE", "id": "%s" }], /* keep */
}
"""


def prepare_process(loop, *, lean=True):
    """Let providers and sandbox of this process live on the loop's time, and make it quick.

    A TLS context takes 25 ms, and is made once. httpcore tries to import sniffio for every lock, and looks through
    the whole path each time where that is not installed.
    """
    sys.modules.setdefault("sniffio", None)
    if lean:
        httpx._client.AsyncHTTPTransport = LeanTransport
    gc.set_threshold(50_000)
    seed_ids()
    timestamps.read_clock = loop.wall_clock
    ssl.create_default_context = functools.cache(ssl.create_default_context)


class Route:
    """What a visitor of the Workers' address gets: the id of the version that answers, which an override chooses."""

    def __init__(self, world):
        self._world = world
        self.proved = set()
        self.heal()

    def heal(self):
        """Answer well, which `staged` and `live` say of the versions at 0 % and of those that users get."""
        self.staged = self.live = True

    async def answer(self, request):
        wanted = request.headers.get("Cloudflare-Workers-Version-Overrides", "")
        chosen = dict(re.findall(r'([\w-]+)="([^"]*)"', wanted))
        said = []
        for script in self._world.scripts:
            shares = dict(self._world.script(script).deployments[0].split)
            serving = next(version for version, share in shares.items() if share)
            answering = chosen.get(script) if chosen.get(script) in shares else serving
            if not (self.staged if chosen else self.live):
                return web.Response(status=500)
            self.proved.add(answering)
            said.append(answering)
        return web.Response(text=" ".join(said))

    async def open(self):
        application = web.Application()
        application.add_routes([web.get("/health", self.answer)])
        self._runner = web.AppRunner(application, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        return f"http://127.0.0.1:{self._runner.addresses[0][1]}/health"

    async def close(self):
        await self._runner.cleanup()


class World:
    """One project, its Hyperdrive configs and Workers, and a checkout that is no repository: Git takes processes."""

    def __init__(
        self,
        root: Path,
        *,
        workers=1,
        http=False,
        wrangler=False,
        fence=False,
        method=None,
        protected=False,
        strategy=None,
    ):
        self.root = root
        self.scripts = [f"{NAME}-api", f"{NAME}-jobs"][:workers]
        self.sandbox = Sandbox(empty=True, postgres=False)
        self.route = Route(self)
        self._http, self._wrangler, self._protected, self._strategy = http, wrangler, protected, strategy
        self.desired = {"primary": {"project": "", "branch": PRIMARY, "restore": None}}
        if fence:
            self.desired["primary"]["fence"] = True
        if method:
            self.desired["primary"]["method"] = method
        self.fences = FenceStandIn(self)
        self.histories = Histories(self)
        self._snapshots = {}
        self.events = []

    # Making it.

    async def open(self, loop):
        self.loop = loop
        # What the command line reads has the machine's clock, by which a restore must not lie in the future.
        loop.set_wall_clock(_BEGUN_SECONDS)
        await self.sandbox.start()
        self._ports = ReservedPorts(self.sandbox._apis[NEON_PREFIX]._control.computes, self._ports_of_configs)
        url = await self.route.open()
        loop.forget_children()
        self.environment = {
            **self.sandbox.environment,
            "RECONCILER_WRANGLER": self._stand_in(),
            "PATH": "/usr/bin:/bin",
        }
        headers = {"Authorization": f"Bearer {self.environment['NEON_API_KEY']}"}
        self._neon = httpx.AsyncClient(base_url=self.environment["NEON_API_HOST"], headers=headers, trust_env=False)
        account = f"{self.environment['CLOUDFLARE_API_BASE_URL']}/accounts/{self.environment['CLOUDFLARE_ACCOUNT_ID']}"
        headers = {"Authorization": f"Bearer {self.environment['CLOUDFLARE_API_TOKEN']}"}
        self._cloudflare = httpx.AsyncClient(base_url=account, headers=headers, trust_env=False)
        await self._make_project()
        await self._make_workers()
        self._describe(url)
        self.file = self.root / "desired-state" / "production.jsonc"
        self.file.parent.mkdir()
        self.ask(None)

    async def close(self):
        await self._neon.aclose()
        await self._cloudflare.aclose()
        await self.route.close()
        await self.sandbox.stop()
        self._ports.close()

    def _stand_in(self):
        return f"{sys.executable} -I -S {upload_stand_in.__file__}"

    async def _make_project(self):
        wanted = {"name": NAME, "branch": {"role_name": ROLE, "database_name": DATABASE}}
        made = await self.neon("POST", "/projects", json={"project": wanted})
        self.desired["primary"]["project"] = self.project_id = made["project"]["id"]
        await self.settle()
        if self._protected:
            path = f"/projects/{self.project_id}/branches/{self.primary().id}"
            await self.neon("PATCH", path, json={"branch": {"protected": True}})
        self._uri = made["connection_uris"][0]["connection_uri"]
        self.loop.leapt += 60
        self.moments = []
        for _ in range(2):
            self.loop.leapt += 60
            self.moments.append(timestamps.now().replace(microsecond=0))
        self.loop.leapt += 60

    async def _make_workers(self):
        body = new_config(NAME, self._uri, DATABASE, ROLE)
        config = await self.cloudflare("POST", "/hyperdrive/configs", json=body)
        for script in self.scripts:
            files = Upload().parts(HYPERDRIVE=config["id"])
            await self.cloudflare("PUT", f"/workers/scripts/{script}", files=files)
            self.wrangler_file(script).write_text(_WRANGLER % (script, config["id"]))

    def _describe(self, url):
        # How long a gate is tried again is measured by the machine's own clock, on which no time passes here.
        self.http_gate = {"name": "health", "url": url, "contains": "{version}", "for": "1ms"}
        self.desired["hyperdrive"] = {"name": NAME, "database": DATABASE, "role": ROLE}
        if self._strategy:
            self.desired["hyperdrive"]["strategy"] = self._strategy
        entries = [{"config": self.wrangler_file(script).name, "binding": BINDING} for script in self.scripts]
        if self._wrangler:
            entries = [{**entry, "deploy": "wrangler"} for entry in entries]
        self.desired["worker"] = entries if len(entries) > 1 else entries[0]
        self.sql_gates = [{"name": "rows", "query": SQL_GATE}]
        self.desired["verify"] = {"sql": self.sql_gates}
        if self._http:
            self.desired["verify"]["http"] = [self.http_gate]

    # Putting it back.

    async def keep(self, name):
        await self.settle()
        self.sandbox._before.clear()  # who sees none of what its owner did has nothing to do
        self._snapshots[name] = Checkpoint.of(self), tuple(self.moments)

    async def put_back(self, name, moment=None):
        """Put everything back as it was kept, or as it was at a moment of a run that began there."""
        beginning, moments = self._snapshots[name]
        await (moment or beginning).put_back(self)
        self.desired, self.moments = json.loads(self.file.read_text()), list(moments)
        self.calm()
        self.sandbox.states[0].switches.failed_operation_recovers = False
        self.route.heal()
        self.events.clear()

    def files(self):
        paths = [self.file, *map(self.wrangler_file, self.scripts)]
        return {path: path.read_bytes() for path in paths}

    def put_files(self, files):
        for path, content in files.items():
            if path.read_bytes() != content:
                path.write_bytes(content)

    # What its owner does.

    def ask(self, moment, **more):
        restore = None if moment is None else {"to": database.text(moment), **more}
        self.desired["primary"]["restore"] = restore
        self.write()

    def write(self):
        """Write the desired-state file as `desired` is now."""
        self.file.write_text(json.dumps(self.desired, indent=2))

    def read(self):
        return EnvironmentFile(self.file, self.root).read()

    async def apply(self, at_wave=lambda _apply: None, memory=None, is_dead=lambda: False):
        """Apply, as the command line does it; `at_wave` is told when steps are about to be taken.

        With the `memory` that a run had then, go on as that one did. Raises ReconcilerError.
        """
        desired = self.read()
        async with self.connected(desired) as ports:
            try:
                return await PausedApply(desired, ports, self.events.append, at_wave, memory, is_dead).run()
            finally:
                self.histories.note()

    @asynccontextmanager
    async def connected(self, desired):
        """The ports, with the clock of this world and without PostgreSQL."""
        async with connected(desired, self.root, self.environment, clock=LoopClock()) as ports:
            yield replace(ports, fences=self.fences)

    async def neon(self, method, path, **options):
        answer = await self._neon.request(method, path, **options)
        assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json()

    async def cloudflare(self, method, path, **options):
        answer = await self._cloudflare.request(method, path, **options)
        assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json()["result"]

    def _ports_of_configs(self):
        return {each.origin["port"] for each in self.account.configs.values()}

    async def settle(self):
        """Wait for the end of all operations."""
        while self.project.busy:
            await LoopClock().sleep(0.1)
        self.histories.note()

    def strike(self, strikes):
        """Have requests go wrong: (action, nth request from now on, times)."""
        self.sandbox.faults.faults[:] = [
            SandboxFault("*", _EVERYTHING, nth, times, action) for action, nth, times in strikes
        ]

    def calm(self):
        self.sandbox.faults.faults.clear()

    # What is there.

    @property
    def project(self):
        return self.sandbox.states[0].projects[self.project_id]

    @property
    def account(self):
        return self.sandbox.states[1]

    def script(self, name):
        return self.account.scripts[name]

    def wrangler_file(self, script):
        return self.root / ("wrangler.jsonc" if script == self.scripts[0] else "jobs.jsonc")

    def wrangler_id(self, script):
        return re.search(r'"id": "([^"]*)"', self.wrangler_file(script).read_text())[1]

    def primary(self):
        return next((each for each in self.project.branches.values() if each.name == PRIMARY), None)

    def branch_at(self, port):
        """The branch whose compute listens at a port; None where there is none."""
        found = [each.branch_id for each in self.project.endpoints.values() if each.port == port]
        return self.project.branches.get(found[0]) if found else None

    def timeline(self, branch):
        return self.histories.timeline(branch)

    def timeline_asked(self):
        restore = self.desired_restore()
        if restore is None:
            return "origin"
        lsn = restore.get("to_lsn")
        begun = "r-" + re.sub(r"[-:.]", "", restore["to"]) if lsn is None else "lsn-" + lsn.replace("/", "-")
        return begun + (f"-{restore['id']}" if "id" in restore else "")

    def desired_restore(self):
        return json.loads(self.file.read_text())["primary"]["restore"]
