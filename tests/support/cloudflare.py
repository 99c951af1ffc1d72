"""What Cloudflare is sent to create a Hyperdrive config and to upload a Worker."""

import json
from dataclasses import dataclass

import httpx

BINDING = "HYPERDRIVE"
_MODULE = b"export default { async fetch() { return new Response('ok') } }\n"


def new_config(name, uri, database, role, **origin):
    """The body that creates a config for a database behind a connection string."""
    uri = httpx.URL(uri)
    login = {"host": uri.host, "port": uri.port, "database": database, "user": role, "password": uri.password}
    return {"name": name, "origin": {"scheme": "postgres", **login, **origin}}


@dataclass(frozen=True)
class Upload:
    """What a version of a Worker consists of, besides its bindings to Hyperdrive."""

    bindings: tuple = ()
    modules: tuple = (("index.js", _MODULE, "application/javascript+module"),)
    flags: tuple = ()

    def parts(self, **configs):
        """The parts of the upload; `configs` are ids of Hyperdrive configs by the names of their bindings."""
        bound = [{"name": name, "type": "hyperdrive", "id": config} for name, config in configs.items()]
        metadata = {
            "main_module": self.modules[0][0],
            "bindings": [*bound, *self.bindings],
            "compatibility_date": "2025-09-01",
            "compatibility_flags": list(self.flags),
        }
        modules = [(name, (name, content, kind)) for name, content, kind in self.modules]
        return [("metadata", (None, json.dumps(metadata), "application/json")), *modules]
