"""A production as its owner has it: a repository, and behind it a Neon project, Hyperdrive configs and Workers."""

import asyncio
import itertools
import json
import re
from collections import Counter

from reconciler.cli.repository.environments import EnvironmentFile
from reconciler.cli.wiring import connected
from reconciler.core.lineage.infer import infer_lineage
from reconciler.engine.loop import Apply
from reconciler.engine.observe import observe
from tests.support import database
from tests.support.cloudflare import BINDING, Upload, new_config
from tests.support.remotes import git
from tests.support.shops import DATABASE, PRIMARY, ROLE

_NUMBERS = itertools.count(1)
_WRANGLER = """\
{
  // The reconciler changes the id below, and nothing else.
  "name": "%s",
  "main": "src/index.js",
  "compatibility_date": "2025-09-01",
  "hyperdrive": [{ "binding": "HYPERDRIVE", "id": "%s" }], /* keep */
}
"""


class Production:
    """One production. `desired` is the desired-state file's content: change it and `write`, or `ask`."""

    def __init__(self, sandbox, shop, root, *, hyperdrive=True, workers=1, protected=False, upload=None):
        self.sandbox = sandbox
        self.shop = shop
        self.root = root
        self.environment = dict(sandbox.environment)
        self.project = shop.project
        self.name = f"shop{next(_NUMBERS)}"
        self.scripts = [f"{self.name}-api", f"{self.name}-jobs"][: workers if hyperdrive else 0]
        self.events = []
        self.upload = upload or Upload()
        self.desired = {"primary": {"project": self.project, "branch": PRIMARY, "restore": None}}
        if hyperdrive:
            self.desired["hyperdrive"] = {"name": self.name, "database": DATABASE, "role": ROLE}
            self._create_config()
        if self.scripts:
            self._deploy_workers()
        if protected:
            self.protect(PRIMARY)
        self._create_repository()
        sandbox.forget_requests()

    # Making it.

    def _create_config(self):
        body = new_config(self.name, self.uri(self.branch(PRIMARY)), DATABASE, ROLE)
        self.sandbox.cloudflare("POST", "/hyperdrive/configs", json=body)

    def _deploy_workers(self):
        config = self.config(self.name)["id"]
        entries = []
        for script in self.scripts:
            self.put_script(script, config, self.upload)
            entries.append({"config": self.wrangler_path(script).name, "binding": BINDING})
            self.wrangler_path(script).write_text(_WRANGLER % (script, config))
        self.desired["worker"] = entries if len(entries) > 1 else entries[0]

    def put_script(self, script, config, upload):
        """Upload and deploy a Worker, as `wrangler deploy` does."""
        self.sandbox.cloudflare("PUT", f"/workers/scripts/{script}", files=upload.parts(HYPERDRIVE=config))

    def _create_repository(self):
        self.file = self.root / "desired-state" / "production.jsonc"
        self.file.parent.mkdir(exist_ok=True)
        self.git("init", "--quiet", "--initial-branch=main")
        self.write("production as it is")

    def git(self, *arguments):
        return git(self.root, *arguments).strip()

    def remove(self):
        """Give back everything that it has in the sandbox."""
        self.sandbox.calm()
        for script in self.scripts:
            self.sandbox.cloudflare("DELETE", f"/workers/scripts/{script}")
        for name in self.own_configs():
            self.sandbox.cloudflare("DELETE", f"/hyperdrive/configs/{self.config(name)['id']}")
        for branch in self.branches().values():
            if branch["protected"]:
                self.change_branch(branch, protected=False)
        self.sandbox.neon("DELETE", f"/projects/{self.project}")

    # What its owner does.

    def ask(self, to, message="", **more):
        """Commit a restore; `to` is a moment, and None asks for `origin`."""
        restore = None if to is None else {"to": database.text(to), **more}
        self.desired["primary"]["restore"] = restore
        self.write(message or f"restore {restore}")

    def ask_lsn(self, lsn, source):
        """Commit a restore to an LSN of a timeline."""
        self.desired["primary"]["restore"] = {"to_lsn": lsn, "from": source}
        self.write(f"restore {lsn}")

    def write(self, message="change"):
        """Write the desired-state file and commit everything."""
        self.file.write_text(json.dumps(self.desired, indent=2))
        self.commit(message)

    def commit(self, message):
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", message)

    def files(self):
        """The content of every file of the repository."""
        found = self.git("ls-files", "-z").split("\0")
        return {name: (self.root / name).read_bytes() for name in found if name}

    def put_files(self, files):
        """Have exactly these files, committed."""
        self.git("clean", "--quiet", "--force", "-d")
        for name, content in files.items():
            (self.root / name).write_bytes(content)
        self.commit("as before")

    def verify(self, *, sql=(), http=()):
        """Put gates into the file: SQL as (query, expected value), HTTP as addresses."""
        self.desired["verify"] = {
            "sql": [{"name": f"sql {n}", "query": query, "expect": value} for n, (query, value) in enumerate(sql)],
            "http": [{"name": f"http {n}", "url": url} for n, url in enumerate(http)],
        }
        self.write("gates")

    def protect(self, name):
        self.change_branch(self.branch(name), protected=True)

    def change_branch(self, branch, **fields):
        self.sandbox.neon("PATCH", f"/projects/{self.project}/branches/{branch['id']}", json={"branch": fields})

    def apply(self, expect=None, report=None):
        """Apply in this process. Raises ReconcilerError."""
        return asyncio.run(self.applying(expect, report))

    async def applying(self, expect=None, report=None):
        """Apply, where a loop is running already. Raises ReconcilerError."""
        desired = EnvironmentFile(self.file, self.root).read()
        async with connected(desired, self.root, self.environment) as ports:
            return await Apply(desired, ports, report or self.events.append).run(expect)

    def observe(self):

        async def look():
            desired = EnvironmentFile(self.file, self.root).read()
            async with connected(desired, self.root, self.environment) as ports:
                return desired, await observe(desired, ports)

        return asyncio.run(look())

    # What is there.

    def branches(self):
        """Every branch by its name, with its annotation as `mark`."""
        body = self.sandbox.neon("GET", f"/projects/{self.project}/branches")
        marks = {key: each["value"] for key, each in body["annotations"].items()}
        return {each["name"]: {**each, "mark": marks.get(each["id"], {})} for each in body["branches"]}

    def is_idle(self):
        """Whether Neon has finished everything."""
        return self.sandbox.is_idle(self.project)

    def branch(self, name):
        found = self.branches()
        assert name in found, f"no branch {name} among {sorted(found)}"
        return found[name]

    def uri(self, branch):
        """How the application logs in to a branch."""
        query = {"branch_id": branch["id"], "database_name": DATABASE, "role_name": ROLE}
        return self.sandbox.neon("GET", f"/projects/{self.project}/connection_uri", params=query)["uri"]

    def configs(self):
        """Every Hyperdrive config of the account by its name."""
        found = self.sandbox.cloudflare("GET", "/hyperdrive/configs", params={"per_page": 100})
        assert len({each["name"] for each in found}) == len(found)
        return {each["name"]: each for each in found}

    def config(self, name):
        return self.configs()[name]

    def own_configs(self):
        return sorted(name for name in self.configs() if name.split("-")[0] == self.name)

    def deployments(self, script):
        """Every deployment that there ever was, newest first, each as {version id: percentage}."""
        path = f"/workers/scripts/{script}/deployments"
        found = self.sandbox.cloudflare("GET", path, params={"per_page": 100})["deployments"]
        return [{each["version_id"]: each["percentage"] for each in one["versions"]} for one in found]

    def version(self, script, version):
        return self.sandbox.cloudflare("GET", f"/workers/scripts/{script}/versions/{version}")

    def versions(self, script):
        """The ids of every version, newest first."""
        path = f"/workers/scripts/{script}/versions"
        found = self.sandbox.cloudflare("GET", path, params={"per_page": 100})["items"]
        return [each["id"] for each in found]

    def serving(self, script):
        """The one version that users reach."""
        ((version, share),) = [each for each in self.deployments(script)[0].items() if each[1]]
        assert share == 100
        return self.version(script, version)

    def bound_to(self, version):
        """The id of the Hyperdrive config that a version is bound to."""
        (found,) = [each["id"] for each in version["resources"]["bindings"] if each["name"] == BINDING]
        return found

    def wrangler_path(self, script):
        return self.root / ("wrangler.jsonc" if script == self.scripts[0] else "jobs.jsonc")

    def wrangler_id(self, script):
        return re.search(r'"id": "([^"]*)"', self.wrangler_path(script).read_text())[1]

    def branch_behind(self, config):
        """The branch that a Hyperdrive config leads to."""
        host = f"{config['origin']['host']}:{config['origin']['port']}"
        endpoints = self.sandbox.neon("GET", f"/projects/{self.project}/endpoints")["endpoints"]
        (identity,) = [each["branch_id"] for each in endpoints if each["host"] == host]
        return next(each for each in self.branches().values() if each["id"] == identity)

    def live_branch(self):
        """The branch that users reach: through Worker and Hyperdrive where there are any."""
        if not self.scripts:
            return self.branch(PRIMARY)
        configs = {each["id"]: each for each in self.configs().values()}
        reached = [self.branch_behind(configs[self.bound_to(self.serving(script))]) for script in self.scripts]
        assert len({each["id"] for each in reached}) == 1, "two Workers reach different databases"
        return reached[0]

    def rows(self):
        """What users see."""
        return database.look(self.uri(self.live_branch()))

    def rows_on(self, name):
        return database.look(self.uri(self.branch(name)))

    def rows_on_held(self, name):
        """What a branch holds; it gets a compute where it has none."""
        path, identity = f"/projects/{self.project}/endpoints", self.branch(name)["id"]
        if identity not in {each["branch_id"] for each in self.sandbox.neon("GET", path)["endpoints"]}:
            self.sandbox.neon("POST", path, json={"endpoint": {"branch_id": identity, "type": "read_write"}})
        return self.rows_on(name)

    def timeline(self):
        """The name of the timeline that the file asks for."""
        restore = self.desired["primary"]["restore"]
        if restore is None:
            return "origin"
        lsn = restore.get("to_lsn")
        begun = "r-" + re.sub(r"[-:.]", "", restore["to"]) if lsn is None else "lsn-" + lsn.replace("/", "-")
        return begun + (f"-{restore['id']}" if "id" in restore else "")

    def config_name(self):
        timeline = self.timeline()
        return self.name if timeline == "origin" else f"{self.name}-{timeline}"

    def timeline_branches(self, timeline):
        """The names of the branches that were made for a timeline."""
        return [name for name, each in self.branches().items() if each["mark"].get("reconciler.timeline") == timeline]

    def live_timeline(self):
        """The timeline that is live, told from Neon alone."""
        desired, observed = self.observe()
        return str(infer_lineage(desired, observed.branches).live.timeline)

    # What must hold.

    def check_live(self, rows):
        """The timeline that the file asks for is live in every respect, and shows these rows."""
        timeline, primary = self.timeline(), self.branch(PRIMARY)
        assert self.live_branch()["id"] == primary["id"]
        assert primary["default"]
        assert self.live_timeline() == timeline
        assert self.rows() == rows
        self.check_one_of_each()
        if "hyperdrive" in self.desired:
            own = [self.config(name) for name in self.own_configs()]
            (config,) = [each for each in own if self.branch_behind(each)["id"] == primary["id"]]
            for script in self.scripts:
                assert self.bound_to(self.serving(script)) == config["id"]
                assert self.wrangler_path(script).read_text() == _WRANGLER % (script, config["id"])
        self.check_never_split()

    def check_one_of_each(self):
        """No timeline has two branches, and no branch two names; configs have unique names."""
        marks = [each["mark"]["reconciler.timeline"] for each in self.branches().values() if each["mark"]]
        twice = [timeline for timeline, count in Counter(marks).items() if count > 1]
        assert not twice, f"made twice: {twice}"

    def check_never_split(self):
        """No deployment that there ever was shared traffic between two versions."""
        for script in self.scripts:
            for shares in self.deployments(script):
                assert sorted(shares.values()) in ([100], [0, 100]), shares

    def check_in_sync(self):
        """Another apply does nothing at all."""
        self.sandbox.forget_requests()
        outcome = self.apply()
        assert outcome.converged
        assert outcome.taken == ()
        assert self.sandbox.writes() == []

    def secrets(self):
        """Every password of every role of every branch."""
        found = []
        for branch in self.branches().values():
            path = f"/projects/{self.project}/branches/{branch['id']}/roles"
            names = [role["name"] for role in self.sandbox.neon("GET", path)["roles"]]
            found += [self.sandbox.neon("GET", f"{path}/{name}/reveal_password")["password"] for name in names]
        return found
