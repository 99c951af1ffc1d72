"""An account that was built without reconciler: a Neon project, Hyperdrive configs, Workers, and their checkout."""

import itertools
import json

from tests.support.cloudflare import Upload, new_config
from tests.support.waiting import eventually

ROLE = "app"
_NUMBERS = itertools.count(1)


class ExistingAccount:
    """One project, whose root branch and databases have these names; `put` builds on."""

    def __init__(self, sandbox, root, branch="main", databases=("shop",)):
        self.sandbox, self.root = sandbox, root
        self.configs = []
        self.name = f"account{next(_NUMBERS)}"
        (root / ".git").mkdir(parents=True)
        first = {"name": branch, "role_name": ROLE, "database_name": databases[0]}
        made = sandbox.neon("POST", "/projects", json={"project": {"name": self.name, "branch": first}})
        self.project, self.branch = made["project"]["id"], made["branch"]["id"]
        self.settle()
        for name in databases[1:]:
            self.neon("POST", f"/branches/{self.branch}/databases", database={"name": name, "owner_name": ROLE})

    def neon(self, method, path, **body):
        """Write to the project, and wait until that is done."""
        answer = self.sandbox.neon(method, f"/projects/{self.project}{path}", json=body or None)
        self.settle()
        return answer

    def settle(self):
        eventually(lambda: self.sandbox.is_idle(self.project), f"project {self.project}", pause=0.005)

    def add_branch(self, name, **more):
        made = self.neon(
            "POST",
            "/branches",
            branch={"name": name, "parent_id": self.branch},
            endpoints=[{"type": "read_write"}],
            **more,
        )
        return made["branch"]["id"]

    def config(self, name="", database="shop", branch=None, host=None):
        """Create the Hyperdrive config of a database; return its id."""
        query = {"branch_id": branch or self.branch, "database_name": database, "role_name": ROLE}
        uri = self.sandbox.neon("GET", f"/projects/{self.project}/connection_uri", params=query)["uri"]
        override = {"host": host} if host else {}
        body = new_config(name or f"{self.name}-{database}", uri, database, ROLE, **override)
        self.configs.append(self.sandbox.cloudflare("POST", "/hyperdrive/configs", json=body)["id"])
        return self.configs[-1]

    def remove(self):
        """Give back what an account has few of."""
        for config in self.configs:
            self.sandbox.cloudflare("DELETE", f"/hyperdrive/configs/{config}")

    def deploy(self, script, **bindings):
        """Deploy a Worker with Hyperdrive bindings, each a config's id."""
        self.sandbox.cloudflare("PUT", f"/workers/scripts/{script}", files=Upload().parts(**bindings))

    def wrangler(self, path="wrangler.jsonc", env=None, name=None, **bindings):
        """Write a wrangler.jsonc: bindings of the top level, and of each environment."""
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        own = {key: {"hyperdrive": listed(value)} if value else {} for key, value in (env or {}).items()}
        top = {"name": name or f"{self.name}-api", "env": own}
        file.write_text(json.dumps(top | ({"hyperdrive": listed(bindings)} if bindings else {})))

    def worker(self):
        """The usual: one config, one Worker, one binding."""
        config = self.config()
        self.wrangler(HYPERDRIVE=config)
        self.deploy(f"{self.name}-api", HYPERDRIVE=config)
        return config


def listed(bindings):
    return [{"binding": name, "id": config} for name, config in bindings.items()]
